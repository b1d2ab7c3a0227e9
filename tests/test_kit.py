"""Contract of the kit: every model answers every kind of task, every block keeps to its shape, nothing leaks."""

import inspect
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn import ensemble
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.svm import SVC, SVR

from agent.kit import (
    boosters,
    clock,
    columns,
    encoders,
    features,
    forests,
    groups,
    history,
    linear,
    losses,
    matrix,
    neighbours,
    ngrams,
    penalties,
    selection,
    splits,
    text,
)

PREDICTIONS = {
    "binary": "probability",
    "multiclass": "distribution",
    "multilabel": "probabilities",
    "regression": "value",
    "multiregression": "values",
    "ordinal": "value",
    "survival": "value",
}
METRICS = {
    "binary": "auc",
    "multiclass": "log_loss",
    "multilabel": "auc",
    "regression": "rmse",
    "multiregression": "rmse",
    "ordinal": "qwk",
    "survival": "concordance",
}
MODELS: dict[str, Callable[..., np.ndarray]] = {
    "lightgbm": boosters.lightgbm,
    "xgboost": boosters.xgboost,
    "catboost": boosters.catboost,
    "random_forest": forests.random_forest,
    "extra_trees": forests.extra_trees,
    "regularised": linear.regularised,
    "biases": linear.biases,
    "support_vectors": linear.support_vectors,
    "knn": neighbours.knn,
    "text": text.linear_model,
    "ridge": text.ridge,
}
QUICK = {"lightgbm": {"rounds": 20}, "xgboost": {"rounds": 20}, "catboost": {"rounds": 20}}
QUICK |= {"random_forest": {"trees": 20}, "extra_trees": {"trees": 20}}
BLOCKS: dict[str, Callable[..., tuple[pd.DataFrame, pd.DataFrame]]] = {
    "counts": encoders.counts,
    "target_mean": encoders.target_mean,
    "ordinal": encoders.ordinal,
    "one_hot": encoders.one_hot,
    "rare": encoders.rare,
    "encoder_pairs": encoders.pairs,
    "binned": encoders.binned,
    "dates": features.dates,
    "missing": features.missing,
    "pairs": features.pairs,
    "group_aggregates": features.group_aggregates,
    "digits": features.digits,
    "row_statistics": features.row_statistics,
    "clusters": features.clusters,
    "svd": features.svd,
    "factorised": features.factorised,
    "within": groups.within,
    "around": history.around,
    "telling": selection.telling,
    "text": text.reduce,
}


def frame(rows: int, seed: int) -> pd.DataFrame:
    """Columns of every role with gaps, an infinite value, a constant and an empty column."""
    random = np.random.default_rng(seed)
    age, city = random.normal(40, 10, rows), random.integers(0, 5, rows)
    age[::7] = np.nan
    words = np.array(["good", "bad", "fine", "poor", "great", "awful"])
    return pd.DataFrame(
        {
            "age": age,
            "income": np.where(np.arange(rows) == 3, np.inf, random.lognormal(3, 1, rows)),
            "rooms": random.integers(0, 300, rows),
            "constant": 1.0,
            "empty": np.nan,
            "city": pd.Categorical.from_codes(np.where(np.arange(rows) % 11, city, -1), list("abcdefg")),
            "user": pd.Categorical.from_codes(random.integers(0, 30, rows), [f"u{k}" for k in range(40)]),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, rows), "D"),
            "note": pd.Series([" ".join(random.choice(words, 5)) for _ in range(rows)], dtype="str"),
        }
    )


ROLES = {"city": "categorical", "user": "categorical", "when": "datetime", "note": "text"}


def card(kind: str, **changes: object) -> SimpleNamespace:
    fields = {
        "kind": kind,
        "prediction": PREDICTIONS[kind],
        "metric": METRICS[kind],
        "greater_is_better": True,
        "classes": {"binary": ["no", "yes"], "multiclass": list("pqrs"), "ordinal": list("1234")}.get(kind, []),
        "targets": ["y"],
        "roles": ROLES,
        "group": None,
        "time": None,
        "seed": 3,
        "threads": 1,
        "device": "cpu",
        "seconds_left": 60.0,
        "assets": None,
    }
    return SimpleNamespace(**(fields | changes))


def signal(rows: pd.DataFrame) -> np.ndarray:
    return rows["rooms"].to_numpy(float) / 150 + (rows["city"] == "a") + rows["note"].str.count("good").to_numpy(float)


def target_of(kind: str, rows: pd.DataFrame) -> pd.Series | pd.DataFrame:
    score = signal(rows) + np.random.default_rng(5).normal(0, 0.3, len(rows))
    rank = pd.Series(score).rank(pct=True).to_numpy()
    if kind == "binary":
        return pd.Series((rank > 0.6).astype(int))
    if kind in ("multiclass", "ordinal"):
        return pd.Series(np.minimum((rank * 4).astype(int), 3))
    if kind == "multilabel":
        return pd.DataFrame({"y0": (rank > 0.5).astype(int), "y1": (rank < 0.3).astype(int), "y2": 0})
    if kind == "multiregression":
        return pd.DataFrame({"y0": score, "y1": -2 * score})
    if kind == "survival":
        return pd.DataFrame({"duration": np.exp(-score) + 0.01, "event": (np.arange(len(rows)) % 3 > 0).astype(int)})
    return pd.Series(score)


def width(kind: str, task: SimpleNamespace) -> int | None:
    return {"distribution": len(task.classes), "probabilities": 3, "values": 2}.get(PREDICTIONS[kind])


def answer_is_sound(answer: np.ndarray, rows: int, kind: str, task: SimpleNamespace) -> None:
    columns = width(kind, task)
    assert answer.shape == ((rows,) if columns is None else (rows, columns))
    assert np.isfinite(answer).all()
    if kind in ("binary", "multiclass", "multilabel"):
        assert (answer >= 0).all() and (answer <= 1).all()
    if kind == "multiclass":
        assert np.allclose(answer.sum(axis=1), 1)


