"""Makes the usual train and test tables of others: labels in a table of their own, and one table with the rows of both.

train_values and train_labels (features and targets by an id, or row by row), X_train and y_train; data.csv, of which the rows
that the sample submission names have no target.
"""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tasks.layout.gather import Found, Named, head, heading, heading_if_any, read_text
from tasks.layout.stretches import one_row_each

LABELS = r"train|label|target|answer|(?:^|[^a-z])y(?:$|[^a-z])"
COVERED = 0.95  # of the labels, whose keys the features have


def whole(named: Named, scratch: Path) -> tuple[Named, list[str]]:
    """`named` with a train and a test table as the rest of the layout wants them, made below `scratch` where need be, and what
    was done in sentences."""
    if named.test is None:
        return _from_one(named, named.sample, scratch) if named.sample else (named, [])
    named, said = one_row_each(named, scratch)
    assert named.test is not None
    united, more = _with_labels(named, named.test, scratch)
    return united, said + more


def _with_labels(named: Named, test: Found, scratch: Path) -> tuple[Named, list[str]]:
    """Train's features and the table of their labels as one table, where the sample's columns are not among the features."""
    known = heading(test)
    asked = {name.lower() for name in heading(named.sample) - known} if named.sample else set[str]()
    tables = [t for t in (named.train, *named.others) if t is not None]
    columns = {table.name: heading_if_any(table) for table in tables if re.search(LABELS, table.stem.lower())}
    like = [table for table in tables if table.name in columns]
    features = max((t for t in like if 2 * len(columns[t.name] & known) > len(known)),
                   key=lambda t: len(columns[t.name] & known), default=None)
    if features is None or asked & {name.lower() for name in columns[features.name]}:
        return named, []
    own, pure = columns[features.name], columns[features.name] <= known
    labels = [t for t in like if t != features and (asked & {name.lower() for name in columns[t.name] - own}
                                                    or (pure and columns[t.name] - own))]
    for table in sorted(labels, key=lambda t: -len(asked & {name.lower() for name in columns[t.name]})):
        united = _united(read_text(features), read_text(table))
        if united is not None:
            train = _made(united[0], "train.csv", scratch)
            others = tuple(t for t in tables if t not in (features, table))
            return (replace(named, train=train, others=others),
                    [f"train rows are those of {features.name}, their labels those of {table.name}{united[1]}"])
    return named, []


def _united(features: pd.DataFrame, labels: pd.DataFrame) -> tuple[pd.DataFrame, str] | None:
    """The rows of both, and by what: a column of both with a value for each row, else their order; None where neither is."""
    shared = [name for name in features.columns if name in labels.columns]
    for key in shared:
        if features[key].is_unique and labels[key].is_unique and labels[key].isin(set(features[key])).mean() >= COVERED:
            new = labels[[key, *(name for name in labels.columns if name not in shared)]]
            return features.merge(new, on=key, how="inner"), f", by {key!r}"
    if len(features) != len(labels) or any(not features[name].equals(labels[name]) for name in shared):
        return None
    new = labels.drop(columns=shared)
    counted = [name for name in new.columns[:-1] if list(new[name]) in (_counted(new, 0), _counted(new, 1))]
    return pd.concat([features, new.drop(columns=counted)], axis=1), ", row by row"


def _counted(frame: pd.DataFrame, first: int) -> list[str]:
    return [str(place) for place in range(first, first + len(frame))]


def _from_one(named: Named, sample_table: Found, scratch: Path) -> tuple[Named, list[str]]:
    """Train and test rows of one table, where it has the ids of the sample and the target, which their rows lack."""
    sample = read_text(sample_table)
    tables = [t for t in (named.train, *named.others) if t is not None]
    for table in tables:
        shared = [name for name in sample.columns if name in heading_if_any(table)]
        if len(shared) < 2 or shared[0] != sample.columns[0]:
            continue
        rows = read_text(table)
        asked, answers = rows[shared[0]].isin(set(sample[shared[0]])), shared[1:]
        hidden = asked & (rows[answers] == "").all(axis=1)
        if hidden.sum() == len(sample) and not asked.all():
            train, test = rows[~asked], rows[asked].drop(columns=answers)
            made = replace(named, train=_made(train, "train.csv", scratch), test=_made(test, "test.csv", scratch),
                           others=tuple(t for t in tables if t != table))
            return made, [f"{table.name} has the rows of both: those that the sample submission names are the test"]
    return named, []


def _made(rows: pd.DataFrame, name: str, scratch: Path) -> Found:
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / name
    rows.to_csv(path, index=False)
    return Found(name, path)


def stand_in(train: Found, test: Found) -> pd.DataFrame:
    """What a sample submission would be where there is none: the rows of test, the columns that train alone has."""
    first, rows = head(train), read_text(test)
    both = [name for name in rows.columns if name in first.columns]
    unique = (name for name in both if rows[name].is_unique and first[name].is_unique)
    ids = [name for name in unique if read_text(train, columns=[name])[name].is_unique][:1]
    return rows[ids].assign(**{name: first[name].iloc[0] for name in first.columns if name not in rows.columns})
