"""Reads a file for each row: recordings as CSV, Parquet or NumPy arrays, texts, JSON records.

Files of one ending, many of them in folders below, belong to the rows that name them by their stem, or by their folder where
all are called alike. What rows of a recording have in common is its length; so each column of it becomes a few numbers: its
distribution, how it moves, and its power by frequency. An array that looks like a picture becomes one. A text becomes a column.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from tasks.layout.gather import Found, flat, read_text
from tasks.tables import TaskError, as_numbers

RECORDINGS = (".csv", ".tsv", ".parquet", ".npy", ".npz")
READ = (*RECORDINGS, ".txt", ".json")
FEWEST = 20          # files of a kind in folders, from which they are one for each row
MOST_CHANNELS = 64   # columns of a recording that are looked at
MOST_VALUES = 400    # of recordings that are all of one shape: up to so many stay as they are
MOST_CHARACTERS = 20_000
PICTURE = 24         # rows and columns of an array, from which it is looked at as a picture
BANDS = 8
SHORTEST = 16        # rows of a recording, from which it has frequencies

Row = dict[str, Any]


def take_out(found: Sequence[Found]) -> tuple[list[Found], dict[str, list[Found]]]:
    """The other files, and those that are one for each row, by what their column or columns are to be called."""
    groups: dict[tuple[str, str], list[Found]] = {}
    for known in found:
        if known.parts and known.suffix in READ:
            named_by_folder = known.stem if len(known.parts) > 1 else ""
            groups.setdefault((known.suffix, named_by_folder), []).append(known)
    taken: dict[str, list[Found]] = {}
    for suffix in READ:
        mine = {stem: files for (ending, stem), files in groups.items() if ending == suffix}
        alike = {stem: files for stem, files in mine.items() if stem and len(files) >= FEWEST}
        taken |= {stem: files for stem, files in alike.items()}
        rest = [known for stem, files in mine.items() if stem not in alike for known in files]
        if len(rest) >= FEWEST:
            taken[suffix[1:]] = rest
    gone = {known.name for files in taken.values() for known in files}
    return [known for known in found if known.name not in gone], taken


def keys_of(name: str, files: Sequence[Found]) -> dict[str, Found]:
    """Files by what rows call them: their stem, with and without its ending, or their folder."""
    keys: dict[str, Found] = {}
    for known in files:
        path = PurePosixPath(known.name)
        for key in ((path.parent.name,) if path.stem == name else (path.stem, path.name)):
            keys.setdefault(key, known)
    return keys


def of_side(files: Sequence[Found], side: str) -> list[Found]:
    """The files in folders named after a side, all where none is."""
    return [known for known in files if any(part.startswith(side) for part in known.parts)] or list(files)


def bring(
    train: pd.DataFrame, test: pd.DataFrame, taken: Mapping[str, Sequence[Found]], public: Path, targets: Iterable[str],
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Train and test with what the files of their rows say, and what was done in sentences. Pictures lie in `public`/assets."""
    notes = []
    for name, files in taken.items():
        sides = [keys_of(name, of_side(files, side)) for side in ("train", "test")]
        both = [c for c in train.columns if c in test.columns and c not in targets]
        column = next((c for c in both if train[c].isin(sides[0].keys()).mean() >= 0.95
                       and test[c].isin(sides[1].keys()).mean() >= 0.95), None)
        if column is None:
            notes.append(f"{len(files)} files as {files[0].name} are left out: no column of the rows names them")
            continue
        told = [keys[key] for side, keys in zip((train, test), sides, strict=True) for key in side[column] if key in keys]
        known = described(told, name, public, several=len(taken) > 1)
        known = known.rename(columns={label: f"{label}.file" for label in known.columns if label in train.columns})
        new = [known.reindex(side[column].map({key: file.name for key, file in keys.items()})).set_axis(side.index).fillna("")
               for side, keys in zip((train, test), sides, strict=True)]
        train, test = (pd.concat([side, columns], axis=1) for side, columns in zip((train, test), new, strict=True))
        notes.append(f"files named by {column!r} are read, as {told[0].name}: {known.shape[1]} columns")
    return train, test, notes


def described(files: Sequence[Found], name: str, public: Path, *, several: bool) -> pd.DataFrame:
    """What each file says, all text: a row by its name. several: there are more kinds of files."""
    each = list({known.name: known for known in files}.values())
    suffix = each[0].suffix
    if suffix == ".txt":
        read: Callable[[Found], Row] = _text(name if several else "text")
    elif suffix == ".json":
        read = _json
    else:
        read = _as_pictures(each, public) or _recording(_shape_of_all(each))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(read, each))
    frame = pd.DataFrame(rows, index=pd.Index([known.name for known in each]), dtype=object)
    frame = frame.dropna(axis=1, how="all")
    text = frame.map(lambda value: "" if value is None or value != value else str(value)).astype("str")
    return text.add_prefix(f"{name}.") if several and suffix != ".txt" else text


def _text(column: str) -> Callable[[Found], Row]:
    return lambda known: {column: known.path.read_text(encoding="utf-8", errors="replace")[:MOST_CHARACTERS].strip()}


