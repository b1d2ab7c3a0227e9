"""Folds: laws that hold for every plan, and which plan is chosen when."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from folders import planned, prepared, rows, write_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.arrays import load_arrays, load_plan
from tasks.validation import Plan, adversarial

QUIET = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def obeys(plan: Plan) -> None:
    """No row is fitted and validated in one fold; no row is validated twice."""
    assert plan.folds
    for fit, validate in plan.folds:
        assert len(fit) and len(validate)
        assert not np.intersect1d(fit, validate).size
    validated = np.concatenate([validate for _, validate in plan.folds])
    assert len(np.unique(validated)) == len(validated)
    assert plan.validated.sum() == len(validated)
    json.dumps(plan.to_json())


def binary(n: int, **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return rows(n).assign(**columns, y=rng.permutation(np.arange(n) % 2))


def days(n: int, start: str = "2020-01-01", freq: str = "D") -> pd.Series:
    return pd.Series(pd.date_range(start, periods=n, freq=freq).strftime("%Y-%m-%d %H:%M:%S"))


@QUIET
@given(counts=st.lists(st.integers(1, 30), min_size=2, max_size=6).filter(lambda c: sum(c) >= 6 and max(c) > 1))
def test_classes_of_any_size_are_spread_and_never_alone_among_fit_rows(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int],
) -> None:
    labels = [f"c{k}" for k, count in enumerate(counts) for _ in range(count)]
    train, test = rows(len(labels)).assign(y=labels), rows(9, first=1000)
    _, tables, _, plan = planned(write_folder(tmp_path_factory.mktemp("task"), train, test,
                                              test[["id"]].assign(y="c0")))
    obeys(plan)
    target = tables.train["y"].to_numpy()
    for fit, validate in plan.folds:
        assert set(target[validate]) <= set(target[fit])
        assert len(set(target[fit])) > 1
        for label, count in zip(*np.unique(target, return_counts=True), strict=True):
            assert abs((target[validate] == label).sum() - count / len(plan.folds)) <= 1


def test_a_regression_target_is_spread_by_its_size(tmp_path: Path) -> None:
    train, test = rows(400).assign(y=np.random.default_rng(0).lognormal(sigma=2, size=400)), rows(50, first=400)
    _, tables, _, plan = planned(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.0)))
    obeys(plan)
    assert plan.scheme == "stratified" and plan.validated.all()
    medians = [tables.train["y"].iloc[validate].median() for _, validate in plan.folds]
    assert np.std(medians) < 0.1


def test_a_plan_is_the_same_for_the_same_seed_and_another_for_another(tmp_path: Path) -> None:
    test = rows(50, first=400)
    folder = write_folder(tmp_path, binary(400), test, test[["id"]].assign(y=0.5))
    first, again, other = (planned(folder, seed=s)[3] for s in (0, 0, 1))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first.folds, again.folds, strict=True))
    assert not np.array_equal(first.folds[0][1], other.folds[0][1])


@pytest.mark.parametrize("kind", ["binary", "regression"])
@pytest.mark.parametrize("named", [True, False])
def test_entities_that_test_does_not_share_do_not_straddle_folds(tmp_path: Path, kind: str, named: bool) -> None:
    rng = np.random.default_rng(0)
    who = rng.integers(0, 60, 600)
    train = binary(600, patient=[f"p{i}" for i in who])
    train["y"] = train["y"] if kind == "binary" else rng.normal(size=600)
    test = rows(100, first=600).assign(patient=[f"q{i % 15}" for i in range(100)])
    folder = write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5), toml='group = "patient"' if named else "")
    _, tables, _, plan = planned(folder)
    obeys(plan)
    assert plan.group == "patient"
    assert plan.scheme == ("stratified_grouped" if kind == "binary" else "grouped")
    for fit, validate in plan.folds:
        patients = tables.train["patient"]
        assert not set(patients.iloc[fit]) & set(patients.iloc[validate])
        assert abs(len(validate) - 120) < 30


def test_entities_that_test_shares_are_no_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    train = binary(600, shop=[f"s{i}" for i in rng.integers(0, 60, 600)])
    test = rows(100, first=600).assign(shop=[f"s{i}" for i in rng.integers(0, 60, 100)])
    assert planned(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5)))[3].scheme == "stratified"


@pytest.mark.parametrize(("name", "grouped"), [("PatientID", True), ("session_id", True), ("subject", True), ("grid", False)])
def test_who_is_named_in_train_alone_does_not_straddle_folds(tmp_path: Path, name: str, grouped: bool) -> None:
    who = np.repeat(np.arange(60), 10)
    train = binary(600, **{name: who * 7 + 1000})
    test = rows(100, first=600)
    folder = write_folder(tmp_path / "task", train, test, test[["id"]].assign(y=0.5), toml='targets = ["y"]')
    plan = planned(folder)[3]
    assert plan.group == (name if grouped else None)
    if grouped:
        assert all(not set(who[fit]) & set(who[validate]) for fit, validate in plan.folds)
        arrays = prepared(folder, tmp_path / "run")[3]
        assert len(np.unique(arrays.units)) == 60 and len(np.unique(arrays.test_units)) == 100


def test_one_group_only_falls_back_to_shuffled_rows(tmp_path: Path) -> None:
    test = rows(40, first=60).assign(site="b")
    folder = write_folder(tmp_path, binary(60, site="a"), test, test[["id"]].assign(y=0.5), toml='group = "site"')
    obeys(planned(folder)[3])


@pytest.mark.parametrize("column", ["date", "year", "week"])
def test_a_later_test_is_validated_forward_in_time(tmp_path: Path, column: str) -> None:
    n = 500
    values = {"date": days(n + 100, freq="6h"), "year": pd.Series(1950 + np.arange(n + 100) // 10),
              "week": pd.Series(np.arange(n + 100) // 4)}[column]
    order = np.random.default_rng(0).permutation(n)
    train = binary(n, **{column: values.iloc[order].to_numpy()})
    test = rows(100, first=n).assign(**{column: values.iloc[n:].to_numpy()})
    _, tables, _, plan = planned(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5)))
    obeys(plan)
    assert (plan.scheme, plan.time) == ("forward", column)
    for fit, validate in plan.folds:
        assert tables.train[column].iloc[fit].max() < tables.train[column].iloc[validate].min()
    assert not plan.validated.all()


def test_a_row_number_that_goes_on_in_test_is_no_time(tmp_path: Path) -> None:
    train, test = binary(400, row=np.arange(400)), rows(100, first=400).assign(row=np.arange(400, 500))
    assert planned(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5)))[3].scheme == "stratified"


def test_an_irregular_past_still_gives_forward_folds(tmp_path: Path) -> None:
    when = pd.concat([days(10), days(390, "2021-06-01", "min")], ignore_index=True)
    train, test = binary(400, when=when), rows(40, first=400).assign(when=days(40, "2022-01-01"))
    _, _, _, plan = planned(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5)))
    obeys(plan)
    assert plan.scheme == "forward" and len(plan.folds) >= 2


@pytest.mark.parametrize(("start", "unseen", "one_year"), [
    ("2020-06-01", (6, 7), True), ("2020-04-20", (6, 7), False), ("2017-06-01", (), False),
])
def test_a_season_that_train_has_once_and_no_fold_validates_is_told(
    tmp_path: Path, start: str, unseen: tuple[int, ...], one_year: bool,
) -> None:
    past = pd.Series(pd.date_range(start, "2021-05-31", freq="D").strftime("%Y-%m-%d"))
    train, test = binary(len(past), when=past), rows(61, first=len(past)).assign(when=days(61, "2021-06-01"))
    plan = planned(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5)))[3]
    assert plan.scheme == "forward" and plan.unseen_months == unseen
    assert any("(June, July)" in reason for reason in plan.reasons) == bool(unseen)
    assert plan.one_year == one_year == any("no month of the year twice" in reason for reason in plan.reasons)


def test_the_last_days_of_each_month_are_validated_by_stretches_of_days(tmp_path: Path) -> None:
    hours = pd.DataFrame({"when": pd.date_range("2011-01-01", "2011-12-31 23:00", freq="2h")})
    early = (hours["when"].dt.day <= 19).to_numpy()
    when = hours["when"].dt.strftime("%Y-%m-%d %H:%M:%S")
    frame = rows(len(hours)).assign(when=when, count=np.arange(len(hours)) % 97)
    test = frame[~early].drop(columns="count")
    folder = write_folder(tmp_path, frame[early], test, test[["id"]].assign(count=0.5))
    _, tables, _, plan = planned(folder)
    obeys(plan)
    assert (plan.scheme, plan.time) == ("grouped", "when")
    dates = pd.to_datetime(tables.train["when"]).dt.date
    for fit, validate in plan.folds:
        assert not set(dates.iloc[fit]) & set(dates.iloc[validate])


def test_a_shift_between_train_and_test_is_seen_and_said(tmp_path: Path) -> None:
    train, test = binary(400), rows(200, first=400, seed=3)
    test["size"] += 3
    plan = planned(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5)))[3]
    assert plan.adversarial_auc is not None and plan.adversarial_auc > 0.9
    assert plan.adversarial_columns[0] == "size"
    assert any("train and test rows differ" in reason for reason in plan.reasons)


def test_an_alike_train_and_test_cannot_be_told_apart(tmp_path: Path) -> None:
    test = rows(400, first=400, seed=3)
    plan = planned(write_folder(tmp_path, binary(400), test, test[["id"]].assign(y=0.5)))[3]
    assert plan.adversarial_auc is not None and plan.adversarial_auc < 0.6


def test_groups_that_no_file_shares_are_no_shift(tmp_path: Path) -> None:
    """Rows of a patient are alike in size; the test has patients of its own, drawn as those of train were."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(120), 10)
    both = rows(1200).assign(patient=patient, size=rng.normal(size=120)[patient] + rng.normal(scale=0.01, size=1200))
    train = both[patient < 90].assign(y=np.arange(900) % 2)
    test = both[patient >= 90]
    folder = write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5), toml='group = "patient"')
    _, tables, found, plan = planned(folder)
    assert plan.adversarial_auc is not None and plan.adversarial_auc < 0.65
    apart, _ = adversarial(tables.train, tables.test, {c: r for c, r in found.roles.items() if c != "patient"}, seed=0)
    assert apart is not None and apart > 0.7


