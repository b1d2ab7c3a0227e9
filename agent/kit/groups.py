"""Adds what the other rows of a row's group show: the rows before and after it, the group's mean, extremes and size.

For groups that are whole among the rows asked about (patients, sessions, tracks). No label is used but to choose columns.
"""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd

from . import columns, features
from .columns import Frames

# Names of moments, coarse before fine; the last two number the rows of a group.
MOMENTS = ("year|yr|season", "quarter", "month|mnth|mth", "week", "day|date", "hour|hr", "minute|min",
           "second|time|timestamp|epoch|period", "visit|round|wave|turn|step", "sequence|seq|frame|index|order|position")


def within(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    most: int = 8,
    steps: int = 2,
) -> Frames:
    """Adds the size of the row's group, and for the `most` numerics and dates that matter their mean, least and largest in
    the group and the deviation from its mean. Where columns tell the order of a group's rows (dates, or numbers named like
    moments), also the change since each of the `steps` rows before, to each after, the sum up to the row, and its place.
    Without the card's group among the columns, or with one row a group, nothing changes."""
    name = task.group
    if name not in train.columns or name not in predict.columns or train.shape[1] > features.WIDE:
        return train, predict
    a, b, _ = columns.codes(train[name], predict[name])
    group = np.unique(np.concatenate([a, b]), return_inverse=True)[1]
    size = np.bincount(group)
    if size.mean() < 1.2:
        return train, predict
    moments = ordering(train, predict, group, task)
    gain = features.relevance(train, target, task)
    timed = [column for column in moments if columns.role(train[column], task) == "datetime"]
    told = [str(c) for c in gain.index if gain[c] > 0 and c != name and c not in moments
            and columns.role(train[c], task) in ("numeric", "datetime")]
    new: dict[str, np.ndarray] = {"group_size": size[group].astype(float)}
    order = np.lexsort((*(_both(train, predict, column) for column in reversed(moments)), group))
    for column in told[:most]:
        new |= _level(column, _both(train, predict, column), group)
    if moments:
        new |= _places(group, order)
        for column in (told + timed)[:most]:
            new |= _changes(column, _both(train, predict, column), group, order, steps)
        for column in told[:most]:
            new[f"{column}_so_far"] = _so_far(_both(train, predict, column), group, order)
    left, right = ({key: values[part] for key, values in new.items()} for part in (slice(len(a)), slice(len(a), None)))
    return columns.beside(train, left), columns.beside(predict, right)


def ordering(train: pd.DataFrame, predict: pd.DataFrame, group: np.ndarray, task: SimpleNamespace) -> list[str]:
    """The columns by which the rows of a group are ordered, coarse before fine: one that holds dates, else whole numbers
    named like moments. Empty where none varies within groups. group: (n,) codes of both frames' rows."""
    for name in columns.named(train, task, "datetime"):
        if _varies(_both(train, predict, name), group):
            return [str(name)]
    found = []
    for name in columns.named(train, task, "numeric"):
        coarse = rank(str(name))
        if coarse is None or name == task.group:
            continue
        values = _both(train, predict, name)
        if np.isfinite(values).all() and _counts_up(values, group) and _varies(values, group):
            found.append((coarse, str(name)))
    return [name for _, name in sorted(found, key=lambda pair: pair[0])]


def rank(name: str) -> int | None:
    """How coarse a moment a column is by its name, 0 the coarsest; None where it is none."""
    words = re.split(r"[\W_\d]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    for place, pattern in enumerate(MOMENTS):
        if any(re.fullmatch(f"({pattern})s?", word) for word in words):
            return place
    return None


def _counts_up(values: np.ndarray, group: np.ndarray) -> bool:
    """Whether values number the rows of groups: whole, or, as seconds may be, hardly any twice in a group."""
    if (values == np.floor(values)).all():
        return True
    return len(np.unique(np.column_stack([group, values]), axis=0)) >= 0.99 * len(values)


def _varies(values: np.ndarray, group: np.ndarray) -> bool:
    """Whether at least a tenth of the groups have more than one value."""
    low, high = _extremes(values, group, int(group.max()) + 1)
    return bool((high > low).mean() >= 0.1)


def _extremes(values: np.ndarray, group: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest value of each of `count` groups; infinite where a group has none."""
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    return low, high


def _both(train: pd.DataFrame, predict: pd.DataFrame, name: str) -> np.ndarray:
    return np.concatenate([columns.numbers(train[name]), columns.numbers(predict[name])])


def _level(name: str, values: np.ndarray, group: np.ndarray) -> dict[str, np.ndarray]:
    known = ~np.isnan(values)
    count = group.max() + 1
    mean = np.bincount(group[known], values[known], count) / np.maximum(np.bincount(group[known], minlength=count), 1)
    low, high = _extremes(values[known], group[known], count)
    found = {"mean": mean, "least": low, "largest": high}
    finite = {part: np.where(np.isfinite(level), level, np.nan)[group] for part, level in found.items()}
    return {f"{name}_{part}_in_group": level for part, level in finite.items()} | {
        f"{name}_from_group": values - finite["mean"]}


def _places(group: np.ndarray, order: np.ndarray) -> dict[str, np.ndarray]:
    """How many rows of the group come before and after a row."""
    size = np.bincount(group)
    before = np.empty(len(group))
    before[order] = np.arange(len(group)) - (np.cumsum(size) - size)[group[order]]
    return {"group_before": before, "group_after": size[group] - 1 - before}


def _changes(name: str, values: np.ndarray, group: np.ndarray, order: np.ndarray, steps: int) -> dict[str, np.ndarray]:
    """The value less that of the row `step` places before, and that of the row as far after less the value."""
    sorted_values, sorted_group = values[order], group[order]
    found = {}
    for step in range(1, steps + 1):
        change = np.full(len(values), np.nan)
        if step < len(values):
            same = sorted_group[step:] == sorted_group[:-step]
            change[step:] = np.where(same, sorted_values[step:] - sorted_values[:-step], np.nan)
        ahead = np.r_[change[step:], np.full(min(step, len(values)), np.nan)]
        for word, ordered in (("since", change), ("until", ahead)):
            found[f"{name}_{word}_{step}"] = placed(ordered, order)
    return found


def _so_far(values: np.ndarray, group: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The sum over the rows of the group up to the row, itself included."""
    sums = np.cumsum(np.nan_to_num(values[order]))
    size = np.bincount(group)
    first = np.cumsum(size) - size
    before = np.r_[0.0, sums][first]
    return placed(sums - before[group[order]], order)


def placed(ordered: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Values that stand in `order`, (n,), at the places of their rows."""
    values = np.empty(len(ordered))
    values[order] = ordered
    return values
