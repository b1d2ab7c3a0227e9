"""The kit's parts for data of a certain kind: users and items, series in time. Each beats what knows nothing of the kind."""

import re
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from agent.kit import boosters, encoders, features, forecast, likeness, recommend, sequences, signal, splits
from tasks.metrics import metric


def card(kind: str, metric: str, **changes: object) -> SimpleNamespace:
    fields = {"kind": kind, "metric": metric, "classes": [], "roles": {}, "group": None, "time": None, "seed": 0, "threads": 1,
              "device": "cpu", "seconds_left": 60.0, "assets": None, "targets": ["y"]}
    return SimpleNamespace(**(fields | changes))


def ratings(rows: int = 6000) -> tuple[pd.DataFrame, pd.Series]:
    """Users and items with tastes of two kinds; pairs hardly ever come twice."""
    random = np.random.default_rng(0)
    cells = random.permutation(150 * 120)[:rows]
    user, item = cells // 120, cells % 120
    taste, style = random.normal(size=(150, 2)), random.normal(size=(120, 2))
    y = 3 + 0.5 * random.normal(size=150)[user] + (taste[user] * style[item]).sum(axis=1) + random.normal(0, 0.3, rows)
    return pd.DataFrame({"user": pd.Categorical(user), "item": item, "noise": random.normal(size=rows)}), pd.Series(y)


def test_factors_and_neighbours_expect_more_than_biases() -> None:
    rows, y = ratings()
    task = card("regression", "rmse")
    assert recommend.pair_of(rows[:4500], rows[4500:], task) == ("user", "item")
    left, right = recommend.features(rows[:4500], y[:4500], rows[4500:].reset_index(drop=True), task)
    for side, truth in ((left, y[:4500]), (right, y[4500:])):
        error = {part: float(np.std(truth.to_numpy() - side[f"pair_{part}"])) for part in ("bias", "factors", "near")}
        assert error["factors"] < 0.6 * error["bias"] and error["near"] < 0.95 * error["bias"]
    direct = recommend.factors(rows[:4500], y[:4500], rows[4500:], task)
    assert np.std(y[4500:] - direct) < 0.7


def test_expectations_of_train_rows_come_from_other_rows() -> None:
    rows, _ = ratings()
    y = pd.Series(np.random.default_rng(1).normal(size=len(rows)))
    left, _ = recommend.features(rows, y, rows[:10], card("regression", "rmse"))
    assert all(abs(np.corrcoef(left[f"pair_{part}"], y)[0, 1]) < 0.06 for part in ("bias", "factors", "near"))


def test_tables_without_users_and_items_have_no_pair() -> None:
    random = np.random.default_rng(0)
    city = random.integers(0, 60, 3000)
    rows = pd.DataFrame({"city": pd.Categorical(city), "street": pd.Categorical(city * 5 + random.integers(0, 5, 3000)),
                         "size": random.normal(size=3000)})
    assert recommend.pair_of(rows[:2000], rows[2000:], card("regression", "rmse")) is None
    y = pd.Series(random.integers(0, 2, 2000))
    assert np.ptp(recommend.factors(rows[:2000], y, rows[2000:], card("binary", "auc", classes=["0", "1"]))) == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_things_of_one_kind_are_known_from_both_sides(sign: int) -> None:
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 300, (2, 3000))
    worth = rng.normal(size=300)
    rows = pd.DataFrame({"home": one, "away": two})
    y = pd.Series(worth[one] + sign * worth[two] + rng.normal(0, 0.5, 3000))  # friends, or teams
    task = card("regression", "rmse")
    aside = rows.assign(away=rows["away"] + 1000)  # the same, but nobody can see that both are of one kind
    made, apart = (recommend.factors(side[:2500], y[:2500], side[2500:], task) for side in (rows, aside))
    errors = [np.sqrt(((y[2500:] - guess) ** 2).mean()) for guess in (made, apart)]
    assert errors[0] < 0.9 * errors[1]



