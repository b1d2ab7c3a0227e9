"""Tells how alike the texts of a row are: of a question and an answer, a search and what it found, a name and its meaning; and
whether two of its columns hold the same level.

What the words of one column say is one thing, whether the other column says it too another, which a model of either column's
words cannot see.
"""

from collections import Counter
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy import sparse

from . import columns, ngrams, prepared
from .columns import Frames

MOST_COLUMNS = 4
FEWEST_LEVELS, SHARED = 10, 0.5  # of columns that may hold the same level, and how many rows have one that the other has too
COMPARED = 10_000  # rows that say so
FEWEST = 20       # levels of a column of words
LOOKED_AT = 2_000  # rows that say whether two columns have to do with each other
MOST_LETTERS = 20_000_000  # of train rows
SIGMAS = 4.0      # from which a difference is no chance


def pairs_of(frame: pd.DataFrame, task: SimpleNamespace) -> list[tuple[str, str]]:
    """Two columns of words each, one of them a text or of levels that hardly come twice, whose texts resemble those of their own
    row more, or less, than those of another row: by the runs of characters in their words, in the first rows. No label is
    looked at."""
    names = _worded(frame, task)
    if len(names) < 2 or len(frame) < FEWEST:
        return []
    head = frame.head(LOOKED_AT)
    counted = dict(zip(names, map(_normed, _counts(head, head[:0], names, ngrams.INSIDE, None)), strict=True))
    found = []
    for one, two in combinations(names, 2):
        if not (_is_written(frame[one], task) or _is_written(frame[two], task)):
            continue
        same = _products(counted[one], counted[two])
        other = _products(counted[one], counted[two][np.roll(np.arange(len(head)), 1)])
        apart = same - other
        if abs(apart.mean()) * np.sqrt(len(apart)) > SIGMAS * apart.std():
            found.append((one, two))
    return found


