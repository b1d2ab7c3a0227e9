"""Has the vectors of a run's sentences made once for all trials, in pieces, by trials that are shown no labels.

A vector depends on its text alone, so all folds may share it. What the first piece costs says whether the rest pays; where it
does not, solutions that want vectors are not run.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from agent.kit import prepared, sentences
from sandbox import Trial
from tasks.arrays import Arrays

SOURCE = '''"""Vectors of sentences, made once for all trials."""

from kit import sentences


def fit_predict(train, target, predict, task):
    return sentences.of(predict[task.column], task)
'''
BLOCK = "sentences.vectors"
FIRST_LETTERS = 20_000  # of the piece whose cost is measured
PIECE_SECONDS = 6.0
SHARE, MOST = 0.35, 0.6  # of the seconds left: for each slot, and at most


@dataclass(frozen=True)
class Piece:
    """Texts to be read by one trial that is shown no labels: a column, and rows (n,) of features.arrow that hold different
    texts."""

    number: int
    column: str
    rows: np.ndarray
    letters: int
    folder: Path
    source = SOURCE
    threads = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), sentences.WIDTH)

    @property
    def told(self) -> dict[str, object]:
        return {"column": self.column}


class Vectors:
    """The texts of a run: those that were read, those that wait. `ready`: all are there; `given_up`: it would take too long."""

    def __init__(self, arrays: Arrays, columns: tuple[str, ...], *, slots: int) -> None:
        self.arrays, self.slots = arrays, slots
        self.folder = arrays.data / "prepared"
        self.ready = (self.folder / sentences.NAME / "keys.npy").exists()
        self.given_up = False
        self.texts = {} if self.ready else _different(arrays.data / "features.arrow", columns)
        self.waiting = [(name, row) for name, texts in self.texts.items() for row in texts]
        self.count, self.pieces, self.running, self.cpu_seconds = len(self.waiting), 0, 0, 0.0
        self.read, self.wall_seconds = 0, 0.0
        self.made: list[tuple[np.ndarray, np.ndarray]] = []

    @property
    def pending(self) -> bool:
        return not (self.ready or self.given_up)

    def next(self, left: float) -> Piece | None:
        """What is to be read now, None where nothing is or enough of it runs. `left`: seconds of the run."""
        if not self.pending or not self.waiting or self.running >= (max(1, self.slots // 2) if self.rate else 1):
            return None
        if self.rate and self.seconds_more() > min(MOST, SHARE * self.slots) * left:
            self.given_up = True
            return None
        piece = self._cut(self.rate * PIECE_SECONDS or FIRST_LETTERS)
        unlabelled(piece.folder, piece.rows)
        self.running += 1
        return piece

    def take(self, piece: Piece, trial: Trial) -> None:
        """Keep what a trial read; the last piece makes the vectors ready."""
        self.running -= 1
        shutil.rmtree(piece.folder, ignore_errors=True)
        if trial.prediction is None or self.given_up:  # the others that run are of no use without it
            self.given_up = True
            return
        self.cpu_seconds += trial.cost.cpu_seconds
        self.wall_seconds += trial.cost.wall_seconds
        self.read += piece.letters
        texts = self.texts[piece.column]
        self.made.append((prepared.keys_of([texts[row] for row in piece.rows]), trial.prediction))
        if not self.waiting and not self.running:
            keys, rows = (np.concatenate(parts) for parts in zip(*self.made, strict=True))
            unique, first = np.unique(keys, return_index=True)
            prepared.store(self.folder, sentences.NAME, unique, rows[first])
            self.ready, self.made = True, []

    @property
    def rate(self) -> float:
        """Letters that a trial reads in a second, 0 before the first."""
        return self.read / max(self.wall_seconds, 1e-3)

    def seconds_more(self) -> float:
        """How long the rest takes, by what was read so far."""
        letters = sum(_letters(self.texts[name][row]) for name, row in self.waiting)
        return letters / self.rate / max(1, self.slots // 2)

    def _cut(self, letters: float) -> Piece:
        """The next texts of one column, about as many letters as asked for."""
        column, rows, size = self.waiting[0][0], list[int](), 0
        while self.waiting and self.waiting[0][0] == column and size < letters:
            name, row = self.waiting.pop(0)
            rows.append(row)
            size += _letters(self.texts[name][row])
        self.pieces += 1
        return Piece(self.pieces, column, np.array(rows), size, self.arrays.data / f"piece-{self.pieces}")


def shared(data: Path) -> dict[str, Path]:
    """What every trial of a run is given besides its fold, once it is there."""
    folder = data / "prepared"
    return {"prepared": folder} if folder.exists() else {}


def _letters(text: str) -> int:
    return min(len(text), sentences.LETTERS) + 10


def _different(features: Path, columns: tuple[str, ...]) -> dict[str, dict[int, str]]:
    """For each column its different texts, by the first row that holds them, in the rows' order."""
    with pa.memory_map(str(features)) as file:
        table = pa.ipc.open_file(file).read_all().select(list(columns))
        found = {}
        for name in columns:
            first: dict[str, int] = {}
            for row, text in enumerate(table[name].cast(pa.string()).to_pylist()):
                first.setdefault("" if text is None else text, row)
            found[name] = {row: text for text, row in first.items()}
    return found


def unlabelled(folder: Path, rows: np.ndarray) -> None:
    """A fold of its own: nothing to fit on, no labels, the rows to read."""
    folder.mkdir(exist_ok=True)
    nothing = np.zeros(0, dtype=np.int64)
    for name, values in (("fit", nothing), ("predict", rows), ("target", nothing.astype(float))):
        np.save(folder / f"{name}.npy", values)
