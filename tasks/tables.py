"""Reads competition CSV files whatever their encoding and separator, and says what each feature column is.

Everything here looks at the features of train and test rows only, never at a label.
"""

import codecs
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

NUMBER = "iuf"
MISSING = ["", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None"]
SEPARATORS = (",", ";", "\t", "|")
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y", "%m/%d/%y", "%d/%m/%y",
    "%Y-%m", "%b-%Y", "%b %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y",
)
ROWS_A_NAME = 20  # on average, from which texts are names of what the rows are of
FEW_HEADS = 5  # texts of which one has to be a date in a format before the others are tried
TIMES = ("", " %H:%M:%S", " %H:%M", " %I:%M %p", " %I:%M:%S %p")
ZONE = r"\s?(?:UTC|GMT)$"
LIKE_DATE = re.compile(r"\d[-/.]\d|\d[-/. ][A-Za-z]{3}|[A-Za-z]{3}[-/. ]\d")
CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
LETTERS = re.compile(r"[^\W\d_]+(?:[ .,'’/&()-]+[^\W\d_]+)*[.)]?")
MEASURE = re.compile(r"([-+]?(?:\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.\d+)?)"
                     r"\+?\s?([^\W\d_%][^\d\s]{0,11}(?:\s[^\W\d_]{1,11})?|[%°\"'])")
CLOCK = re.compile(r"(\d{1,4}):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?(?:\s?([AaPp])\.?[Mm]\.?)?")
SPAN = re.compile(r"(?:(\d+)\s?(?:days?|d)[ ,]*)?(?:(\d+)\s?(?:hours?|hrs?|h)[ ,]*)?(?:(\d+)\s?(?:minutes?|mins?|m)[ ,]*)?"
                  r"(?:(\d+)\s?(?:seconds?|secs?|s))?")
MONEY = r"(?:[$€£¥₹₽₩]|(?:US|R|C|A)\$|Rs\.?|USD|EUR|GBP|INR)"
ADDRESS = re.compile(r".*(?:\w@[\w-]+\.\w|\w://\w).*")
POWERS = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
LISTING = re.compile(r"[|;,]")
WHEN = re.compile(r"(?i)(?:^|_)(?:date|time|datetime|timestamp|stamp|epoch|unix|when|ts|at|created|updated)s?(?:$|_)")
EPOCHS = (("s", 3e8, 4.1e9), ("ms", 3e11, 4.1e12), ("us", 3e14, 4.1e15), ("ns", 3e17, 4.1e18))  # 1979 to 2099
ONE = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
NUMBERS = re.compile(rf"[\[(]?\s*(?:{ONE}[,;\s]+){{4,}}{ONE}[,;]?\s*[\])]?|[\[(]\s*(?:{ONE}[,;\s]+)+{ONE}\s*[\])]"
                     r"|[-+]?\d+\.\d+\s*[,;]\s*[-+]?\d+\.\d+")
LONGEST_LIST = 10_000  # numbers of a list that become columns
FEWEST_NUMBERS, MOST_GAPS = 20, 2  # different numbers of a column that has words too, and the different words
DAYS = ((19000101, 21001231, "", "%Y%m%d"), (190001, 210012, "01", "%Y%m%d"),
        (19000101000000, 21001231235959, "", "%Y%m%d%H%M%S"))  # as numbers: first, last, what a date lacks, format
COMPACT = re.compile(r"((?:19|20)\d{6})[Tt]?(\d{6})[Zz]?")
FEWEST_DAYS = 20  # different numbers, from which those that could all be written days are days
SMILES = re.compile(r"(?:\[[^\[\]\s]{1,24}\]|Br|Cl|[BCNOPSFIbcnops]|[-=#$:/\\.()@+]|%\d\d|\d)+")
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"}


class TaskError(Exception):
    """A competition folder that cannot be used as it is; the message says what was found and what to do."""


def encoding_of(path: Path) -> str:
    """The file's encoding: by its byte-order mark, UTF-8 when it decodes, else cp1252, else latin-1 (never fails)."""
    found = path.stat()
    return _encoding(path, found.st_mtime_ns, found.st_size)