def test_rows_of_a_group_are_a_unit_of_noise_in_both_files(tmp_path: Path) -> None:
    patient = np.repeat(np.arange(120), 10)
    both = rows(1200).assign(patient=[f"p{i}" for i in patient])
    train, test = both[patient < 90].assign(y=np.arange(900) % 2), both[patient >= 90]
    folder = write_folder(tmp_path / "task", train, test, test[["id"]].assign(y=0.5), toml='group = "patient"')
    _, tables, _, arrays = prepared(folder, tmp_path / "run")
    assert arrays.units is not None and arrays.test_units is not None
    assert (len(np.unique(arrays.units)), len(np.unique(arrays.test_units))) == (90, 30)
    assert not np.intersect1d(arrays.units, arrays.test_units).size
    named = tables.train["patient"].iloc[arrays.order].reset_index(drop=True)
    assert named.groupby(arrays.units).nunique().max() == 1
    again = load_arrays(tmp_path / "run")
    assert np.array_equal(again.units, arrays.units) and np.array_equal(again.test_units, arrays.test_units)


def test_what_a_trial_is_given_holds_no_label_of_a_row_that_it_predicts(tmp_path: Path) -> None:
    train, test = rows(300).assign(y=np.arange(300) + 0.5), rows(40, first=300)
    folder = write_folder(tmp_path / "task", train, test, test[["id"]].assign(y=0.5))
    _, tables, found, arrays = prepared(folder, tmp_path / "run")
    table = pa.ipc.open_file(pa.memory_map(str(arrays.data / "features.arrow"))).read_all()
    assert table.column_names == list(found.roles) and not {"id", "y"} & set(table.column_names)
    assert table.num_rows == arrays.n_train + arrays.n_test == 340
    for k, (fit, validate) in enumerate(arrays.folds):
        given = {part: np.load(arrays.data / f"fold-{k}" / f"{part}.npy") for part in ("fit", "predict", "target")}
        assert not set(given["fit"]) & set(given["predict"])
        assert not set(given["target"]) & set(arrays.truth[validate])
        assert np.array_equal(given["target"], arrays.truth[fit])
        assert np.array_equal(given["predict"], [*validate, *range(300, 340)])
        assert len(given["predict"]) == arrays.predict_rows(k)
    sizes = table.column("size").to_numpy()
    assert np.array_equal(sizes[:300], tables.train["size"].to_numpy()[arrays.order])
    assert np.array_equal(arrays.truth, tables.train["y"].to_numpy()[arrays.order])
    assert not np.array_equal(arrays.order, np.arange(300))
    assert (tmp_path / "run" / "private").stat().st_mode & 0o777 == 0o700


