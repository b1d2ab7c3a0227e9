"""Makes one row of each thing where test has many rows of it and the sample submission one: steps of a recording, say.

Columns that never change within a thing stay, numbers that do become what `row_files.summary` tells of a recording, words a text.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.layout.gather import Found, Named, heading_if_any, read_text
from tasks.layout.row_files import MOST_CHARACTERS, MOST_VALUES, summaries, summary
from tasks.tables import as_numbers

FEWEST = 2.0   # rows of a thing in test, in the mean
COVERED = 0.5  # of test's columns that a table has whose rows are such steps too


def one_row_each(named: Named, scratch: Path) -> tuple[Named, list[str]]:
    """`named` with tables of one row a thing, made below `scratch`, and what was done in sentences."""
    if named.test is None or named.sample is None:
        return named, []
    sample = read_text(named.sample)
    key = sample.columns[0]
    columns = heading_if_any(named.test)
    if key not in columns or sample.empty or not sample[key].is_unique:
        return named, []
    test = read_text(named.test, columns=[key])[key]
    if len(test) < FEWEST * len(sample) or set(test) != set(sample[key]):
        return named, []
    long = [table for table in (named.train, *named.others) if table is not None
            and key in (known := heading_if_any(table)) and len(known & columns) > COVERED * len(columns)]
    rows = {table.name: read_text(table) for table in (named.test, *long)}
    order = _order([rows[table.name] for table in (named.test, *long)], key)
    still = _still(list(rows.values()), key)
    sizes = {int(count) for frame in rows.values() for count in frame[key].value_counts().unique()}
    size = sizes.pop() if len(sizes) == 1 else 0
    made: dict[str, Found] = {}
    scratch.mkdir(parents=True, exist_ok=True)
    for name, frame in rows.items():
        path = scratch / f"each-{Path(name).stem}.csv"
        _united(frame, key, order, still, size=size).to_csv(path, index=False)
        made[name] = Found(f"{Path(name).stem}.csv", path)
    note = f"rows of one {key!r} are made one row, {len(test) / len(sample):.0f} of them in the mean"
    return replace(named, train=made.get(named.train.name, named.train) if named.train else None, test=made[named.test.name],
                   others=tuple(made.get(table.name, table) for table in named.others)), [note]


def _order(tables: list[pd.DataFrame], key: str) -> str | None:
    """The column that tells the order within a thing: a number that no two rows of one share; the first that does."""
    for name in (name for name in tables[0].columns if name != key and all(name in table for table in tables)):
        told = all(as_numbers(table[name]).notna().all() and not table.duplicated([key, name]).any() for table in tables)
        if told and all((as_numbers(table[name]) % 1 == 0).all() for table in tables):
            return str(name)
    return None


def _still(tables: list[pd.DataFrame], key: str) -> list[str]:
    """Columns of one value for each thing."""
    moving = {name for table in tables for name in table.columns if name != key and _moves(table[name], table[key])}
    return [name for name in dict.fromkeys(name for table in tables for name in table.columns) if name not in {key, *moving}]


def _moves(column: pd.Series, things: pd.Series) -> bool:
    place, _ = pd.factorize(things)
    first = np.full(place.max() + 1, -1)
    value, _ = pd.factorize(column)
    first[place[::-1]] = value[::-1]
    return bool((value != first[place]).any())


def _united(rows: pd.DataFrame, key: str, order: str | None, still: list[str], *, size: int) -> pd.DataFrame:
    """(things, columns) as text; size: rows that every thing has, 0 where they differ."""
    if order is not None:
        rows = rows.assign(_order=as_numbers(rows[order])).sort_values("_order", kind="stable").drop(columns="_order")
    place, things = pd.factorize(rows[key])
    sequence = np.argsort(place, kind="stable")
    rows, counts = rows.iloc[sequence], np.bincount(place)
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    made: dict[str, object] = {key: things}
    made |= {name: rows[name].to_numpy()[starts] for name in rows.columns if name in still}
    if not size:
        made["rows"] = counts
    moving = [name for name in rows.columns if name not in (key, order, *still)]
    numbers = {name: as_numbers(rows[name]) for name in moving}
    kept = bool(size) and size * len(moving) <= MOST_VALUES
    for name in moving:
        if not numbers[name].notna().any():
            made[name] = [" ".join(part)[:MOST_CHARACTERS] for part in np.split(rows[name].to_numpy(), starts[1:])]
            continue
        values = numbers[name].to_numpy(dtype=np.float64)
        if size and np.isfinite(values).all():
            told = pd.DataFrame(summaries(values.reshape(-1, size)))
        else:
            told = pd.DataFrame([summary(part) for part in np.split(values, starts[1:])])
        made |= {f"{name}.{what}": told[what].to_numpy() for what in told}
        if kept:
            made |= {f"{name}_{step:03d}": each for step, each in enumerate(values.reshape(-1, size).T)}
    return pd.DataFrame(made)