@lru_cache(64)
def _encoding(path: Path, changed: int, size: int) -> str:
    """A large file is read through once, not each time somebody asks."""
    with path.open("rb") as file:
        head = file.read(4)
    for mark, name in BOMS:
        if head.startswith(mark):
            return name
    return next(name for name in ("utf-8", "cp1252", "latin-1") if _decodes(path, name))


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def separator_of(path: Path, encoding: str) -> str:
    """The separator that splits the header most often and the first lines alike; a comma when none does."""
    with path.open(encoding=encoding, newline="") as file:
        lines = [line for line in (file.readline(1 << 20) for _ in range(6)) if line.strip()]
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    counts = {s: [line.count(s) for line in bare] for s in SEPARATORS}
    steady = [s for s in SEPARATORS if counts[s] and counts[s][0] and len(set(counts[s])) == 1]
    return max(steady or SEPARATORS, key=lambda s: counts[s][0] if counts[s] else 0)


def read_table(path: Path, *, as_text: Iterable[str] = ()) -> pd.DataFrame:
    """The rows of a CSV file (RangeIndex).

    Columns in `as_text` keep their exact characters (only an empty field is missing): ids and labels need that.
    Raises TaskError: no such file, empty, header only, not a table.
    """
    if not path.is_file():
        raise TaskError(f"no {path.name} in {path.parent}")
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip():
        raise TaskError(f"{path.name} is empty ({path.stat().st_size} bytes)")
    encoding = encoding_of(path)
    separator = separator_of(path, encoding)
    frame = _parse(path, encoding, separator)
    if frame.empty:
        raise TaskError(f"{path.name} has no rows below its header")
    return with_exact_text(frame, path, as_text)


def _parse(path: Path, encoding: str, separator: str) -> pd.DataFrame:
    if _has_an_open_quote(path):  # the fast parser would take the rest of the file for one field
        return _parse_slowly(path, encoding, separator)
    try:
        return _parse_arrow(path, encoding, separator)
    except (pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowTypeError, UnicodeError, OverflowError, ValueError):
        return _parse_slowly(path, encoding, separator)


def _has_an_open_quote(path: Path) -> bool:
    with path.open("rb") as file:
        return sum(block.count(b'"') for block in iter(lambda: file.read(1 << 22), b"")) % 2 == 1


def _parse_arrow(path: Path, encoding: str, separator: str) -> pd.DataFrame:
    table = arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(encoding=encoding.removesuffix("-sig"), block_size=1 << 26),
        parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            null_values=MISSING, strings_can_be_null=True, decimal_point=_decimal_point(path, encoding, separator)),
    )
    table = table.rename_columns(_distinct(table.column_names))
    return _framed({name: _column(table.column(i)) for i, name in enumerate(table.column_names)}, table.num_rows)


def _framed(columns: Mapping[str, pd.Series], rows: int, *, copy: bool = True) -> pd.DataFrame:
    """A frame of columns of so many rows: their indices are not compared, which takes seconds for thousands of them. Objects
    as an array would be taken for text. Without a copy the columns stay where they are, each for itself."""
    arrays = {name: values if values.dtype == object else values.array for name, values in columns.items()}
    return pd.DataFrame(arrays, index=pd.RangeIndex(rows), copy=copy)


def _decimal_point(path: Path, encoding: str, separator: str) -> str:
    """A comma where the separator is a semicolon and the first rows write 1,5 and never 1.5."""
    if separator != ";":
        return "."
    with path.open(encoding=encoding, newline="") as file:
        head = file.read(1 << 16)
    number = r"(?:^|;)-?\d+{}\d+(?=;|\r|\n|$)"
    comma, point = (re.search(number.format(p), head, re.MULTILINE) for p in (",", r"\."))
    return "," if comma and not point else "."


def _distinct(names: Sequence[str]) -> list[str]:
    """Column names as pandas would have them: stripped, never empty, never twice."""
    seen: dict[str, int] = {}
    result = []
    for position, raw in enumerate(names):
        name = raw.strip().removeprefix("\ufeff") or f"Unnamed: {position}"
        count = seen[name] = seen.get(name, -1) + 1
        result.append(f"{name}.{count}" if count else name)
    return result


