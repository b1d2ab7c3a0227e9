"""Lays a competition's files out as the folder that tasks/spec.py reads, whatever they are called and packed in.

Read: zipped tables, JSON, sample submissions and train tables of other names, tests that only the sample lists, images
and sounds named by id, labels in file names, further tables to join, molecules, a row for each pair of thing and object,
images to be turned into images, texts to be rewritten, labels in lists, tables too large to read whole. What was done is
said in layout.json, which `load` repeats.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import tomli_w

from tasks.layout import media, molecules, pixels, sampling
from tasks.layout.apart import stand_in, whole
from tasks.layout.gather import SOUNDS, TABLES, Found, Named, gather, head, heading, heading_if_any, name_tables, place, read_text
from tasks.layout.joins import join
from tasks.layout.lists import listed
from tasks.layout.pairs import asks_for_columns, pair_up
from tasks.layout.rewriting import REWRITINGS, rewrite
from tasks.layout.row_files import FEWEST as FEWEST_FILES
from tasks.layout.row_files import READ as ROW_FILES
from tasks.layout.row_files import bring, described, keys_of, of_side, take_out
from tasks.tables import TaskError

__all__ = ["arrange", "is_plain"]
MOST_BYTES = 400_000_000  # of a train table that is read whole: some two million rows
NOTES = "layout.json"
FILES = ("image", "file", "path")  # names of the column with each row's file


@dataclass
class Tables:
    """Rows as text on their way into the folder, with what task.toml is to say and what was done."""

    train: pd.DataFrame
    test: pd.DataFrame
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def is_plain(folder: Path, *, most_bytes: int = MOST_BYTES) -> bool:
    """Whether tasks/spec.py reads all of the folder as it is: train.csv, test.csv, a sample of the usual name if any, and beside
    them no further table, sound, molecule or file for each row, which are to be read into the rows."""
    if not all((folder / name).is_file() for name in ("train.csv", "test.csv")):
        return False
    other = [p for p in folder.glob("*.csv*") if "sample" in p.name.lower() and p.name != "sample_submission.csv"]
    sampled = (folder / "sample_submission.csv").is_file()
    read_whole = (folder / "train.csv").stat().st_size <= most_bytes
    more = _holds_more(folder) or bool(_molecules(Found("test.csv", folder / "test.csv"))) or (sampled and _is_in_steps(folder))
    return read_whole and (sampled or not other) and not more


def _holds_more(folder: Path) -> bool:
    """Tables beside those that every competition has, sounds, or so many files in folders that there is one for each row."""
    usual, below = {"train.csv", "test.csv", "layout.json"}, 0
    for parent, _, names in os.walk(folder):
        for name in names:
            suffix = Path(name).suffix.lower()
            table = parent == str(folder) and suffix in TABLES and name not in usual and "submission" not in name.lower()
            below += parent != str(folder) and suffix in ROW_FILES
            if table or suffix in SOUNDS or below >= FEWEST_FILES:
                return True
    return False


def _is_in_steps(folder: Path) -> bool:
    """Whether test has twice as many lines as the sample submission and more, so that it may have several for one of its rows."""
    counts = []
    for name in ("test.csv", "sample_submission.csv"):
        with (folder / name).open("rb") as file:
            counts.append(sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 22), b"")))
    return counts[0] > 1 and counts[0] - 1 >= 2 * (counts[1] - 1)


def _molecules(table: Found) -> list[str]:
    """Columns of molecules, by the first rows."""
    try:
        return molecules.columns_of(head(table))
    except TaskError:  # what reads the table in earnest says what is wrong with it
        return []


def arrange(folder: Path, into: Path, *, most_bytes: int = MOST_BYTES) -> Path:
    """Lay `folder` out in `into`/public, which is returned; nothing is done where that is there already.

    Atomic: built aside and renamed. Raises TaskError where no tables can be made out.
    """
    folder = folder.resolve()
    stamp = _stamp(folder, most_bytes)
    if (into / "stamp").is_file() and (into / "stamp").read_text() == stamp:
        return into / "public"
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=f".{into.name}-") as partial:
        fresh = Path(partial) / "fresh"
        (fresh / "public").mkdir(parents=True)
        _build(folder, fresh / "public", Path(partial) / "unpacked", most_bytes)
        (fresh / "stamp").write_text(stamp)
        if into.exists():
            into.rename(Path(partial) / "before")
        fresh.rename(into)
    return into / "public"


def _stamp(folder: Path, most_bytes: int) -> str:
    digest = hashlib.sha256(str(most_bytes).encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        known = path.stat()
        digest.update(f"{path.relative_to(folder)} {known.st_size} {known.st_mtime_ns}\n".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _build(folder: Path, public: Path, scratch: Path, most_bytes: int) -> None:
    found = gather(folder, scratch)
    found, row_files = take_out(found)
    named, notes = whole(name_tables(found), scratch / "tables")
    if named.sample is not None:
        sample = read_text(named.sample)
        _sample(sample, public)
        notes += [] if named.sample.name == "sample_submission.csv" else [f"{named.sample.name} is the sample submission"]
    else:
        assert named.train is not None and named.test is not None, "name_tables sees to it"
        sample = stand_in(named.train, named.test)
    images = pixels.sides(found, sample)
    settings: dict[str, Any] = {}
    if images:
        pixels.write(*images, sample, public)
        settings = {"id": sample.columns[0], "targets": [sample.columns[1]], "kind": "regression", "group": "image"}
        notes.append(f"each pixel is a row: {len(images[0])} train and {len(images[2])} test images")
    elif not row_files and _as_it_is(found, named, sample):
        assert named.train is not None and named.test is not None
        notes += [f"{table.name} is left out: it holds the target" for table in named.others]
        notes += _link(named.train, public / "train.csv", most_bytes) + _link(named.test, public / "test.csv", 1 << 62)
    else:
        tables = _tables(found, named, sample, public, most_bytes, scratch, row_files)
        group = tables.settings.get("group")
        if group in tables.test.columns and group not in FILES:
            tables.test = tables.test.drop(columns=group)  # rows of one thing belong together; its name says nothing
        tables.train.to_csv(public / "train.csv", index=False)
        tables.test.to_csv(public / "test.csv", index=False)
        settings, notes = tables.settings, notes + tables.notes
    _describe(found, settings, public)
    (public / NOTES).write_text(json.dumps(notes), encoding="utf-8")


def _as_it_is(found: list[Found], named: Named, sample: pd.DataFrame) -> bool:
    """Train and test are CSV files and there is nothing beside them that belongs to their rows: no table but of answers."""
    if named.train is None or named.test is None or {named.train.suffix, named.test.suffix} != {".csv"}:
        return False
    known = heading(named.test)
    targets = heading(named.train) - known
    others = [table for table in named.others if targets.isdisjoint(heading_if_any(table))]
    beside = [file for file in found if file.suffix in media.MEDIA] or others
    if beside or _molecules(named.test) or asks_for_columns(head(named.train), sample):
        return False
    shared = [name for name in sample.columns if name in known]
    test = read_text(named.test, columns=shared or sorted(known)[:1])
    return _answers(sample, test) and (sample.shape[1] != 2 or bool(shared))


def _link(table: Found, target: Path, most_bytes: int) -> list[str]:
    """A table in its place: by a link where it stays, by its bytes where it was unpacked, in part where it is too large."""
    size = table.path.stat().st_size
    if size > most_bytes:
        rows = sampling.sample_rows(table.path, target, most_bytes=most_bytes)
        return [f"{table.name} has {size / 1e6:.0f} MB: {rows} of its rows are read, drawn at random"]
    place(table.path, target)
    return [] if table.name == target.name else [f"{table.name} is {target.name}"]


def _tables(
    found: list[Found], named: Named, sample: pd.DataFrame, public: Path, most_bytes: int, scratch: Path,
    row_files: Mapping[str, list[Found]],
) -> Tables:
    """The rows of train and test with all that belongs to them."""
    both = [media.by_name(media.of_side(found, side)) for side in ("train", "test")]
    if named.train is None:
        pairs = listed(found, sample, both[0])
        if pairs is None:
            return _from_names(found, sample, public, row_files)
        told = {"id": sample.columns[0], "targets": [sample.columns[1]], "group": pairs.thing}
        said = ["labels are lists in a text file; each row is a thing and a class"]
        return _with_media(Tables(pairs.train, pairs.test, told, said), both[0], both[1], public, sample)
    notes: list[str] = [] if named.train.name == "train.csv" else [f"{named.train.name} is the train table"]
    if named.train.path.stat().st_size > most_bytes:
        part = scratch / "part.csv"
        scratch.mkdir(exist_ok=True)
        notes += _link(named.train, part, most_bytes)
        named = Named(Found(named.train.name, part), named.test, named.sample, named.others)
    assert named.train is not None
    if named.test is None and not (both[0] or both[1] or named.others or row_files):
        held = ", ".join(sorted(known.name for known in found))
        raise TaskError(f"no test.csv: the folder holds {held}; the test rows need columns or files of their own")
    train, test = read_text(named.train), read_text(named.test) if named.test else None
    choices = rewrite(train, test, sample)
    if choices is not None:
        choices.rewritings.to_csv(public / REWRITINGS, index=False)
        told = {"id": sample.columns[0], "targets": [sample.columns[1]], "metric": "accuracy", "kind": "multiclass",
                "submission": "label"}
        return Tables(choices.train, choices.test, told, [*notes, "texts are rewritten: the label says which known way is right"])
    called = {key: known for name, files in row_files.items() for key, known in keys_of(name, files).items()}
    made = _rows(train, test, sample, both[0] | both[1] | called)
    made.train, made.test, read = bring(made.train, made.test, row_files, public, _targets(made))
    made.notes = notes + made.notes + read
    others, unread = _others(named)
    made.notes += unread
    made.train, made.test, joined = join(made.train, made.test, others, targets=_targets(made))
    made.notes += joined
    smiles = [name for name in molecules.columns_of(made.test) if name in made.train.columns]
    made.train, made.test, said = molecules.describe(made.train, made.test, smiles)
    made.notes += said
    return _with_media(made, both[0], both[1], public, sample)


def _others(named: Named) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Further tables that can be read, and a sentence for each that cannot."""
    tables: dict[str, pd.DataFrame] = {}
    unread = []
    for table in named.others:
        try:
            tables[table.name] = read_text(table)
        except TaskError as error:
            unread.append(f"left out: {error}")
    return tables, unread