def run(model: str, train: pd.DataFrame, target: object, predict: pd.DataFrame, task: SimpleNamespace) -> np.ndarray:
    return MODELS[model](train, target, predict, task, **QUICK.get(model, {}))


def printed_choices(text: str) -> list[list[object]]:
    lines = [line.removeprefix("choice ").split("=", 1) for line in text.splitlines() if line.startswith("choice ")]
    return [[name, json.loads(value)] for name, value in lines]


def apply(block: str, train: pd.DataFrame, target: object, predict: pd.DataFrame, task: SimpleNamespace) -> tuple:
    supervised = "target" in inspect.signature(BLOCKS[block]).parameters
    return BLOCKS[block](train, target, predict, task) if supervised else BLOCKS[block](train, predict, task)


@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("model", MODELS)
def test_every_model_answers_every_kind_and_leaves_its_inputs_alone(model: str, kind: str) -> None:
    train, predict, task = frame(90, 0), frame(11, 1), card(kind)
    target = target_of(kind, train)
    before = train.copy(), target.copy(), predict.copy()
    answer_is_sound(run(model, train, target, predict, task), 11, kind, task)
    pd.testing.assert_frame_equal(before[0], train)
    pd.testing.assert_frame_equal(before[2], predict)
    assert before[1].equals(target)


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_answer(model: str) -> None:
    train, predict = frame(90, 0), frame(11, 1)
    first, second = (run(model, train, target_of("binary", train), predict, card("binary")) for _ in range(2))
    assert np.array_equal(first, second)


MANY_SUMS = """
import resource
resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
import numpy as np, pandas as pd
from types import SimpleNamespace
from agent.kit import boosters
frame = pd.DataFrame(np.random.default_rng(0).normal(size=(900, 181))).add_prefix("x")
task = SimpleNamespace(kind="multiclass", prediction="distribution", metric="log_loss", classes=list("abcdefgh"), targets=["y"],
                       roles=dict.fromkeys(frame, "numeric"), group=None, time=None, seed=0, threads=1, device="cpu")
print(boosters.catboost(frame[:800], pd.Series(np.arange(800) % 8), frame[800:], task, rounds=2).shape)
"""


def test_catboost_asks_for_no_more_memory_than_a_trial_has() -> None:
    done = subprocess.run([sys.executable, "-c", MANY_SUMS], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1:] == ["(100, 8)"], done.stderr


@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "catboost"])
def test_boosters_search_their_rounds(model: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    train, predict, task = frame(120, 0), frame(5, 1), card(kind)
    answer = MODELS[model](train, target_of(kind, train), predict, task, learning_rate=0.3)
    answer_is_sound(answer, 5, kind, task)
    assert "best_rounds=" in capsys.readouterr().out


@pytest.mark.parametrize("takes, looks, rate", [(0.0, 3, 0.05), (0.7, 1, 0.05), (1.2, 1, 0.075)])
def test_one_look_for_the_rounds_goes_to_its_end_before_another_begins(
    takes: float, looks: int, rate: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    """A small table is looked at three times where there is time for it; a third of the time each would end them all early.
    A look that time ended says to learn faster, in as many rounds."""
    allowed: list[float] = []
    now, engine = [1000.0], boosters._catboost
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(table: boosters.Table, goal: losses.Goal, plan: boosters.Plan, task: SimpleNamespace, settings: dict[str, object],
             ) -> boosters.Fitted:
        allowed.append(plan.stop_at - now[0])
        fitted = engine(table, goal, replace(plan, rounds=3), task, settings)
        now[0] += takes if plan.held is not None else 0.0
        return fitted

    monkeypatch.setattr(boosters, "_catboost", slow)
    train = frame(120, 0)
    boosters.catboost(train, target_of("regression", train), frame(5, 1), card("regression", seconds_left=3.5))
    assert len(allowed) == looks + 1  # the last one fits all rows
    assert allowed[0] > 0.9
    assert f'"learning_rate":{rate}' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "option", "metrics"), [("lightgbm", "metric", "auc"), ("xgboost", "eval_metric", ["logloss", "auc"])],
)
def test_a_metric_that_rises_is_followed_upwards(
    model: str, option: str, metrics: object, capsys: pytest.CaptureFixture[str],
) -> None:
    train, task = frame(2_000, 0), card("binary")
    MODELS[model](train, target_of("binary", train), frame(5, 1), task, learning_rate=0.02, **{option: metrics})
    found = json.loads(capsys.readouterr().out.split("best_rounds=")[1].splitlines()[0])
    assert found["rounds"][0] > 20  # the first rounds are the worst by it


@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "catboost"])
def test_inner_folds_average_early_stopped_models(model: str) -> None:
    train, predict, task = frame(120, 0), frame(5, 1), card("multiclass")
    answer = MODELS[model](train, target_of("multiclass", train), predict, task, inner_folds=2, learning_rate=0.3)
    answer_is_sound(answer, 5, "multiclass", task)


@pytest.mark.parametrize("model", MODELS)
def test_models_learn(model: str) -> None:
    train, predict = frame(400, 0), frame(200, 1)
    answer = run(model, train, target_of("binary", train), predict, card("binary"))
    truth = (signal(predict) > np.quantile(signal(train), 0.6)).astype(int)
    assert roc_auc_score(truth, answer) > 0.68


