"""Looks up what the host has had made once for all trials of a run: numbers that depend on one value alone.

The host's folder holds, for each name, keys.npy (n,), sorted 64-bit hashes of values, and numbers.npy (n, ...), or the parts
of a sparse matrix of n rows. A trial reads it and cannot write it. What is not there is made here; numbers are kept while the
process lives.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy import sparse

Make = Callable[[Sequence[str]], np.ndarray]
PARTS = ("data", "indices", "indptr")
MADE: dict[str, dict[int, np.ndarray]] = {}


def keys_of(values: Sequence[str]) -> np.ndarray:
    """(n,) uint64, the same for the same text in every process."""
    return pd.util.hash_array(np.array(values, dtype=object), categorize=False)


def numbers(name: str, values: Sequence[str], task: SimpleNamespace, make: Make) -> np.ndarray:
    """(n, k) float32, a row for each value: looked up, or made by `make`, which is given each missing value once."""
    if len(values) and (whole := rows(name, values, task)) is not None:
        return np.asarray(whole, dtype=np.float32)
    keys = keys_of(values)
    unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    known = MADE.setdefault(name, {})
    found = _stored(name, unique, task) | {int(key): known[int(key)] for key in unique if int(key) in known}
    missing = [place for place, key in enumerate(unique) if int(key) not in found]
    if missing:
        made = np.asarray(make([values[first[place]] for place in missing]), dtype=np.float32)
        new = {int(unique[place]): row for place, row in zip(missing, made, strict=True)}
        known.update(new)
        found |= new
    return np.stack([found[int(key)] for key in unique])[inverse] if len(unique) else np.zeros((0, 0), dtype=np.float32)


def store(folder: Path, name: str, keys: np.ndarray, rows: np.ndarray) -> None:
    """Write what `numbers` reads. keys: (n,) of different values; rows: (n, k), kept in half precision."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    order = np.argsort(keys)
    np.save(place / "numbers.npy", rows[order].astype(np.float16))
    np.save(place / "keys.npy", keys[order])


def _stored(name: str, wanted: np.ndarray, task: SimpleNamespace) -> dict[int, np.ndarray]:
    if not has(name, task):
        return {}
    keys, rows = _mapped(name, task, "keys", "numbers")
    places = _places(keys, wanted)
    here = np.flatnonzero(keys[places] == wanted)
    read = np.asarray(rows[places[here]], dtype=np.float32)
    return {int(wanted[place]): row for place, row in zip(here, read, strict=True)}


def has(name: str, task: SimpleNamespace | None) -> bool:
    """Whether the host has numbers of that name."""
    folder = getattr(task, "prepared", None)
    return folder is not None and (Path(folder) / name / "keys.npy").exists()


def _mapped(name: str, task: SimpleNamespace, *parts: str) -> list[np.ndarray]:
    return [np.load(Path(task.prepared) / name / f"{part}.npy", mmap_mode="r") for part in parts]


def _places(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(n,) where each wanted key stands if it is there."""
    return np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)


def rows(name: str, values: Sequence[str], task: SimpleNamespace) -> np.ndarray | None:
    """(n, ...) a row of the host's array for each value, of its kind; None where it has none of that name, or not all."""
    if not has(name, task):
        return None
    keys, numbers = _mapped(name, task, "keys", "numbers")
    wanted = keys_of(values)
    places = _places(keys, wanted)
    return None if (keys[places] != wanted).any() else np.asarray(numbers[places])


def store_rows(folder: Path, name: str, keys: np.ndarray, parts: Sequence[np.ndarray]) -> None:
    """Write what `rows` reads, whole or not at all. keys: (n,), sorted; parts: arrays of bytes (k, ...), n rows together."""
    partial = _partial(folder, name)
    shape = (len(keys), *parts[0].shape[1:])
    with open(partial / "numbers.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for part in parts:
            file.write(part.tobytes())
    np.save(partial / "keys.npy", keys)
    partial.rename(folder / name)


def _partial(folder: Path, name: str) -> Path:
    """An empty folder that is to be renamed once it is full."""
    partial = folder / f".{name}"
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed here
    partial.mkdir(parents=True)
    return partial


def counts(name: str, values: Sequence[str], task: SimpleNamespace | None) -> sparse.csr_matrix | None:
    """A row of the host's matrix for each value; None where it has none of that name, or not all of the values."""
    if task is None or not len(values) or not has(name, task):
        return None
    keys, width, *parts = _mapped(name, task, "keys", "width", *PARTS)
    wanted = keys_of(values)
    places = _places(keys, wanted)
    if (keys[places] != wanted).any():
        return None
    return sparse.csr_matrix(tuple(parts), (len(keys), int(width)))[places]


def store_counts(folder: Path, name: str, keys: np.ndarray, rows: sparse.csr_matrix) -> None:
    """Write what `counts` reads, whole or not at all. keys: (n,) of different values; rows: (n, k)."""
    partial, order = _partial(folder, name), np.argsort(keys)
    ordered = rows[order]
    for part in PARTS:
        np.save(partial / f"{part}.npy", getattr(ordered, part))
    np.save(partial / "width.npy", np.array(rows.shape[1]))
    np.save(partial / "keys.npy", keys[order])
    partial.rename(folder / name)
