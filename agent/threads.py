"""How many threads a trial gets: one, side by side with others, or all that the run has. What the run has measured decides.

Side by side is the rule: no thread waits for another, so more folds end in a second. All threads are for what gains by ending
sooner: the first two folds of the first entry, and an entry that would else miss the deadline. The first entry's other folds
have one thread, beside others: where all threads turn out to give more folds a second as well, they stay.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leaderboard.record import Entry

ROWS_A_THREAD = 5_000  # with fewer, threads wait for each other
MARGIN = 1.05          # times as many folds a second that all threads must give, so that no noise decides
HELPS = 1.1            # times as soon that a fold must end, or processors that it must keep busy, for more threads to be given
MOST = 16              # more end hardly any fold sooner, and all libraries' threads together would reach a trial's limit
TRIES = 4              # entries after the first that are run both ways until one has an answer


@dataclass(frozen=True)
class Fit:
    """What one trial of an entry took. `told`: it took over what another fold had found, so that it had less to do. `rows`:
    that it was fitted on."""

    fold: int
    threads: int
    told: bool
    rows: int
    wall_seconds: float
    cpu_seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Room:
    """What an entry is given: during its first `itself` folds no other entry is begun, the first `single` folds run one at a
    time."""

    itself: int = 0
    single: int = 0


NO_ROOM = Room()


@dataclass(frozen=True)
class Comparison:
    """Seconds that folds of one entry took with the same to do: alone on all threads, and on one thread beside others."""

    entry: int
    threads: int
    alone: float
    beside: float

    @property
    def speed_up(self) -> float:
        return self.beside / max(self.alone, 1e-9)

    @property
    def pays(self) -> bool:
        """Whether folds one after another on all threads give more of them a second than as many side by side."""
        return self.speed_up > MARGIN * self.threads

    def __str__(self) -> str:
        better = "one after another on all threads gives more" if self.pays else "side by side gives more"
        return (f"a fold of entry {self.entry} took {self.alone:.1f} s on {self.threads} threads and {self.beside:.1f} s on one "
                f"beside others: {better}")


@dataclass(frozen=True)
class Threads:
    """The rules for a run of so many slots, in which a trial may have `most` threads (1: all is side by side), after `tried`
    entries. known: what was compared in them."""

    slots: int
    most: int
    tried: int = 0
    known: Comparison | None = None

    @classmethod
    def after(cls, entries: Sequence[Entry], *, slots: int, most: int) -> "Threads":
        """Where more threads end a fold hardly sooner, or find no processor (the machine has other work, the code is of one
        thread), no trial has them from then on."""
        known, wide = comparison(entries), [fit for entry in entries for fit in fits_of(entry) if fit.threads > 1]
        used = max((fit.cpu_seconds / max(fit.wall_seconds, 1e-9) for fit in wide), default=math.inf)
        helps = (known.speed_up if known else used) >= HELPS
        return cls(slots, most if helps else 1, sum(entry.number > 0 for entry in entries), known)

    def room(self, folds: int, *, measuring: bool = False) -> Room:
        """For the next entry, whatever it is. measuring: an entry in flight is being run both ways."""
        if self.known is not None:
            return Room(folds, folds) if self.known.pays and self.most == self.slots else NO_ROOM
        return NO_ROOM if measuring or self.most == 1 or self.tried > TRIES else Room(2, 2)

    def late(self, seconds: float, folds: int, left: float) -> bool:
        """Whether an entry whose folds take so many seconds on one thread would miss the deadline unless it had all."""
        rounds = 1 + math.ceil((folds - 1) / self.slots)
        return self.most > 1 and rounds * seconds > left

    def shared(self, free: int, trials: int) -> list[int]:
        """Threads for each of the trials that are ready: all free slots are shared out, each trial has at least one."""
        each, over = divmod(free, trials)
        return [min(self.most, each + (k < over)) for k in range(trials)]


def most_threads(slots: int, available: int, rows: int) -> int:
    """That a trial of this run may have. available: that the executor can give to one."""
    return max(1, min(slots, available, MOST, rows // ROWS_A_THREAD))


def comparison(entries: Sequence[Entry]) -> Comparison | None:
    """The first entry that was run both ways; None before."""
    tried = [(entry.number, fits_of(entry)) for entry in entries]
    most = max((fit.threads for _, fits in tried for fit in fits), default=1)
    for number, fits in tried if most > 1 else []:
        for told in (True, False):
            same = [fit for fit in fits if fit.told == told]
            alone, beside = ([_pace(fit) for fit in same if fit.threads == threads] for threads in (most, 1))
            if alone and beside:
                rows = float(np.mean([fit.rows for fit in same]))
                return Comparison(number, most, rows * float(np.mean(alone)), rows * float(np.mean(beside)))
    return None


def fits_of(entry: Entry) -> list[Fit]:
    """The entry's trials that ended well, in the order in which they did; none in an older record."""
    return [Fit(**fit) for fit in entry.params.get("fits", ())]


def threads_of(entry: Entry) -> str:
    """How many threads the folds had, in their order: `2 1 1`; just `1` where none had more."""
    counts = [fit.threads for fit in sorted(fits_of(entry), key=lambda fit: fit.fold)]
    return " ".join(map(str, counts)) if max(counts, default=1) > 1 else "1" if counts else ""


def slot_seconds(entry: Entry) -> float:
    """Wall clock of the entry's trials, times the slots that each one held."""
    fits = fits_of(entry)
    return sum(fit.wall_seconds * fit.threads for fit in fits) if fits else entry.cost_wall_seconds


def _pace(fit: Fit) -> float:
    return fit.wall_seconds / max(fit.rows, 1)
