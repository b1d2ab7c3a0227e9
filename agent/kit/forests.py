"""Fits forests of trees: random forest and extremely randomised trees on coded columns."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from . import boosters, clock, losses
from .losses import Goal


def random_forest(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    trees: int = 300,
    **params: Any,
) -> np.ndarray:
    """Predictions of scikit-learn's random forest; params under its names (min_samples_leaf, max_features, ...)."""
    return _forest("RandomForest", train, target, predict, task, trees, params)


def extra_trees(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    trees: int = 300,
    **params: Any,
) -> np.ndarray:
    """Predictions of scikit-learn's extremely randomised trees; params under its names."""
    return _forest("ExtraTrees", train, target, predict, task, trees, params)


def coded(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace) -> tuple[np.ndarray, np.ndarray]:
    """Both frames as float32 arrays: levels by rising count, missing below the least value."""
    table = boosters.tabulate(train, predict, task)
    left, right = [np.empty((len(train), 0))], [np.empty((len(predict), 0))]
    for name in table.train.columns:
        a, b = table.train[name], table.predict[name]
        if name in table.categorical:
            seen = a.value_counts().sort_index().to_numpy()
            place = np.append(np.argsort(np.argsort(seen, kind="stable"), kind="stable"), -1)
            a, b = pd.Series(place[a.cat.codes]), pd.Series(place[b.cat.codes])
        low = float(a.min()) if a.notna().any() else 0.0
        below = low - 0.01 * max(float(a.max()) - low, 1.0) if a.notna().any() else 0.0
        left.append(a.fillna(below).to_numpy(float)[:, None])
        right.append(b.fillna(below).to_numpy(float)[:, None])
    top = 1e37
    return tuple(np.clip(np.hstack(part), -top, top).astype(np.float32) for part in (left, right))  # type: ignore


def _forest(
    family: str,
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    trees: int,
    params: dict[str, Any],
) -> np.ndarray:
    """Where right answers of several classes count, leaves are pure, so that rare classes have a vote: of trees with 1, 2
    and 3 rows in a leaf balanced accuracy of 6 classes is .564, .547, .534 out of fold, macro F1 of 14 .539, -, .528. Two
    classes have a threshold for that and do better with larger leaves (F1 .158, .179, .181)."""
    from sklearn import ensemble

    left, right = coded(train, predict, task)

    def fit(goal: Goal) -> np.ndarray:
        goal = losses.plain(goal)
        if left.shape[1] == 0:
            return losses.prior(goal, len(right))
        classes = goal.loss in ("logistic", "softmax")
        leaf = 1 if len(left) < 2_000 else 3 if len(left) < 50_000 else 10
        if classes:
            leaf = 1 if goal.loss == "softmax" and losses.counts_answers(task) else max(leaf, 2)
        settings = {
            "min_samples_leaf": leaf,
            "max_features": "sqrt" if classes else 0.5,
            "n_jobs": task.threads,
            "random_state": task.seed,
        } | params
        model = getattr(ensemble, f"{family}{'Classifier' if classes else 'Regressor'}")(warm_start=True, **settings)
        _grow(model, left, goal, task, trees)
        if not classes:
            return _number(model, right, goal)
        chance = model.predict_proba(right)
        return np.asarray(chance[:, 1] if goal.loss == "logistic" else chance)

    return losses.solve(target, task, len(predict), fit)


def _grow(model: Any, left: np.ndarray, goal: Goal, task: SimpleNamespace, trees: int) -> None:
    """Fits tree after tree, ten at a time, until there are enough or the time is over."""
    known = clock.chosen(task, "trees")
    for grown in range(min(10, trees), trees + 10, 10):
        model.set_params(n_estimators=min(grown, trees))
        model.fit(left, goal.labels, goal.weights)
        if grown >= (known or trees) or (known is None and losses.seconds(goal) < 0):
            break
    clock.choose("trees", model.n_estimators)


def _number(model: Any, right: np.ndarray, goal: Goal) -> np.ndarray:
    """The forest's mean, or for an absolute or quantile loss that quantile over its trees' answers."""
    if goal.loss == "squared":
        return np.asarray(model.predict(right))
    each = np.stack([tree.predict(right) for tree in model.estimators_])
    return np.asarray(np.quantile(each, goal.quantile, axis=0))
