"""Fits forests of trees: random forest and extremely randomised trees on coded columns."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from . import boosters, clock, losses, splits
from .losses import Goal

LEAVES = (1, 3, 10)  # least rows in a leaf that are tried
LOOK_TREES, LOOK_ROWS = 30, 20_000
LOOK = 0.4  # of the time that the look may take
FEWEST_TREES = 40  # for fewer, more columns at each split are not worth their time


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
    """What a fold finds on held rows, how pure leaves are to be and how many columns a split is chosen from, the others take
    over: pure leaves are worth most where equal rows have equal answers, and cost most where answers are noise. Where right
    answers of several classes count, leaves are always pure, so that rare classes have a vote: of trees with 1, 2
    and 3 rows in a leaf balanced accuracy of 6 classes is .564, .547, .534 out of fold, macro F1 of 14 .539, -, .528. Two
    classes have a threshold for that and do better with larger leaves (F1 .158, .179, .181)."""
    from sklearn import ensemble

    left, right = coded(train, predict, task)
    found: dict[str, Any] = {}

    def fit(goal: Goal) -> np.ndarray:
        goal = losses.plain(goal)
        if left.shape[1] == 0:
            return losses.prior(goal, len(right))
        classes = goal.loss in ("logistic", "softmax")
        votes = goal.loss == "softmax" and losses.counts_answers(task)
        leaf = 1 if votes or len(left) < 2_000 else 3 if len(left) < 50_000 else 10
        settings = {
            "min_samples_leaf": leaf if votes or not classes else max(leaf, 2),
            "max_features": "sqrt" if classes else 0.5,
            "n_jobs": task.threads,
            "random_state": task.seed,
        }
        forest = getattr(ensemble, f"{family}{'Classifier' if classes else 'Regressor'}")
        if not found and not votes and not params.keys() & {"min_samples_leaf", "max_features"} and len(left) <= LOOK_ROWS:
            known = clock.chosen(task, "splits") or clock.hinted(task, "splits")
            found.update(known or _looked(forest, settings, left, goal, splits.held_out(train, target, task)))
            clock.choose("splits", found)
        model = forest(warm_start=True, **(settings | found | params))
        _grow(model, left, goal, task, trees)
        return _answer(model, right, goal)

    return losses.solve(target, task, len(predict), fit)


def _looked(forest: Any, settings: dict[str, Any], left: np.ndarray, goal: Goal, held: np.ndarray) -> dict[str, Any]:
    """The least rows of a leaf, then whether all columns are tried at each split, by what small forests score on held rows."""
    rest = replace(goal, labels=goal.labels[~held], weights=None if goal.weights is None else goal.weights[~held])
    most = losses.seconds(goal)

    def score(changes: dict[str, Any]) -> float:
        if losses.seconds(goal) < (1 - LOOK) * most or held.all() or not held.any():
            return np.inf
        model = forest(n_estimators=LOOK_TREES, **(settings | changes)).fit(left[~held], rest.labels, rest.weights)
        answer = _answer(model, left[held], goal)
        if goal.loss in ("logistic", "softmax"):  # no share is nothing for want of trees
            answer = (LOOK_TREES * answer + 1 / max(goal.classes, 2)) / (LOOK_TREES + 1)
        return losses.judge(goal, np.flatnonzero(held), answer)

    usual = {name: settings[name] for name in ("min_samples_leaf", "max_features")}
    tried = [usual, *(usual | {"min_samples_leaf": leaf} for leaf in LEAVES if leaf != usual["min_samples_leaf"])]
    scores = [score(changes) for changes in tried]
    best = tried[int(np.argmin(scores))]
    whole, begun = best | {"max_features": 1.0}, losses.seconds(goal)
    better = score(whole) < min(scores)
    affordable = (begun - losses.seconds(goal)) * FEWEST_TREES / LOOK_TREES < losses.seconds(goal)
    return whole if better and affordable else best


def _grow(model: Any, left: np.ndarray, goal: Goal, task: SimpleNamespace, trees: int) -> None:
    """Fits tree after tree, ten at a time, until there are enough or the time is over."""
    known = clock.chosen(task, "trees")
    for grown in range(min(10, trees), trees + 10, 10):
        model.set_params(n_estimators=min(grown, trees))
        model.fit(left, goal.labels, goal.weights)
        if grown >= (known or trees) or (known is None and losses.seconds(goal) < 0):
            break
    clock.choose("trees", model.n_estimators)


def _answer(model: Any, rows: np.ndarray, goal: Goal) -> np.ndarray:
    """Shares of the classes, the forest's mean, or for an absolute or quantile loss that quantile over its trees' answers."""
    if goal.loss == "logistic":
        return np.asarray(model.predict_proba(rows)[:, -1])
    if goal.loss == "softmax":
        shares = np.zeros((len(rows), goal.classes))
        shares[:, model.classes_] = model.predict_proba(rows)
        return shares
    if goal.loss == "squared":
        return np.asarray(model.predict(rows))
    each = np.stack([tree.predict(rows) for tree in model.estimators_])
    return np.asarray(np.quantile(each, goal.quantile, axis=0))
