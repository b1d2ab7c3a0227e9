"""Has the files of a run's images read once for all trials, in batches, by trials that are shown no labels.

What the pixels of a file are depends on that file alone; what is made of them is still learned in each fold, so an entry predicts
the same with the store and without. The host sees bytes and never opens an image for its pixels.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from agent.kit import images, pixels, prepared, sound
from agent.vectors import unlabelled
from sandbox import Trial
from tasks.arrays import Arrays

SOURCE = '''"""Pixels of images, read once for all trials."""

from kit import pixels


def fit_predict(train, target, predict, task):
    return pixels.packed(predict["path"].tolist(), task, task.names)
'''
FEWEST = 200          # files: fewer are read as quickly as a trial starts
SHARE = 1 / 4         # of a trial's memory that all pixels together may take
MOST = 1 << 30        # bytes, whatever the memory
FREE_DISK = 1 / 8     # of what is free there
BATCH = 32 << 20      # bytes of pixels that one trial returns at most
PATIENCE = 0.5        # of the run's seconds: what is not read by then is read by each trial for itself


@dataclass(frozen=True)
class Batch:
    """Files to be read by one trial: rows (n,) of `features`, a table of their paths."""

    number: int
    rows: np.ndarray
    names: tuple[str, ...]
    features: Path
    folder: Path
    seconds: float
    source = SOURCE
    threads = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), pixels.width(self.names))

    @property
    def told(self) -> dict[str, object]:
        return {"names": self.names}


class Pictures:
    """The images of a run: batches that wait, that are being read, and what came back. `pending`: worth waiting for."""

    def __init__(
        self, arrays: Arrays, columns: tuple[str, ...], assets: Path | None, *, memory_bytes: int, slots: int
    ) -> None:
        self.folder, self.scratch = arrays.data / "prepared", arrays.data / "pictures"
        shutil.rmtree(self.scratch, ignore_errors=True)  # of a run that was killed here
        paths, names = _different(arrays, columns, assets) if columns and assets else ([], ())
        most = min(MOST, SHARE * memory_bytes, FREE_DISK * shutil.disk_usage(arrays.data).free)
        self.names = tuple(name for name, size in _sizes(names, len(paths)) if size <= most and not (self.folder / name).exists())
        self.paths, self.keys = _sorted(paths, assets) if self.names else ([], np.zeros(0, dtype=np.uint64))
        size = sum(map(pixels.bytes_of, self.names)) * len(self.paths)
        self.count = min(len(self.paths), max(slots, -(-size // BATCH)))
        self.waiting = list(enumerate(np.array_split(np.arange(len(self.paths)), self.count))) if self.count else []
        self.running, self.ends, self.cpu_seconds = 0, 0.0, 0.0
        self.grey = dict.fromkeys(self.names, True)

    @property
    def pending(self) -> bool:
        return bool(self.waiting) or self.running > 0

    def next(self, left: float) -> Batch | None:
        """What is to be read now, None where nothing is. `left`: seconds of the run."""
        if len(self.waiting) == self.count and self.waiting:
            self.ends = (1 - PATIENCE) * left
            self._write_paths()
        if left <= self.ends:
            self._give_up()
        if not self.waiting:
            return None
        number, rows = self.waiting.pop(0)
        batch = Batch(number, rows, self.names, self.scratch / "paths.arrow", self.scratch / f"batch-{number}", left - self.ends)
        unlabelled(batch.folder, rows)
        self.running += 1
        return batch

    def take(self, batch: Batch, trial: Trial) -> dict[str, Any] | None:
        """Keep what a trial read, if that is bytes. Returns the facts after the last one: then all is there for the trials
        that follow, or nothing is, and each of them reads for itself."""
        self.running -= 1
        self.cpu_seconds += trial.cost.cpu_seconds
        try:
            self._keep(batch, trial)
        except (ValueError, OSError):  # no bytes, or no room for them
            self._give_up()
        if self.pending:
            return None
        shutil.rmtree(self.scratch, ignore_errors=True)
        return {"files": len(self.paths) - 1, "kept": list(self.names), "cpu_seconds": round(self.cpu_seconds, 1)}

    def _keep(self, batch: Batch, trial: Trial) -> None:
        if trial.prediction is None:
            raise ValueError(f"nothing was read: {trial.status}")
        for name, part in pixels.unpacked(trial.prediction, batch.names).items():
            grey = part.ndim == 4 and pixels.is_grey(part)
            self.grey[name] &= grey
            np.save(self.scratch / f"{name}-{batch.number}.npy", part[:, :1] if grey else part)
        for name in () if self.pending else self.names:
            parts = [np.load(self.scratch / f"{name}-{k}.npy", mmap_mode="r") for k in range(self.count)]
            alike = parts if self.grey[name] or name == pixels.SPECTROGRAMS else [_coloured(part) for part in parts]
            prepared.store_rows(self.folder, name, self.keys, alike)

    def _give_up(self) -> None:
        self.waiting, self.names = [], ()

    def _write_paths(self) -> None:
        """In the place of a run's features, a table of the paths alone."""
        self.scratch.mkdir()
        table = pa.table({"path": self.paths})
        with pa.ipc.new_file(self.scratch / "paths.arrow", table.schema) as file:
            file.write_table(table)


def _coloured(images: np.ndarray) -> np.ndarray:
    """With three channels, also where they are the same."""
    return np.broadcast_to(images, (len(images), 3, *images.shape[2:]))


def _different(arrays: Arrays, columns: tuple[str, ...], assets: Path) -> tuple[list[str], tuple[str, ...]]:
    """The different paths, and as what solutions want them, the smallest first; nothing where there are few, or where a file
    is no image: what is wrong with it, trials say."""
    with pa.memory_map(str(arrays.data / "features.arrow")) as file:
        frame = pa.ipc.open_file(file).read_all().select(list(columns)).to_pandas()
    paths = sorted({path for name in columns for path in frame[name] if pixels.is_path(path)})
    if len(paths) < FEWEST:
        return [], ()
    try:
        sides = _sides(frame[columns[0]], arrays, SimpleNamespace(assets=str(assets)))
    except Exception:  # whatever Pillow says of strange bytes is about those bytes
        return [], ()
    heard = [path.endswith(sound.SUFFIX) for path in paths]
    whole = [pixels.SPECTROGRAMS] if any(heard) else []
    return paths, (*map(pixels.name_of, sorted(sides | (set() if all(heard) else {images.SMALL}))), *whole)


def _sides(first: pd.Series, arrays: Arrays, task: SimpleNamespace) -> set[int]:
    """The sides that a network finds in the rows of each fit."""
    fits = [np.r_[fit, validated] for fit, validated in arrays.folds] + [np.arange(arrays.n_train)] * arrays.final
    return {pixels.side_of(first.iloc[rows[: images.FIRST]], task) for rows in fits}


def _sizes(names: Sequence[str], files: int) -> Iterator[tuple[str, int]]:
    """Each name, and the bytes of all files up to it."""
    return zip(names, np.cumsum([pixels.bytes_of(name) * (files + 1) for name in names]).tolist(), strict=True)


def _sorted(paths: list[str], assets: Path | None) -> tuple[list[str], np.ndarray]:
    """The paths, and no path, in the order of their keys; none where one names no file."""
    known = ["", *paths]
    try:
        keys = prepared.keys_of(pixels.keys(known, SimpleNamespace(assets=str(assets))))
    except FileNotFoundError:  # trials that want it say so
        return [], np.zeros(0, dtype=np.uint64)
    order = np.argsort(keys)
    return [known[place] for place in order], keys[order]