def test_the_next_item_is_what_those_chose_who_chose_the_same() -> None:
    random = np.random.default_rng(0)
    user = random.integers(0, 100, 3000)
    item = (user % 4) * 10 + random.integers(0, 10, 3000)  # four circles of ten items
    rows = pd.DataFrame({"user": pd.Categorical(user), "day": random.normal(size=3000)})
    task = card("multiclass", "map@5", classes=[str(k) for k in range(40)])
    shares = recommend.next_item(rows[:2500], pd.Series(item[:2500]), rows[2500:], task)
    assert shares.shape == (500, 40) and np.allclose(shares.sum(axis=1), 1)
    best = np.argsort(-shares, axis=1)[:, :5]
    assert (best // 10 == user[2500:, None] % 4).mean() > 0.9


def series(days: int = 400, *, shops: int = 6, late: int = 28) -> tuple[pd.DataFrame, pd.Series, int]:
    """Daily sales of shops with a week, a drift and noise; the last days are to be predicted."""
    random = np.random.default_rng(0)
    day, shop = (part.ravel() for part in np.meshgrid(np.arange(days), np.arange(shops), indexing="ij"))
    y = 100 + 20 * shop + 0.05 * day * (shop - 2) + 15 * np.sin(2 * np.pi * day / 7 + shop) + random.normal(0, 3, len(day))
    rows = pd.DataFrame({"date": pd.Timestamp("2020-01-01") + pd.to_timedelta(day, "D"),
                         "shop": pd.Categorical([f"s{k}" for k in shop]), "promo": random.integers(0, 2, len(day))})
    return rows, pd.Series(y), (days - late) * shops


@pytest.mark.parametrize("metric", ["rmse", "smape"])
def test_smoothing_forecasts_weeks_and_drift(metric: str) -> None:
    rows, y, n = series()
    task = card("regression", metric, time="date")
    made = forecast.smoothed(rows[:n], y[:n], rows[n:].reset_index(drop=True), task)
    assert np.abs(y[n:] - made).mean() < 4.5


def test_trees_go_on_from_a_level_that_train_never_had() -> None:
    rows, y, n = series()
    grown = y + 0.5 * (rows["date"] - rows["date"].min()).dt.days + 20 * rows["promo"]
    task = card("regression", "mae", time="date")
    later = rows[n:].reset_index(drop=True)
    made = forecast.relative(rows[:n], grown[:n], later, task)
    dated = features.dates(rows[:n], later, task)
    plain = boosters.lightgbm(dated[0], grown[:n], dated[1], task)
    errors = [np.abs(grown[n:] - guess).mean() for guess in (made, plain)]
    assert errors[0] < 6 and errors[0] < 0.5 * errors[1]


def test_without_a_grid_what_is_relative_is_the_prior() -> None:
    rows, y, n = series()
    made = forecast.relative(rows[:n], y[:n], rows[n:].reset_index(drop=True), card("regression", "rmse"))
    assert np.allclose(made, y[:n].mean())


def test_times_that_give_way_to_their_parts_still_say_which_rows_are_latest() -> None:
    rows, y, n = series()
    task = card("regression", "rmse", time="date")
    left, _ = features.dates(rows[:n], rows[n:], task, absolute=False)
    assert "date" not in left
    held = splits.held_out(left, y[:n], task)
    assert held.mean() == pytest.approx(0.2, abs=0.01) and rows["date"][:n][held].min() > rows["date"][:n][~held].max()


def test_the_past_is_a_horizon_away_and_known_for_rows_to_predict_too() -> None:
    rows, y, n = series()
    task = card("regression", "rmse", time="date")
    left, right = forecast.past(rows[:n], y[:n], rows[n:].reset_index(drop=True), task)
    new = [name for name in left.columns if name.startswith("past_")]
    assert {"past_last", "past_season7", "past_season364", "past_mean7", "past_trend"} <= set(new)
    known = [name for name in new if "364" not in name and "year" not in name]
    assert right[known].notna().all(axis=None) and left.iloc[n // 2 :][known].notna().all(axis=None)
    row = 300 * 6 + 2
    assert left["past_season7"][row] == y[row - 28 * 6] and left["past_last"][row] == y[row - 28 * 6]
    changed = y[:n].copy()
    changed[row - 27 * 6 :] = 0.0  # nothing within the horizon is seen
    assert forecast.past(rows[:n], changed, rows[n:], task)[0].iloc[: row + 1][new].equals(left.iloc[: row + 1][new])


def test_series_that_are_often_zero_say_for_how_long() -> None:
    rows, y, n = series()
    some = y.where(np.random.default_rng(3).random(len(y)) < 0.2, 0.0)
    left, right = forecast.past(rows[:n], some[:n], rows[n:].reset_index(drop=True), card("regression", "rmse", time="date"))
    assert {"past_zeros", "past_idle"} <= set(left.columns) and right["past_zeros"].between(0.5, 1).all()


def test_months_are_steps_and_years_are_seasons() -> None:
    month = np.arange(96)
    rows = pd.DataFrame({"month": pd.date_range("2010-01-01", periods=96, freq="MS")})
    y = pd.Series(50 + 10 * np.sin(2 * np.pi * month / 12) + 0.2 * month)
    task = card("regression", "rmse", time="month")
    grid = forecast.grid_of(rows[:84], rows[84:], task)
    assert grid is not None and (grid.step, grid.horizon, grid.width) == ("month", 12, 96)
    made = forecast.smoothed(rows[:84], y[:84], rows[84:], task)
    assert np.abs(made - y[84:]).mean() < 2.0


def test_without_time_or_with_test_rows_in_between_nothing_is_added() -> None:
    rows, y, n = series()
    between = rows.iloc[5:50]
    assert forecast.past(rows[:n], y[:n], between, card("regression", "rmse", time="date"))[0].equals(rows[:n])
    assert forecast.past(rows[:n], y[:n], rows[n:], card("regression", "rmse"))[0].equals(rows[:n])


@pytest.mark.parametrize("options", [{"rounds": 60}, {}])
def test_accelerated_failure_times_rank_who_fails_early(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(600, 3)), columns=list("abc"))
    duration = np.exp(1 - rows["a"] + 0.3 * random.normal(size=600)) * 100
    seen = random.random(600) < 0.6
    target = pd.DataFrame({"time": np.where(seen, duration, duration * random.random(600)), "event": seen.astype(int)})
    risk = boosters.aft(rows[:450], target[:450], rows[450:], card("survival", "concordance"), **options)
    assert np.corrcoef(pd.Series(risk).rank(), rows["a"][450:].rank())[0, 1] > 0.85
    assert "choice best_rounds" in capsys.readouterr().out


def test_a_signal_is_told_by_its_shape_wherever_it_happens() -> None:
    random = np.random.default_rng(0)
    fast, start, time = random.integers(0, 2, 200), random.uniform(0, 6, 200), np.arange(60)
    wave = np.sin(time[None, :] * np.where(fast, 0.9, 0.4)[:, None] + start[:, None]) + random.normal(0, 0.2, (200, 60))
    rows = pd.DataFrame(wave, columns=[f"ax_{k:02d}" for k in time]).assign(age=1.0)
    rows.iloc[3, :] = np.nan
    task = card("binary", "auc")
    assert list(signal.channels(rows, task)) == ["ax_"] and len(signal.channels(rows, task)["ax_"]) == 60
    left, right = signal.features(rows[:150], rows[150:], task)
    assert "age" in left and "ax_00" not in left and left.filter(like="ax_").notna().all(axis=None)
    period = right["ax_period"]
    assert (np.where(period < 11, 1, 0) == fast[150:]).mean() > 0.95
    assert "ax_00" in signal.features(rows[:150], rows[150:], task, keep=True)[0]


def test_numbered_things_are_no_signal() -> None:
    random = np.random.default_rng(0)
    common = random.normal(size=(300, 1))
    counts = pd.DataFrame(random.poisson(0.2, (300, 40)), columns=[f"item_{k}" for k in range(40)])
    marks = pd.DataFrame(common + random.normal(size=(300, 30)), columns=[f"mark_{k}" for k in range(30)])  # of one pupil each
    steps = pd.DataFrame(random.normal(size=(300, 50)).cumsum(axis=1), columns=[f"step_{k}" for k in range(50)])
    assert list(signal.channels(pd.concat([counts, marks, steps], axis=1), card("binary", "auc"))) == ["step_"]


def test_amounts_are_fitted_with_a_loss_whose_spread_grows_with_the_mean() -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(800, 2)), columns=["a", "b"])
    y = pd.Series(random.poisson(np.exp(rows["a"])).astype(float))
    for objective in ("poisson", "tweedie"):
        made = boosters.lightgbm(rows[:600], y[:600], rows[600:], card("regression", "rmse"), objective=objective)
        assert made.min() >= 0 and np.corrcoef(made, np.exp(rows["a"][600:]))[0, 1] > 0.7


