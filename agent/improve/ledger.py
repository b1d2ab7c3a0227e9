"""The ledger: one JSON line for each thing that was decided, each with the hash of the line before it; only ever added to.

A line holds no clock: the same decisions make the same ledger, byte for byte.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.playbook.bundle import PlaybookError

FILE = "ledger.jsonl"
NONE = "0" * 64


class LedgerError(PlaybookError):
    """The ledger is not what was written; the message says which line."""


@dataclass(frozen=True)
class Line:
    """One line: `id` counts from 1, `kind` is noise | proposal | use | rollback | release, `facts` is the rest."""

    id: int
    kind: str
    facts: Mapping[str, Any]
    previous: str
    hash: str

    def text(self) -> str:
        return encoded({"id": self.id, "kind": self.kind, **self.facts, "previous": self.previous, "hash": self.hash})


def encoded(value: Any) -> str:
    """JSON with one spelling for each value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(id: int, kind: str, facts: Mapping[str, Any], previous: str) -> str:
    return hashlib.sha256(encoded({"id": id, "kind": kind, **facts, "previous": previous}).encode()).hexdigest()


@dataclass(frozen=True)
class Ledger:
    """The ledger in a file, empty when absent."""

    path: Path

    def lines(self) -> list[Line]:
        """All lines, verified. A last line without its end was being written when the writer died; it does not count.

        Raises LedgerError where a line was changed, taken out or put in.
        """
        if not self.path.exists():
            return []
        whole, _, _ = self.path.read_bytes().rpartition(b"\n")
        found: list[Line] = []
        for number, text in enumerate(whole.decode("utf-8", "replace").split("\n") if whole else [], start=1):
            found.append(_verified(text, number, found[-1].hash if found else NONE, self.path))
        return found

    def append(self, kind: str, facts: Mapping[str, Any]) -> Line:
        """Add a line; it is on the disk when this returns. Raises LedgerError where what is there is not sound."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
            known = self.lines()
            previous, id = known[-1].hash if known else NONE, len(known) + 1
            facts = json.loads(encoded(facts))
            line = Line(id, kind, facts, previous, digest(id, kind, facts, previous))
            with self.path.open("ab") as file:
                file.truncate(sum(len(old.text().encode()) + 1 for old in known))
                file.write(line.text().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        return line

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _verified(text: str, number: int, previous: str, path: Path) -> Line:
    try:
        facts = json.loads(text)
        line = Line(facts.pop("id"), facts.pop("kind"), facts, facts.pop("previous"), facts.pop("hash"))
        sound = (line.id, line.previous, line.text()) == (number, previous, text)
        sound = sound and line.hash == digest(line.id, line.kind, facts, previous)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LedgerError(f"line {number} of {path} is no line of a ledger: restore the file") from error
    if not sound:
        raise LedgerError(f"line {number} of {path} is not what was written: the ledger is only ever added to; restore it")
    return line


def proposals(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.kind == "proposal"]


def tested(lines: Sequence[Line]) -> frozenset[str]:
    """Hashes of the diffs that have a line: none is tested twice."""
    return frozenset(line.facts["diff_hash"] for line in proposals(lines))


def confirmations(lines: Sequence[Line], epoch: str) -> int:
    """How many proposals of an epoch went to confirmation, each of which spent some of the error."""
    return sum(bool(line.facts["confirmation"]) for line in proposals(lines) if line.facts["epoch"] == epoch)


def summary(line: Line) -> str:
    """The line for people."""
    facts = line.facts
    if line.kind == "noise":
        return f"{line.id}. noise floor of epoch {facts['epoch']}: {facts['noise']:.4f} a task, over {facts['tasks']} tasks"
    if line.kind == "release":
        return (f"{line.id}. release: {facts['version']} against {facts['against']}: {facts['won']:.0%} of {facts['tasks']} "
                f"vault tasks won, {facts['mean']:+.1%} lower loss ({facts['low']:+.1%} to {facts['high']:+.1%})")
    if line.kind != "proposal":
        return f"{line.id}. {line.kind}: {facts['was']} -> {facts['now']} ({facts['reason']})"
    what = f"{line.id}. {facts['verdict']}: {facts['hypothesis']} [{facts['proposer']}]"
    return f"{what} {facts['stage']}: {facts['reason']}; {facts['cpu_seconds']:.0f} CPU s"