@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "catboost", "regularised", "random_forest"])
def test_survival_risk_is_larger_for_earlier_events(model: str) -> None:
    train, predict = frame(300, 0), frame(100, 1)
    target = target_of("survival", train)
    risk = run(model, train, target, predict, card("survival"))
    assert np.corrcoef(pd.Series(risk).rank(), signal(predict))[0, 1] > 0.3


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_hard_rows_still_get_an_answer(model: str, kind: str) -> None:
    train, predict, task = frame(30, 0), frame(1, 1), card(kind)
    target = target_of(kind, train)
    if kind == "multiclass":
        target = target.replace({3: 0})  # a class that the fold's train rows lack
        target.iloc[0] = 1
    answer_is_sound(run(model, train, target, predict, task), 1, kind, task)
    only = train[["constant", "empty"]], predict[["constant", "empty"]]
    answer_is_sound(run(model, only[0], target, only[1], task), 1, kind, task)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_constant_target_is_answered(model: str, kind: str) -> None:
    train, predict, task = frame(30, 0), frame(2, 1), card(kind)
    answer_is_sound(run(model, train, pd.Series(np.ones(30, dtype=int)), predict, task), 2, kind, task)


@pytest.mark.parametrize("metric", ["rmsle", "mae", "mape", "smape", "rmspe", "pinball@0.9", "r2"])
@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "catboost", "regularised", "extra_trees", "knn"])
def test_every_regression_metric_has_a_goal(model: str, metric: str) -> None:
    train, predict = frame(90, 0), frame(9, 1)
    answer = run(model, train, np.exp(target_of("regression", train)) - 0.5, predict, card("regression", metric=metric))
    answer_is_sound(answer, 9, "regression", card("regression"))
    if metric == "rmsle":
        assert (answer >= 0).all()


def test_dates_without_the_absolute_know_only_what_comes_back() -> None:
    when = pd.DataFrame({"when": pd.date_range("2019-12-01", periods=200, freq="D")})
    task = card("regression", roles={"when": "datetime"})
    whole, timeless = (features.dates(when, when, task, absolute=absolute)[0] for absolute in (True, False))
    assert set(whole.columns) - set(timeless.columns) == {"when_elapsed", "when_year"}
    assert {"when_month", "when_weekday", "when_yearday"} <= set(timeless.columns)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression", "multilabel", "survival"])
@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_returns_matching_frames_and_leaves_its_inputs_alone(block: str, kind: str) -> None:
    train, predict = frame(60, 0), frame(7, 1)
    before = train.copy(), predict.copy()
    left, right = apply(block, train, target_of(kind, train), predict, card(kind))
    assert list(left.columns) == list(right.columns) and left.columns.is_unique
    assert (left.dtypes == right.dtypes).all()
    assert len(left) == 60 and len(right) == 7
    pd.testing.assert_frame_equal(before[0], train)
    pd.testing.assert_frame_equal(before[1], predict)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_takes_hard_frames(block: str) -> None:
    for rows, names in ((30, list(frame(1, 0).columns)), (8, ["constant", "empty"]), (8, ["city"]), (8, ["note"])):
        train, predict = frame(rows, 0)[names], frame(1, 1)[names]
        left, right = apply(block, train, target_of("binary", frame(rows, 0)), predict, card("binary"))
        assert len(left) == rows and len(right) == 1 and list(left.columns) == list(right.columns)


@pytest.mark.parametrize("block", BLOCKS)
def test_applying_a_block_twice_keeps_names_unique(block: str) -> None:
    train, predict, task = frame(60, 0), frame(7, 1), card("binary")
    target = target_of("binary", train)
    left, right = apply(block, *_between(apply(block, train, target, predict, task), target), task)
    assert left.columns.is_unique and list(left.columns) == list(right.columns)


def _between(frames: tuple[pd.DataFrame, pd.DataFrame], target: object) -> tuple:
    return frames[0], target, frames[1]


@pytest.mark.parametrize("grouped", [False, True])
def test_target_means_do_not_leak(grouped: bool) -> None:
    random = np.random.default_rng(0)
    level = pd.Categorical(random.integers(0, 900, 2000).astype(str))
    train = pd.DataFrame({"id": level, "group": random.integers(0, 50, 2000)})
    target = pd.Series(random.integers(0, 2, 2000))
    task = card("binary", group="group" if grouped else None, roles={"id": "categorical", "group": "numeric"})
    left, _ = encoders.target_mean(train, target, train.head(1), task, smoothing=1)
    assert abs(roc_auc_score(target, left["id_mean0"]) - 0.5) < 0.05


def test_means_are_taken_of_the_categoricals_with_most_levels() -> None:
    random = np.random.default_rng(0)
    train = pd.DataFrame({f"c{levels}": pd.Categorical(random.integers(0, levels, 300).astype(str)) for levels in (3, 30, 9)})
    roles = dict.fromkeys(train.columns, "categorical")
    target = pd.Series(random.integers(0, 4, 300))
    task = card("multiclass", classes=[0, 1, 2, 3], roles=roles)
    left, _ = encoders.target_mean(train, target, train.head(1), task, most=8)
    assert [name for name in left.columns if "_mean" in name] == [f"c{levels}_mean{j}" for levels in (30, 9) for j in range(4)]
    one, _ = encoders.target_mean(train, target, train.head(1), task, most=2)
    assert "c30_mean3" in one.columns and "c9_mean0" not in one.columns


@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
def test_levels_of_many_rows_are_split_on_and_those_of_few_are_not(model: str) -> None:
    random = np.random.default_rng(0)
    slope = random.normal(0, 1, 30)

    def rows(count: int) -> tuple[pd.DataFrame, pd.Series]:
        level, x = random.integers(0, 30, count), random.normal(0, 1, count)
        shown = pd.Categorical(level.astype(str), categories=[str(known) for known in range(30)])
        return pd.DataFrame({"level": shown, "x": x}), pd.Series(slope[level] * x)  # of which a level's mean tells nothing

    task = card("regression", roles={"level": "categorical", "x": "numeric"})
    (many, truth), (few, fewer), (test, wanted) = rows(12_000), rows(3_000), rows(500)
    split, meant = (float(np.var(MODELS[model](many, truth, test, task, rounds=80, **options) - wanted) / np.var(wanted))
                    for options in ({}, {"native": 10}))
    assert split < 0.3 < 0.6 < meant
    assert np.array_equal(MODELS[model](few, fewer, test, task, rounds=9),
                          MODELS[model](few, fewer, test, task, rounds=9, native=10))


