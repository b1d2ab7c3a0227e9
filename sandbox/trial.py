"""The sandbox's few nouns: Limits, Cost, Trial, and the Executor that runs one."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

EXECUTORS = Path(__file__).parent / "executors"


class SandboxError(Exception):
    """No trial can be run on this machine, or no such executor; the message says what to do."""


@dataclass(frozen=True)
class Limits:
    """What a trial may use; whatever it exceeds ends it with that status. `processes` counts threads too."""

    wall_seconds: float
    memory_bytes: int
    disk_bytes: int
    cpu_seconds: float | None = None
    processes: int = 128
    output_bytes: int = 1 << 20
    threads: int = 1


@dataclass(frozen=True)
class Cost:
    """What a trial used, its whole tree of processes together; memory is the peak that was seen."""

    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Trial:
    """How one trial ended. `prediction` is there when `status` is ok, and only then.

    status: ok | error (the solution raised: see `log`) | invalid (a result of the wrong kind) | timeout | cpu | memory |
    processes | disk | output | killed (cancelled, or a signal) | refused (it could not be started) | lost (with the machine
    it ran on, more than once). `reason` says more.
    """

    status: str
    prediction: np.ndarray | None
    cost: Cost
    log: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster: where it is (`auto`: RAY_ADDRESS, else the one on this machine), the part of a GPU that a trial holds,
    how often a trial is begun that is lost with its node, and how long it waits for a node where none is left."""

    address: str = "auto"
    gpu_share: float = 1.0
    tries: int = 3
    patience_seconds: float = 60.0


class Executor(Protocol):
    """Runs trials; usable from several threads at once, and as a context manager that leaves nothing running."""

    @property
    def width(self) -> int:
        """How many trials of one thread it can run at once."""

    @property
    def threads(self) -> int:
        """How many threads one trial can have to itself while no other runs."""

    @property
    def gpus(self) -> int:
        """How many GPUs its trials can be given."""

    @property
    def start_cpu_seconds(self) -> float:
        """Processor seconds of this machine that getting ready for trials has taken; of a trial its cost says it."""

    def run(
        self, source: str, *, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any]
    ) -> Trial:
        """Run `source` (a solution.py). inputs: `features` (an Arrow file), `fold` (a folder with fit.npy, target.npy and
        predict.npy), `kit` (a package), perhaps `assets` and `prepared` (folders); shape: of the result that counts as one."""

    def cancel(self) -> None:
        """End every trial in flight; they return with status `killed`. Trials that are asked for later run."""

    def __enter__(self) -> "Executor": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def executor(name: str, *, unsafe: bool = False, cluster: Cluster | None = None) -> Executor:
    """The executor of that name: a file in executors/. SandboxError lists what exists. unsafe: with limits, but without
    any wall: generated code then has all rights of this user. cluster: for the executors that have one."""
    names = sorted(path.stem for path in EXECUTORS.glob("*.py") if path.stem != "__init__")
    if name not in names:
        raise SandboxError(f"no executor {name!r}; there are: {', '.join(names)}")
    walls = importlib.import_module("sandbox.walls").NONE if unsafe else None
    make = importlib.import_module(f"sandbox.executors.{name}").make
    made: Executor = make(walls, cluster) if cluster else make(walls)
    return made
