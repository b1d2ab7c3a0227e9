"""Lays out competitions that want one submission row for each pair of a thing and an object in or about it.

The ids of the sample are <thing>_<object>. Train is wide (a column for each object, melted here), long (a row for each
pair, with a column for each half), or has such ids itself. Each pair becomes a row with the object as a level, and all
pairs of a thing are one group.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

OBJECT, THING = "object", "thing"
MATCHED = 0.95
MOST_OBJECTS = 200  # that ids alone may name


@dataclass(frozen=True)
class Pairs:
    """Rows of pairs, all text: train with id and target, test with id; `thing` is the column of the first halves."""

    train: pd.DataFrame
    test: pd.DataFrame
    thing: str


def pair_up(
    train: pd.DataFrame, test: pd.DataFrame | None, sample: pd.DataFrame, media: Mapping[str, object],
) -> Pairs | None:
    """The pairs that a sample with the columns (id, value) asks for; None where its ids are no pairs."""
    if sample.shape[1] != 2:
        return None
    id, value = sample.columns
    wide = asks_for_columns(train, sample)
    if not wide and value not in train.columns:
        return None
    split = _by_columns(sample[id], train) if wide else _by_levels(sample[id], train.drop(columns=value))
    if split is None and id in train.columns:
        return _by_ids(train, sample, media)
    if split is None:
        return None
    things, objects, column = split
    thing = _thing(train, test, things, media, leaving={value, column})
    if thing is None:
        return None
    rows = _melted(train, sorted(set(objects)), value) if wide else train.rename(columns={column: OBJECT})
    rows = rows.assign(**{id: rows[thing] + "_" + rows[OBJECT]})
    asked = pd.DataFrame({id: sample[id], thing: things, OBJECT: objects})
    if test is not None and thing in test.columns:
        known = [c for c in test.columns if c in rows.columns and c not in (id, OBJECT, value)]
        asked = asked.merge(test[known].drop_duplicates(thing), on=thing, how="left").fillna("")
    both = [c for c in rows.columns if c in asked.columns]
    return Pairs(rows[[*both, value]], asked[both], thing)


def asks_for_columns(train: pd.DataFrame, sample: pd.DataFrame) -> bool:
    """Whether the ids of a sample whose value train lacks end with names of train's columns, by the first of them."""
    if sample.shape[1] != 2 or sample.columns[1] in train.columns:
        return False
    return _by_columns(sample.iloc[:1000, 0], train) is not None


def _by_ids(train: pd.DataFrame, sample: pd.DataFrame, media: Mapping[str, object]) -> Pairs | None:
    """Pairs where train has ids like the sample's and things are media: both halves of them become columns."""
    id, value = sample.columns
    split = [frame[id].str.rsplit("_", n=1, expand=True) for frame in (train, sample)]
    if any(parts.shape[1] != 2 or parts.isna().any(axis=None) for parts in split):
        return None
    (things, objects), (asked, wanted) = ((parts[0], parts[1]) for parts in split)
    few = 2 <= objects.nunique() <= MOST_OBJECTS and wanted.isin(set(objects)).mean() >= MATCHED
    if not few or min(things.isin(media.keys()).mean(), asked.isin(media.keys()).mean()) < MATCHED:
        return None
    kept = [id, *(c for c in train.columns if c not in (id, value, THING, OBJECT) and c in sample.columns)]
    rows = train[kept].assign(**{THING: things, OBJECT: objects, value: train[value]})
    return Pairs(rows, sample[[id]].assign(**{THING: asked, OBJECT: wanted}), THING)


def _by_columns(ids: pd.Series, train: pd.DataFrame) -> tuple[pd.Series, pd.Series, str] | None:
    """Ids that end with the name of a train column, of two or more in all."""
    names = sorted((c for c in train.columns), key=len, reverse=True)
    objects = ids.map(lambda id: next((c for c in names if id.endswith(f"_{c}")), ""))
    if (objects == "").any() or objects.nunique() < 2:
        return None
    return _before(ids, objects), objects, ""


def _by_levels(ids: pd.Series, train: pd.DataFrame) -> tuple[pd.Series, pd.Series, str] | None:
    """Ids that end with a level of one train column."""
    objects = ids.str.rsplit("_", n=1).str[-1]
    fitting = [c for c in train.columns if train[c].nunique() > 1 and objects.isin(set(train[c])).mean() >= MATCHED]
    column = min(fitting, key=lambda c: train[c].nunique(), default=None)
    if column is None or not ids.str.contains("_", regex=False).all():
        return None
    return _before(ids, objects), objects, column


def _before(ids: pd.Series, objects: pd.Series) -> pd.Series:
    return pd.Series([id[: -len(object) - 1] for id, object in zip(ids, objects, strict=True)], index=ids.index)


def _thing(
    train: pd.DataFrame, test: pd.DataFrame | None, things: pd.Series, media: Mapping[str, object], *, leaving: set[str],
) -> str | None:
    """The train column of what pairs begin with: test's column of the asked things, else one that names media."""
    columns = [c for c in train.columns if c not in leaving]
    if test is not None:
        shared = [c for c in columns if c in test.columns and things.isin(set(test[c])).mean() >= MATCHED]
        if shared:
            return shared[0]
    if things.isin(media.keys()).mean() < MATCHED:
        return None
    named = [c for c in columns if train[c].isin(media.keys()).mean() >= MATCHED]
    return next(iter(named), None)


def _melted(train: pd.DataFrame, objects: list[str], value: str) -> pd.DataFrame:
    kept = [c for c in train.columns if c not in objects]
    return train.melt(id_vars=kept, value_vars=objects, var_name=OBJECT, value_name=value)