def test_text_scores_do_not_leak() -> None:
    random = np.random.default_rng(0)
    words = np.array([f"w{k}" for k in range(500)])
    notes = pd.Series([" ".join(random.choice(words, 6)) for _ in range(400)], dtype="str")
    target = pd.Series(random.integers(0, 2, 400))
    train = pd.DataFrame({"note": notes})
    left, _ = text.reduce(train, target, train.head(1), card("binary"))
    assert abs(roc_auc_score(target, left["note_score0"]) - 0.5) < 0.1


ODD = ["", " ", "a", "Ab  ab\tA", "don't; don't STOP", "tea\n\ntea tea", "茶 很好 很好", "naïve café 𝛼𝛽𝛼", "x" * 40,
       "a b a b a b"] * 2


@pytest.mark.parametrize(("reader", "wanted"), [
    ("words", {"token_pattern": ngrams.WORD}),
    ("word-pairs", {"token_pattern": ngrams.WORD, "ngram_range": (1, 2)}),
    ("codes", {"token_pattern": r"\S+"}),
    ("inside-words", {"analyzer": "char_wb", "ngram_range": (2, 4)}),
    ("character-pairs", {"analyzer": "char", "ngram_range": (1, 2)}),
    ("character-runs", {"analyzer": "char", "ngram_range": (1, 3)}),
    ("formula", {"analyzer": "char", "ngram_range": (1, 5), "lowercase": False}),
])
def test_tfidf_is_that_of_scikit_learn_in_another_order_of_columns(reader: str, wanted: dict[str, object]) -> None:
    a, b = text._read(ODD, ODD[5:15], reader, 10_000)
    known = TfidfVectorizer(min_df=2, sublinear_tf=True, dtype=np.float32, **wanted).fit(ODD)
    c, d = known.transform(ODD), known.transform(ODD[5:15])
    assert a.shape == c.shape and b.shape == d.shape
    assert (b @ a.T).toarray() == pytest.approx((d @ c.T).toarray(), abs=1e-5)
    assert sorted(a.sum(axis=0).tolist()[0]) == pytest.approx(sorted(c.sum(axis=0).tolist()[0]), abs=1e-4)


def test_tfidf_knows_only_runs_of_the_train_rows_and_the_most_frequent() -> None:
    a, b = text._read(["tea tea", "tea milk", "milk"], ["rum rum", "rum tea"], "words", 10)
    assert a.shape[1] == 2 and b.toarray().any(axis=1).tolist() == [False, True]
    assert text._read(["tea tea", "tea milk", "milk"], ["milk"], "words", 1)[1].nnz == 0
    assert text._read(["a b", "c d"], ["a"], "words", 10)[0].shape == (2, 0)


def test_text_without_spaces_is_read_by_characters() -> None:
    notes = pd.Series(["这个很好", "那个不好", "很好很好", "不好不好"] * 10, dtype="str")
    left, _ = text.tfidf(notes, notes.head(1))
    assert left.shape[1] >= 8


ENDINGS = ("ski", "ville", "burg", "ton")


