"""Turns categoricals into numbers: counts, cross-fitted target means, codes, indicators, merged and paired levels; takes codes
that are written together apart."""

import re
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from . import columns, losses, splits
from .columns import Frames

FEWEST = 150  # levels from which a number or a time may be a code
ROWS = 5      # train rows that a code's level has on average, at least
RUN = re.compile(r"[^\W\d_]+(?:/[^\W\d_]+)*|(?<![^\s,;(\[])-?\d+\.\d+(?![\d.])|(?<![\d.])\d+\.\d+(?![\d.])|\d+")
LONGEST, MOST_PARTS = 40, 8  # characters and parts of a code that is taken apart
LOOKED_AT = 10_000  # rows
ALIKE = 0.9   # of its spellings are made the same way


def levels(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, fewest: int = FEWEST, rows: int = ROWS, most: int = 4
) -> Frames:
    """Adds whole-number columns that look like codes, and times that come back, as categoricals `<name>_level`.

    Codes have at least `fewest` levels with `rows` train rows each on average; the `most` with most levels are taken.
    """
    names = columns.named(train, task, "numeric", "datetime")
    counts_of = code_levels(train, predict, names, fewest=fewest, rows=rows)
    left, right = {}, {}
    for name in sorted(counts_of, key=lambda name: -counts_of[name])[:most]:
        a, b, count = columns.codes(*(pd.Series(columns.numbers(part[name])) for part in (train, predict)))
        left[f"{name}_level"], right[f"{name}_level"] = (pd.Categorical(part, categories=range(count)) for part in (a, b))
    return columns.beside(train, left), columns.beside(predict, right)


def parts(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace) -> Frames:
    """Takes apart codes as B-0117-2019 or C85: adds `<name>_part<k>`, and `<name>_level<k>` of digits that many rows share.

    Digits become numbers, letters levels. Codes of which hardly one comes twice give way to their parts. Parts are runs of
    letters and of digits; a column counts where nine of ten codes are made of them in the same order and two parts differ, one
    of them in fewer ways than the whole.
    """
    left: dict[str, Any] = {}
    right: dict[str, Any] = {}
    gone, n = [], len(train)
    for name in parted_columns(train, task):
        made = _pattern(train[name])
        both = pd.Series(np.concatenate(columns.level_names(train[name], predict[name])))
        codes, different = pd.factorize(both)
        found = [RUN.findall(text) for text in different]
        fits = np.array([_made(runs) == made for runs in found])
        for place, kind in enumerate(made):
            values = np.array([runs[place] if fit else "" for runs, fit in zip(found, fits, strict=True)], dtype=object)
            whole = values[codes]
            count = len(set(whole[:n]) - {""})
            if count < 2:
                continue
            if kind == "9":
                numbers = pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(float)[codes]
                left[f"{name}_part{place}"], right[f"{name}_part{place}"] = numbers[:n], numbers[n:]
            if ROWS * count <= n:
                told = pd.Series(whole).replace("", None).astype("category").array
                label = f"{name}_level{place}" if kind == "9" else f"{name}_part{place}"
                left[label], right[label] = told[:n], told[n:]
        if train[name].nunique() > len(train) / 2:
            gone.append(name)
    return columns.beside(train.drop(columns=gone), left), columns.beside(predict.drop(columns=gone), right)


def parted_columns(train: pd.DataFrame, task: SimpleNamespace) -> list[str]:
    """Categoricals whose levels are codes of several parts (see `parts`), the one that rows are grouped by left out."""
    group = getattr(task, "group", None)
    return [name for name in columns.named(train, task, "categorical") if name != group and _pattern(train[name])]


