"""Adds what is known of a row's thing at other moments: the target of its nearest rows before and after.

For panels whose rows were dealt to train and test by lot (a route's fare of last year, a person's value of the week before).
Only labels of train rows are read, and of a train row's own label nothing: its neighbours tell of it as they would of a row
whose label is not known.
"""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd

from . import columns, groups
from .columns import Frames

MOST_COLUMNS = 300  # each of which may be what rows are of
FEWEST_THINGS, MOST_ROWS = 10, 500  # things, and rows of each on average
SHARED = 0.5     # of the rows asked about, whose thing train knows
A_PANEL = 0.98   # of the rows, whose moment no other row of the thing has, where a thing is told from its number alone
BY_CHANCE = 20   # rows of one thing and moment that would be there if numbers named no things
MOST_TARGETS = 5
ONES_OWN = 0.5   # of all rows, that have moments of their own where they are of one series
KEY = re.compile(r"(?i)(?:^|[_\W])(?:id|key|code|no|nr)s?$|[a-z]I[dD]$")  # ends of names of numbers that name things
SECOND = 2       # neighbours on each side
STEADY = 0.8     # of the distance of any two rows of a thing, that rows that follow each other are apart at most


Known = tuple[str | None, list[str]]


def things(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace) -> list[Known]:
    """What rows are of and when: the column that says what, of several the one with the most levels, and the columns that say
    when (`groups.ordering`); with no column, where all rows are of one thing at moments of their own. No label is looked at."""
    found: dict[str, tuple[int, list[str]]] = {}
    dated = [name for name in columns.named(train, task, "datetime", "numeric")
             if columns.role(train[name], task) == "datetime" or groups.rank(str(name)) is not None]
    if not dated or train.shape[1] > MOST_COLUMNS:
        return []
    whens = train[dated], predict[dated]
    for name in columns.named(train, task, "categorical", "numeric"):
        written = columns.role(train[name], task) == "categorical"
        if groups.rank(str(name)) is not None or not (written or _is_whole(train[name])):
            continue
        a, b, _ = columns.codes(train[name], predict[name])
        both = np.unique(np.concatenate([a, b]), return_inverse=True)[1]
        count = int(both.max()) + 1
        if not FEWEST_THINGS <= count <= len(both) / 2 or len(both) > MOST_ROWS * count or np.isin(b, a).mean() < SHARED:
            continue
        moments = [moment for moment in _ordering(whens, both, task) if moment != name]
        if moments and (written or KEY.search(str(name)) or _is_apart(both, _moment(train, predict, moments))):
            found[str(name)] = (count, moments)
    best = max(found, key=lambda name: found[name][0], default=None)
    known: list[Known] = [] if best is None else [(best, found[best][1])]
    one = np.zeros(len(train) + len(predict), dtype=np.int64)
    moments = _ordering(whens, one, task)
    counted = all(columns.role(train[moment], task) == "datetime" or _is_whole(train[moment]) for moment in moments)
    if moments and counted and len(np.unique(_moment(train, predict, moments))) >= ONES_OWN * len(one):
        known.append((None, moments))
    return known


def _ordering(whens: Frames, things: np.ndarray, task: SimpleNamespace) -> list[str]:
    """`groups.ordering`; none where two columns are of one coarseness, as the years in which a house was built and mended: these
    say what the thing is like and not when the row is."""
    names = groups.ordering(*whens, things, task)
    ranks = [groups.rank(name) for name in names]
    return names if len(set(ranks)) == len(ranks) else []


def _is_whole(column: pd.Series) -> bool:
    values = columns.numbers(column)
    return bool(np.isfinite(values).all() and (values == np.floor(values)).all())


def _moment(train: pd.DataFrame, predict: pd.DataFrame, names: list[str]) -> np.ndarray:
    """When each row of both is: the column's number, or, of several columns, the place among all moments."""
    values = np.column_stack([np.concatenate([columns.numbers(side[name]) for side in (train, predict)]) for name in names])
    if values.shape[1] == 1:
        return values[:, 0]
    return np.unique(values, axis=0, return_inverse=True)[1].reshape(-1).astype(float)


def _is_apart(things: np.ndarray, moment: np.ndarray) -> bool:
    """Whether hardly two rows have thing and moment in common, and that is more than chance: of things and moments that are many,
    few would meet anyhow."""
    place = np.unique(np.nan_to_num(moment, nan=-1.0), return_inverse=True)[1]
    moments = int(place.max()) + 1
    pairs = np.unique(things.astype(np.int64) * moments + place, return_counts=True)[1]
    alone = float((pairs == 1).sum() / len(things))
    expected = len(things) ** 2 / (2 * moments * (int(things.max()) + 1))
    return alone >= A_PANEL and expected >= BY_CHANCE


