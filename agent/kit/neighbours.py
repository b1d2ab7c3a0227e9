"""Predicts from the nearest train rows, weighted by closeness."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from . import losses, matrix, splits
from .losses import Goal

CHOICES = (3, 5, 10, 20, 40, 80)


def knn(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    count: int | None = None,
    scale: str = "standard",
    most_rows: int = 40_000,
) -> np.ndarray:
    """Predictions from the `count` nearest of at most `most_rows` train rows (None: chosen on a holdout).

    Distances are Euclidean over matrix.dense; beyond 60 columns over their 60 principal components.
    """
    a, b = matrix.dense(train, predict, task, scale=scale)
    kept = np.sort(np.random.default_rng(task.seed).permutation(len(a))[:most_rows])
    a, b = _narrowed(a[kept], b, task.seed)
    held = splits.held_out(train, target, task)[kept]

    def fit(goal: Goal) -> np.ndarray:
        goal = losses.plain(goal)
        if a.shape[1] == 0:
            return losses.prior(goal, len(b))
        values = _columns(goal)[kept]
        chosen = count or _best_count(a, goal, kept, values, held, task.threads)
        print(f"neighbours={chosen}", flush=True)
        return _average(a, values, b, [min(chosen, len(a))], goal, task.threads)[0]

    return losses.solve(target, task, len(predict), fit)


def _narrowed(a: np.ndarray, b: np.ndarray, seed: int) -> matrix.Arrays:
    from sklearn.decomposition import PCA

    if a.shape[1] <= 60 or len(a) <= 60:
        return a, b
    turn = PCA(60, random_state=seed).fit(a)
    return turn.transform(a), turn.transform(b)


def _columns(goal: Goal) -> np.ndarray:
    """The labels as columns (n, k) to average."""
    return np.eye(goal.classes)[goal.labels] if goal.loss == "softmax" else goal.labels[:, None].astype(float)


def _best_count(a: np.ndarray, goal: Goal, kept: np.ndarray, values: np.ndarray, held: np.ndarray, threads: int) -> int:
    shown = np.flatnonzero(held)[:5_000]
    choices = [choice for choice in CHOICES if choice <= (~held).sum()]
    if not len(shown) or not choices:
        return min(5, len(a))
    answers = _average(a[~held], values[~held], a[shown], choices, goal, threads)
    return choices[int(np.argmin([losses.judge(goal, kept[shown], answer) for answer in answers]))]


def _average(
    a: np.ndarray, values: np.ndarray, b: np.ndarray, counts: list[int], goal: Goal, threads: int
) -> list[np.ndarray]:
    """For each count the weighted mean of the nearest rows' values; one search serves all counts."""
    from sklearn.neighbors import NearestNeighbors

    distance, place = NearestNeighbors(n_neighbors=max(counts), n_jobs=threads).fit(a).kneighbors(b)
    weight = 1 / (distance + 0.1 * distance.mean() + 1e-9)
    answers = []
    for count in counts:
        near, share = values[place[:, :count]], weight[:, :count, None]
        if goal.loss in ("absolute", "quantile"):
            answers.append(np.quantile(near[:, :, 0], goal.quantile, axis=1))
            continue
        mean = (near * share).sum(axis=1) / share.sum(axis=1)
        answers.append(mean if goal.loss == "softmax" else mean[:, 0])
    return answers