def _json(known: Found) -> Row:
    try:
        found = json.loads(known.path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise TaskError(f"{known.name} is no JSON: {error}") from error
    record = flat(found if isinstance(found, dict) else {"item": found})
    return {name: " ".join(map(str, value)) if isinstance(value, list | tuple) else value for name, value in record.items()}


def array_of(known: Found) -> tuple[np.ndarray, list[str], Row]:
    """A recording's numbers, (rows, channels) or an array of more dimensions, the names of channels, and the words of columns
    that are no numbers. TaskError where it is none."""
    if known.suffix not in (".npy", ".npz"):
        table = read_text(known) if known.path.stat().st_size else pd.DataFrame()
        numbers = {name: as_numbers(table[name]) for name in list(table.columns)[:MOST_CHANNELS]}
        telling = {name: column for name, column in numbers.items() if column.notna().any()}
        words = {name: " ".join(table[name])[:MOST_CHARACTERS] for name in numbers if name not in telling}
        return np.column_stack(list(telling.values())) if telling else np.zeros((len(table), 0)), list(telling), words
    array = _loaded(known)
    if array.ndim < 2:
        array = array.reshape(-1, 1)
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T  # a few channels beside each other
    return array, [f"channel{place}" for place in range(array.shape[-1])], {}


def _loaded(known: Found) -> np.ndarray:
    try:
        loaded = np.load(known.path, allow_pickle=False)
        return np.asarray(loaded[loaded.files[0]] if known.suffix == ".npz" else loaded, dtype=np.float64)
    except (ValueError, OSError, IndexError, EOFError) as error:
        raise TaskError(f"{known.name} cannot be read as an array of numbers: {error}") from error


def _shape_of_all(files: Sequence[Found]) -> tuple[int, ...] | None:
    """The shape that the first recordings have; None where it is not one, or one of too many values to stay."""
    shapes = {array_of(known)[0].shape for known in files[:FEWEST]}
    shape = next(iter(shapes))
    return shape if len(shapes) == 1 and 0 < int(np.prod(shape)) <= MOST_VALUES else None


def _recording(shape: tuple[int, ...] | None) -> Callable[[Found], Row]:
    def read(known: Found) -> Row:
        array, names, words = array_of(known)
        table = (array if array.ndim == 2 else array.reshape(-1, array.shape[-1]))[:, :MOST_CHANNELS]
        row: Row = {"rows": len(table), **words}
        for name, values in zip(names, table.T, strict=False):
            row |= {f"{name}.{what}": value for what, value in summary(values).items()}
            if shape == array.shape:
                row |= {f"{name}_{place:03d}": value for place, value in enumerate(values)}
        return row

    return read


def summary(values: np.ndarray) -> dict[str, float]:
    """A channel (n,) in a few numbers, of the values that are finite (`summaries`); how many are not, `missing`."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"missing": 1.0}
    told = {name: float(each[0]) for name, each in summaries(known[None]).items()}
    return told | {"missing": 1 - len(known) / len(values)}


def summaries(values: np.ndarray) -> dict[str, np.ndarray]:
    """Each row of (n, length) in a few numbers (n,): distribution, roughness, trend, crossings of the mean, and the logarithm of
    its power in bands that double in width, with the frequency (cycles a recording) that is strongest."""
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95), axis=1)
    level = values - values.mean(axis=1, keepdims=True)
    told = {"mean": values.mean(axis=1), "spread": values.std(axis=1), "least": values.min(axis=1), "low": low,
            "middle": middle, "high": high, "most": values.max(axis=1), "first": values[:, 0], "last": values[:, -1]}
    length = values.shape[1]
    if length < SHORTEST:
        return told
    crossings = np.count_nonzero(np.diff(np.signbit(level), axis=1), axis=1)
    thirds = [part.mean(axis=1) for part in np.array_split(values, 3, axis=1)]
    told |= {"rough": np.abs(np.diff(values, axis=1)).mean(axis=1), "crossings": crossings / length,
             "trend": thirds[2] - thirds[0], "bend": thirds[1] - (thirds[0] + thirds[2]) / 2}
    power = np.abs(np.fft.rfft(level * np.hanning(length), axis=1)) ** 2 / length
    edges = np.unique(np.geomspace(1, power.shape[1], BANDS + 1).astype(int))
    told |= {f"band{place}": np.log10(power[:, first:last].mean(axis=1) + 1e-12)
             for place, (first, last) in enumerate(pairwise(edges))}
    return told | {"strongest": 1.0 + power[:, 1:].argmax(axis=1)}


def _as_pictures(files: Sequence[Found], public: Path) -> Callable[[Found], Row] | None:
    """What writes arrays that look like pictures, (height, width) or (height, width, 3), as PNG; None where these do not."""
    if files[0].suffix not in (".npy", ".npz"):
        return None
    shape = _loaded(files[0]).shape
    flat_picture = len(shape) == 2 and min(shape) >= PICTURE
    if not flat_picture and not (len(shape) == 3 and shape[2] in (1, 3) and min(shape[:2]) >= PICTURE):
        return None
    from PIL import Image

    folder = public / "assets" / "arrays"
    folder.mkdir(parents=True, exist_ok=True)
    place = {known.name: number for number, known in enumerate(files)}

    def read(known: Found) -> Row:
        array = _loaded(known)
        low, high = np.nanquantile(array, (0.005, 0.995))
        grey = np.nan_to_num(255 * (array - low) / max(high - low, 1e-12)).clip(0, 255).astype(np.uint8)
        path = folder / f"file-{place[known.name]:07d}.png"
        Image.fromarray(grey[:, :, 0] if grey.ndim == 3 and grey.shape[2] == 1 else grey).save(path)
        return {"picture": f"arrays/{path.name}", "least": float(np.nanmin(array)), "mean": float(np.nanmean(array)),
                "most": float(np.nanmax(array)), "spread": float(np.nanstd(array))}

    return read
