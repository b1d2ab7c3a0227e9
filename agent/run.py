"""A run from start to finish: read the task, plan its validation, compete, grade, report, export."""

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agent.compete import Game, Setting, State, best_entry, compete, restore, usable
from agent.export import export
from agent.proposers.embedded import Embedded
from agent.report import write_report
from agent.traits import Traits
from agent.view import View
from leaderboard.grade import Grade, grade
from leaderboard.record import Record
from leaderboard.reference import rank, read_field
from sandbox import executor as make_executor
from tasks.arrays import Arrays, load_arrays, write_arrays
from tasks.metrics import metric
from tasks.spec import Task, load_task
from tasks.tables import roles_of
from tasks.validation import Plan, design

KIT = Path(__file__).parent / "kit"
CATALOG = Path(__file__).parent.parent / "tasks" / "catalog"


@dataclass(frozen=True)
class Options:
    """What a user may set; everything else derives from the budget."""

    budget: float = 300.0
    seed: int = 0
    slots: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    memory_bytes: int = 4 << 30
    until: float | None = None
    executor: str = "local"
    answers: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run: str
    folder: Path
    task: str
    metric: str
    entries: int
    completed: int
    best_entry: int | None
    cross_validated: float | None
    spread: float | None
    ensemble: float | None
    honest: float | None
    honest_standard_error: float | None
    public: float | None
    private: float | None
    private_standard_error: float | None
    rank: int | None
    rivals: int
    beaten: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "folder": str(self.folder)}