def test_likeness_tells_which_texts_have_to_do_with_each_other() -> None:
    rng = np.random.default_rng(0)
    ends = ("house", "river", "stone", "cloud", "horse", "bread")
    words = np.array([f"{a}{b}" for a in ("red", "old", "big", "wet", "low") for b in ends])
    said = [rng.choice(words, 6, replace=False) for _ in range(600)]
    fits = rng.integers(0, 2, 600)
    asked = [" ".join(rng.choice(each, 3, replace=False)) if fit else " ".join(rng.choice(words, 3)) for each, fit in
             zip(said, fits, strict=True)]
    told = {"question": asked, "answer": [" ".join(each) for each in said],
            "other": [" ".join(rng.choice(words, 5)) for _ in range(600)]}
    rows = pd.DataFrame({**{name: pd.Series(texts, dtype="str") for name, texts in told.items()},
                         "town": pd.Categorical.from_codes(rng.integers(0, 3, 600), ["red house", "old river", "big stone"])})
    task = card("binary", "auc", roles={"question": "text", "answer": "text", "other": "text", "town": "categorical"})
    assert likeness.pairs_of(rows, task) == [("answer", "question")]
    left, right = likeness.features(rows[:400], rows[400:].reset_index(drop=True), task)
    assert list(left.columns) == list(right.columns) and len(left) == 400 and len(right) == 200
    shared = right["answer~question_words_second"].to_numpy()  # how much of the question the answer has
    assert metric("auc").score(fits[400:], shared) > 0.97
    alone, _ = likeness.features(rows[["question", "town"]], rows[["question", "town"]].head(3), task)
    assert list(alone.columns) == ["question", "town"]
    missing = rows.assign(answer=pd.Series([None] * 600, dtype="str"))
    assert likeness.features(missing, missing.head(2), task)[0].shape == missing.shape