def _rows(train: pd.DataFrame, test: pd.DataFrame | None, sample: pd.DataFrame, media_names: dict[str, Found]) -> Tables:
    """What the sample asks for, row by row: test's rows, its own where there is no test table, or pairs."""
    if test is not None and _answers(sample, test) and not asks_for_columns(train, sample):
        return Tables(train, test)
    pairs = pair_up(train, test, sample, media_names)
    if pairs is not None:
        settings = {"id": sample.columns[0], "targets": [sample.columns[1]], "group": pairs.thing}
        return Tables(pairs.train, pairs.test, settings, [f"each row is a pair of {pairs.thing!r} and an object"])
    if test is not None:
        return Tables(train, test)
    known = [c for c in sample.columns if c in train.columns and sample[c].is_unique and len(sample) > 1]
    named = media.column_of(sample, media_names)
    id = known[0] if known else named
    if id is None:
        raise TaskError("there is no test table, and the sample submission names no rows that train or the images know")
    if id not in train.columns:
        train = train.rename(columns={media.column_of(train, media_names): id})
    return Tables(train, sample[[id]].copy(), {"id": id}, ["the test rows are those of the sample submission"])


def _answers(sample: pd.DataFrame, test: pd.DataFrame) -> bool:
    """Whether the sample has a row for each row of test: an id that both have, or as many rows."""
    shared = [c for c in sample.columns if c in test.columns]
    return any(set(sample[c]) == set(test[c]) for c in shared) or len(sample) == len(test)


