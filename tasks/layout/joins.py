"""Joins further tables to the train and test rows by the keys that they share, aggregated where a key repeats.

A key is a column of the same name, a column whose name says so (`customer` and `id` of customers.csv), or several shared
columns together (store and date of weather.csv).
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tasks.tables import as_dates, as_numbers

COVERED = 0.5   # of the train keys and of the test keys that a table must know
ROUNDS = 2      # a joined table may bring the key of another
SHOWN = 4       # levels of a repeating text column that are counted each
MOST = 400      # columns that a table may bring

Keys = dict[str, str]  # column of the table: column of the rows


def join(
    train: pd.DataFrame, test: pd.DataFrame, tables: Mapping[str, pd.DataFrame], *, targets: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Train and test with the columns of every table that covers the keys of both, and what was joined in sentences.

    All frames hold text. A table with a target among its columns is left out: it would hold answers.
    """
    notes = [f"{name} is left out: it holds the target" for name, table in tables.items() if set(targets) & set(table.columns)]
    left = {name: table for name, table in tables.items() if not set(targets) & set(table.columns)}
    for _ in range(ROUNDS):
        for name, table in list(left.items()):
            keys = keys_of(train, test, table, stem=name.rsplit("/", 1)[-1].rsplit(".", 1)[0])
            if not keys:
                continue
            brought = _by_key(table.rename(columns=keys), list(keys.values()), name)
            train, test = (_merged(side, brought, list(keys.values())) for side in (train, test))
            words = " and ".join(repr(key) for key in keys.values())
            notes.append(f"{name} is joined by {words}: {brought.shape[1] - len(keys)} columns")
            del left[name]
    return train, test, [*notes, *(f"{name} is not joined: no column of it is a key of the rows" for name in left)]


def keys_of(train: pd.DataFrame, test: pd.DataFrame, table: pd.DataFrame, *, stem: str) -> Keys:
    """The columns to join by; empty where the table knows too few keys of train or of test."""
    shared = [c for c in table.columns if c in train.columns and c in test.columns and table[c].nunique() > 1]
    single = {c: _covered(train, test, table, [c], [c]) for c in shared}
    fitting = [c for c in shared if single[c] >= COVERED]
    together = len(fitting) > 1 and not any(table[c].is_unique for c in fitting) and not table.duplicated(fitting).any()
    if together and _covered(train, test, table, fitting, fitting) >= COVERED:
        return {c: c for c in fitting}
    if fitting:
        best = max(fitting, key=lambda c: table[c].nunique())
        return {best: best}
    return _by_name(train, test, table, stem)


def _by_name(train: pd.DataFrame, test: pd.DataFrame, table: pd.DataFrame, stem: str) -> Keys:
    """A column of the rows whose name means a column of the table: customer, customer_id and CustomerID; id of customers."""
    both = [c for c in train.columns if c in test.columns]
    pairs = [(column, own) for own in table.columns for column in both
             if _core(own) == _core(column) != "" or (_core(own) == "" and _core(column) == _core(stem) != "")]
    known = {pair: _covered(train, test, table, [pair[0]], [pair[1]]) for pair in pairs if pair[0] not in table.columns}
    best = max(known, key=lambda pair: known[pair], default=None)
    return {best[1]: best[0]} if best is not None and known[best] >= COVERED else {}


