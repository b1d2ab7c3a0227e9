"""Turns a target and a metric into goals that a model can fit, and what it fitted into predictions.

A goal is one column of labels on the scale where the metric's loss is simple: squared error of log1p for rmsle,
absolute error weighted by 1/y for mape, Cox's partial likelihood for survival. The metric itself is the host's.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd

from . import clock

LOGARITHMIC = ("rmsle", "msle", "mape", "smape", "rmspe")
ABSOLUTE = ("mae", "medae", "median_absolute_error", "mape", "smape", "wmae")
ACCURACY_LIKE = ("accuracy", "f1", "mcc", "matthews", "kappa", "fbeta")


@dataclass(frozen=True)
class Goal:
    """What one fit aims at.

    loss: logistic (labels 0, 1), softmax (labels 0..classes-1), squared, absolute, quantile, or
    cox (labels are ranks of the duration, negative where the event was not seen).
    """

    loss: str
    labels: np.ndarray
    weights: np.ndarray | None = None
    classes: int = 1
    quantile: float = 0.5
    logarithmic: bool = False
    deadline: float = math.inf  # on time.monotonic()'s scale


Fit = Callable[[Goal], np.ndarray]


def solve(target: pd.Series | pd.DataFrame, task: SimpleNamespace, rows: int, fit: Fit) -> np.ndarray:
    """Predictions for `rows` rows in the shape that the card demands, from one call of `fit` for each goal.

    `fit(goal)` returns (rows,) on the labels' scale: a probability for logistic, (rows, classes) for softmax.
    Constant labels and classes absent from the target are answered here, so no model meets them.
    """
    goals = goals_of(target, task)
    answers = []
    for place, goal in enumerate(goals):
        share = 0.85 / (len(goals) - place)
        answers.append(_answer(replace(goal, deadline=clock.deadline(task, share)), rows, fit, task))
    return np.column_stack(answers) if task.kind in ("multilabel", "multiregression") else answers[0]


def counts_answers(task: SimpleNamespace) -> bool:
    """Whether the metric counts right answers, not how sure they are."""
    return any(word in str(task.metric) for word in ACCURACY_LIKE)


def goals_of(target: pd.Series | pd.DataFrame, task: SimpleNamespace) -> list[Goal]:
    """The goals of a task, one for each column to predict."""
    labels = np.asarray(target)
    if task.kind == "survival":
        return [cox_goal(labels[:, 0].astype(float), labels[:, 1].astype(float))]
    if task.kind == "multiclass":
        return [Goal("softmax", labels.astype(int), classes=len(task.classes))]
    if task.kind == "binary":
        return [Goal("logistic", labels.astype(int))]
    if task.kind == "ordinal":
        return [Goal("squared", labels.astype(float))]
    each = labels.reshape(len(labels), -1).T
    if task.kind == "multilabel":
        return [Goal("logistic", column.astype(int)) for column in each]
    return [regression_goal(column.astype(float), str(task.metric)) for column in each]


def regression_goal(labels: np.ndarray, metric: str) -> Goal:
    """The goal of a numeric target under `metric`, `pinball@0.9` included."""
    name, _, argument = metric.partition("@")
    logarithmic = name in LOGARITHMIC and labels.min() >= 0
    fitted = np.log1p(labels) if logarithmic else labels
    if "pinball" in name or "quantile" in name:
        return Goal("quantile", fitted, quantile=float(argument or 0.5))
    loss = "absolute" if name.removeprefix("mean_") in ABSOLUTE else "squared"
    weights = _relative_weights(labels) if name == "mape" else None
    return Goal(loss, fitted, weights, logarithmic=logarithmic)


def cox_goal(duration: np.ndarray, event: np.ndarray) -> Goal:
    """Signed ranks of the durations: Cox's likelihood knows only their order."""
    rank = pd.Series(duration).rank(method="dense").to_numpy()
    return Goal("cox", np.where(event > 0, rank, -rank))


def plain(goal: Goal) -> Goal:
    """The goal for a model that knows squared error only: a Cox goal becomes its null martingale residuals."""
    return replace(goal, loss="squared", labels=martingale(goal.labels)) if goal.loss == "cox" else goal


def martingale(signed: np.ndarray) -> np.ndarray:
    """Event minus Nelson-Aalen cumulative hazard (n,): large for who failed early (Therneau et al. 1990)."""
    duration, event = np.abs(signed), (signed > 0).astype(float)
    order = np.argsort(duration, kind="stable")
    times, first, inverse = np.unique(duration[order], return_index=True, return_inverse=True)
    deaths = np.bincount(inverse, weights=event[order], minlength=len(times))
    hazard = np.cumsum(deaths / (len(duration) - first))
    residual = np.empty(len(duration))
    residual[order] = event[order] - hazard[inverse]
    return residual