def named(rows: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Names that occur once, whose endings tell the class, often."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 4, rows)
    told = np.where(random.random(rows) < 0.8, kind, random.integers(0, 4, rows))
    names = ["".join(random.choice(list("aeioumnrkl"), 6)) + ENDINGS[k] for k in told]
    return pd.DataFrame({"name": pd.Series(names, dtype="str")}), pd.Series(kind)


@pytest.mark.parametrize("model", [text.ridge, text.linear_model])
def test_names_are_read_by_what_is_inside_them(model: Callable[..., np.ndarray]) -> None:
    (train, target), (predict, truth) = named(600, 0), named(400, 1)
    task = card("multiclass", roles={"name": "text"})
    assert (model(train, target, predict, task).argmax(axis=1) == truth).mean() > 0.75


def test_the_penalty_of_several_classes_is_as_good_as_the_best_of_a_grid() -> None:
    (train, target), (predict, truth) = named(1500, 0), named(1500, 1)
    task = card("multiclass", roles={"name": "text"})
    found = log_loss(truth, text.linear_model(train, target, predict, task))
    a, b = text.tfidf(train["name"], predict["name"])
    grid = [LogisticRegression(C=1 / penalty, max_iter=1000).fit(a, target).predict_proba(b)
            for penalty in (100, 10, 3, 1, 0.3, 0.1, 0.03, 0.01)]
    best, worst = min(losses := [log_loss(truth, answer) for answer in grid]), max(losses)
    assert found < best + 0.05 * (worst - best)


@pytest.mark.parametrize(("best", "seconds", "tried"), [
    (0.01, np.inf, [10, 1, 0.1]), (1, np.inf, [10, 1, 0.1]), (10, np.inf, [10, 1, 100]), (1000, np.inf, [10, 1, 100, 1000]),
    (1000, -1.0, [10]),
])
def test_penalties_are_tried_from_a_fair_one_outwards_in_time(best: float, seconds: float, tried: list[float]) -> None:
    seen: list[float] = []

    def loss(penalty: float) -> float:
        seen.append(penalty)
        return abs(float(np.log(penalty / best)))

    goal = losses.Goal("squared", np.zeros(1), deadline=time.monotonic() + seconds)
    assert penalties.search((10, 1, 0.1), (100, 1000), loss, goal) == min(tried, key=loss)
    assert seen[: len(tried)] == tried


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_least_squares_are_as_sure_as_they_are_right(kind: str) -> None:
    (train, target), (predict, truth) = named(1500, 0), named(1500, 1)
    if kind == "binary":
        target, truth = (target > 2).astype(int), (truth > 2).astype(int)
    answer = text.ridge(train, target, predict, card(kind, roles={"name": "text"}))
    log_odds = np.log(np.clip(answer, 1e-9, None)) if kind == "multiclass" else np.log(answer / (1 - answer))[:, None]
    again = LogisticRegression().fit(log_odds, truth).predict_proba(log_odds)
    best, worst = log_loss(truth, again), log_loss(truth, np.tile(np.bincount(truth) / len(truth), (len(truth), 1)))
    assert log_loss(truth, answer) < best + 0.1 * (worst - best)


@pytest.mark.parametrize(("seconds", "inside"), [(60.0, True), (1e-3, False)])
def test_characters_are_left_out_where_there_is_no_time_for_them(
    seconds: float, inside: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (train, target), (predict, _) = named(600, 0), named(5, 1)
    task = card("multiclass", roles={"name": "text"}, seconds_left=seconds)
    text.linear_model(train, target, predict, task)
    assert ["characters", inside] in printed_choices(capsys.readouterr().out)
    again = card("multiclass", roles={"name": "text"}, replay=[["characters", inside], ["strength", [1.0, 0.0]]])
    assert (text.linear_model(train, target, predict, again).max() > 0.6) == inside


def test_whole_groups_and_the_latest_rows_are_held_out() -> None:
    train, target = frame(200, 0), target_of("binary", frame(200, 0))
    grouped = splits.fold_numbers(train, target, card("binary", group="user"), 4)
    assert pd.Series(grouped).groupby(train["user"], observed=True).nunique().max() == 1
    held = splits.held_out(train, target, card("binary", time="when"))
    assert train["when"][~held].max() <= train["when"][held].min()


def test_a_row_sees_the_rows_before_and_after_it_in_its_group() -> None:
    """Months of two years for twelve patients, shuffled: the change since the month before, and the patient's mean."""
    random = np.random.default_rng(0)
    whole = pd.DataFrame([(p, y, m) for p in range(12) for y in (2019, 2020) for m in range(1, 13)],
                         columns=["patient", "year", "month"])
    whole["pulse"] = random.normal(60, 5, len(whole)).cumsum()
    shuffled = whole.sample(frac=1, random_state=1)
    held = shuffled["patient"] >= 9
    train, predict = (part.reset_index(drop=True) for part in (shuffled[~held], shuffled[held]))
    task = card("regression", group="patient", roles=dict.fromkeys(whole.columns, "numeric"))
    left, right = groups.within(train, train["pulse"], predict, task)
    by_patient = whole.groupby("patient")["pulse"]
    expected = whole.assign(since=by_patient.diff(), until=-by_patient.diff(-2), mean=by_patient.transform("mean"))
    for found in (left, right):
        both = found.merge(expected, on=["patient", "year", "month"])
        np.testing.assert_allclose(both["pulse_since_1"], both["since"])
        np.testing.assert_allclose(both["pulse_until_2"], both["until"])
        np.testing.assert_allclose(both["pulse_mean_in_group"], both["mean"])
        assert (both["group_before"] == (both["year"] - 2019) * 12 + both["month"] - 1).all()


def test_a_row_sees_the_sum_up_to_it_where_seconds_number_the_rows_of_its_group() -> None:
    random = np.random.default_rng(0)
    whole = pd.DataFrame({"run": np.repeat(np.arange(40), 25), "time_step": random.uniform(0.01, 0.05, 1000)})
    whole["time_step"] = whole.groupby("run")["time_step"].cumsum()
    whole["pump"] = random.normal(5, 2, len(whole))
    expected = whole.assign(total=whole.groupby("run")["pump"].cumsum())
    shuffled = whole.sample(frac=1, random_state=1)
    train, predict = (part.reset_index(drop=True) for part in (shuffled[shuffled["run"] < 30], shuffled[shuffled["run"] >= 30]))
    task = card("regression", group="run", roles=dict.fromkeys(whole.columns, "numeric"))
    for found in groups.within(train, train["pump"], predict, task):
        both = found.merge(expected, on=["run", "time_step", "pump"])
        np.testing.assert_allclose(both["pump_so_far"], both["total"])


def panel(*, moment: str = "year") -> pd.DataFrame:
    """Sixty routes over twenty years: each goes on as it went."""
    random = np.random.default_rng(0)
    whole = pd.DataFrame([(route, year) for route in range(60) for year in range(1990, 2010)], columns=["route", moment])
    walk = random.normal(size=(60, 20)).cumsum(axis=1) + random.normal(0, 3, (60, 1))
    return whole.assign(fare=walk.ravel(), miles=random.normal(size=len(whole)))


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_a_row_sees_its_thing_a_moment_before_and_after_and_nothing_of_its_own_label(kind: str) -> None:
    whole = panel().sample(frac=1, random_state=1).reset_index(drop=True)
    train, predict = whole[:800].reset_index(drop=True), whole[800:].reset_index(drop=True)
    label = {"regression": train["fare"], "binary": (train["fare"] > 0).astype(int),
             "multiclass": pd.Series(np.digitize(train["fare"], [-3, 0, 3]))}[kind]
    task = card(kind, roles=dict.fromkeys(whole.columns, "numeric"))
    rows, asked = train.drop(columns="fare"), predict.drop(columns="fare")
    assert history.things(rows, asked, task) == [("route", ["year"])]
    left, right = history.around(rows, label, asked, task)
    word = "route_class1" if kind == "multiclass" else "route_target"
    told = label.to_numpy() if kind != "multiclass" else (label == 1).to_numpy()
    for side, found in ((rows, left), (asked, right)):
        for row in range(0, len(side), 37):
            others = (rows["route"] == side["route"][row]) & (rows["year"] < side["year"][row])
            if others.any():
                last = rows["year"][others].idxmax()
                assert found[f"{word}_before"][row] == told[last]
                assert found["route_known_since"][row] == side["year"][row] - rows["year"][last]
            else:
                assert np.isnan(found[f"{word}_before"][row])
    changed = label.copy()
    changed[5] = label.max() - label[5]
    again = history.around(rows, changed, asked, task)[0]
    pd.testing.assert_series_equal(left.loc[5], again.loc[5])


def test_one_series_whose_rows_were_dealt_by_lot_is_a_thing_too() -> None:
    random = np.random.default_rng(0)
    when = pd.date_range("2020-01-01", periods=600, freq="h")
    whole = pd.DataFrame({"when": when, "x": random.normal(size=600)}).sample(frac=1, random_state=0).reset_index(drop=True)
    level = pd.Series(np.sin(np.arange(600) / 40), index=when)
    task = card("regression", roles={"when": "datetime", "x": "numeric"})
    train, asked = whole[:400].reset_index(drop=True), whole[400:].reset_index(drop=True)
    assert history.things(train, asked, task) == [(None, ["when"])]
    right = history.around(train, pd.Series(level[train["when"]].to_numpy()), asked, task)[1]
    assert np.nanmax(np.abs(right["all_target_between"] - level[asked["when"]].to_numpy())) < 0.2


@pytest.mark.parametrize(("name", "found"), [("user_id", True), ("UserID", True), ("idle", False)])
def test_a_number_called_like_a_key_is_a_thing_whenever_its_rows_are(name: str, found: bool) -> None:
    random = np.random.default_rng(0)
    whole = pd.DataFrame({name: random.integers(0, 200, 2000), "timestamp": random.integers(0, 10**8, 2000), "x": 1.5})
    task = card("regression", roles=dict.fromkeys(whole.columns, "numeric"))
    assert ((name, ["timestamp"]) in history.things(whole[:1400], whole[1400:], task)) == found


def test_what_is_no_panel_or_does_not_go_on_is_none() -> None:
    whole = panel()
    task = card("regression", roles=dict.fromkeys(whole.columns, "numeric"))
    rows = whole.drop(columns="fare")
    assert history.things(rows[:800], rows[800:], task) == []  # the routes of the test are others
    shuffled = rows.sample(frac=1, random_state=1)
    (known,) = history.things(shuffled[:800], shuffled[800:], task)
    assert history.goes_on(rows, whole[["fare"]], known)
    assert not history.goes_on(rows, whole[["fare"]].sample(frac=1, random_state=0).reset_index(drop=True), known)
    assert not history.goes_on(rows, pd.DataFrame({"who": np.random.default_rng(0).choice(list("abc"), len(rows))}), known)
    several = pd.concat([shuffled] * 3)  # rows of a number and a year come together by chance as often
    assert history.things(several[:2400], several[2400:], task) == []
    years = rows.assign(year_mended=rows["year"] + 3)  # two years are what a thing is like
    assert history.things(years, years, card("regression", roles=dict.fromkeys(years.columns, "numeric"))) == []
    plain = pd.DataFrame({"miles": rows["miles"], "size": np.arange(len(rows)) % 50})
    assert history.things(plain, plain, card("regression", roles=dict.fromkeys(plain.columns, "numeric"))) == []


def test_folds_are_stratified_and_balanced() -> None:
    target = pd.Series([0] * 80 + [1] * 20)
    number = splits.fold_numbers(frame(100, 0), target, card("binary"), 5)
    assert (pd.crosstab(number, target)[1] == 4).all()


def test_ten_thousand_columns_are_taken() -> None:
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 10_000)), columns=[f"x{k}" for k in range(10_000)])
    task = card("binary", roles=dict.fromkeys(values.columns, "numeric"))
    target = pd.Series((values["x0"] > 0).astype(int))
    for block in ("pairs", "group_aggregates", "digits", "missing"):
        left, _ = apply(block, values, target, values.head(1), task)
        assert left.shape[1] < 11_000
    answer_is_sound(boosters.lightgbm(values, target, values.head(3), task, rounds=5), 3, "binary", task)
    answer_is_sound(linear.regularised(values, target, values.head(3), task, strength=10.0), 3, "binary", task)


