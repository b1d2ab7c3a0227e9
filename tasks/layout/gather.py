"""Lists what a competition hands out, archives unpacked, and says which tables are train, test and sample submission."""

import gzip
import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from tasks.tables import IMAGE_SUFFIXES, TaskError, encoding_of, separator_of

TABLES = {".csv", ".tsv", ".json", ".jsonl", ".parquet"}
SOUNDS = {".wav", ".aif", ".aiff", ".aifc", ".flac", ".ogg", ".mp3"}
MEDIA = IMAGE_SUFFIXES | SOUNDS
HEAD = 200


@dataclass(frozen=True)
class Found:
    """A file that is handed out: `name` is its place once every archive is unpacked, `path` where its bytes lie now."""

    name: str
    path: Path

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its folders, lower case."""
        return tuple(part.lower() for part in PurePosixPath(self.name).parts[:-1])


@dataclass(frozen=True)
class Named:
    """The tables by what they are for; each may be missing, but the sample only where there are train and test."""

    train: Found | None
    test: Found | None
    sample: Found | None
    others: tuple[Found, ...]


def gather(folder: Path, scratch: Path) -> list[Found]:
    """Every file below the folder, sorted by name; members of zip, tar and gz files are unpacked below `scratch`."""
    found: dict[str, Found] = {}
    archives = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if re.search(r"\.(zip|tar|tgz|tar\.gz|gz)$", name.lower()):
            archives.append((name, path))
        else:
            found[name] = Found(name, path)
    for place, (name, path) in enumerate(archives):
        for member in _unpacked(name, path, scratch / str(place)):
            found.setdefault(member.name, member)
    return sorted(found.values(), key=lambda known: known.name)


def _unpacked(name: str, archive: Path, into: Path) -> Iterator[Found]:
    into.mkdir(parents=True)
    stem = re.sub(r"\.(zip|tar|tgz|tar\.gz|gz)$", "", PurePosixPath(name).name, flags=re.IGNORECASE)
    try:
        _extract(archive, into, stem)
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError) as error:
        raise TaskError(f"{name} cannot be unpacked: {error}") from error
    parent = PurePosixPath(name).parent
    for path in sorted(p for p in into.rglob("*") if p.is_file() and "__MACOSX" not in p.parts):
        inside = PurePosixPath(path.relative_to(into).as_posix())
        flat = inside.suffix.lower() in TABLES
        placed = PurePosixPath(inside.name) if flat else inside if inside.parts[0] == stem else stem / inside
        yield Found((parent / placed).as_posix(), path)


def _extract(archive: Path, into: Path, stem: str) -> None:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(into)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as opened_tar:
            opened_tar.extractall(into, filter="data")
    else:
        with gzip.open(archive) as source, (into / stem).open("wb") as target:
            shutil.copyfileobj(source, target)


def place(source: Path, target: Path) -> None:
    """The file under another name; a symbolic link would lead nowhere in a trial."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


def name_tables(found: Sequence[Found]) -> Named:
    """Which table is which, by file names and by the columns that they share with the sample submission."""
    tables = [known for known in found if known.suffix in TABLES and len(known.parts) <= 1]
    samples = [known for known in tables if re.search(r"sample|submission", known.stem.lower())]
    sample = max(samples, key=lambda known: ("sample" in known.stem.lower(), known.stem), default=None)
    left = [known for known in tables if known not in samples]
    test = _best(left, sample, r"test(?!.*label)", ("test",))
    train = _best([t for t in left if t != test], sample, r"train|label", ("train", "labels", "train_labels"))
    if sample is None and (train is None or test is None):
        there = ", ".join(known.name for known in found[:8]) or "nothing"
        raise TaskError(f"no sample submission among the files (there are: {there}); name it sample_submission.csv")
    return Named(train, test, sample, tuple(t for t in left if t not in (train, test)))