def _column(values: pa.ChunkedArray) -> pd.Series:
    if pa.types.is_null(values.type):
        return pd.Series(np.full(len(values), np.nan))
    if pa.types.is_time(values.type):
        values = values.cast(pa.string())
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if pa.types.is_timestamp(values.type) and values.type.tz:
        values = values.cast(pa.timestamp(values.type.unit))
    return values.to_pandas(date_as_object=False)


def _parse_slowly(path: Path, encoding: str, separator: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, encoding=encoding, sep=separator, low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError, ValueError) as error:
        raise TaskError(f"{path.name} is not a readable CSV table: {str(error).strip().splitlines()[0]}") from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise TaskError(f"{path.name} is not a readable CSV table: its rows have more fields than its header")
    frame.columns = pd.Index(_distinct([str(c) for c in frame.columns]))
    flags = [c for c in frame.columns if frame[c].dtype.kind == "b"]
    return frame.astype(dict.fromkeys(flags, "int8"))


def read_text_column(path: Path, name: str) -> pd.Series:
    """One column as the exact text of the file, stripped, without the others where the file can be read so; TaskError as
    read_table."""
    if not path.is_file() or _has_an_open_quote(path):
        return read_table(path, as_text=[name])[name]
    try:
        encoding = encoding_of(path)
        column = _text_arrow(path, encoding, separator_of(path, encoding), [name])[name]
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeError):
        return read_table(path, as_text=[name])[name]
    return column.astype("str").str.strip()


def with_exact_text(frame: pd.DataFrame, path: Path, names: Iterable[str]) -> pd.DataFrame:
    """The frame that read_table gave for the path, with some columns as the exact text of the file, stripped."""
    wanted = [name for name in dict.fromkeys(names) if name in frame.columns]
    if not wanted:
        return frame
    encoding = encoding_of(path)
    separator = separator_of(path, encoding)
    try:
        text = _text_arrow(path, encoding, separator, wanted)
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeError):
        text = _text_slowly(path, encoding, separator, [list(frame.columns).index(name) for name in wanted], wanted)
    if len(text) != len(frame):
        raise TaskError(f"{path.name} cannot be read twice alike: {len(frame)} rows, then {len(text)}")
    exact = {name: text[name].astype("str").str.strip() for name in wanted}
    if _decimal_point(path, encoding, separator) == ",":
        exact = {name: _with_points(values) if frame[name].dtype.kind == "f" else values for name, values in exact.items()}
    return frame.assign(**exact)


def _with_points(values: pd.Series) -> pd.Series:
    """Numbers as text with a point where the file has a comma."""
    return values.str.replace(r"^([-+]?\d+),(\d+)$", r"\1.\2", regex=True)


def _text_arrow(path: Path, encoding: str, separator: str, names: list[str]) -> pd.DataFrame:
    table = arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(encoding=encoding.removesuffix("-sig"), block_size=1 << 26),
        parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=names, column_types=dict.fromkeys(names, pa.string()), null_values=[""],
            strings_can_be_null=True, quoted_strings_can_be_null=True),
    )
    return table.to_pandas()


def _text_slowly(path: Path, encoding: str, separator: str, places: list[int], names: list[str]) -> pd.DataFrame:
    text = pd.read_csv(path, encoding=encoding, sep=separator, dtype=str, usecols=places, keep_default_na=False,
                       na_values=[""])
    text.columns = pd.Index([names[i] for i in np.argsort(places)])
    return text


