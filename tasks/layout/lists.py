"""Lays out competitions whose labels are lists in text files, with a submission row for each thing and class.

The ids of the sample are thing * step + class, whole numbers. A text table has, for each thing, the classes that it shows
("3,7"; nothing where it shows none), hidden ("?") for the test. Further text tables may name the thing's file, or give each
thing as many numbers. In all of them the last column takes the rest of the line.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from tasks.layout.gather import Found
from tasks.layout.pairs import MATCHED, OBJECT, THING, Pairs
from tasks.tables import as_numbers

HIDDEN = "?"
LIST = r"\?|(\d+(,\d+)*)?"
STEPS = (10, 100, 1_000, 10_000)
MOST_BYTES = 50_000_000


def listed(found: Sequence[Found], sample: pd.DataFrame, media: Mapping[str, object]) -> Pairs | None:
    """The pairs of things and classes; None where it is not so."""
    if sample.shape[1] != 2 or not sample.iloc[:, 0].str.fullmatch(r"\d{1,15}").all():
        return None
    tables = {known.stem: table for known in found if (table := _text_table(known)) is not None}
    ids = sample.iloc[:, 0].astype("int64")
    for name, labels in tables.items():
        step = _step(labels, ids)
        if step:
            rest = {stem: table for stem, table in tables.items() if stem != name}
            return _pairs(labels, sample, ids, step, rest, media)
    return None


def _text_table(known: Found) -> pd.DataFrame | None:
    """A text file with a header and commas; None for any other file."""
    if known.suffix != ".txt" or len(known.parts) > 1 or known.path.stat().st_size > MOST_BYTES:
        return None
    lines = known.path.read_text(encoding="utf-8", errors="replace").splitlines()
    names = lines[0].split(",") if lines else []
    if len(names) < 2 or len(set(names)) < len(names):
        return None
    rows = [(line.split(",", len(names) - 1) + [""] * len(names))[: len(names)] for line in lines[1:] if line.strip()]
    return pd.DataFrame(rows, columns=[name.strip() for name in names], dtype="str") if rows else None


def _step(labels: pd.DataFrame, ids: pd.Series) -> int:
    """What things are multiplied by, where the table holds lists of classes of the asked things; else 0."""
    things, lists = labels.iloc[:, 0], labels.iloc[:, -1]
    if labels.shape[1] != 2 or not things.str.fullmatch(r"\d{1,9}").all() or not things.is_unique:
        return 0
    if not lists.str.fullmatch(LIST).all() or not (lists == HIDDEN).any() or (lists == HIDDEN).all():
        return 0
    known = set(things.astype("int64"))
    shown = {int(code) for text in lists if text != HIDDEN for code in text.split(",") if code}
    return next((step for step in STEPS
                 if set(ids // step) <= known and shown <= set(ids % step) and (ids % step).nunique() > 1), 0)


def _pairs(
    labels: pd.DataFrame, sample: pd.DataFrame, ids: pd.Series, step: int, tables: Mapping[str, pd.DataFrame],
    media: Mapping[str, object],
) -> Pairs:
    """Train: each known thing with each class; test: the sample's. Things are called as their files are."""
    id, value = sample.columns
    key, lists = labels.columns
    asked = pd.DataFrame({id: sample[id], key: (ids // step).astype("str"), OBJECT: (ids % step).astype("str")})
    known = labels[(labels[lists] != HIDDEN) & ~labels[key].isin(asked[key])]
    rows = known.merge(pd.DataFrame({OBJECT: sorted(set(asked[OBJECT]), key=int)}), how="cross")
    rows[value] = [str(int(code in text.split(","))) for code, text in rows[[OBJECT, lists]].to_numpy()]
    rows[id] = (rows[key].astype("int64") * step + rows[OBJECT].astype("int64")).astype("str")
    rows = rows[[id, key, OBJECT, value]]
    rows[OBJECT], asked[OBJECT] = "class " + rows[OBJECT], "class " + asked[OBJECT]  # codes are names, not amounts
    for stem, table in tables.items():
        brought = _of_things(table, key, known[key], stem, media)
        if brought is not None:
            rows, asked = (side.merge(brought, on=key, how="left").fillna("") for side in (rows, asked))
    if THING not in rows.columns:
        rows, asked = (side.assign(**{THING: side[key]}) for side in (rows, asked))
    return Pairs(rows.drop(columns=key), asked.drop(columns=key), THING)


def _of_things(
    table: pd.DataFrame, key: str, known: pd.Series, stem: str, media: Mapping[str, object],
) -> pd.DataFrame | None:
    """A row for each thing: its file, or its numbers where all have as many; None where the table has neither."""
    if table.columns[0] != key or table.shape[1] != 2 or not table[key].is_unique:
        return None
    told = table.iloc[:, 1].str.strip()
    if told.isin(media.keys()).mean() >= MATCHED:
        return pd.DataFrame({key: table[key], THING: told})
    numbers = told.str.split(",", expand=True)
    if numbers.isna().any(axis=None) or as_numbers(pd.Series(numbers.to_numpy().ravel(), dtype="str")).isna().any():
        return None
    mine = numbers[table[key].isin(known)]
    telling = [place for place in numbers.columns if mine[place].nunique() > 1]  # which rows are train's is no feature
    return numbers[telling].add_prefix(f"{stem}.").assign(**{key: table[key]}) if telling else None