def _targets(tables: Tables) -> list[str]:
    return [c for c in tables.train.columns if c not in tables.test.columns]


def _with_media(
    tables: Tables, train_media: dict[str, Found], test_media: dict[str, Found], public: Path, sample: pd.DataFrame,
) -> Tables:
    """A column with the path of each row's image, where a column of both tables names them."""
    shared = tables.train[[c for c in tables.train.columns if c in tables.test.columns]]
    column = media.column_of(shared, train_media)
    if column is None or media.column_of(tables.test[[column]], test_media) is None:
        return tables
    paths = [media.lay_out(side[column], names, public, name) for side, names, name in (
        (tables.train, train_media, "train"), (tables.test, test_media, "test"))]
    name = _free(tables.train)
    tables.train, tables.test = (side.assign(**{name: path}) for side, path in
                                 zip((tables.train, tables.test), paths, strict=True))
    tables.notes.append(f"files named by {column!r} belong to the rows")
    told = bool(tables.train[column].duplicated().any())  # else a name is of one row only and says nothing
    if tables.settings.get("group") == column:
        tables.settings["group"] = name
        told = False
    if column == sample.columns[0]:
        tables.settings.setdefault("id", column)
    elif not told and column not in sample.columns:
        tables.train, tables.test = (side.drop(columns=column) for side in (tables.train, tables.test))
    return tables


