"""Has the vectors of a run's texts or images made once for all trials, in pieces, by trials that are shown no labels.

A vector depends on its text or image alone, so all folds may share it. What the first piece costs says whether the rest pays,
and of images how large they are read; where it does not, solutions that want vectors are not run.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import pyarrow as pa

from agent.kit import backbone, pixels, prepared, sentences
from sandbox import Trial
from tasks.arrays import Arrays

SOURCE = '''"""Vectors of {what}, made once for all trials."""

from kit import {module}


def fit_predict(train, target, predict, task):
    return {module}.of(predict[task.column], task)
'''
BLOCKS = ("sentences.vectors", "backbone.vectors")  # of the kit, that look vectors up
PIECE_SECONDS = 6.0
MOST = 0.6  # of the seconds left
SMALL = 64   # pixels a side, which are worth all of the limit
ROOM = 0.35  # of a limit, that a larger side may take: twice the side is four times the time, and little gain


class Reader(Protocol):
    """What one kind of value is read by. what, by: the values and the network, in words; module: of the kit, that looks the
    vectors up; width: numbers of a vector; first, part: cost of the piece that is
    timed, and how much of all it may be; share: of the seconds left, that reading may take on each slot; at_once: on all
    slots, since all the best entries want it."""

    what: str
    by: str
    module: str
    width: int
    first: float
    part: float
    share: float
    at_once: bool

    @property
    def name(self) -> str:
        """What the vectors are stored as."""

    @property
    def told(self) -> Mapping[str, Any]:
        """What the card of a reading trial says besides the column."""

    def cost(self, value: str) -> float:
        """What reading the value costs, in units of its kind."""

    def keys(self, values: Sequence[str]) -> np.ndarray:
        """(n,) what the kit looks them up by."""

    def affording(self, seconds: float, limit: float) -> Self | None:
        """What reads in so many seconds (the limit) what this reads in `seconds`; None where nothing does."""


@dataclass(frozen=True)
class Sentences:
    """Texts, by a small transformer."""

    what = "sentences"
    by = "all-MiniLM-L6-v2"
    module = "sentences"
    width = sentences.WIDTH
    first = 20_000.0  # letters
    part = 1.0
    share = 0.35
    at_once = False
    name = sentences.NAME
    told: ClassVar[Mapping[str, Any]] = {}

    def cost(self, value: str) -> float:
        return float(min(len(value), sentences.LETTERS) + 10)

    def keys(self, values: Sequence[str]) -> np.ndarray:
        return prepared.keys_of(values)

    def affording(self, seconds: float, limit: float) -> "Sentences | None":
        return self if seconds <= limit else None


@dataclass(frozen=True)
class Photographs:
    """Images below `assets`, by a network trained on photographs; their side is what the time allows."""

    assets: Path
    side: int = backbone.USUAL
    what = "images"
    by = "EfficientNet-Lite0"
    module = "backbone"
    width = backbone.WIDTH
    first = 200.0  # images of the usual side
    part = 0.25  # the rest may be read in another side
    share = 0.5
    at_once = True

    @property
    def name(self) -> str:
        return backbone.name_of(self.side)

    @property
    def told(self) -> Mapping[str, Any]:
        return {"side": self.side}

    def cost(self, value: str) -> float:
        return (self.side / backbone.USUAL) ** 2

    def keys(self, values: Sequence[str]) -> np.ndarray:
        return prepared.keys_of(pixels.keys(values, SimpleNamespace(assets=str(self.assets))))

    def affording(self, seconds: float, limit: float) -> "Photographs | None":
        """The largest side that leaves some of the time; a small one may take it all."""
        taken = {side: seconds * (side / self.side) ** 2 for side in backbone.SIDES}
        sides = [side for side in backbone.SIDES if taken[side] <= (1.0 if side <= SMALL else ROOM) * limit]
        return replace(self, side=sides[-1]) if sides else None


@dataclass(frozen=True)
class Piece:
    """Values to be read by one trial that is shown no labels: a column, and rows (n,) of features.arrow that hold different
    ones."""

    number: int
    column: str
    rows: np.ndarray
    cost: float
    folder: Path
    reader: Reader
    threads = 1

    @property
    def source(self) -> str:
        return SOURCE.format(what=self.reader.what, module=self.reader.module)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), self.reader.width)

    @property
    def told(self) -> dict[str, object]:
        return {"column": self.column, **self.reader.told}


class Vectors:
    """The texts or images of a run: those that were read, those that wait. `ready`: all are there; `given_up`: it would take
    too long."""

    def __init__(self, arrays: Arrays, reader: Reader, columns: tuple[str, ...], *, slots: int) -> None:
        self.arrays, self.reader, self.slots = arrays, reader, slots
        self.folder = arrays.data / "prepared"
        self.ready = any(self.folder.glob(f"{reader.module}*/keys.npy"))
        self.given_up = False
        self.most = slots if reader.at_once else max(1, slots // 2)  # that read at once
        self.values = {} if self.ready else _different(arrays.data / "features.arrow", columns)
        self.waiting = [(name, row) for name, values in self.values.items() for row in values]
        self.count, self.pieces, self.running, self.cpu_seconds = len(self.waiting), 0, 0, 0.0
        self.read, self.wall_seconds = 0.0, 0.0
        self.made: list[tuple[np.ndarray, np.ndarray]] = []

    @property
    def block(self) -> str:
        """The block of the kit that wants them."""
        return f"{self.reader.module}.vectors"

    @property
    def facts(self) -> dict[str, Any]:
        """What the record keeps of them."""
        return {"what": self.reader.what, "by": self.reader.by, "count": self.count, "ready": self.ready,
                "cpu_seconds": round(self.cpu_seconds, 1), **self.reader.told}

    @property
    def pending(self) -> bool:
        return not (self.ready or self.given_up)

    def next(self, left: float) -> Piece | None:
        """What is to be read now, None where nothing is or enough of it runs. `left`: seconds of the run."""
        if not self.pending or not self.waiting or self.running >= (self.most if self.rate else 1):
            return None
        if self.rate and not self._affordable(min(MOST, self.reader.share * self.slots) * left):
            self.given_up = True
            return None
        piece = self._cut(self.rate * PIECE_SECONDS or min(self.reader.first, self.reader.part * self._cost()))
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
        self.read += piece.cost
        values = self.values[piece.column]
        self.made.append((piece.reader.keys([values[row] for row in piece.rows]), trial.prediction))
        if not self.waiting and not self.running:
            keys, rows = (np.concatenate(parts) for parts in zip(*self.made, strict=True))
            unique, first = np.unique(keys, return_index=True)
            prepared.store(self.folder, self.reader.name, unique, rows[first])
            self.ready, self.made = True, []

    @property
    def rate(self) -> float:
        """Cost of what a trial reads in a second, 0 before the first."""
        return self.read / max(self.wall_seconds, 1e-3)

    def seconds_more(self) -> float:
        """How long the rest takes, by what was read so far."""
        return self._cost() / self.rate / self.most

    def _cost(self) -> float:
        """Of all that waits."""
        return sum(self.reader.cost(self.values[name][row]) for name, row in self.waiting)

    def _affordable(self, limit: float) -> bool:
        """Whether the rest can be read in so many seconds. The first piece says how: where it was read otherwise, it is again."""
        if self.pieces > 1:
            return self.seconds_more() <= limit
        reader = self.reader.affording(self.seconds_more(), limit)
        if reader is not None and reader != self.reader:
            self.reader, self.made = reader, []
            self.waiting = [(name, row) for name, values in self.values.items() for row in values]
        return reader is not None

    def _cut(self, cost: float) -> Piece:
        """The next values of one column, of about the cost that is asked for."""
        column, rows, size = self.waiting[0][0], list[int](), 0.0
        while self.waiting and self.waiting[0][0] == column and size < cost:
            name, row = self.waiting.pop(0)
            rows.append(row)
            size += self.reader.cost(self.values[name][row])
        self.pieces += 1
        return Piece(self.pieces, column, np.array(rows), size, self.arrays.data / f"piece-{self.pieces}", self.reader)


def shared(data: Path) -> dict[str, Path]:
    """What every trial of a run is given besides its fold, once it is there."""
    folder = data / "prepared"
    return {"prepared": folder} if folder.exists() else {}


def _different(features: Path, columns: tuple[str, ...]) -> dict[str, dict[int, str]]:
    """For each column its different values, by the first row that holds them, in the rows' order."""
    with pa.memory_map(str(features)) as file:
        table = pa.ipc.open_file(file).read_all().select(list(columns))
        found = {}
        for name in columns:
            first: dict[str, int] = {}
            for row, value in enumerate(table[name].cast(pa.string()).to_pylist()):
                first.setdefault("" if value is None else value, row)
            found[name] = {row: value for value, row in first.items()}
    return found


def unlabelled(folder: Path, rows: np.ndarray) -> None:
    """A fold of its own: nothing to fit on, no labels, the rows to read."""
    folder.mkdir(exist_ok=True)
    nothing = np.zeros(0, dtype=np.int64)
    for name, values in (("fit", nothing), ("predict", rows), ("target", nothing.astype(float))):
        np.save(folder / f"{name}.npy", values)