def _best(tables: Sequence[Found], sample: Found | None, pattern: str, usual: tuple[str, ...]) -> Found | None:
    """The table whose name fits: the usual names first, then the one with the most columns of the sample."""
    fitting = [known for known in tables if re.search(pattern, known.stem.lower())]
    wanted = {column.lower() for column in heading(sample)} if sample else set[str]()

    def fit(known: Found) -> tuple[int, int]:
        place = usual.index(known.stem.lower()) if known.stem.lower() in usual else len(usual)
        return -place, len(wanted & {column.lower() for column in heading(known)})

    return max(fitting, key=fit, default=None)


def heading(table: Found) -> set[str]:
    """The names of a table's columns; of records, which may lack some, those of the first ones."""
    return set(read_text(table, rows=1 if table.suffix in (".csv", ".tsv") else HEAD).columns)


def heading_if_any(table: Found) -> set[str]:
    """`heading`; empty for a table that cannot be read."""
    try:
        return heading(table)
    except TaskError:
        return set()


def head(table: Found) -> pd.DataFrame:
    """The first rows as text."""
    return read_text(table, rows=HEAD)


def read_text(table: Found, *, rows: int | None = None, columns: list[str] | None = None) -> pd.DataFrame:
    """The rows of a table with every field as its text ("" where it is missing); of a CSV file only these columns."""
    try:
        return _read(table, rows, columns).fillna("")
    except (ValueError, UnicodeError) as error:  # pandas' parser errors are ValueErrors
        raise TaskError(f"{table.name} is not a readable table: {str(error).splitlines()[0]}") from error


def _read(table: Found, rows: int | None, columns: list[str] | None = None) -> pd.DataFrame:
    if table.suffix in (".json", ".jsonl"):
        return _texts(pd.DataFrame([flat(record) for record in _records(table)[:rows]], dtype=object))
    if table.suffix == ".parquet":
        frame = pd.read_parquet(table.path)
        return _texts(frame if rows is None else frame.head(rows))
    encoding = "utf-8" if rows is not None else encoding_of(table.path)
    return pd.read_csv(table.path, dtype=str, keep_default_na=False, nrows=rows, usecols=columns, encoding=encoding,
                       encoding_errors="replace", sep=separator_of_head(table.path, encoding))


def _records(table: Found) -> list[dict[str, object]]:
    """The records of a JSON list, or of a file with one on each line."""
    text = table.path.read_text(encoding="utf-8-sig")
    records = [json.loads(line) for line in text.splitlines() if line.strip()] if table.suffix == ".jsonl" else json.loads(text)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError("it is no list of records")
    return records


def flat(record: Mapping[str, object], before: str = "") -> dict[str, object]:
    """A record without records in it: fields of an inner one get its name before theirs ("item.size"); of a list of records how
    many there are, of their numbers the mean, extremes and the last, and all that is text."""
    made: dict[str, object] = {}
    for key, value in record.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            made |= flat(value, f"{name}.")
        elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            made |= _of_records([flat(each) for each in value], name)
        else:
            made[name] = value
    return made


def _of_records(records: Sequence[Mapping[str, object]], name: str) -> dict[str, object]:
    made: dict[str, object] = {f"{name}.rows": len(records)}
    for key in dict.fromkeys(key for record in records for key in record):
        values = [record[key] for record in records if record.get(key) is not None]
        numbers = [value for value in values if isinstance(value, int | float)]
        if values and len(numbers) == len(values):
            made |= {f"{name}.{key}.mean": sum(numbers) / len(numbers), f"{name}.{key}.min": min(numbers),
                     f"{name}.{key}.max": max(numbers), f"{name}.{key}.last": numbers[-1]}
        else:
            made[f"{name}.{key}"] = " ".join(map(str, values))
    return made


def separator_of_head(path: Path, encoding: str) -> str:
    """The separator; a file whose first lines are not UTF-8 is split at commas."""
    try:
        return separator_of(path, encoding)
    except UnicodeDecodeError:
        return ","


def _texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Fields as text: lists joined, truth values as 0 and 1, nothing for what is missing."""
    def text(value: object) -> str:
        if isinstance(value, list | tuple):
            return " ".join(map(str, value))
        if isinstance(value, bool):
            return str(int(value))
        return "" if value is None or (isinstance(value, float) and value != value) else str(value)

    return pd.DataFrame({str(name): frame[name].map(text).astype("str") for name in frame.columns})
