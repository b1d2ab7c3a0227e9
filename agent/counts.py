"""Has the runs of words and characters in a run's texts counted once for all trials, by trials that are shown no labels.

What a text holds depends on that text alone; which runs count, and for how much, is still learned from each fold's train rows,
so that an entry predicts the same with these counts and without.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from agent.kit import ngrams, prepared
from agent.vectors import unlabelled
from sandbox import Trial
from tasks.arrays import Arrays

SOURCE = '''"""Counts of runs in texts, made once for all trials."""

from kit import ngrams


def fit_predict(train, target, predict, task):
    return ngrams.counted(predict, task.columns, task.reader, task.room)
'''
FEWEST = 300_000    # letters of all texts: fewer are counted as quickly as looked up
SHARE = 1 / 4       # of a trial's memory that the numbers of one matrix may take
MOST = 32_000_000   # numbers, whatever the memory
RUNS = 5            # of a letter, at most, that a reader counts


@dataclass(frozen=True)
class Reading:
    """Columns of texts to be counted by one trial, in one way."""

    reader: str
    columns: tuple[str, ...]
    keys: np.ndarray  # (n,) of their different texts
    room: int
    folder: Path
    source = SOURCE
    threads = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.room,)

    @property
    def told(self) -> dict[str, object]:
        return {"columns": self.columns, "reader": self.reader, "room": self.room}


class Counts:
    """What of a run's texts is to be counted, a reader at a time."""

    def __init__(self, arrays: Arrays, columns: tuple[str, ...], *, memory_bytes: int) -> None:
        self.arrays, self.folder = arrays, arrays.data / "prepared"
        most = int(min(MOST, SHARE * memory_bytes / np.dtype(float).itemsize))
        self.waiting = _readings(arrays.data, columns, most) if columns else []

    def next(self) -> Reading | None:
        if not self.waiting:
            return None
        reading = self.waiting.pop(0)
        unlabelled(reading.folder, np.arange(self.arrays.n_train + self.arrays.n_test))
        return reading

    def take(self, reading: Reading, trial: Trial) -> bool:
        """Keep what a trial counted, if that is a matrix of counts; where it is not, every trial counts for itself."""
        shutil.rmtree(reading.folder, ignore_errors=True)
        if trial.prediction is None:
            return False
        try:
            counts = ngrams.unpacked(trial.prediction, len(reading.keys))
        except (TypeError, ValueError):
            return False
        prepared.store_counts(self.folder, reading.reader, reading.keys, counts)
        return True


def _readings(data: Path, columns: tuple[str, ...], most: int) -> list[Reading]:
    """What pays to be counted once and is not there yet."""
    with pa.memory_map(str(data / "features.arrow")) as file:
        frame = pa.ipc.open_file(file).read_all().select(list(columns)).to_pandas()
    read = {name: ngrams.readers(list(ngrams.different(frame[:2_000], [name]))) for name in columns}
    found = []
    for reader in sorted({each for those in read.values() for each in those}):
        names = tuple(name for name in columns if reader in read[name])
        texts = list(ngrams.different(frame, names))
        letters = sum(map(len, texts))
        if letters >= FEWEST and not (data / "prepared" / reader).exists():
            room = min(most, RUNS * letters + len(texts) + 1)
            found.append(Reading(reader, names, prepared.keys_of(texts), room, data / f"count-{reader}"))
    return found