def _pattern(column: pd.Series) -> str:
    """How the codes of a column are made, a letter or a nine for each part; empty where they are not."""
    if not columns.is_spelled(column):
        return ""
    some = pd.unique(column.iloc[:: max(1, len(column) // LOOKED_AT)].dropna())[:1000].astype(str)
    if len(some) < 20 or np.mean([len(text) for text in some]) > LONGEST:
        return ""
    found = [RUN.findall(text) for text in some]
    made = pd.Series([_made(runs) for runs in found])
    usual = str(made.mode()[0])
    if not 2 <= len(usual) <= MOST_PARTS or "9" not in usual or (made == usual).mean() < ALIKE:
        return ""
    sizes = [len({runs[place] for runs in found if _made(runs) == usual}) for place in range(len(usual))]
    varied = [size for size in sizes if size > 1]
    return usual if len(varied) > 1 and min(varied) <= len(some) / 2 else ""


def _made(runs: list[str]) -> str:
    return "".join("9" if run[-1].isdigit() else "a" for run in runs)


def code_levels(
    train: pd.DataFrame, predict: pd.DataFrame, names: list[str], *, fewest: int = FEWEST, rows: int = ROWS
) -> dict[str, int]:
    """How many levels those of the numeric and datetime columns have that look like codes: whole numbers, and times
    that mostly come back in the rows to predict."""
    found = {}
    for name in names:
        a, b = columns.numbers(train[name]), columns.numbers(predict[name])
        count = len(np.unique(a[~np.isnan(a)]))
        is_time = pd.api.types.is_datetime64_any_dtype(train[name].dtype)
        whole = bool(np.nanmean(np.isin(b, a)) >= 0.5) if is_time else bool((a == np.floor(a))[~np.isnan(a)].all())
        if fewest <= count <= len(train) / rows and whole:
            found[name] = count
    return found


def counts(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, names: list[str] | None = None
) -> Frames:
    """Adds `<name>_count`: how many of all rows (train and predict, no label needed) share the level."""
    left, right = {}, {}
    for name in names if names is not None else columns.named(train, task, "categorical"):
        a, b, levels = columns.codes(train[name], predict[name])
        seen = np.bincount(np.concatenate([a, b]), minlength=levels)
        left[f"{name}_count"], right[f"{name}_count"] = seen[a], seen[b]
    return columns.beside(train, left), columns.beside(predict, right)


def target_mean(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    smoothing: float = 20,
    folds: int = 5,
    names: list[str] | None = None,
    most: int = 64,
    drop: bool = False,
) -> Frames:
    """Adds `<name>_mean<j>`: the smoothed mean of the target within the level, from the other folds' rows only.

    j runs over the target's columns (classes), 8 at most. smoothing counts imagined rows of the overall mean.
    Rows to predict get the means of all train rows. names: None takes the categoricals with most levels,
    as many as give `most` columns. drop: leave the categoricals themselves out.
    """
    wanted = losses.target_columns(target, task)
    if names is None:
        by_levels = sorted(columns.named(train, task, "categorical"), key=lambda name: -train[name].nunique())
        names = [name for name in train.columns if name in by_levels[:max(1, most // wanted.shape[1])]]
    number = splits.fold_numbers(train, target, task, folds)
    left, right = {}, {}
    for name in names:
        a, b, levels = columns.codes(train[name], predict[name])
        for j, values in enumerate(wanted.T):
            left[f"{name}_mean{j}"] = _cross_fitted(a, values, number, levels, smoothing)
            right[f"{name}_mean{j}"] = _means(a, values, levels, smoothing)[b]
    if drop:
        train, predict = train.drop(columns=names), predict.drop(columns=names)
    return columns.beside(train, left), columns.beside(predict, right)


def _means(code: np.ndarray, values: np.ndarray, levels: int, smoothing: float) -> np.ndarray:
    overall = values.mean() if len(values) else 0.0
    total = np.bincount(code, weights=values, minlength=levels)
    return np.asarray((total + smoothing * overall) / (np.bincount(code, minlength=levels) + max(smoothing, 1e-9)))


def _cross_fitted(
    code: np.ndarray, values: np.ndarray, number: np.ndarray, levels: int, smoothing: float
) -> np.ndarray:
    means = np.empty(len(code))
    for fold in np.unique(number):
        held = number == fold
        rest = ~held if not held.all() else held
        means[held] = _means(code[rest], values[rest], levels, smoothing)[code[held]]
    return means


def ordinal(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace) -> Frames:
    """Replaces each categorical by the place of its level (from 0, in the order of its categories), missing as NaN."""
    left, right = train.copy(), predict.copy()
    for name in columns.named(train, task, "categorical"):
        a, b, _ = columns.codes(train[name], predict[name])
        left[name], right[name] = np.where(a > 0, a - 1.0, np.nan), np.where(b > 0, b - 1.0, np.nan)
    return left, right


def one_hot(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, most: int = 20) -> Frames:
    """Replaces each categorical by indicators `<name>_<level>` of its `most` commonest levels."""
    left, right = {}, {}
    names = columns.named(train, task, "categorical")
    for name in names:
        a, b = columns.level_names(train[name], predict[name])
        for level in pd.Series(a).value_counts().index[:most]:
            left[f"{name}_{level}"], right[f"{name}_{level}"] = (a == level) * 1.0, (b == level) * 1.0
    return columns.beside(train.drop(columns=names), left), columns.beside(predict.drop(columns=names), right)


def rare(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, fewest: int = 10) -> Frames:
    """Merges the levels that fewer than `fewest` train rows have into one, unseen levels included."""
    left, right = train.copy(), predict.copy()
    for name in columns.named(train, task, "categorical"):
        a, b, levels = columns.codes(train[name], predict[name])
        common = np.bincount(a, minlength=levels) >= fewest
        common[0] = True
        new = np.where(common, np.arange(levels), levels)
        left[name], right[name] = _as_categorical(new[a], new[b], train.index, predict.index)
    return left, right


def pairs(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, most: int = 6, names: list[str] | None = None
) -> Frames:
    """Adds categoricals `<a>&<b>`: the `most` pairs with the most level combinations that still repeat often."""
    if names is None:
        names = columns.named(train, task, "categorical")
    coded = {name: columns.codes(train[name], predict[name]) for name in names}
    telling = [name for name in names if len(np.unique(coded[name][0])) > 1]
    sizes = {pair: coded[pair[0]][2] * coded[pair[1]][2] for pair in combinations(telling, 2)}
    enough = [pair for pair, size in sizes.items() if size <= max(len(train) / 2, 16)]
    left, right = {}, {}
    for one, two in sorted(enough, key=lambda pair: -sizes[pair])[:most]:
        (a, b, _), (c, d, width) = coded[one], coded[two]
        name = f"{one}&{two}"
        left[name], right[name] = _as_categorical(a * width + c, b * width + d, train.index, predict.index)
    return columns.beside(train, left), columns.beside(predict, right)


def binned(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, bins: int = 16, most: int = 20
) -> Frames:
    """Adds categoricals `<name>_bin`: numerics cut at the train rows' quantiles, so that encoders can pair them."""
    left, right = {}, {}
    for name in columns.named(train, task, "numeric")[:most]:
        a, b = columns.numbers(train[name]), columns.numbers(predict[name])
        known = a[~np.isnan(a)]
        if len(known) == 0 or known.min() == known.max():
            continue
        edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
        a, b = (np.where(np.isnan(v), 0, np.searchsorted(edges, v, side="right") + 1) for v in (a, b))
        left[f"{name}_bin"], right[f"{name}_bin"] = _as_categorical(a, b, train.index, predict.index)
    return columns.beside(train, left), columns.beside(predict, right)


def _as_categorical(a: np.ndarray, b: np.ndarray, left: pd.Index, right: pd.Index) -> tuple[pd.Series, pd.Series]:
    """Level numbers as two categoricals with the same levels; 0 is missing."""
    both = np.concatenate([a, b]).astype(np.int64)
    levels = np.unique(both[both != 0])
    places = np.where(both == 0, -1, np.searchsorted(levels, both))
    parts = (pd.Categorical.from_codes(part, pd.Index(levels)) for part in (places[: len(a)], places[len(a) :]))
    return tuple(  # type: ignore[return-value]
        pd.Series(part, index=index) for part, index in zip(parts, (left, right), strict=True)
    )