@pytest.mark.parametrize(("kind", "width", "options"), [
    ("regression", 60, {}), ("binary", 60, {}), ("multiclass", 60, {}), ("regression", 1_400, {}),
    ("regression", 60, {"chance": 0, "most": 12}), ("survival", 60, {}),
])
def test_columns_that_tell_stay_and_shuffled_ones_go(kind: str, width: int, options: dict[str, Any]) -> None:
    random = np.random.default_rng(4)
    values = pd.DataFrame(random.normal(size=(600, width)), columns=[f"x{k}" for k in range(width)])
    values["level"] = pd.Categorical(random.choice(list("abcdef"), 600))
    values["kept"] = pd.Series([f"note {k}" for k in range(600)], dtype="str")
    told = ["x3", "x17", "x41", "level"]
    score = values["x3"] * 2 + values["x17"].abs() * 2 + 2 * np.sin(2 * values["x41"]) + 3 * (values["level"] == "c")
    rank = score.rank(pct=True)
    target: pd.Series | pd.DataFrame = {"binary": (rank > 0.5).astype(int), "multiclass": np.minimum((rank * 4).astype(int), 3),
                                        "regression": score}.get(kind, score)
    if kind == "survival":
        target = pd.DataFrame({"duration": np.exp(-score), "event": 1})
    task = card(kind, roles={name: "text" if name == "kept" else "categorical" if name == "level" else "numeric"
                             for name in values})
    left, right = selection.telling(values, target, values.head(5), task, **options)
    assert list(left) == list(right) and "kept" in left
    assert set(told) <= set(left.columns)
    assert left.shape[1] <= 25
    assert list(left) == [name for name in values if name in set(left)]