def test_columns_of_the_same_levels_are_told_apart_from_others() -> None:
    rng = np.random.default_rng(2)
    towns = np.array([f"town {k}" for k in range(30)])
    rows = pd.DataFrame({name: pd.Categorical(towns[rng.integers(0, 30, 200)]) for name in ("bill", "parcel")})
    rows["shop"] = pd.Categorical([f"shop {k % 25}" for k in range(200)])
    rows["paid"], rows["sent"] = (pd.Categorical(rng.choice(["yes", "no"], 200)) for _ in range(2))
    task = card("binary", "auc", roles=dict.fromkeys(rows, "categorical"))
    assert likeness.same_levels(rows, task) == [("bill", "parcel")]
    left, right = likeness.same(rows[:150], rows[150:].reset_index(drop=True), task)
    assert set(left.columns) - set(rows) == {"bill~parcel_same"}
    assert np.array_equal(right["bill~parcel_same"] == 1, (rows["bill"].astype(str) == rows["parcel"].astype(str))[150:])


@pytest.mark.parametrize("role", ["text", "categorical"])
def test_sequences_are_told_by_their_letters_and_by_what_stands_where(role: str) -> None:
    rng = np.random.default_rng(2)
    letters = rng.choice(list("ACGT"), (300, 12))
    rows = pd.DataFrame({"strand": ["".join(row) for row in letters]})
    rows["strand"] = rows["strand"].astype("category" if role == "categorical" else "str")
    task = card("binary", "auc", roles={"strand": role})
    left, right = sequences.features(rows[:200], rows[200:].reset_index(drop=True), task)
    assert ("strand" in left) == (role == "text") and list(left) == list(right)
    assert np.array_equal(left["strand_count_G"], (letters[:200] == "G").sum(axis=1))
    assert right["strand_at3"].astype(str).tolist() == letters[200:, 3].tolist()
    uneven = pd.DataFrame({"strand": [row[: 8 + k % 5] for k, row in enumerate(rows["strand"].astype(str))]})
    left, _ = sequences.features(uneven[:200], uneven[200:].reset_index(drop=True), task)
    assert set(left["strand_length"]) == {8, 9, 10, 11, 12} and "strand_at3" not in left


