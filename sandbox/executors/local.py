"""Trials on this machine, forked from a warm server: a trial costs what its fit costs.

torch._dynamo is among the imports since torch's optimisers import it at their first use, five seconds in every trial.
Where a library has left a thread running, forking is not safe: trials then start cold, and one line says so.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sandbox import gpu
from sandbox.executors.cold import Cold
from sandbox.host import Host
from sandbox.launch import NotForkable
from sandbox.trial import Executor, Limits, Trial
from sandbox.walls import Walls

WARM = (
    "numpy", "pandas", "pyarrow", "scipy.sparse", "scipy.optimize", "sklearn.ensemble", "sklearn.linear_model",
    "sklearn.preprocessing", "sklearn.decomposition", "sklearn.feature_extraction.text", "sklearn.model_selection",
    "sklearn.neighbors", "sklearn.svm", "sklearn.cluster", "sklearn.metrics", "lightgbm", "xgboost", "catboost",
    "torch", "torch._dynamo",
)
NOTE = logging.getLogger(__name__)


def make(walls: Walls | None = None) -> Executor:
    return Local(WARM, walls)


class Local:
    """One warm server for all trials; from the moment it cannot be forked, a cold interpreter for each."""

    def __init__(self, libraries: Sequence[str], walls: Walls | None = None) -> None:
        self.warm: Host = Host(libraries, walls=walls)
        self.cold: Cold | None = None
        self.walls = walls

    def run(
        self, source: str, *, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any]
    ) -> Trial:
        if self.cold is None:
            try:
                return self.warm.run(source, inputs=inputs, limits=limits, shape=shape, card=card)
            except NotForkable as error:
                if self.cold is None:
                    NOTE.warning("sandbox: %s: trials start cold, some seconds later each", error)
                    self.cold = Cold(self.walls)
        return self.cold.run(source, inputs=inputs, limits=limits, shape=shape, card=card)

    @property
    def width(self) -> int:
        return len(os.sched_getaffinity(0))

    @property
    def threads(self) -> int:
        return self.width

    @property
    def gpus(self) -> int:
        return gpu.cards()

    @property
    def start_cpu_seconds(self) -> float:
        return self.warm.start_cpu_seconds

    def cancel(self) -> None:
        self.warm.cancel()
        if self.cold is not None:
            self.cold.cancel()

    def __enter__(self) -> "Local":
        self.warm.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.warm.__exit__(kind, error, trace)
        self.cancel()
