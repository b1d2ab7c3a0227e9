"""Leaves out columns that tell little of the target: of thousands by themselves, of hundreds by a quick booster's splits."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from . import columns, features, losses
from .columns import Frames

BINS = 16  # equally many rows each, between which the target's mean is compared
ROWS = 8_000  # that columns are judged on
AT_ONCE = 200  # columns that are sorted together
SCREENED = 1_000  # columns beyond which most are left out before a booster sees them
SHADOWS = 200  # shuffled columns at most
FEW_BINS = 31  # of the quick booster: of few rows its time is that of looking through bins
FEWEST = 3  # columns that are left
LEAST_ROWS = 20


def telling(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    chance: float = 0.01,
    most: int = 500,
) -> Frames:
    """Keeps the numerics, categoricals and datetimes that tell of the target, and every column of another kind.

    A quick booster splits on them for more gain than on all but a share `chance` of columns whose rows were shuffled (Kursa
    and Rudnicki, Boruta, J. Stat. Softw. 2010, with one round). Of more than a thousand columns it is shown the `most` that
    tell most by themselves; with a chance of 0 no booster is asked, and those stay. Only train rows and their labels are used.
    """
    names = columns.named(train, task, "numeric", "categorical", "datetime")
    if len(names) <= FEWEST or len(train) < LEAST_ROWS:
        return train, predict
    few = names
    if len(names) > (SCREENED if chance else most):
        score = strength(train, target, task, names)
        few = [names[k] for k in np.argsort(-score, kind="stable")[:most]]
    if chance:
        few = _beyond_shadows(train[few], target, task, chance) or few
    if len(few) == len(names):
        return train, predict
    left_out = set(names) - set(few)
    kept = [name for name in train.columns if name not in left_out]
    return train[kept], predict[kept]


def _beyond_shadows(train: pd.DataFrame, target: pd.Series | pd.DataFrame, task: SimpleNamespace, chance: float) -> list[str]:
    """Columns of more gain than shuffled ones have; none where there are fewer than three."""
    rng = np.random.default_rng(task.seed)
    some = rng.permutation(train.shape[1])[:SHADOWS]
    shadows = train.iloc[rng.permutation(len(train)), np.sort(some)].set_axis(train.index)
    tag = "shadow"
    while any(str(name).startswith(tag) for name in train.columns):
        tag += "'"
    shadows.columns = pd.Index([f"{tag} {k}" for k in range(shadows.shape[1])])
    gain = features.relevance(pd.concat([train, shadows], axis=1), target, task, bins=FEW_BINS)
    theirs = gain[gain.index.isin(shadows.columns)]
    mine = gain.drop(theirs.index)
    beyond = list(mine.index[mine > np.quantile(theirs, 1.0 - chance)])
    return beyond if len(beyond) >= FEWEST else []


def strength(
    train: pd.DataFrame, target: pd.Series | pd.DataFrame, task: SimpleNamespace, names: list[str],
) -> np.ndarray:
    """(len(names),) standard deviations by which each column tells more of the target than chance does, on 8,000 train rows."""
    rows = np.random.default_rng(task.seed).permutation(len(train))[:ROWS]
    goals = losses.target_columns(target, task, 4)[rows]
    goals = (goals - goals.mean(axis=0)) / np.maximum(goals.std(axis=0), 1e-300)
    found = np.zeros(len(names))
    numeric = set(columns.named(train, task, "numeric", "datetime"))
    plain = [k for k, name in enumerate(names) if name in numeric]
    for start in range(0, len(plain), AT_ONCE):
        places = plain[start : start + AT_ONCE]
        some = [names[k] for k in places]
        found[places] = _of_numbers(columns.table(train[some].iloc[rows], some), goals)
    for k in sorted(set(range(len(names))) - set(plain)):
        found[k] = _of_levels(pd.factorize(train[names[k]].iloc[rows])[0] + 1, goals)
    return found


def _of_numbers(values: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """Of the columns of `values` (n, k). Missing values are the largest; equal ones are in the (random) order of the rows."""
    n = len(values)
    order = np.argsort(values, axis=0, kind="stable")
    edges = np.linspace(0, n, min(BINS, max(2, n // 8)) + 1).astype(int)
    sizes = np.diff(edges)[:, None]
    place = np.linspace(-1.0, 1.0, n) * np.sqrt(3.0)  # mean 0, spread 1
    best = np.full(values.shape[1], -np.inf)
    for goal in goals.T:
        sorted_goal = goal[order]
        means = np.add.reduceat(sorted_goal, edges[:-1], axis=0) / sizes
        best = np.maximum(best, _beyond_chance((means**2 * sizes).sum(axis=0), len(sizes) - 1))
        best = np.maximum(best, _beyond_chance((place @ sorted_goal) ** 2 / n, 1))
    return best


def _of_levels(codes: np.ndarray, goals: np.ndarray) -> float:
    """Of one column of levels, as codes from 0."""
    sizes = np.bincount(codes)
    seen = sizes > 0
    sums = np.column_stack([np.bincount(codes, weights=goal, minlength=len(sizes)) for goal in goals.T])
    return float(_beyond_chance((sums[seen] ** 2 / sizes[seen, None]).sum(axis=0), max(1, int(seen.sum()) - 1)).max())


def _beyond_chance(explained: np.ndarray, freedom: int) -> np.ndarray:
    """A chi-square statistic's distance from what chance gives, in standard deviations."""
    return (explained - freedom) / np.sqrt(2.0 * freedom)
