"""The models of the reference competitors, each used the way a typical user does: default settings, one fit."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
import pandas as pd
from catboost import CatBoostClassifier, CatBoostError, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor, early_stopping
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from leaderboard.reference_tables import coded, columns_of, encode_linear, mixed
from tasks.arrays import truth_of
from tasks.metrics import metric
from tasks.spec import Tables, Task
from tasks.tables import survey, typed
from tasks.validation import Folds, design

TUNING_SECONDS = 60.0
LONGEST = 600.0  # processor seconds of a CatBoost on all target columns: what a run of 300 s on two processors has
ROUNDS_OF_CATBOOST = 1000
NO_WORDS = "Dictionary size is 0"  # CatBoost's words where every word of a text is rare
ROUNDS = 2000
PATIENCE = 50


class CannotEnter(Exception):
    """A competitor has nothing to learn from on a task; the message says why."""


@dataclass(frozen=True)
class Table:
    """A task as the competitors see it. features: typed columns of the train rows, then of the test rows."""

    task: Task
    features: pd.DataFrame
    roles: dict[str, str]
    truth: np.ndarray
    folds: Folds


@dataclass(frozen=True)
class Case:
    """What one model is fitted on: one target column of a task. `classes`: their number, 0 where it is a number; `share`: of
    the time for all target columns."""

    task: Task
    train: pd.DataFrame
    target: np.ndarray
    classes: int
    folds: Folds
    threads: int
    share: float


@dataclass(frozen=True)
class Competitor:
    """How a rival reads the rows (its own view of typed features and roles) and fits one model. What `fit` returns may say
    in `cut` that it was stopped before its end. otherwise: how rows are read for it where it cannot read them by itself."""

    name: str
    settings: str
    budget: str
    frame: Callable[[pd.DataFrame, dict[str, str], Task], pd.DataFrame]
    fit: Callable[[Case], Any]
    otherwise: Callable[[pd.DataFrame, dict[str, str], Task], pd.DataFrame] | None = None


@dataclass(frozen=True)
class Predicted:
    """Test predictions in the shape of docs/design.md, with the settings and the budget that they were made with, in words."""

    raw: np.ndarray
    settings: str
    budget: str


def table_of(task: Task, tables: Tables) -> Table:
    """The rows of a task, read as everything else in the project reads them."""
    train, test = tables.train, tables.test
    roles = survey(train, test, id=task.id, targets=task.targets, text=task.text, assets=task.assets_folder).roles
    features = typed(train, test, roles, assets=task.assets_folder)
    folds = design(task, train, test, roles, seed=0).folds
    return Table(task, features, roles, truth_of(task, train), folds)


def predictions(competitor: Competitor, table: Table, *, threads: int) -> Predicted:
    """One model, or one for each of several target columns. CannotEnter where it can learn from none."""
    try:
        return _predicted(competitor, competitor.frame(table.features, table.roles, table.task), table, threads)
    except CannotEnter as reason:
        if competitor.otherwise is None:
            raise
        helped = replace(competitor, settings=f"default settings, given TF-IDF of texts: {reason}")
        return _predicted(helped, competitor.otherwise(table.features, table.roles, table.task), table, threads)


def _predicted(competitor: Competitor, frame: pd.DataFrame, table: Table, threads: int) -> Predicted:
    task, truth, budget = table.task, table.truth, competitor.budget
    if task.kind == "survival":
        truth = failing_early(truth[:, 0], truth[:, 1])
    columns = [truth] if truth.ndim == 1 else list(truth.T)
    classes = {"binary": 2, "multilabel": 2, "multiclass": len(task.classes)}.get(task.kind, 0)
    made = []
    for target in columns:
        fitted = np.log1p(target) if _in_logs(task) else target
        case = Case(task, frame.iloc[: len(truth)], fitted, classes, table.folds, threads, 1 / len(columns))
        model = competitor.fit(case)
        budget = getattr(model, "cut", "") or budget
        made.append(_predict(model, frame.iloc[len(truth):], case))
    return Predicted(made[0] if truth.ndim == 1 else np.column_stack(made), competitor.settings, budget)


def failing_early(duration: np.ndarray, event: np.ndarray) -> np.ndarray:
    """A number (n,) that models of numbers can fit where survival is asked for: the event less the hazard that a row has
    been through by then (Nelson-Aalen; the martingale residual of Therneau et al. 1990), large for who fails early."""
    order = np.argsort(duration, kind="stable")
    times, first, place = np.unique(duration[order], return_index=True, return_inverse=True)
    hazard = np.cumsum(np.bincount(place, weights=event[order], minlength=len(times)) / (len(duration) - first))
    made = np.empty(len(duration))
    made[order] = event[order] - hazard[place]
    return made


def _predict(model: Any, test: pd.DataFrame, case: Case) -> np.ndarray:
    if not case.classes:
        values = np.asarray(model.predict(test), dtype=float)
        return np.expm1(values) if _in_logs(case.task) else values
    shares = np.zeros((len(test), case.classes))
    shares[:, np.asarray(model.classes_, dtype=int)] = model.predict_proba(test)
    return shares[:, 1] if case.classes == 2 else shares


def _in_logs(task: Task) -> bool:
    """Under a metric of logs every rival fits log(1 + target), as every user does."""
    return metric(task.metric).loss == "log_squared"


def _dummy(case: Case) -> Any:
    centre = "median" if metric(case.task.metric).loss == "absolute" else "mean"
    model = DummyClassifier(strategy="prior") if case.classes else DummyRegressor(strategy=centre)
    return model.fit(case.train, case.target)


def _linear(case: Case) -> Any:
    model = LogisticRegression(max_iter=300) if case.classes else Ridge()
    return make_pipeline(encode_linear(case.train), model).fit(case.train, case.target)


def _forest(case: Case) -> Any:
    make = RandomForestClassifier if case.classes else RandomForestRegressor
    return make(n_jobs=case.threads, random_state=0).fit(case.train, case.target)


def _lightgbm(case: Case, **params: Any) -> Any:
    make = LGBMClassifier if case.classes else LGBMRegressor
    model = make(n_jobs=case.threads, random_state=0, verbose=-1, **params)
    return model.fit(case.train, case.target, categorical_feature=columns_of(case.train, "categorical"))


def _catboost(case: Case) -> Any:
    make = CatBoostClassifier if case.classes else CatBoostRegressor
    levels, text = _strings(case.train, "categorical"), _strings(case.train, "text")
    if not text and case.train.nunique(dropna=False).max() < 2:
        raise CannotEnter("it reads texts for classes only, and there is no other column")
    watch = _Watch(LONGEST * case.share)

    model = make(thread_count=case.threads, random_seed=0, verbose=False, allow_writing_files=False)
    try:
        model.fit(case.train, case.target, cat_features=levels, text_features=text or None, callbacks=[watch])
    except CatBoostError as error:
        if NO_WORDS not in str(error):
            raise
        raise CannotEnter("no word of its texts occurs often enough to be read") from None
    if watch.rounds < ROUNDS_OF_CATBOOST:
        model.cut = f"stopped at {LONGEST / 60:g} processor minutes: {watch.rounds} of {ROUNDS_OF_CATBOOST:,} rounds"
    return model


def _strings(train: pd.DataFrame, role: str) -> list[str]:
    """Columns of that role that are strings, and no numbers made of them."""
    return [name for name in columns_of(train, role) if not pd.api.types.is_numeric_dtype(train[name])]


class _Watch:
    """Stops a CatBoost that has used up its processor seconds."""

    def __init__(self, seconds: float) -> None:
        self.end, self.rounds = time.process_time() + seconds, 0

    def after_iteration(self, info: Any) -> bool:
        """What CatBoost calls after each round; whether it shall go on."""
        self.rounds = int(info.iteration)
        return time.process_time() < self.end


def _tuned_lightgbm(case: Case) -> Any:
    """Optuna's TPE for a minute on two processors, scored on the plan's folds; the best refitted on all rows.

    Time is counted in processor seconds, so that a busy machine does not shorten the search.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=0))
    study.enqueue_trial({"learning_rate": 0.1, "num_leaves": 31, "min_child_samples": 20, "subsample": 1.0,
                         "colsample_bytree": 1.0, "reg_alpha": 1e-3, "reg_lambda": 1e-3})
    end = time.process_time() + 2 * TUNING_SECONDS * case.share
    while not study.trials or time.process_time() < end:
        trial = study.ask()
        outcome = _cross_validate(case, _space(trial, case), end if trial.number else float("inf"))
        if outcome is None:
            break
        trial.set_user_attr("rounds", outcome[1])
        study.tell(trial, outcome[0])
    best = study.best_trial
    return _lightgbm(case, n_estimators=best.user_attrs["rounds"], **_space(optuna.trial.FixedTrial(best.params), case))


