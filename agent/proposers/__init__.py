"""Proposers: who writes the next solution. A file here is a proposer of that name."""

from collections.abc import Sequence
from typing import Protocol

from agent.solution import Solution
from leaderboard.record import Entry


class Proposer(Protocol):
    """Told of every entry once, in order; asked for one solution at a time."""

    def propose(self, entries: Sequence[Entry]) -> Solution | None:
        """The next solution, or None when there is nothing worth a trial while others are in flight."""

    def turn(self, entries: Sequence[Entry]) -> None:
        """Called at every turn of the loop, also where no solution is wanted yet: what takes long is started here."""

    def observe(self, entry: Entry, *, won: bool, gained: float) -> None:
        """Learn from a finished entry; `won`: it improved the blend beyond noise; `gained`: by how many standard errors."""

    def wait(self, seconds: float) -> bool:
        """Whether a proposal is being written that may still come; returns once it is here, after `seconds` at most."""