def test_the_smoke_rows_are_few_have_every_class_and_lie_within_the_first_fold(tmp_path: Path) -> None:
    train, test = rows(3000).assign(y=["rare"] * 8 + ["a", "b"] * 1496), rows(40, first=3000)
    folder = write_folder(tmp_path / "task", train, test, test[["id"]].assign(y="a"))
    _, _, _, arrays = prepared(folder, tmp_path / "run")
    fit, predict, target = (np.load(arrays.data / "smoke" / f"{part}.npy") for part in ("fit", "predict", "target"))
    assert (len(fit), len(predict)) == (400, 150)
    assert set(target) == {0, 1, 2}
    assert set(fit) <= set(arrays.folds[0][0]) and set(predict) <= set(arrays.folds[0][1])


def test_what_was_written_is_read_back_alike(tmp_path: Path) -> None:
    train, test = rows(100).assign(y=["a", "b"] * 50), rows(10, first=100)
    folder = write_folder(tmp_path / "task", train, test, test[["id"]].assign(y="a"))
    _, _, _, arrays = prepared(folder, tmp_path / "run")
    again = load_arrays(tmp_path / "run")
    assert (again.test_ids, again.columns, again.prediction_width) == (
        arrays.test_ids, arrays.columns, arrays.prediction_width)
    assert np.array_equal(again.truth, arrays.truth) and np.array_equal(again.order, arrays.order)
    assert all(np.array_equal(a, b) for x, y in zip(again.folds, arrays.folds, strict=True)
               for a, b in zip(x, y, strict=True))
    assert load_plan(tmp_path / "run")["scheme"] == "stratified"