def test_many_classes_do_not_explode() -> None:
    train, predict = frame(240, 0), frame(3, 1)
    task = card("multiclass", classes=[str(k) for k in range(80)])
    target = pd.Series(np.arange(240) % 80)
    for model in ("lightgbm", "xgboost", "catboost"):
        answer_is_sound(MODELS[model](train, target, predict, task, rounds=4), 3, "multiclass", task)


@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "catboost", "extra_trees"])
def test_time_that_is_over_still_gives_an_answer(model: str) -> None:
    train, predict, task = frame(200, 0), frame(3, 1), card("multiclass", seconds_left=0.2)
    answer_is_sound(MODELS[model](train, target_of("multiclass", train), predict, task), 3, "multiclass", task)
    assert clock.seconds_left(task) < 0.2


def test_cox_residuals_order_by_failure() -> None:
    signed = np.array([1.0, 2.0, -3.0, 4.0, -5.0])
    residual = losses.martingale(signed)
    assert residual[0] == residual.max() and abs(residual.sum()) < 1e-9


@pytest.mark.parametrize("scale", ["standard", "quantile", "common"])
def test_matrices_are_finite_and_scaled(scale: str) -> None:
    left, right = matrix.numeric(frame(80, 0), frame(5, 1), card("binary"), scale=scale)
    assert np.isfinite(left).all() and np.isfinite(right).all() and np.abs(left).max() <= 8


def test_splines_bend_a_linear_model() -> None:
    values = pd.DataFrame({"x": np.linspace(-3, 3, 300)})
    target = pd.Series(values["x"] ** 2)
    task = card("regression", roles={"x": "numeric"})
    straight, bent = (linear.regularised(values, target, values, task, splines=knots) for knots in (0, 6))
    assert ((bent - target) ** 2).mean() < 0.1 * ((straight - target) ** 2).mean()


@pytest.mark.parametrize("seconds", [60.0, 0.3])
@pytest.mark.parametrize("kind", ["multiclass", "multiregression", "survival"])
@pytest.mark.parametrize("model", MODELS)
def test_a_replay_repeats_what_the_clock_decided(
    model: str, kind: str, seconds: float, capsys: pytest.CaptureFixture[str],
) -> None:
    train, predict = frame(150, 0), frame(11, 1)
    target = target_of(kind, train)
    options = {"learning_rate": 0.2} if model in ("lightgbm", "xgboost", "catboost") else {}
    first = MODELS[model](train, target, predict, card(kind, seconds_left=seconds), **options)
    replay = printed_choices(capsys.readouterr().out)
    assert replay or model in ("knn", "ridge")  # those watch no clock
    again = MODELS[model](train, target, predict, card(kind, seconds_left=0.01, replay=replay), **options)
    np.testing.assert_allclose(first, again, rtol=0, atol=1e-9)
    assert not replay  # all were taken


@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "catboost"])
def test_a_replay_repeats_inner_folds(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    train, predict = frame(150, 0), frame(11, 1)
    target, options = target_of("multiclass", train), {"inner_folds": 3, "learning_rate": 0.2}
    first = MODELS[model](train, target, predict, card("multiclass"), **options)
    replay = printed_choices(capsys.readouterr().out)
    again = MODELS[model](train, target, predict, card("multiclass", seconds_left=0.01, replay=replay), **options)
    np.testing.assert_allclose(first, again, rtol=0, atol=1e-9)


@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "catboost", "regularised"])
@pytest.mark.parametrize("kind", ["multiclass", "multiregression"])
def test_a_hint_saves_looking_again(model: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    train, predict = frame(150, 0), frame(11, 1)
    target = target_of(kind, train)
    first = MODELS[model](train, target, predict, card(kind))
    hints = printed_choices(capsys.readouterr().out)
    again = MODELS[model](train, target, predict, card(kind, hints=list(hints)))
    assert printed_choices(capsys.readouterr().out) == hints
    np.testing.assert_allclose(first, again, rtol=0, atol=1e-9)


def test_a_replay_of_another_model_is_put_aside() -> None:
    task = card("binary", replay=[["trees", 3], ["strength", [1.0, 0.0]]])
    assert clock.chosen(task, "strength") is None
    assert clock.chosen(task, "strength") is None


def test_spans_and_periods_are_numbers_and_a_name_that_stands_twice_is_told() -> None:
    when = pd.Series(pd.date_range("2024-01-01", periods=40))
    frame = pd.DataFrame({"span": when - when[0], "month": when.dt.to_period("M")})
    task = card("regression")
    assert [columns.role(frame[name], task) for name in frame] == ["numeric", "datetime"]
    assert columns.numbers(frame["span"])[:3].tolist() == [0.0, 1.0, 2.0]
    assert np.isfinite(boosters.lightgbm(frame, pd.Series(np.arange(40.0)), frame, task, rounds=5)).all()
    with pytest.raises(ValueError, match="two columns are called 'span'"):
        columns.named(pd.concat([frame, frame], axis=1), task, "numeric")


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_all_train_rows_are_put_into_bins_once_and_it_changes_nothing(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(2_600, 25)), columns=[f"x{number}" for number in range(25)])
    target = pd.Series((rows["x0"] + rows["x1"] * rows["x2"] > 0).astype(int))
    read: list[int] = []

    def predicted() -> np.ndarray:
        fit = getattr(boosters, library)
        return fit(rows[:2_500], target[:2_500], rows[2_500:], card("binary", roles={}), learning_rate=0.3)

    def anew(self: boosters.Table, library: str, goal: object, which: np.ndarray, make: Callable[[np.ndarray], object]) -> object:
        read.append(len(which))
        return make(which)

    once = predicted()
    monkeypatch.setattr(boosters.Table, "once", anew)
    assert (predicted() == once).all()
    assert read.count(2_500) == 3  # twice to time it


