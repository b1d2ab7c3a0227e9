"""Labels that are lists in one column, as "disc square" or "Drama|War": each tag is a target of 0 and 1, joined again in the
submission."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

MARKS = ("|", ";", ",", " ")
SEVERAL = 0.05   # share of rows with two tags, from which labels are lists
MOST_TAGS = 1000
MANY_WAYS = 1.5  # lists that differ, for each tag, from which words are tags and no parts of names


def mark_of(values: pd.Series, *, sure: bool) -> str | None:
    """What stands between tags in a target column of text; None where its values are no lists of tags.

    Words of names ("New York") come together in few ways, tags in many; `sure`: the metric grades sets of labels, so that any
    lists will do.
    """
    known = values.dropna().astype("str").str.strip()
    for mark in MARKS:
        lists = known.str.split(mark, regex=False).map(lambda row: tuple(sorted({tag.strip() for tag in row} - {""})))
        sizes = lists.map(len)
        counts = lists.explode().value_counts()
        few = 2 <= len(counts) <= min(MOST_TAGS, max(2, len(known) // 2))
        if not few or (sizes > 1).mean() < SEVERAL:
            continue
        if sure or (lists.nunique() >= MANY_WAYS * len(counts) and lists.nunique() * 2 <= len(known)):
            return mark
    return None


def split(values: pd.Series, mark: str) -> pd.Series:
    """Lists of tags, [] where there is none."""
    known = values.fillna("").astype("str")
    return known.map(lambda text: [bare for tag in text.split(mark) if (bare := tag.strip())])


def flags(values: pd.Series, mark: str, tags: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """(n, k) int64 flags of tags, and the tags among the values that are not known, sorted."""
    place = {tag: k for k, tag in enumerate(tags)}
    found = np.zeros((len(values), len(tags)), dtype=np.int64)
    strange: set[str] = set()
    for row, listed in enumerate(split(values, mark)):
        for tag in listed:
            if tag in place:
                found[row, place[tag]] = 1
            else:
                strange.add(tag)
    return found, sorted(strange)


def joined(found: np.ndarray, mark: str, tags: Sequence[str]) -> np.ndarray:
    """(n,) text of flags (n, k), the tags in their order."""
    names = np.array(tags, dtype=object)
    return np.array([mark.join(names[row]) for row in np.asarray(found) > 0.5], dtype=object)