def _free(rows: pd.DataFrame) -> str:
    """What the column of files is called."""
    return next(name for name in FILES if name not in rows.columns)


def _from_names(found: list[Found], sample: pd.DataFrame, public: Path, row_files: Mapping[str, list[Found]]) -> Tables:
    """Rows from files alone, media or those of one kind: labels in the names of train files, test files named by the sample."""
    kind = next(iter(row_files), "")
    train = media.of_side(found, "train") or of_side(row_files.get(kind, ()), "train")
    asked = media.by_name(media.of_side(found, "test")) or keys_of(kind, of_side(row_files.get(kind, ()), "test"))
    id = media.column_of(sample, asked)
    values = [c for c in sample.columns if c != id]
    labels = media.labels_in_names(train, classes=len(values) if len(values) > 1 else 0)
    if id is None or labels is None or not values:
        raise TaskError("no train table, and the names of the train files hold no labels: put labels into train.csv")
    names = pd.Series([known.name for known in train])
    target = values[0] if len(values) == 1 else "label"
    counts = ", ".join(f"{label} {count}" for label, count in pd.Series(labels).value_counts().items())
    if len(values) == 1 and len(set(labels)) == 2 and not set(sample[target]) <= set(labels):
        labels = _flags(labels, "".join(known.path.read_text() for known in found if known.name == "description.md"))
    rows = pd.DataFrame({id: [f"train-{n}" for n in range(len(train))], target: labels})
    note = f"labels are in the names of the train files: {counts[:200]}"
    if train[0].suffix not in media.MEDIA:
        own, theirs = (described(files, kind, public, several=False) for files in (train, list(asked.values())))
        paths = sample[id].map({key: known.name for key, known in asked.items()})
        made = own.set_axis(rows.index), theirs.reindex(paths).set_axis(sample.index).fillna("")
        rows, test = (pd.concat([side, columns], axis=1) for side, columns in zip((rows, sample[[id]]), made, strict=True))
        return Tables(rows, test, {"id": id, "targets": [target]}, [note])
    column = _free(rows)
    rows[column] = media.lay_out(names, dict(zip(names, train, strict=True)), public, "train")
    test = sample[[id]].assign(**{column: media.lay_out(sample[id], asked, public, "test")})
    return Tables(rows, test, {"id": id, "targets": [target]}, [note])


def _flags(labels: list[str], description: str) -> list[str]:
    """Two labels as 1 and 0: 1 is the one that the description gives it ("1 = dog"), else the later in the alphabet."""
    first, second = sorted(set(labels))
    told = re.search(rf"\b1\b\W{{1,4}}(?:for |is |a |an |the )*({re.escape(first)}|{re.escape(second)})s?\b", description, re.I)
    one = first if told and told[1].lower() == first.lower() else second
    return [str(int(label == one)) for label in labels]


def _sample(sample: pd.DataFrame, public: Path) -> None:
    sample.to_csv(public / "sample_submission.csv", index=False)


def _describe(found: list[Found], settings: dict[str, Any], public: Path) -> None:
    """description.md as it is, and task.toml: what the folder's own says, and what the layout knows."""
    for known in found:
        if known.name == "description.md":
            shutil.copyfile(known.path, public / "description.md")
        if known.name == "task.toml":
            shutil.copyfile(known.path, public / "task.toml")
    path = public / "task.toml"
    if path.exists():
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
        stated.pop("assets", None)  # they lie elsewhere now
        if "text" in stated:
            there = head(Found("train.csv", public / "train.csv")).columns
            named = [stated["text"]] if isinstance(stated["text"], str) else stated["text"]
            stated["text"] = [name if name in there else f"{name}.fragments" for name in named]
        path.write_text(tomli_w.dumps(stated), encoding="utf-8")
    elif settings:
        path.write_text(tomli_w.dumps(settings), encoding="utf-8")