@pytest.mark.parametrize("make", [
    lambda k, rng: f"{rng.integers(1 << 60):x}",               # checksums
    lambda k, rng: f"C{rng.integers(100, 999)}-PLT{k:04d}",     # codes
    lambda k, rng: " ".join(rng.choice(["red", "ready"], 5)),  # words
    lambda k, rng: "".join(rng.choice(list("ACGT"), 5)),       # too short
])
def test_what_is_no_sequence_is_left_alone(make: Callable[[int, np.random.Generator], str]) -> None:
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"code": pd.Series([make(k, rng) for k in range(200)], dtype="str")})
    assert sequences.sequence_columns(rows, card("binary", "auc", roles={"code": "text"})) == []


@pytest.mark.parametrize(("codes", "columns"), [
    (lambda k, rng: f"{'ABC'[k % 3]}{rng.integers(100, 900)}-PLT{k % 7:02d}",
     {"code_part0", "code_part1", "code_part3", "code_level3"}),  # PLT is the same everywhere
    (lambda k, rng: f"{'BCD'[k % 3]}/{rng.integers(0, 300)}/{'PS'[k % 2]}", {"code_part0", "code_part1", "code_part2"}),
    (lambda k, rng: f"user{k}", set()),  # one part tells no more than the whole
    (lambda k, rng: "".join(rng.choice(list("abc123"), 8)), set()),
])
def test_codes_are_taken_apart(codes: Callable[[int, np.random.Generator], str], columns: set[str]) -> None:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"code": [codes(k, rng) for k in range(500)], "size": rng.normal(size=500)})
    rows["code"] = rows["code"].where(rng.random(500) > 0.05).astype("category")
    task = card("regression", "rmse", roles={"code": "categorical"})
    left, right = encoders.parts(rows[:400], rows[400:].reset_index(drop=True), task)
    assert set(left.columns) - {"code", "size"} == columns and list(left.columns) == list(right.columns)
    assert ("code" in left.columns) == (not columns or rows["code"][:400].nunique() <= 200)
    if columns:
        digits = right["code_part1"].to_numpy()
        told = rows["code"][400:].astype(object).map(
            lambda code: float(re.findall(r"\d+", code)[0]) if isinstance(code, str) else np.nan)
        assert np.array_equal(digits, told.to_numpy(float), equal_nan=True)
    assert encoders.parted_columns(rows, card("regression", "rmse", roles={"code": "categorical"}, group="code")) == []