@dataclass(frozen=True)
class Survey:
    """What the feature columns are: `roles` for those that stay, `dropped` with the reason for the rest."""

    roles: dict[str, str]
    dropped: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def survey(
    train: pd.DataFrame, test: pd.DataFrame, *, id: str | None, targets: Sequence[str], text: Sequence[str] = (),
    assets: Path | None = None,
) -> Survey:
    """The role of every usable column: numeric, categorical, text, datetime or image.

    Dropped: the id (unless it is a date or names an image), columns that only one file has or fills, constant and
    repeated columns. Infinite values count as missing and are reported.
    """
    files = image_files(assets) if assets else {}
    roles: dict[str, str] = {}
    dropped = {c: "only in train.csv" for c in train.columns if c not in test.columns and c not in targets}
    dropped |= {c: "only in test.csv" for c in test.columns if c not in train.columns}
    seen: dict[bytes, list[str]] = {}
    infinite = []
    series = _numbered(train.columns)
    for name in [c for c in train.columns if c in test.columns and c not in targets]:
        values = together(train[name], test[name])
        role = "text" if name in text else role_of(values, files)
        if role == "numeric" and _is_moment(str(name), values):
            role = "datetime"
        if role == "text" and name not in text and _name_the_same(train[name], test[name]):
            role = "categorical"
        reason = "" if name in series and role == "numeric" else _useless(values) or _empty_side(train[name], test[name])
        reason = reason or ("the id of the rows" if name == id and role not in ("datetime", "image") else "")
        twin = None if reason or name in series else _twin(name, values, train, test, seen)
        if reason or twin:
            dropped[name] = reason or f"the same as {twin}"
            continue
        roles[name] = role
        if values.dtype.kind == "f" and np.isinf(values.to_numpy()).any():
            infinite.append(name)
    notes = (f"infinite values in {_few(infinite)} are treated as missing",) if infinite else ()
    return Survey(roles, dropped, notes)