def same_levels(frame: pd.DataFrame, task: SimpleNamespace) -> list[tuple[str, str]]:
    """Two columns of levels each that are of one kind and now and then the same, as the towns where a bill and a parcel go to."""
    names = columns.named(frame, task, "categorical")
    some = frame[names].iloc[:: max(1, len(frame) // COMPARED)]
    sizes = {name: int(some[name].nunique()) for name in names}
    several = sorted((name for name in names if sizes[name] >= FEWEST_LEVELS), key=lambda name: -sizes[name])
    held = {name: columns.level_names(some[name], some[name].head(0))[0] for name in several[: 2 * MOST_COLUMNS]}
    counts = {name: Counter(texts.tolist()) for name, texts in held.items()}
    return [(one, two) for one, two in combinations(held, 2)
            if min(_within(counts[one], counts[two]), _within(counts[two], counts[one])) >= SHARED
            and 0 < (held[one] == held[two]).mean() < 1][:MOST_COLUMNS]


def _within(one: Counter[str], two: Counter[str]) -> float:
    """The share of the rows of one column whose level the other has too."""
    return sum(count for level, count in one.items() if level and level in two) / one.total()


def same(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace) -> Frames:
    """Adds for each two categoricals of one kind (`same_levels`) whether they are the same; else nothing changes."""
    pairs = same_levels(train, task)
    left, right = ({f"{one}~{two}_same": _same(part, one, two) for one, two in pairs} for part in (train, predict))
    return columns.beside(train, left), columns.beside(predict, right)


def _same(frame: pd.DataFrame, one: str, two: str) -> np.ndarray:
    """(n,) 1.0 where two columns hold the same level."""
    a, b = (columns.level_names(frame[name], frame[name].head(0))[0] for name in (one, two))
    return np.asarray(a == b, dtype=float)


def features(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace) -> Frames:
    """Adds for each two text columns that have to do with each other how alike a row's texts are, by words and characters.

    That is, for each of `pairs_of`: the cosine of their TF-IDF, and how much of each one's weight the other has too; whether
    they are the same, and the logarithm of the ratio of their lengths. Without such columns nothing changes. TF-IDF is fitted
    on the train rows of both columns.
    """
    pairs = pairs_of(train, task)
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    n = len(train)
    new: dict[str, np.ndarray] = {}
    for reader in _readers(train, names) if pairs else []:
        weights = _weighted(_counts(train, predict, names, reader, task), n)
        counted = dict(zip(names, weights, strict=True))
        for one, two in pairs:
            a, b = counted[one], counted[two]
            new[f"{one}~{two}_{reader}_cosine"] = _products(a, b)
            new[f"{one}~{two}_{reader}_first"] = _shared(a, b)
            new[f"{one}~{two}_{reader}_second"] = _shared(b, a)
    for one, two in pairs:
        a, b = (np.array(_texts(train, predict, name), dtype=object) for name in (one, two))
        sizes = [np.array([len(text) for text in side], dtype=float) for side in (a, b)]
        new[f"{one}~{two}_same"] = (a == b).astype(float)
        new[f"{one}~{two}_longer"] = np.log1p(sizes[0]) - np.log1p(sizes[1])
    return columns.beside(train, {k: v[:n] for k, v in new.items()}), columns.beside(predict, {k: v[n:] for k, v in new.items()})


def _worded(frame: pd.DataFrame, task: SimpleNamespace) -> list[str]:
    """Texts, and levels of many spellings, the longest first; formulas and scripts without spaces among them."""
    names = [name for name in columns.named(frame, task, "text", "categorical") if _is_worded(frame[name])]
    size = {name: float(frame[name].head(LOOKED_AT).astype(str).str.len().mean()) for name in names}
    return sorted(names, key=lambda name: -size[name])[:MOST_COLUMNS]


def _is_worded(column: pd.Series) -> bool:
    some = column.dropna().head(LOOKED_AT).astype(str)
    return bool(columns.is_spelled(column) and some.nunique() >= FEWEST and some.str.contains(r"[^\W\d_]{3}").mean() >= 0.5)


def _is_written(column: pd.Series, task: SimpleNamespace) -> bool:
    """A text, or levels of which hardly one comes twice."""
    return columns.role(column, task) == "text" or column.nunique() > len(column) / 2


def _readers(train: pd.DataFrame, names: list[str]) -> list[str]:
    """What the likeness is told by: words where they are written apart, and runs of characters where that is affordable."""
    texts = pd.concat([pd.Series(columns.level_names(train[name], train[name].head(0))[0], dtype="str") for name in names])
    if ngrams.is_spaceless(list(texts.head(LOOKED_AT))):
        return ["character-pairs"]
    return ["words", ngrams.INSIDE] if int(texts.str.len().sum()) < MOST_LETTERS else ["words"]


def _texts(train: pd.DataFrame, predict: pd.DataFrame, name: str) -> list[str]:
    return [text for part in columns.level_names(train[name], predict[name]) for text in part]


def _counts(
    train: pd.DataFrame, predict: pd.DataFrame, names: list[str], reader: str, task: SimpleNamespace | None
) -> list[sparse.csr_matrix]:
    """Counts of one vocabulary for all the columns, each (rows, runs): train rows, then predict rows. What the host has had
    counted is looked up."""
    texts = [text for name in names for text in _texts(train, predict, name)]
    codes, different = pd.factorize(np.array(texts, dtype=object))
    known = prepared.counts(reader, list(different), task)
    counts = ngrams.READERS[reader](list(different), 1) if known is None else known
    rows = len(train) + len(predict)
    return [counts[codes[k * rows : (k + 1) * rows]].astype(np.float32) for k in range(len(names))]


def _weighted(counts: list[sparse.csr_matrix], n: int) -> list[sparse.csr_matrix]:
    """TF-IDF with logarithms of counts, rows of length one; what is rare is rare in the first n rows of all the columns."""
    holding = sum(np.bincount(each[:n].indices, minlength=each.shape[1]) for each in counts)
    rarity = np.log((1 + n * len(counts)) / (1 + holding)) + 1
    found = []
    for each in counts:
        each.data = (1 + np.log(each.data)) * rarity[each.indices].astype(np.float32)
        found.append(_normed(each))
    return found


def _normed(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1 / np.maximum(length, 1e-12)) @ counts)


def _products(a: sparse.csr_matrix, b: sparse.csr_matrix) -> np.ndarray:
    """(n,) the cosine of each two rows of length one."""
    return np.asarray(a.multiply(b).sum(axis=1), dtype=float).ravel()


def _shared(a: sparse.csr_matrix, b: sparse.csr_matrix) -> np.ndarray:
    """(n,) how much of the weight of each row of `a` stands on what the row of `b` has too."""
    has = b.copy()
    has.data = np.ones_like(has.data)
    return _products(a.multiply(a), has)