def test_many_columns_read_at_once_are_what_each_is_alone() -> None:
    rows = pd.DataFrame({"a": [1.5, np.inf, np.nan], "b": [1, 2, 3], "c": [True, False, True]})
    rows["d"] = np.float32([0.1, 0.2, -np.inf])
    alone = np.column_stack([columns.numbers(rows[name]) for name in rows])
    made = columns.table(rows, list(rows))
    assert np.array_equal(made, alone, equal_nan=True) and made.dtype == float and made.flags.c_contiguous
    later = rows.assign(b=pd.array([1, None, 3], "Int64"), e=pd.to_datetime(["2020-01-02", None, "1970-01-02"]))
    assert np.array_equal(columns.table(later, ["b", "e"])[2], [3.0, 1.0]) and np.isnan(columns.table(later, ["b", "e"])[1]).all()
    columns.table(rows, list(rows))[:] = 0
    assert rows["b"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_a_linear_model_of_more_columns_than_rows_is_the_same_in_the_space_of_its_rows(
    kind: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(90, 200))).add_prefix("x")
    told = rows.to_numpy() @ rng.normal(size=200) / 5
    target = {"regression": pd.Series(told), "binary": pd.Series((told > 0) * 1),
              "multiclass": pd.Series(np.digitize(told, [-2, 0, 2]))}[kind]
    task = card(kind, roles=dict.fromkeys(rows, "numeric"))
    turned = linear.regularised(rows[:60], target[:60], rows[60:], task, strength=10.0)
    monkeypatch.setattr(linear, "TURNED", 0)
    assert np.allclose(turned, linear.regularised(rows[:60], target[:60], rows[60:], task, strength=10.0), atol=2e-3)
    assert turned.std() > 0.01


@pytest.mark.parametrize(("noise", "pure"), [(0.0, True), (2.0, False)])
def test_a_forest_looks_for_how_pure_its_leaves_are_to_be(noise: float, pure: bool, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.uniform(size=600), "z": rng.uniform(size=600)})
    target = pd.Series(10 * np.sin(8 * rows["x"]) + noise * 5 * rng.normal(size=600))
    task = card("regression", roles={"x": "numeric", "z": "numeric"})
    forests.extra_trees(rows, target, rows, task, trees=10)
    made = dict(line.removeprefix("choice ").split("=") for line in capsys.readouterr().out.splitlines())
    found = json.loads(made["splits"])
    assert (found["min_samples_leaf"] == 1) == pure
    told = SimpleNamespace(**{**vars(task), "hints": [["splits", {"min_samples_leaf": 7, "max_features": 0.5}]]})
    forests.extra_trees(rows, target, rows, told, trees=10)
    assert '"min_samples_leaf":7' in capsys.readouterr().out
    forests.extra_trees(rows, target, rows, task, trees=10, min_samples_leaf=2)
    assert "splits" not in capsys.readouterr().out


@pytest.mark.parametrize(("seconds", "whole"), [(1e4, True), (2.5, False)])
def test_a_forest_tries_all_columns_at_each_split_only_where_that_leaves_time_for_its_trees(
    seconds: float, whole: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a clock by which a small forest takes a second with all columns: one of sixty tells all."""
    now = 0.0

    def fitted(forest: Any, *arguments: Any) -> Any:
        nonlocal now
        now += 1.0 if forest.max_features == 1.0 else 0.05
        return fit(forest, *arguments)

    fit = ensemble.ExtraTreesRegressor.fit
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({f"x{k}": rng.normal(size=300) for k in range(60)})
    target = pd.Series(np.sin(3 * rows["x7"]) + 0.1 * rng.normal(size=300))
    task = SimpleNamespace(**{**vars(card("regression", roles=dict.fromkeys(rows, "numeric"))), "seconds_left": seconds})
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(ensemble.ExtraTreesRegressor, "fit", fitted)
    forests.extra_trees(rows, target, rows, task, trees=10)
    assert ('"max_features":1.0' in capsys.readouterr().out) == whole


@pytest.mark.parametrize(("kind", "metric", "pure"), [("multiclass", "f1_macro", True), ("multiclass", "log_loss", False),
                                                      ("binary", "f1", False)])
def test_leaves_are_pure_where_right_answers_of_several_classes_count(kind: str, metric: str, pure: bool) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    task = card(kind, metric=metric, roles={})
    target = pd.Series(rng.integers(len(task.classes), size=300))
    chance = forests.extra_trees(rows, target, rows, task, trees=10)
    own = chance[np.arange(300), target] if kind == "multiclass" else np.where(target == 1, chance, 1 - chance)
    assert (own.min() > 0.999) == pure


def test_machines_that_share_a_kernel_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "CHUNK", 7)
    random = np.random.default_rng(1)
    values, asked = random.normal(size=(150, 5)), pd.DataFrame(random.normal(size=(40, 5)), columns=list("abcde"))
    train = pd.DataFrame(values, columns=list("abcde"))
    numbers = pd.Series(np.sin(values[:, 0]) + values[:, 1])
    rows, shown = matrix.dense(train, asked, card("regression"))
    mean, spread = numbers.mean(), numbers.std(ddof=0)
    alone = SVR(C=2.0, epsilon=0.05).fit(rows, (numbers - mean) / spread).predict(shown) * spread + mean
    ours = linear.support_vectors(train, numbers, asked, card("regression"), scale="standard", cost=2.0, width=1.0)
    assert np.allclose(ours, alone, atol=1e-3)
    labels = pd.Series(np.digitize(numbers, [-0.7, 0.7]))
    three = linear.support_vectors(train, labels, asked, card("multiclass", classes=list("pqr")), scale="standard", cost=2.0,
                                   width=1.0)
    margins = [SVC(C=2.0).fit(rows, labels == level).decision_function(shown) for level in range(3)]
    for level, margin in enumerate(margins):  # a probability rises with its machine's margin, but for what the others take
        assert spearmanr(margin, three[:, level])[0] > 0.9
