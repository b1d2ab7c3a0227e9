"""Evaluators: whoever plays a version of the playbook on a task and says what it lost. The budget is metered here, outside.

`live.py` runs the agent in the sandbox; `recorded.py` reads outcomes from a file. The gate does not know which it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class GateTask:
    """A small task of a pool: where its public files and its answers lie, which family it was cut from.

    canary: its labels are random, so that nobody can do better than `floor`, the loss of a constant.
    """

    name: str
    family: str
    data: str  # hex sha256 of the files
    folder: Path
    answers: Path
    canary: bool = False


@dataclass(frozen=True)
class Arm:
    """One version played on one task from one seed. loss: lower is better, > 0, of the answers that nobody but the host has;
    floor: the loss of a constant on the same rows; None where the run failed. cpu_seconds: all processes together."""

    loss: float | None
    floor: float
    noise: float          # standard error of the loss over other rows of the same kind
    cpu_seconds: float
    entries: int = 0
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Arm":
        return cls(**data)


class Evaluator(Protocol):
    """Plays arms. `epoch` names the code that plays and judges: what was measured in one epoch holds in no other."""

    @property
    def epoch(self) -> str: ...

    def play(self, version: Path, task: GateTask, *, seed: int, cpu_seconds: float) -> Arm:
        """Play the version in that folder; never raises for what the version did."""