def spread_lists(name: str, train: pd.Series, test: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Train and test columns in place of one whose values are lists of five numbers and more, as "0.1 0.5 0.3 0.2 0.2", or of
    two and more where a bracket or a comma says so, as "[1, 2]" or "40.7, -74.0", or colours as "#ff8800".

    A column `<name><k>` for each number where all lists are of one length, else their count, mean, spread, extremes, first and
    last. Missing lists are missing numbers. None where the column is none of lists, and for whole numbers in lists of many
    lengths: these may be names of things, as words by their numbers, and are left as text.
    """
    if _kind(train) != "text" or _kind(test) != "text":
        return None
    samples = _sample(train, 200), _sample(test, 200)
    if all(len(sample) and sample.str.fullmatch(COLOUR).all() for sample in samples):
        train, test = (side.where(side.str.fullmatch(COLOUR)).map(_of_colour, na_action="ignore") for side in (train, test))
        samples = _sample(train, 200), _sample(test, 200)
    if not all(len(sample) and sample.str.fullmatch(NUMBERS).all() for sample in samples):
        return None
    values = together(train, test)
    known = np.flatnonzero(values.notna())
    texts = values.iloc[known].str.strip("[]() ").str.replace(r"[,;\s]+", " ", regex=True).str.strip()
    try:
        lists = [np.array(text.split(" "), dtype=np.float64) for text in texts]
    except ValueError:  # somewhere beyond the sample there is a word
        return None
    sizes = np.array([len(each) for each in lists])
    if sizes.min() == sizes.max() and sizes[0] <= LONGEST_LIST:
        rows, names = np.stack(lists), [f"{name}{place}" for place in range(sizes[0])]
    elif all((each == np.floor(each)).all() for each in lists):
        return None
    else:
        told: dict[str, Callable[[np.ndarray], float]] = {
            "count": len, "mean": np.mean, "spread": np.std, "least": np.min, "most": np.max,
            "first": lambda each: each[0], "last": lambda each: each[-1]}
        rows = np.array([[float(of(each)) for of in told.values()] for each in lists])
        names = [f"{name}_{word}" for word in told]
    whole = bool((rows == np.floor(rows)).all()) and len(known) == len(values) and float(np.abs(rows).max()) < 1 << 31
    table = np.full((len(values), len(names)), np.nan)
    table[known] = rows
    frame = pd.DataFrame(table.astype(np.int32) if whole else table, columns=names)
    return frame[: len(train)], frame[len(train) :].reset_index(drop=True)


def _of_colour(written: str) -> str:
    """Red, green and blue of a colour as "#ff8800"."""
    return str([int(written[place:place + 2], 16) for place in (1, 3, 5)])


def together(train: pd.Series, test: pd.Series) -> pd.Series:
    """Train rows, then test rows, of one column (RangeIndex); as text where the two files disagree on its type."""
    if train.dtype.kind in NUMBER and test.dtype.kind in NUMBER:  # thousands of columns: no detour through pandas
        return pd.Series(np.concatenate([train.to_numpy(), test.to_numpy()]))
    train, test = (s.astype("float64") if s.isna().all() else s for s in (train, test))
    kinds = {_kind(s) for s in (train, test) if s.notna().any()}
    if len(kinds) > 1:
        train, test = train.astype("string").astype(object), test.astype("string").astype(object)
        return pd.concat([train, test], ignore_index=True).astype("str")
    if kinds == {"text"} or kinds == {"date"}:
        dtype = next(s.dtype for s in (train, test) if s.notna().any())
        train, test = train.astype(dtype), test.astype(dtype)
    return pd.concat([train, test], ignore_index=True)


def _kind(values: pd.Series) -> str:
    return {"i": "number", "u": "number", "f": "number", "b": "number", "M": "date"}.get(values.dtype.kind, "text")


def role_of(values: pd.Series, files: dict[str, str]) -> str:
    """The role of one column; `files` maps names in the assets folder to paths (empty: no images)."""
    kind = _kind(values)
    if kind == "number" and not (files and _are_files(values, files)):
        return "numeric"
    if kind == "date":
        return "datetime"
    if files and _are_files(values, files):
        return "image"
    sample = _sample(values)
    amounts = as_amounts(sample)
    if sample.empty or amounts.notna().mean() >= 0.95 or _has_gaps(sample, amounts):
        return "numeric"
    if as_dates(sample) is not None:
        return "datetime"
    return "text" if _reads_as_text(sample) else "categorical"


def _has_gaps(sample: pd.Series, amounts: pd.Series) -> bool:
    """Numbers, and a word or a mark or two where there is none, as "?" or "unknown"."""
    words = sample[amounts.isna()].str.strip()
    return bool(len(words) <= 0.5 * len(sample) and amounts.nunique() >= FEWEST_NUMBERS and words.nunique() <= MOST_GAPS
                and words.str.fullmatch(r"[^\d]{1,15}").all())


def _name_the_same(train: pd.Series, test: pd.Series) -> bool:
    """Whether texts are names of few things that both files tell of, as of a panel's series: many rows have each, and hardly any
    row of test has another."""
    levels = train.dropna().unique()
    return len(levels) * ROWS_A_NAME <= len(train) and bool(test.dropna().isin(levels).mean() >= 0.95)


def _sample(values: pd.Series, size: int = 1500) -> pd.Series:
    known = values[values.notna()]
    return known.iloc[:: max(1, len(known) // size)].astype("str")


def as_numbers(values: pd.Series) -> pd.Series:
    """Floats from text such as "1,234", "$12" or "15%"; NaN where it is none. Infinite values become NaN."""
    if values.dtype.kind in "iufb":
        raw = values.to_numpy(dtype="float64")
        if np.isinf(raw).any():
            raw = np.where(np.isfinite(raw), raw, np.nan)
        return pd.Series(raw, index=values.index, name=values.name)
    codes, levels = pd.factorize(values.astype("str"))  # each text once: columns of few levels are common
    numbers = _parsed(pd.Series(levels, dtype="str")).to_numpy()
    found = np.append(numbers, np.nan)[codes] if len(levels) else np.full(len(values), np.nan)
    return pd.Series(found, index=values.index, name=values.name)


def as_amounts(values: pd.Series) -> pd.Series:
    """`as_numbers`; times of day ("10:30 PM") and spans ("2h 50m") in hours; numbers with a unit ("1,248 CC", "12.5 km") where
    all have the same, or a power of ten each ("19M", "201k"). NaN for what is none or has another unit."""
    numbers = as_numbers(values)
    if values.dtype.kind in "iufb" or not numbers.isna().any():
        return numbers
    codes, levels = pd.factorize(values.where(numbers.isna()).astype("str"))
    texts = pd.Series(levels, dtype="str").str.strip()
    if len(texts) and (hours := _hours(texts)) is not None:
        return numbers.where(numbers.notna(), pd.Series(np.append(hours, np.nan)[codes], index=values.index))
    parts = texts.str.extract(rf"^{MEASURE.pattern}$")
    amounts = pd.to_numeric(parts[0].str.replace(",", "", regex=False), errors="coerce").to_numpy(dtype="float64")
    units = parts[1].str.strip(" .").str.lower().str.removesuffix("s")
    powers = units.str.removesuffix("b").where(units != "b", "b").map(POWERS).to_numpy(dtype="float64")
    if units.nunique() > 1 and np.isfinite(powers[units.notna()]).all():
        amounts = amounts * powers
    elif units.notna().any():
        often = np.bincount(codes[codes >= 0], minlength=len(levels))
        usual = pd.Series(often).groupby(units.to_numpy()).sum().idxmax()
        amounts = np.where(units == usual, amounts, np.nan)
    found = np.append(amounts, np.nan)[codes] if len(levels) else np.full(len(values), np.nan)
    return numbers.where(numbers.notna(), pd.Series(found, index=values.index))


def _hours(texts: pd.Series) -> np.ndarray | None:
    """(n,) hours of times of day, or of spans of which some have two units; None where most are neither."""
    found = texts.str.extract(rf"^{CLOCK.pattern}$")
    if found[0].notna().mean() >= 0.95:
        hour, minute, second = (pd.to_numeric(found[k]).fillna(0.0) for k in range(3))
        half = found[3].str.lower()
        hour = hour.where(half.isna(), hour % 12 + 12 * (half == "p"))
        return np.where(found[0].notna(), hour + minute / 60 + second / 3600, np.nan)
    found = texts.str.lower().str.extract(rf"^{SPAN.pattern}$")
    told = found.notna().sum(axis=1)
    if (told >= 1).mean() < 0.95 or found.notna().any(axis=0).sum() < 2:
        return None
    hours = found.astype("float64").fillna(0.0) @ np.array([24.0, 1.0, 1 / 60, 1 / 3600])
    return np.where(told >= 1, hours, np.nan)


def _is_moment(name: str, values: pd.Series) -> bool:
    """Whether numbers are moments: days as 20190131 or months as 201901, whatever their name; seconds since 1970, or thousandths
    and so on of them, where the name speaks of time too."""
    if values.dtype.kind not in NUMBER or _of_numbers(values) is None:
        return False
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    written = any(first <= float(values.min()) and float(values.max()) <= last for first, last, _, _ in DAYS)
    return values.nunique() >= FEWEST_DAYS if written else WHEN.search(plain) is not None


def _of_numbers(values: pd.Series) -> pd.Series | None:
    """datetime64[ns] of days as 20190131, of months as 201901 or of seconds since 1970 and their parts; None where some of the
    numbers could not be it."""
    low, high = float(values.min()), float(values.max())
    units = [unit for unit, first, last in EPOCHS if first <= low and high < last]
    written = [(rest, format) for first, last, rest, format in DAYS if first <= low and high <= last]
    if not units and not written:  # most columns of numbers end here, soon
        return None
    raw = values.to_numpy(dtype="float64")
    known = raw[np.isfinite(raw)]
    if (known % 1 != 0).any():
        return None
    if units:
        whole = pd.Series(raw, index=values.index).astype("Int64")
        return pd.to_datetime(whole, unit=units[0], errors="coerce").astype("datetime64[ns]")  # type: ignore[call-overload]
    rest, format = written[0]
    text = pd.Series(raw, index=values.index).astype("Int64").astype("str") + rest
    dates = pd.to_datetime(text, format=format, errors="coerce").astype("datetime64[ns]")
    return dates if dates.notna().sum() == len(known) else None


def _parsed(text: pd.Series) -> pd.Series:
    bare = text.str.strip().str.replace(rf"^([-+]?){MONEY}\s?|\s?(?:%|{MONEY})$", r"\1", regex=True)
    thousands = bare.str.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?").fillna(False).astype(bool)
    bare = bare.where(~thousands, bare.str.replace(",", "", regex=False))
    numbers = pd.to_numeric(bare, errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


def as_dates(values: pd.Series) -> pd.Series | None:
    """datetime64[ns] of the format that reads most of the text, None when less than 95% of it is dates of 1800-2100. Of numbers:
    days as 20190131, months as 201901, seconds since 1970."""
    if values.dtype.kind == "M":
        return _plain(values)
    if values.dtype.kind in NUMBER:
        return _of_numbers(values)
    text = values.astype("str").str.strip()
    known = text[values.notna()]
    head = known.iloc[:: max(1, len(known) // 50)].str.slice(0, 40)
    if len(head) and head.str.contains(ZONE).all():
        text, head = text.str.replace(ZONE, "", regex=True), head.str.replace(ZONE, "", regex=True)
    if len(head) and head.str.fullmatch(COMPACT).all():
        plain = text.str.replace(rf"^{COMPACT.pattern}$", r"\1\2", regex=True)
        return pd.to_datetime(plain, format="%Y%m%d%H%M%S", errors="coerce").astype("datetime64[ns]")
    if head.empty or head.str.fullmatch(r"[-+]?\d*\.?\d*").mean() > 0.05 or not head.str.contains(LIKE_DATE).mean() > 0.9:
        return None
    for format in _formats(head):
        dates = _plain(pd.to_datetime(text, format=format, errors="coerce", utc=format == "ISO8601"))
        if dates.notna().sum() >= 0.95 * len(known) and dates.dropna().dt.year.between(1800, 2100).all():
            return dates
    return None


def _formats(head: pd.Series) -> list[str]:
    """Formats that read the head of a column, the best first."""
    times = [t for t in TIMES if bool(t) == (head.str.contains(":").mean() > 0.5)]
    few = list(head.iloc[:: max(1, len(head) // FEW_HEADS)])
    spelled = [day + time for time in times for day in DATE_FORMATS]
    every = ["ISO8601", *(f for f in spelled if any(_reads(f, text) for text in few))]
    rates = {f: pd.to_datetime(head, format=f, errors="coerce", utc=True).notna().mean() for f in every}
    return sorted((f for f in every if rates[f] >= 0.9), key=lambda f: -rates[f])


def _reads(format: str, text: str) -> bool:
    """Quicker by far than pandas, which is asked where this says yes."""
    try:
        return bool(datetime.strptime(text, format))
    except ValueError:
        return False


def _plain(dates: pd.Series) -> pd.Series:
    if dates.dt.tz is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    year = dates.dt.year
    return dates.where(year.between(1678, 2261)).astype("datetime64[ns]")


def _reads_as_text(sample: pd.Series) -> bool:
    """Sentences: four words or more, or long and mostly unique; Chinese, Japanese and Korean write without spaces. Also
    formulas of molecules and of sequences, and names: mostly unique, of letters alone."""
    unique = sample.nunique()
    if _holds_lists(sample):
        return True
    if unique < max(20, 0.05 * len(sample)):
        return False
    if is_formula(sample) or (unique > 0.5 * len(sample) and sample.str.fullmatch(LETTERS).mean() >= 0.9):
        return True
    words = sample.str.count(r"\s+") + 1
    length = sample.str.len()
    mostly_unique = unique > 0.5 * len(sample)
    if mostly_unique and sample.str.fullmatch(ADDRESS).mean() >= 0.9:
        return True
    cjk = sample.str.contains(CJK).mean() > 0.5 and length.mean() >= 6
    return bool(words.mean() >= 4 or (mostly_unique and (cjk or (length.mean() >= 25 and words.mean() > 1.5))))


def _holds_lists(sample: pd.Series) -> bool:
    """Lists of tags, as Drama|War or ['red', 'blue']: a few words that come together in many ways."""
    bare = sample.str.strip("[]{}() ")
    if sample.nunique() < 20 or bare.str.contains(LISTING).mean() < 0.3:
        return False
    for mark in "|;,":
        items = bare.str.split(mark, regex=False).explode().str.strip(" '\"")
        different = items.nunique()
        if len(items) > 1.3 * len(bare) and 2 * different <= sample.nunique() and 5 * different <= len(items):
            return bool(items.str.contains(r"[^\W\d_]").mean() > 0.5)
    return False


def is_formula(sample: pd.Series) -> bool:
    """Whether texts are molecules written as SMILES: bonds, brackets and rings between symbols of atoms."""
    telling = sample.str.contains(r"[=#()\[\]\d]").mean() >= 0.5 and sample.str.len().mean() >= 5
    return bool(telling and sample.str.fullmatch(SMILES).mean() >= 0.95 and sample.str.contains("[Cc]").mean() >= 0.9)


def image_files(assets: Path, *, first: str = "") -> dict[str, str]:
    """Images below the assets folder: path, name and name without suffix -> path relative to the folder.

    Where a name is in several folders, the one whose path starts with `first` has it.
    """
    found: dict[str, str] = {}
    paths = (p.relative_to(assets).as_posix() for p in assets.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    for relative in sorted(paths, key=lambda p: (not p.startswith(first), p)):
        path = Path(relative)
        for name in (path.stem, path.name, relative):
            found.setdefault(name, relative)
    return found


def _are_files(values: pd.Series, files: dict[str, str]) -> bool:
    known = values[values.notna()]
    names = known.iloc[:: max(1, len(known) // 200)].astype("str")
    return len(names) > 0 and float(names.isin(files).mean()) >= 0.95


def _numbered(names: Iterable[str], *, fewest: int = 64) -> set[str]:
    """Columns of a long numbered series (pixel0, pixel1, ...): all of them stay, since their places mean something."""
    found: dict[str, set[str]] = {}
    for name in names:
        if parts := re.fullmatch(r"(.*?)\d+", str(name)):
            found.setdefault(parts[1], set()).add(name)
    return {name for members in found.values() if len(members) >= fewest for name in members}


def _useless(values: pd.Series) -> str:
    if values.dtype.kind in NUMBER:
        raw = values.to_numpy()
        known = raw[raw == raw]
    else:
        known = values[values.notna()].to_numpy()
    if not len(known):
        return "every value is missing"
    return "constant" if len(known) == len(values) and bool((known == known[0]).all()) else ""


def _empty_side(train: pd.Series, test: pd.Series) -> str:
    """A column that one file leaves empty: what is filled in after the answer is known has no value in test.csv."""
    for side, name in ((test, "test.csv"), (train, "train.csv")):
        if len(side) and side.isna().all():
            return f"every value is missing in {name}"
    return ""


def _twin(
    name: str, values: pd.Series, train: pd.DataFrame, test: pd.DataFrame, seen: dict[bytes, list[str]],
) -> str | None:
    """An earlier column with the same values: sought by a hash of some rows, then compared in full."""
    few = values.iloc[:: max(1, len(values) // 5000)]
    raw = few.to_numpy() if few.dtype.kind in "iufM" else pd.util.hash_array(few.to_numpy(dtype=object))
    key = hashlib.blake2b(raw.tobytes(), key=values.dtype.kind.encode(), digest_size=16).digest()
    for other in seen.setdefault(key, []):
        if values.equals(together(train[other], test[other])):
            return other
    seen[key].append(name)
    return None


def _few(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def typed(
    train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str], *, assets: Path | None = None,
) -> pd.DataFrame:
    """All train rows, then all test rows (RangeIndex), each column in the dtype that docs/design.md gives its role."""
    columns = dict(typed_columns(train, test, roles, assets=assets))
    return _framed(columns, len(train) + len(test), copy=False)


def typed_columns(
    train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str], *, assets: Path | None = None,
) -> Iterator[tuple[str, pd.Series]]:
    """The columns of `typed`, one after the other: a large table need not be there twice."""
    for name, role in roles.items():
        if role == "image":
            assert assets is not None, "an image column needs its assets folder"
            sides = [_paths(train[name], assets, "train"), _paths(test[name], assets, "test")]
            yield name, pd.concat(sides, ignore_index=True)
        else:
            yield name, _cast(together(train[name], test[name]), role)


def _paths(names: pd.Series, assets: Path, side: str) -> pd.Series:
    files = image_files(assets, first=side)
    return names.astype("str").map(lambda name: files.get(name, "")).astype("str")


def _cast(values: pd.Series, role: str) -> pd.Series:
    if role == "numeric":
        return values if values.dtype.kind in "iu" else as_amounts(values)
    if role == "datetime":
        dates = as_dates(values)
        return pd.Series(pd.NaT, index=values.index, dtype="datetime64[ns]") if dates is None else dates
    text = values.where(values.notna()).astype("str")
    if role == "text":
        return text.fillna("")
    codes, levels = pd.factorize(text, sort=True)
    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(levels, dtype="str")))
