"""Joins further tables to the train and test rows by the key columns that they share, aggregated where a key repeats."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tasks.tables import as_numbers

COVERED = 0.5   # of the train keys and of the test keys that a table must know
ROUNDS = 2      # a joined table may bring the key of another


def join(
    train: pd.DataFrame, test: pd.DataFrame, tables: Mapping[str, pd.DataFrame], *, targets: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Train and test with the columns of every table that covers the keys of both, and what was joined in sentences.

    All frames hold text. A table with a target among its columns is left out: it would hold answers.
    """
    notes, left = [], {name: table for name, table in tables.items() if not set(targets) & set(table.columns)}
    for _ in range(ROUNDS):
        for name, table in list(left.items()):
            key = _key(train, test, table)
            if key is None:
                continue
            brought = _by_key(table, key, name)
            train, test = (side.merge(brought, on=key, how="left").fillna("") for side in (train, test))
            notes.append(f"{name} is joined by {key!r}: {brought.shape[1] - 1} columns")
            del left[name]
    return train, test, notes


def _key(train: pd.DataFrame, test: pd.DataFrame, table: pd.DataFrame) -> str | None:
    """The shared column that the table covers best, enough in train and in test."""
    shared = [c for c in table.columns if c in train.columns and c in test.columns]
    covered = {c: min(side[c].isin(set(table[c]) - {""}).mean() for side in (train, test)) for c in shared}
    levels = {c: table[c].nunique() for c in shared}
    fitting = [c for c in shared if covered[c] >= COVERED and levels[c] > 1]
    return max(fitting, key=lambda c: levels[c], default=None)


def _by_key(table: pd.DataFrame, key: str, name: str) -> pd.DataFrame:
    """One row a key: the table itself where keys are unique, else counts, means of numbers, commonest texts."""
    stem = name.rsplit(".", 1)[0]
    named = {c: f"{stem}.{c}" for c in table.columns if c != key}
    if table[key].is_unique:
        return table.rename(columns=named)
    groups = table.groupby(key)
    made = {f"{stem}.rows": groups.size()}
    for column in named:
        numbers = as_numbers(table[column])
        if numbers.notna().mean() >= COVERED:
            parts = numbers.groupby(table[key])
            made |= {f"{stem}.{column}.{part}": getattr(parts, part)() for part in ("mean", "min", "max", "std")}
        else:
            made[f"{stem}.{column}"] = groups[column].agg(lambda values: values.mode().iloc[0])
            made[f"{stem}.{column}.levels"] = groups[column].nunique()
    return pd.DataFrame(made).reset_index().astype("str").replace("nan", "")