def _core(name: str) -> str:
    """What a name is about: lower case, without separators, plural and the word for a key at its end."""
    bare = re.sub(r"[^a-z]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()).strip()
    words = [word for word in bare.split() if word not in ("id", "key", "code", "nr", "no", "number", "info", "data")]
    return "".join(re.sub(r"ies$", "y", word) if word.endswith("ies") else word.removesuffix("s") for word in words)


def _covered(train: pd.DataFrame, test: pd.DataFrame, table: pd.DataFrame, columns: list[str], own: list[str]) -> float:
    known = set(_joint(table, own)) - {""}
    return min(float(_joint(side, columns).isin(known).mean()) for side in (train, test))


def _joint(frame: pd.DataFrame, columns: list[str]) -> pd.Series:
    """The key of each row as one text, whole numbers without a point, empty where a part is."""
    parts = [frame[c].astype("str").str.strip().str.replace(r"^(\d+)\.0$", r"\1", regex=True) for c in columns]
    whole = parts[0]
    for part in parts[1:]:
        whole = (whole + "\x1f" + part).where((whole != "") & (part != ""), "")
    return whole


def _merged(rows: pd.DataFrame, brought: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Rows with the columns of the one row of `brought` that has their key, in their order."""
    place = pd.Index(_joint(brought, keys)).get_indexer(pd.Index(_joint(rows, keys)))
    new = {c: np.append(brought[c].to_numpy(object), "")[place] for c in brought.columns if c not in keys}
    return pd.concat([rows, pd.DataFrame(new, index=rows.index, dtype="str")], axis=1)


def _by_key(table: pd.DataFrame, keys: list[str], name: str) -> pd.DataFrame:
    """One row a key, none without: the table itself where keys are unique, else its rows counted and summed up."""
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    joint = _joint(table, keys)
    table = table[(joint != "").to_numpy()]
    joint = joint[joint != ""]
    if joint.is_unique:
        return table.rename(columns={c: f"{stem}.{c}" for c in table.columns if c not in keys})
    first = table[~joint.duplicated().to_numpy()][keys]
    made = _summed_up(table.drop(columns=keys), joint, stem)
    told = made.reindex(joint[~joint.duplicated().to_numpy()]).set_axis(first.index)
    return pd.concat([first, told.astype("str").replace("nan", "")], axis=1)


def _summed_up(table: pd.DataFrame, joint: pd.Series, stem: str) -> pd.DataFrame:
    """A row a key: how many rows; of numbers mean, sum, spread, extremes and the latest; of dates the first and the last;
    of texts the commonest, how many there are and how often the commonest of all occur."""
    made: dict[str, pd.Series] = {f"{stem}.rows": joint.groupby(joint).size()}
    dates = {c: found for c in table.columns if (found := _dates(table[c])) is not None}
    order = next(iter(dates.values())).sort_values(kind="stable").index if dates else table.index
    for column in table.columns:
        head = f"{stem}.{column}"
        numbers = as_numbers(table[column])
        if column in dates:
            parts = dates[column].groupby(joint)
            made |= {f"{head}.{part}": getattr(parts, part)() for part in ("min", "max")}
        elif numbers.notna().mean() >= COVERED:
            parts = numbers.groupby(joint)
            made |= {f"{head}.{part}": getattr(parts, part)() for part in ("mean", "sum", "min", "max", "std")}
            made[f"{head}.last"] = numbers.loc[order].groupby(joint.loc[order]).last()
        else:
            made |= _of_texts(table[column], joint, head)
        if len(made) > MOST:
            break
    return pd.DataFrame(made)


def _dates(values: pd.Series) -> pd.Series | None:
    """Dates from text; days as ISO 8601 writes them, which tables.py leaves to its parser of files, included."""
    known = values.where(values != "")
    if len(known.dropna()) and known.dropna().str.fullmatch(r"\d{4}-\d\d-\d\d").mean() >= 0.95:
        return pd.to_datetime(known, format="ISO8601", errors="coerce")
    return as_dates(known)


def _of_texts(values: pd.Series, joint: pd.Series, head: str) -> dict[str, pd.Series]:
    counted = pd.DataFrame({"key": joint, "value": values}).value_counts(sort=False).reset_index(name="count")
    first = counted.sort_values(["count", "value"], ascending=[False, True], kind="stable").drop_duplicates("key")
    made = {head: first.set_index("key")["value"], f"{head}.levels": counted.groupby("key").size()}
    common: Sequence[str] = values[values != ""].value_counts().index[:SHOWN].tolist() if values.nunique() <= 50 else []
    return made | {f"{head}={level}": (values == level).groupby(joint).sum() for level in common}