def _space(trial: Any, case: Case) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 8, 256, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 100, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0), "subsample_freq": 1,
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
        "reg_alpha": trial.suggest_float("reg_alpha", 1e-3, 10.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 10.0, log=True),
        **({"objective": "regression_l1"} if metric(case.task.metric).loss == "absolute" else {}),
    }


def _cross_validate(case: Case, params: dict[str, Any], end: float) -> tuple[float, int] | None:
    """Mean loss of the validation rows and mean number of rounds; None where the time ended before the last fold."""
    losses, rounds = [], []
    make = LGBMClassifier if case.classes else LGBMRegressor
    for fit, validate in case.folds:
        if time.process_time() > end:
            return None
        model = make(n_jobs=case.threads, random_state=0, verbose=-1, n_estimators=ROUNDS, **params)
        model.fit(case.train.iloc[fit], case.target[fit], categorical_feature=columns_of(case.train, "categorical"),
                  eval_X=case.train.iloc[validate], eval_y=case.target[validate],
                  callbacks=[early_stopping(PATIENCE, verbose=False)])
        losses.append(next(iter(model.best_score_["valid_0"].values())))
        rounds.append(model.best_iteration_)
    return float(np.mean(losses)), max(1, round(float(np.mean(rounds))))


COMPETITORS = (
    Competitor("dummy", "class shares, mean or median", "none", coded, _dummy),
    Competitor("linear", "one-hot, standardised, TF-IDF; logistic or ridge regression", "none", mixed, _linear),
    Competitor("random forest", "scikit-learn, default settings", "none", coded, _forest),
    Competitor("default LightGBM", "LGBMClassifier or LGBMRegressor, default settings", "none", coded, _lightgbm),
    Competitor("default CatBoost", "default settings, cat_features and text_features given", "none", mixed, _catboost,
               otherwise=coded),
    Competitor("tuned LightGBM", "Optuna on cross-validation, early stopping, refitted", "60 s on 2 processors", coded,
               _tuned_lightgbm),
)