def test_large_data_validate_three_tenths_so_that_models_know_nine(tmp_path: Path) -> None:
    test = rows(100, first=60_000)
    *_, large = planned(write_folder(tmp_path / "even", binary(60_000), test))
    assert [(len(fit), len(held)) for fit, held in large.folds] == [(54_000, 6_000)] * 3
    few = rows(60_000).assign(y=(np.arange(60_000) < 300) * 1)
    *_, rare = planned(write_folder(tmp_path / "rare", few, test), seconds=15.0)
    assert rare.validated.all() and len(rare.folds) == 3


@pytest.mark.parametrize(("seconds", "count"), [(15.0, 1), (25.0, 3)])
def test_large_data_have_one_fold_where_the_time_is_short_for_them(tmp_path: Path, seconds: float, count: int) -> None:
    *_, plan = planned(write_folder(tmp_path, binary(60_000), rows(100, first=60_000)), seconds=seconds)
    assert [(len(fit), len(held)) for fit, held in plan.folds] == [(54_000, 6_000)] * count
    assert ("the time is short" in plan.reasons[0]) == (count == 1)


@pytest.mark.parametrize(("seconds", "count"), [(1.0, 1), (3.0, 5)])
def test_a_table_of_many_columns_has_one_fold_where_the_time_is_short_for_its_cells(
    tmp_path: Path, seconds: float, count: int,
) -> None:
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(510, 700)).round(2)).add_prefix("x").assign(y=np.arange(510) % 2)
    *_, plan = planned(write_folder(tmp_path, wide[:500], wide[500:].drop(columns="y")), seconds=seconds)
    assert [(len(fit), len(held)) for fit, held in plan.folds] == [(400, 100)] * count


@pytest.mark.parametrize(("classes", "rare", "tenths"), [(26, False, True), (26, True, False), (4, False, False)])
def test_many_rows_of_many_classes_are_large_data(tmp_path: Path, classes: int, rare: bool, tenths: bool) -> None:
    labels = np.array([*"abcdefghijklmnopqrstuvwxyz"])[np.arange(10_000) % classes]
    train = rows(10_000).assign(y=np.where((labels == "b") & (np.arange(10_000) > 500), "a", labels) if rare else labels)
    folder = write_folder(tmp_path, train, rows(100, first=10_000))
    *_, plan = planned(folder)
    sizes = [(len(fit), len(held)) for fit, held in plan.folds]
    assert sizes == [(9_000, 1_000)] * 3 if tenths else len(sizes) == 5
    *_, asked = planned(folder, folds=4)
    assert len(asked.folds) == 4


def test_threads_on_both_sides_of_the_folds_are_seen_where_the_test_has_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(3000)]
    threads = [" ".join(rng.choice(words, 30)) for _ in range(150)]
    replies = [f"{threads[rng.integers(120)]} {' '.join(rng.choice(words, 10))}" for _ in range(600)]
    others = [f"{threads[120 + i % 30]} {' '.join(rng.choice(words, 10))}" for i in range(150)]
    train = pd.DataFrame({"id": range(600), "post": replies, "y": rng.integers(0, 2, 600)})
    test = pd.DataFrame({"id": range(600, 750), "post": others})
    *_, plan = planned(write_folder(tmp_path / "others", train, test))
    assert plan.nearer > 0.9 and "too bright" in plan.reasons[-1]
    *_, plan = planned(write_folder(tmp_path / "same", train.iloc[:450], train.iloc[450:].drop(columns="y")))
    assert 0.4 < plan.nearer < 0.6