def goes_on(train: pd.DataFrame, target: pd.DataFrame, known: Known) -> bool:
    """Whether labels of rows of one of `things` that follow each other are nearer to each other than those of any two of its
    rows: by their squares of differences, of names by how often they differ."""
    name, names = known
    of = np.zeros(len(train), dtype=np.int64) if name is None else columns.codes(train[name], train[name])[0]
    order = np.lexsort((_moment(train, train[:0], names), of))
    by_lot = np.lexsort((np.random.default_rng(0).random(len(of)), of))
    for column in target.columns:
        values = target[column]
        raw = values.to_numpy(dtype=float) if values.dtype.kind in "iufb" else pd.factorize(values)[0].astype(float)
        near, far = (_steps(raw[rows], of[rows], named=values.dtype.kind not in "iufb") for rows in (order, by_lot))
        if near < STEADY * far:
            return True
    return False


def _steps(values: np.ndarray, things: np.ndarray, *, named: bool) -> float:
    """How far rows that follow each other are apart on average, in ranks, so that no outlier decides."""
    same = things[1:] == things[:-1]
    if named:
        return float((values[1:] != values[:-1])[same].mean()) if same.any() else 1.0
    ranks = np.unique(values, return_inverse=True)[1].astype(float)
    return float((np.diff(ranks)[same] ** 2).mean()) if same.any() else 1.0


def around(
    train: pd.DataFrame, target: pd.Series | pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace,
) -> Frames:
    """For panels dealt by lot: adds the target of the thing's row before and of the row after, how long ago and ahead they are,
    what lies between them at the row's moment, and the mean of two on each side. Of classes, whether it is each of the first
    five; for each of `things`."""
    left, right = train, predict
    for name, names in things(train, predict, task):
        new = _told(train, target, predict, task, name, names)
        sides = ({f"{name or 'all'}_{key}": values[part] for key, values in new.items()}
                 for part in (slice(len(train)), slice(len(train), None)))
        left, right = (columns.beside(frame, side) for frame, side in zip((left, right), sides, strict=True))
    return left, right


def _told(
    train: pd.DataFrame, target: pd.Series | pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, name: str | None,
    names: list[str],
) -> dict[str, np.ndarray]:
    """The columns of one thing, rows of both frames."""
    whole = (np.zeros(len(train), dtype=np.int64), np.zeros(len(predict), dtype=np.int64))
    a, b = whole if name is None else columns.codes(train[name], predict[name])[:2]
    of, moment = np.concatenate([a, b]), _moment(train, predict, names)
    lot = np.random.default_rng(0).random(len(of))  # of rows of one moment train's would come first
    order = np.lexsort((lot, moment, of))
    has_label = np.concatenate([np.ones(len(a), dtype=bool), np.zeros(len(b), dtype=bool)])
    before, after = _neighbours(of[order], has_label[order]), _neighbours(of[order][::-1], has_label[order][::-1])
    rows_after = [np.where(place[::-1] >= 0, len(order) - 1 - place[::-1], -1) for place in after]
    new: dict[str, np.ndarray] = {}
    since, until = (np.abs(_at(moment[order], rows[0]) - moment[order]) for rows in (before, rows_after))
    new["known_since"], new["known_until"] = since, until
    for word, values in _values(target, task).items():
        every = np.concatenate([values, np.full(len(b), np.nan)])[order]
        past, ahead = [_at(every, rows) for rows in before], [_at(every, rows) for rows in rows_after]
        part = np.divide(since, since + until, out=np.full(len(since), 0.5), where=since + until > 0)
        between = past[0] + part * (ahead[0] - past[0])
        between = np.where(np.isnan(past[0]), ahead[0], np.where(np.isnan(ahead[0]), past[0], between))
        new |= {f"{word}_before": past[0], f"{word}_after": ahead[0], f"{word}_between": between,
                f"{word}_near": _mean(past + ahead)}
    return {word: groups.placed(values, order) for word, values in new.items()}


def _neighbours(things: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """For each row, in the order of things and moments, the places of the last SECOND rows before it whose labels are known, -1
    where there is none of the same thing."""
    place = np.arange(len(things))
    last = np.r_[-1, np.maximum.accumulate(np.where(known, place, -1))[:-1]]
    found, now = [], place
    for _ in range(SECOND):
        now = np.where(now >= 0, last[now], -1)
        now = np.where((now >= 0) & (things[now] == things), now, -1)
        found.append(now)
    return found


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.where(places >= 0, values[places], np.nan)


def _mean(parts: list[np.ndarray]) -> np.ndarray:
    table = np.column_stack(parts)
    count = np.isfinite(table).sum(axis=1)
    return np.divide(np.nansum(table, axis=1), count, out=np.full(len(table), np.nan), where=count > 0)


def _values(target: pd.Series | pd.DataFrame, task: SimpleNamespace) -> dict[str, np.ndarray]:
    if isinstance(target, pd.DataFrame):
        return {f"target{k}": target.iloc[:, k].to_numpy(dtype=float) for k in range(min(MOST_TARGETS, target.shape[1]))}
    values = target.to_numpy(dtype=float)
    if task.kind != "multiclass":
        return {"target": values}
    return {f"class{k}": (values == k).astype(float) for k in range(min(MOST_TARGETS, len(task.classes)))}