def target_columns(target: pd.Series | pd.DataFrame, task: SimpleNamespace, most: int = 8) -> np.ndarray:
    """The target as (n, k <= most) numbers to average: indicator columns of the commonest classes, logs, residuals."""
    goals = [plain(goal) for goal in goals_of(target, task)][:most]
    if goals[0].loss != "softmax":
        return np.column_stack([goal.labels for goal in goals]).astype(float)
    counts = np.bincount(goals[0].labels, minlength=goals[0].classes)
    common = np.sort(np.argsort(-counts, kind="stable")[:most])
    return (goals[0].labels[:, None] == common[counts[common] > 0]).astype(float)


def prior(goal: Goal, rows: int) -> np.ndarray:
    """What to answer knowing the labels alone."""
    if goal.loss == "softmax":
        return np.tile(np.bincount(goal.labels, minlength=goal.classes) / len(goal.labels), (rows, 1))
    if goal.loss in ("absolute", "quantile"):
        return np.full(rows, np.quantile(goal.labels, goal.quantile))
    return np.zeros(rows) if goal.loss == "cox" else np.full(rows, goal.labels.mean())


def judge(goal: Goal, rows: np.ndarray, predicted: np.ndarray) -> float:
    """The goal's mean loss on some train rows (lower is better); squared error stands in for Cox."""
    labels = goal.labels[rows]
    weights = None if goal.weights is None else goal.weights[rows]
    if goal.loss in ("logistic", "softmax"):
        clipped = np.clip(predicted, 1e-6, 1 - 1e-6)
        right = clipped[np.arange(len(labels)), labels] if clipped.ndim == 2 else np.where(labels, clipped, 1 - clipped)
        return float(-np.log(right).mean())
    error = labels - predicted
    if goal.loss in ("absolute", "quantile"):
        error = np.maximum(goal.quantile * error, (goal.quantile - 1) * error)
        return float(np.average(error, weights=weights))
    return float(np.average(error**2, weights=weights))


def seconds(goal: Goal) -> float:
    """Seconds until the goal's deadline."""
    return goal.deadline - time.monotonic()


def _relative_weights(labels: np.ndarray) -> np.ndarray:
    size = np.abs(labels)
    weights = 1 / np.maximum(size, max(float(np.quantile(size, 0.01)), 1e-9))
    return np.asarray(weights / weights.mean())


def _answer(goal: Goal, rows: int, fit: Fit, task: SimpleNamespace) -> np.ndarray:
    if goal.loss == "softmax":
        return _distribution(goal, rows, fit)
    if goal.loss == "cox" and not (goal.labels > 0).any():
        return np.zeros(rows)
    constant = len(np.unique(goal.labels)) == 1
    if goal.loss == "logistic":
        count = len(goal.labels)
        known = np.full(rows, (goal.labels.sum() + 0.5) / (count + 1))
        return known if constant else np.clip(np.asarray(fit(goal), dtype=float).reshape(rows), 0.0, 1.0)
    if goal.loss == "cox":
        return np.asarray(fit(goal), dtype=float).reshape(rows)
    fitted = prior(goal, rows) if constant else np.asarray(fit(goal), dtype=float).reshape(rows)
    low, high = goal.labels.min(), goal.labels.max()
    margin = 0.0 if task.kind == "ordinal" else 0.25 * (high - low)  # a linear model may run away on unseen values
    fitted = np.clip(fitted, low - margin, high + margin)
    return np.maximum(np.expm1(fitted), 0.0) if goal.logarithmic else fitted


def _distribution(goal: Goal, rows: int, fit: Fit) -> np.ndarray:
    present, labels = np.unique(goal.labels, return_inverse=True)
    floor = 0.5 / (len(labels) + goal.classes)
    whole = np.full((rows, goal.classes), floor)
    narrow = np.ones((rows, 1))
    if len(present) > 1:
        narrow = np.asarray(fit(replace(goal, labels=labels, classes=len(present))), dtype=float)
    absent = goal.classes - len(present)
    whole[:, present] = np.clip(narrow, 1e-9, 1.0) * (1.0 - absent * floor)
    return np.asarray(whole / whole.sum(axis=1, keepdims=True))
