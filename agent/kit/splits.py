"""Splits a fold's own train rows again: stratified, whole groups or the latest rows held out, as the card says."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

CLASS_KINDS = ("binary", "multiclass", "ordinal")


def fold_numbers(train: pd.DataFrame, target: object, task: SimpleNamespace, count: int) -> np.ndarray:
    """A fold 0..count-1 for every train row (n,); rows of one group share a fold, classes are spread evenly."""
    random = np.random.default_rng(task.seed)
    if task.group in train.columns and train[task.group].nunique() >= 2:
        group, names = pd.factorize(train[task.group].astype(object), use_na_sentinel=False)
        return balanced(np.bincount(group, minlength=len(names)), count, random)[group]
    order = random.permutation(len(train))
    if task.kind in CLASS_KINDS:
        order = order[np.argsort(np.asarray(target)[order], kind="stable")]
    number = np.empty(len(train), dtype=int)
    number[order] = np.arange(len(train)) % count
    return number


def balanced(sizes: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """A fold for every group so that folds hold about as many rows: the largest group goes to the emptiest fold."""
    filled, fold = np.zeros(count), np.empty(len(sizes), dtype=int)
    shuffled = random.permutation(len(sizes))
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return fold


def held_out(train: pd.DataFrame, target: object, task: SimpleNamespace, *, part: int = 0) -> np.ndarray:
    """A mask (n,) of the fifth of the train rows to judge on; where the card names a time, always the latest."""
    time = train[task.time] if task.time in train.columns else getattr(task, "moments", None)
    if time is not None and len(time) == len(train) and time.nunique() >= 10:
        rank = time.rank(method="average", pct=True, na_option="top").to_numpy()
        if 0 < (rank > 0.8).sum() < len(train):
            return rank > 0.8
    return fold_numbers(train, target, task, 5) == part % 5


def keep_time(train: pd.DataFrame, task: SimpleNamespace) -> None:
    """Leave the rows' times with the card, for `held_out` of the same rows once their column has given way to its parts."""
    task.moments = train[task.time].reset_index(drop=True)


def with_every_class(held: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mask without the first row of each class, so that the rows to fit on know every class."""
    kept = held.copy()
    kept[np.unique(labels, return_index=True)[1]] = False
    return kept
