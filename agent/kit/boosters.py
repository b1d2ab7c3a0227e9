"""Fits gradient-boosted trees: LightGBM, XGBoost and CatBoost behind one way to choose the number of rounds.

The rounds are found by early stopping on a fifth of the fold's own train rows (see splits.py), then the model is
fitted again on all of them. What another fold of the run has found is taken over (clock.hinted). `rounds=` skips the
search; `inner_folds=` averages early-stopped models instead.
What time decided is printed as the choice `best_rounds` (see clock.py), and a replay fits just that.
Further options go to the library under its own names.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from . import clock, columns, devices, encoders, losses, splits
from .losses import Goal

SMALL = 3_000  # rows x classes below which one holdout is too noisy to choose the rounds on
FASTEST = 0.2  # learning rate beyond which a short fit is not worth having
NATIVE = 10  # levels up to which a categorical is split on as it is
ROWS_A_LEVEL = 300  # on average, from which one of more levels is too: what is chance in few rows is none in many
NARROW = 5  # columns up to which every tree is shown all: one that lacks a fifth of them misses how they act together
MANY = 100  # columns from which few rows have fewer bins
LARGEST_SUMS = 250 << 20  # bytes that CatBoost may keep sums in; of 430 MB it asks for 4.2 GB, of 260 for 2.1
LOOK = 0.36  # of a fit's time for the look: the refits that take its rounds over have half of the time
CUT_FASTER = 1.5  # times the learning rate where the time was over before the rounds were found
AT_ONCE = 200  # columns that are made numbers together
HEAVY = 50_000  # cells x classes from which a fit is timed before it is planned

RISING = ("auc", "aucpr", "pre", "map", "ndcg")  # XGBoost's metrics of which more is better
ROUNDS = ("n_estimators", "iterations", "num_boost_round")  # the libraries' names for `rounds`
LIGHTGBM_NAMES = {  # scikit-learn interface's name: LightGBM's own, so that an option replaces its default
    "min_child_samples": "min_data_in_leaf",
    "subsample": "bagging_fraction",
    "subsample_freq": "bagging_freq",
    "colsample_bytree": "feature_fraction",
    "reg_lambda": "lambda_l2",
    "reg_alpha": "lambda_l1",
}


@dataclass(frozen=True)
class Table:
    """What the libraries are given: numbers as float32, categoricals as level numbers, columns named by place."""

    train: pd.DataFrame
    predict: pd.DataFrame
    categorical: list[str]
    binned: dict[str, tuple[Goal, Any]] = field(default_factory=dict)  # all train rows, as a library has read them

    def once(self, library: str, goal: Goal, rows: np.ndarray, make: Callable[[np.ndarray], Any]) -> Any:
        """`make(rows)`, but all train rows are read, and put into bins, once: to time a fit, and to fit."""
        if len(rows) < len(self.train):
            return make(rows)
        if library not in self.binned or self.binned[library][0] is not goal:
            self.binned[library] = (goal, make(rows))
        return self.binned[library][1]


@dataclass(frozen=True)
class Plan:
    """One fit: on these train rows, judged on those (None: no early stopping), for so many rounds."""

    rows: np.ndarray
    held: np.ndarray | None
    rounds: int
    patience: int
    stop_at: float  # on time.monotonic()'s scale


@dataclass(frozen=True)
class Search:
    """What early stopping found: rounds for all rows and by how much faster to learn in them, the last stopped model (its
    holdout, its rounds), seconds that a fit on all rows takes."""

    rounds: int
    faster: float
    predict: Callable[[pd.DataFrame], np.ndarray]
    part: int
    used: int
    seconds: float


@dataclass
class Watch:
    """Follows the judged loss of a fit, which falls: the round after which it was lowest, and when to wait no longer. After
    many rounds a fit that still gains does so rarely: it is waited for a third of the rounds that brought the best."""

    plan: Plan
    lowest: float = math.inf
    best: int = 0

    def over(self, rounds: int, loss: float) -> bool:
        if loss < self.lowest:
            self.lowest, self.best = loss, rounds
        return rounds >= self.best + self.plan.patience + self.best // 3 or time.monotonic() > self.plan.stop_at


Fitted = tuple[Callable[[pd.DataFrame], np.ndarray], int]  # how to predict, rounds used
Engine = Callable[[Table, Goal, Plan, SimpleNamespace, dict[str, Any]], Fitted]


def lightgbm(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    rounds: int | None = None,
    inner_folds: int = 0,
    native: int | None = None,
    **params: Any,
) -> np.ndarray:
    """Predictions of LightGBM; its own names for params (num_leaves, min_child_samples, cat_smooth, ...).

    Categoricals of more than `native` levels (10, or more of many rows) are replaced by cross-fitted means of the target.
    """
    train, predict = _means_for_many(train, target, predict, task, native)
    return _boost(_lightgbm, train, target, predict, task, rounds, inner_folds, params)


def xgboost(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    rounds: int | None = None,
    inner_folds: int = 0,
    native: int | None = None,
    **params: Any,
) -> np.ndarray:
    """Predictions of XGBoost; its own names for params (max_depth, min_child_weight, ...).

    Categoricals of more than `native` levels (10, or more of many rows) are replaced by cross-fitted means of the target.
    """
    train, predict = _means_for_many(train, target, predict, task, native)
    return _boost(_xgboost, train, target, predict, task, rounds, inner_folds, params)


def catboost(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    rounds: int | None = None,
    inner_folds: int = 0,
    **params: Any,
) -> np.ndarray:
    """Predictions of CatBoost; its own names for params (depth, l2_leaf_reg, max_ctr_complexity, ...)."""
    return _boost(_catboost, train, target, predict, task, rounds, inner_folds, params)


def aft(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    rounds: int | None = None,
    inner_folds: int = 0,
    native: int | None = None,
    **params: Any,
) -> np.ndarray:
    """Risks of XGBoost's accelerated failure times (Barnwal et al. 2020) for survival; other kinds as `xgboost`.

    Durations enter by their order alone, spread out as a normal distribution's.
    """
    train, predict = _means_for_many(train, target, predict, task, native)
    engine = _accelerated if task.kind == "survival" else _xgboost
    return _boost(engine, train, target, predict, task, rounds, inner_folds, params)


def _means_for_many(
    train: pd.DataFrame, target: pd.Series | pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace,
    native: int | None,
) -> columns.Frames:
    """Means of the target for levels that are many: split on natively they fit what is chance in their few rows."""
    native = max(NATIVE, len(train) // ROWS_A_LEVEL) if native is None else native
    names = [name for name in columns.named(train, task, "categorical") if train[name].nunique() > native]
    missing = [name for name in names if f"{name}_mean0" not in train.columns]
    if missing:
        train, predict = encoders.target_mean(train, target, predict, task, names=missing)
    return train.drop(columns=names), predict.drop(columns=names)


def tabulate(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace) -> Table:
    """Frames that every library accepts: text that was left over is told by its length, paths are dropped."""
    left: dict[str, np.ndarray | pd.Series] = {}
    right: dict[str, np.ndarray | pd.Series] = {}
    categorical, numeric = [], columns.named(train, task, "numeric", "datetime")
    numbers = [_numbers(frame, numeric) for frame in (train, predict)]
    for place, name in enumerate(train.columns):
        short = f"f{place}"
        if name in numbers[0]:
            left[short], right[short] = (side[name] for side in numbers)
            continue
        what = columns.role(train[name], task)
        if what == "image":
            continue
        if what == "categorical":
            a, b, levels = columns.codes(train[name], predict[name])
            kind = pd.CategoricalDtype(pd.RangeIndex(1, levels))
            left[short] = pd.Series(pd.Categorical(np.where(a > 0, a, np.nan), dtype=kind), index=train.index)
            right[short] = pd.Series(pd.Categorical(np.where(b > 0, b, np.nan), dtype=kind), index=predict.index)
            categorical.append(short)
        elif what == "text":
            left[short] = train[name].str.len().to_numpy(np.float32, na_value=np.nan)
            right[short] = predict[name].str.len().to_numpy(np.float32, na_value=np.nan)
    telling = [name for name, values in left.items() if _varies(values)]
    return Table(
        pd.DataFrame({name: left[name] for name in telling}, index=train.index),
        pd.DataFrame({name: right[name] for name in telling}, index=predict.index),
        [name for name in categorical if name in telling],
    )


def _numbers(frame: pd.DataFrame, names: list[str]) -> dict[str, np.ndarray]:
    """Each column as float32 (n,): some at once, which is quicker than one by one, and never all, which takes room."""
    made: dict[str, np.ndarray] = {}
    for start in range(0, len(names), AT_ONCE):
        some = names[start:start + AT_ONCE]
        table = columns.table(frame, some)
        made |= {name: _float32(table[:, place]) for place, name in enumerate(some)}
    return made


def _float32(values: np.ndarray) -> np.ndarray:
    top = float(np.finfo(np.float32).max)
    return np.clip(values, -top, top).astype(np.float32)


def _varies(values: np.ndarray | pd.Series) -> bool:
    if isinstance(values, pd.Series):
        return values.nunique(dropna=False) > 1
    gaps = np.isnan(values)
    return not gaps.all() and (bool(gaps.any()) or values.min() < values.max())


def _boost(
    engine: Engine,
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    rounds: int | None,
    inner_folds: int,
    params: dict[str, Any],
) -> np.ndarray:
    table = tabulate(train, predict, task)
    rounds = next((params[name] for name in ROUNDS if name in params), rounds)
    params = {name: value for name, value in params.items() if name not in ROUNDS}

    def fit(goal: Goal) -> np.ndarray:
        if table.train.shape[1] == 0:
            return losses.prior(goal, len(predict))
        settings = dict(params)
        if (known := clock.chosen(task, "best_rounds")) is not None:
            return _again(engine, table, goal, task, settings, train, target, inner_folds, known)
        if not inner_folds and not rounds and (hint := clock.hinted(task, "best_rounds")) is not None:
            settings["learning_rate"] = hint["learning_rate"]
            return _refit(engine, table, goal, task, settings, _rounds_for_all(hint))
        settings["learning_rate"] = _affordable_rate(engine, table, goal, task, settings)
        if inner_folds:
            return _bagged(engine, table, goal, task, settings, splits.fold_numbers(train, target, task, inner_folds))
        search = None if rounds else _search(engine, table, goal, task, settings, train, target)
        best = rounds or (search.rounds if search else _blind_rounds(settings))
        if search and search.seconds > 1.2 * losses.seconds(goal):  # no time to refit, though that has no rows to judge
            _choose(settings, [search.used], part=search.part)
            return search.predict(table.predict)
        if search:
            settings["learning_rate"] *= search.faster
        return _refit(engine, table, goal, task, settings, best)

    return losses.solve(target, task, len(predict), fit)


def _refit(
    engine: Engine, table: Table, goal: Goal, task: SimpleNamespace, settings: dict[str, Any], rounds: int
) -> np.ndarray:
    """Predictions of a model of so many rounds on all train rows."""
    everything = Plan(np.arange(len(table.train)), None, rounds, 0, goal.deadline)
    predictor, used = engine(table, goal, everything, task, settings)
    _choose(settings, [used])
    return predictor(table.predict)


def _rounds_for_all(hint: dict[str, Any]) -> int:
    """Rounds for all train rows, from what another fold of the same size chose; a tenth more where it had to hold out."""
    used = int(hint["rounds"][0])
    return max(1, used if hint["part"] is None else round(1.1 * used))


def _choose(settings: dict[str, Any], rounds: list[int], *, part: int | None = None) -> None:
    """Prints what was fitted: on all train rows or without the holdout `part`, or without each inner fold."""
    clock.choose("best_rounds", {"learning_rate": settings["learning_rate"], "rounds": rounds, "part": part})


def _again(
    engine: Engine,
    table: Table,
    goal: Goal,
    task: SimpleNamespace,
    settings: dict[str, Any],
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    inner_folds: int,
    known: dict[str, Any],
) -> np.ndarray:
    """What `_choose` printed, fitted without looking for it: for just so many rounds, whatever the time."""
    if inner_folds:
        number = splits.fold_numbers(train, target, task, inner_folds)
        holdouts = [number == fold for fold in range(len(known["rounds"]))]
    elif known["part"] is not None:
        holdouts = [splits.held_out(train, target, task, part=known["part"])]
    else:
        holdouts = [np.zeros(len(train), dtype=bool)]
    settings["learning_rate"] = known["learning_rate"]
    total = np.zeros(1)
    for held, rounds in zip(holdouts, known["rounds"], strict=True):
        rows = np.flatnonzero(~_judging(goal, held))
        predictor, _ = engine(table, goal, Plan(rows, None, max(rounds, 1), 0, math.inf), task, settings)
        total = total + predictor(table.predict)
    return np.asarray(total / len(holdouts))


def _search(
    engine: Engine,
    table: Table,
    goal: Goal,
    task: SimpleNamespace,
    settings: dict[str, Any],
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
) -> Search | None:
    """Rounds for a fit on all train rows: those found on four fifths, a tenth more because there is more to learn."""
    if len(train) < 40:
        return None
    found: list[int] = []
    cut = False
    tries = 3 if len(train) * goal.classes < SMALL else 1
    end = time.monotonic() + LOOK * losses.seconds(goal)
    for look in range(tries):
        start = time.monotonic()
        held = splits.held_out(train, target, task, part=look)
        plan = _searching(goal, held, settings, end)  # one look to its end is worth more than three cut short
        fitted = engine(table, goal, plan, task, settings)
        late = time.monotonic() > end
        if found and late:
            break
        cut, part, (predictor, used), spent = late, look, fitted, time.monotonic() - start
        found.append(used)
        if time.monotonic() + spent > end:
            break
    rounds = float(np.median(found))
    seconds = 1.4 * spent * (1.0 if cut else rounds / (4 / 3 * used + plan.patience))  # a look goes on for its patience
    return Search(max(1, round(1.1 * rounds)), CUT_FASTER if cut else 1.0, predictor, part, used, seconds)


def _blind_rounds(settings: dict[str, Any]) -> int:
    """Rounds where there are too few rows to hold any out."""
    return max(10, round(4 / settings["learning_rate"]))


def _bagged(
    engine: Engine, table: Table, goal: Goal, task: SimpleNamespace, settings: dict[str, Any], number: np.ndarray
) -> np.ndarray:
    total, used = np.zeros(1), list[int]()
    folds = int(number.max()) + 1
    for fold in range(folds):
        plan = _searching(goal, number == fold, settings, time.monotonic() + losses.seconds(goal) / (folds - fold))
        predictor, best = engine(table, goal, plan, task, settings)
        total, used = total + predictor(table.predict), [*used, best]
    _choose(settings, used)
    return np.asarray(total / folds)


def _searching(goal: Goal, held: np.ndarray, settings: dict[str, Any], stop_at: float) -> Plan:
    held = _judging(goal, held)
    most = round(200 / settings["learning_rate"])
    if goal.classes > 20:
        most = max(50, round(most * 20 / goal.classes))
    patience = max(20, round(2.5 / settings["learning_rate"]))
    rows = np.flatnonzero(~held)
    if not held.any():
        return Plan(rows, None, round(10 / settings["learning_rate"]), patience, stop_at)
    return Plan(rows, np.flatnonzero(held), most, patience, stop_at)


def _judging(goal: Goal, held: np.ndarray) -> np.ndarray:
    """The held rows without those that the fit needs to know every class."""
    return splits.with_every_class(held, goal.labels) if goal.loss in ("softmax", "logistic") else held


def _affordable_rate(
    engine: Engine, table: Table, goal: Goal, task: SimpleNamespace, settings: dict[str, Any]
) -> float:
    """The learning rate asked for, or a larger one where the seconds left cannot pay for the rounds it needs."""
    rate = float(settings.get("learning_rate", 0.05 if goal.classes <= 3 else 0.1))
    cells = len(table.train) * table.train.shape[1] * goal.classes
    left = losses.seconds(goal)
    if cells < HEAVY or math.isinf(left):
        return rate
    setup, pace = _pace(engine, table, goal, task, settings | {"learning_rate": rate}, left)
    affordable = (0.4 * losses.seconds(goal) - setup) / pace
    return float(np.clip(rate * (25 / rate) / max(affordable, 1.0), rate, max(rate, FASTEST)))


def _pace(
    engine: Engine, table: Table, goal: Goal, task: SimpleNamespace, settings: dict[str, Any], left: float
) -> tuple[float, float]:
    """Seconds before the first round and for each: from a fit of one round and one of six. What comes before the
    rounds (binning, the levels' statistics) is most of a short fit; counting it as rounds made large data look hopeless."""
    taken = []
    for rounds in (1, 6):
        start = time.monotonic()
        used = engine(table, goal, Plan(np.arange(len(table.train)), None, rounds, 0, start + 0.2 * left), task, settings)[1]
        taken.append(time.monotonic() - start)
    pace = max((taken[1] - taken[0]) / max(used - 1, 1), 1e-4)
    return max(taken[0] - pace, 0.0), pace


def _bins(rows: int, columns: int) -> int:
    """Bins of a column: of few rows a tree's time is that of looking through them, which many columns multiply."""
    return 255 if columns < MANY else int(np.clip(rows // 24, 63, 255))


def _lightgbm(table: Table, goal: Goal, plan: Plan, task: SimpleNamespace, params: dict[str, Any]) -> Fitted:
    import lightgbm as lgb

    objectives: dict[str, dict[str, Any]] = {
        "logistic": {"objective": "binary"},
        "softmax": {"objective": "multiclass", "num_class": goal.classes},
        "squared": {"objective": "regression"},
        "absolute": {"objective": "regression_l1"},
        "quantile": {"objective": "quantile", "alpha": goal.quantile},
        "cox": {"objective": _cox_gradients, "metric": "None"},
    }
    rows = len(plan.rows)
    settings: dict[str, Any] = {
        **objectives[goal.loss],
        "num_leaves": 31 if goal.classes < 50 else 15,
        "min_data_in_leaf": 20 if rows > 1000 else 5 + rows // 70,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.8 if table.train.shape[1] > NARROW else 1.0,
        "lambda_l2": 1.0,
        "min_data_per_group": int(np.clip(rows // 200, 5, 100)),
        "num_threads": task.threads,
        "seed": task.seed,
        "deterministic": True,
        "force_row_wise": table.train.shape[1] < 1000,
        "max_bin": _bins(rows, table.train.shape[1]),
        "verbosity": -1,
        **{LIGHTGBM_NAMES.get(name, name): value for name, value in params.items()},
    }

    def dataset(which: np.ndarray, reference: Any = None) -> Any:
        weights = None if goal.weights is None else goal.weights[which]
        return lgb.Dataset(
            table.train.iloc[which],
            goal.labels[which],
            weight=weights,
            reference=reference,
            categorical_feature=table.categorical,
            free_raw_data=False,
        )

    watch = Watch(plan)

    def after_iteration(environment: Any) -> None:
        results = environment.evaluation_result_list
        _, _, judged_by, rises = results[0][:4]
        if watch.over(environment.iteration + 1, -judged_by if rises else judged_by):
            raise lgb.callback.EarlyStopException(environment.iteration, results)

    def in_time(environment: Any) -> None:
        if time.monotonic() > plan.stop_at:
            raise lgb.callback.EarlyStopException(environment.iteration, [])

    fit_on = table.once("lightgbm", goal, plan.rows, dataset)
    judged, callback, score = list[Any](), in_time, None
    if plan.held is not None:
        judged, callback = [dataset(plan.held, fit_on)], after_iteration
        score = _cox_score if goal.loss == "cox" else None
    model = lgb.train(settings, fit_on, plan.rounds, valid_sets=judged, callbacks=[callback], feval=score)
    best = watch.best or model.current_iteration()
    return lambda frame: np.asarray(model.predict(frame, num_iteration=best, num_threads=task.threads)), best


def _cox_gradients(score: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
    """First and diagonal second derivatives of Breslow's negative log partial likelihood."""
    signed = data.get_label()
    order, first, last = _risk_sets(signed)
    hazard, event = np.exp(np.clip(score[order], -30, 30)), (signed[order] > 0).astype(float)
    at_risk = np.cumsum(hazard[::-1])[::-1][first]
    once, twice = np.cumsum(event / at_risk)[last], np.cumsum(event / at_risk**2)[last]
    gradient, hessian = np.empty_like(hazard), np.empty_like(hazard)
    gradient[order] = hazard * once - event
    hessian[order] = np.maximum(hazard * once - hazard**2 * twice, 1e-6)
    return gradient, hessian


def _cox_score(score: np.ndarray, data: Any) -> tuple[str, float, bool]:
    signed = data.get_label()
    order, first, _ = _risk_sets(signed)
    at_risk = np.cumsum(np.exp(np.clip(score[order], -30, 30))[::-1])[::-1][first]
    seen = signed[order] > 0
    return "cox", float((np.log(at_risk) - score[order])[seen].sum() / max(seen.sum(), 1)), False


def _risk_sets(signed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows by rising duration, and for each the first and the last place that shares its duration."""
    order = np.argsort(np.abs(signed), kind="stable")
    duration = np.abs(signed)[order]
    return order, np.searchsorted(duration, duration), np.searchsorted(duration, duration, side="right") - 1


def _xgboost(table: Table, goal: Goal, plan: Plan, task: SimpleNamespace, params: dict[str, Any]) -> Fitted:
    import xgboost as xgb

    objectives: dict[str, dict[str, Any]] = {
        "logistic": {"objective": "binary:logistic"},
        "softmax": {"objective": "multi:softprob", "num_class": goal.classes},
        "squared": {"objective": "reg:squarederror"},
        "absolute": {"objective": "reg:absoluteerror"},
        "quantile": {"objective": "reg:quantileerror", "quantile_alpha": goal.quantile},
        "cox": {"objective": "survival:cox"},
    }
    settings: dict[str, Any] = {
        **objectives[goal.loss],
        "max_depth": 6 if goal.classes < 50 else 4,
        "min_child_weight": 2,
        "subsample": 0.8,
        "colsample_bytree": 0.8 if table.train.shape[1] > NARROW else 1.0,
        "reg_lambda": 1.0,
        "tree_method": "hist",
        "max_bin": _bins(len(plan.rows), table.train.shape[1]),
        "nthread": task.threads,
        "seed": task.seed,
        "device": devices.device_for(task, "xgboost"),
        "verbosity": 0,
        **params,
    }

    def matrix(frame: pd.DataFrame, which: np.ndarray | None = None) -> Any:
        labels = None if which is None else goal.labels[which]
        weights = None if which is None or goal.weights is None else goal.weights[which]
        part = frame if which is None else frame.iloc[which]
        return xgb.DMatrix(part, labels, weight=weights, enable_categorical=True, nthread=task.threads)

    evals = [] if plan.held is None else [(matrix(table.train, plan.held), "held")]
    watch = Watch(plan)
    fit_on = table.once("xgboost", goal, plan.rows, lambda rows: matrix(table.train, rows))
    model = xgb.train(settings, fit_on, plan.rounds, evals=evals, callbacks=[_ending(watch)], verbose_eval=False)
    best = watch.best or model.num_boosted_rounds()
    margin = goal.loss == "cox"
    return lambda frame: model.predict(matrix(frame), output_margin=margin, iteration_range=(0, best)), best


def _accelerated(table: Table, goal: Goal, plan: Plan, task: SimpleNamespace, params: dict[str, Any]) -> Fitted:
    """The time at which a row with such features fails, in logs and negative: a risk. Rows without an event fail later."""
    import xgboost as xgb
    from scipy.special import ndtri

    rank = np.abs(goal.labels)
    time_of = np.exp(ndtri((rank - 0.5) / (rank.max() + 0.5)))
    settings = {
        "objective": "survival:aft", "eval_metric": "aft-nloglik", "aft_loss_distribution": "normal",
        "aft_loss_distribution_scale": 1.0, "max_depth": 4, "min_child_weight": 2, "subsample": 0.8, "colsample_bytree": 0.8,
        "reg_lambda": 1.0, "tree_method": "hist", "nthread": task.threads, "seed": task.seed,
        "device": devices.device_for(task, "xgboost"),
        "verbosity": 0, **params,
    }

    def matrix(frame: pd.DataFrame, which: np.ndarray | None = None) -> Any:
        part = frame if which is None else frame.iloc[which]
        made = xgb.DMatrix(part, enable_categorical=True, nthread=task.threads)
        if which is not None:
            made.set_float_info("label_lower_bound", time_of[which])
            made.set_float_info("label_upper_bound", np.where(goal.labels[which] > 0, time_of[which], np.inf))
        return made

    evals = [] if plan.held is None else [(matrix(table.train, plan.held), "held")]
    watch = Watch(plan)
    fit_on = matrix(table.train, plan.rows)
    model = xgb.train(settings, fit_on, plan.rounds, evals=evals, callbacks=[_ending(watch)], verbose_eval=False)
    best = watch.best or model.num_boosted_rounds()
    return lambda frame: -model.predict(matrix(frame), output_margin=True, iteration_range=(0, best)), best


def _ending(watch: Watch) -> Any:
    """A callback of XGBoost's that ends the training when the watch says so, or its time is over."""
    import xgboost as xgb

    class Ending(xgb.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if not evals_log:
                return time.monotonic() > watch.plan.stop_at
            name, of_rounds = list(evals_log["held"].items())[-1]  # of several metrics the library goes by the last
            return watch.over(epoch + 1, -of_rounds[-1] if name.split("@")[0] in RISING else of_rounds[-1])

    return Ending()


def _borders(table: Table, goal: Goal, settings: dict[str, Any], most: int) -> int:
    """Borders of a column that CatBoost's sums over leaves, classes and borders have memory for: 600 columns, 7 classes and
    254 borders took 1.3 GB, 48 bytes for each of them all."""
    share = float(settings.get("rsm", 1.0))
    sums = table.train.shape[1] * share * goal.classes * 2 ** int(settings["depth"]) * 48
    return int(np.clip(LARGEST_SUMS / max(sums, 1.0), 32, most))


def _catboost(table: Table, goal: Goal, plan: Plan, task: SimpleNamespace, params: dict[str, Any]) -> Fitted:
    from catboost import CatBoost, Pool

    class InTime:
        """Ends the training when its time is over."""

        def after_iteration(self, info: Any) -> bool:
            return time.monotonic() < plan.stop_at

    objectives: dict[str, dict[str, Any]] = {
        "logistic": {"loss_function": "Logloss"},
        "softmax": {"loss_function": "MultiClass", "classes_count": goal.classes},
        "squared": {"loss_function": "RMSE"},
        "absolute": {"loss_function": "MAE"},
        "quantile": {"loss_function": f"Quantile:alpha={goal.quantile}"},
        "cox": {"loss_function": "Cox"},
    }
    cuda = goal.loss != "cox" and devices.device_for(task, "catboost") == "cuda"  # Cox has no GPU code
    settings: dict[str, Any] = {
        **objectives[goal.loss],
        "depth": 6 if goal.classes < 50 else 4,
        "thread_count": task.threads,
        "random_seed": task.seed,
        "task_type": "GPU" if cuda else "CPU",
        "boosting_type": "Plain",
        "max_ctr_complexity": 1,
        "one_hot_max_size": 12,
        "allow_writing_files": False,
        "logging_level": "Silent",
        **params,
        "iterations": plan.rounds,
    }
    if not cuda and table.train.shape[1] >= 10:
        settings.setdefault("rsm", 0.4)
    fine = 128 if len(plan.rows) > 20_000 else int(np.clip(len(plan.rows) // 16, 64, 254))  # few rows: borders cost most
    settings.setdefault("border_count", _borders(table, goal, settings, fine))
    if not table.categorical:
        settings = {name: value for name, value in settings.items() if name not in ("max_ctr_complexity", "one_hot_max_size")}
    if plan.held is None:
        settings["metric_period"] = plan.rounds  # for a callback the library copies all that it measured, every round
    else:
        settings |= {"od_type": "Iter", "od_wait": 2 * plan.patience}

    def pool(frame: pd.DataFrame, which: np.ndarray | None = None) -> Any:
        labels = None if which is None else goal.labels[which]
        weights = None if which is None or goal.weights is None else goal.weights[which]
        part = frame if which is None else frame.iloc[which]
        coded = part.assign(**{name: part[name].cat.codes.astype(np.int32) for name in table.categorical})
        return Pool(coded, labels, weight=weights, cat_features=table.categorical, thread_count=task.threads)

    judged = None if plan.held is None else pool(table.train, plan.held)
    model = CatBoost(settings)
    model.fit(
        pool(table.train, plan.rows), eval_set=judged, use_best_model=False, callbacks=None if cuda else [InTime()]
    )
    best = model.get_best_iteration() + 1 if judged is not None else model.tree_count_
    form = "Probability" if goal.loss in ("logistic", "softmax") else "RawFormulaVal"

    def predictor(frame: pd.DataFrame) -> np.ndarray:
        raw = model.predict(pool(frame), prediction_type=form, ntree_end=best, thread_count=task.threads)
        return np.asarray(raw[:, 1] if goal.loss == "logistic" else raw)

    return predictor, best
