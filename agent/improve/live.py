"""Plays arms for real: the agent in the sandbox, its budget in processor seconds metered from outside.

The run's clock is a meter: it goes on by what this process and the trials have used, not by the wall, so that a busy
machine takes nothing from either arm. Trials run one at a time, in a warm executor that all arms share.
"""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from agent.compete import Setting, State, compete
from agent.improve.epoch import epoch
from agent.improve.evaluator import Arm, GateTask
from agent.playbook.bundle import read
from agent.playbook.tools import kit_of
from agent.proposers.embedded import Embedded
from agent.run import KIT, Options, open_record, prepare
from agent.view import Quiet
from leaderboard.grade import Grade, grade
from sandbox import Executor, Limits, Trial, leftovers
from sandbox import executor as make_executor
from tasks.arrays import write_arrays
from tasks.decision import choose_decision
from tasks.metrics import metric
from tasks.submission import write_submission

PATIENCE = 20.0      # wall seconds that a processor second may take on a busy machine
LAST_BLEND = 0.05    # of the budget, kept back for the last blend
MEMORY_BYTES = 2 << 30


@dataclass
class Meter:
    """Processor seconds of this process and of what the executor ran, since it was made."""

    executor: Executor
    own: float = field(default_factory=time.process_time)
    trials: float = 0.0

    @property
    def width(self) -> int:
        return self.executor.width

    @property
    def threads(self) -> int:
        return self.executor.threads

    @property
    def gpus(self) -> int:
        return self.executor.gpus

    @property
    def start_cpu_seconds(self) -> float:
        return self.executor.start_cpu_seconds

    def seconds(self) -> float:
        return time.process_time() - self.own + self.trials

    def run(
        self, source: str, *, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any],
    ) -> Trial:
        """A trial whose limit is in processor seconds; the wall only ends what hangs."""
        cpu = limits.wall_seconds
        trial = self.executor.run(source, inputs=inputs, shape=shape, card=card,
                                  limits=replace(limits, cpu_seconds=cpu, wall_seconds=PATIENCE * cpu))
        self.trials += trial.cost.cpu_seconds
        return trial

    def cancel(self) -> None:
        """Nothing is in flight when a run ends: its one trial was waited for, as the clock stood still meanwhile."""

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


@dataclass
class Live:
    """An evaluator on this machine; a context manager. keep: a folder of runs whose record is to know the practice runs."""

    executor_name: str = "local"
    keep: Path | None = None
    epoch: str = field(default_factory=epoch)
    _executor: Executor | None = None

    def __enter__(self) -> "Live":
        self._executor = make_executor(self.executor_name).__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._executor is not None:
            self._executor.__exit__(kind, error, trace)

    def keeping(self, runs: Path) -> "Live":
        """The same, whose runs join the record in that folder."""
        return replace(self, keep=runs)

    def play(self, version: Path, task: GateTask, *, seed: int, cpu_seconds: float) -> Arm:
        assert self._executor is not None, "a Live evaluator is a context manager"
        with tempfile.TemporaryDirectory(prefix="arm-", dir=leftovers.own()) as place:  # the next start sweeps a killed one's
            return self._play(version, task, Path(place), seed, cpu_seconds, Meter(self._executor))

    def _play(self, version: Path, task: GateTask, place: Path, seed: int, cpu_seconds: float, meter: Meter) -> Arm:
        options = Options(budget=cpu_seconds, seed=seed, slots=1, playbook=version, memory_bytes=MEMORY_BYTES)
        known = prepare(task.folder, options)
        arrays = write_arrays(known.task, known.train, known.test, known.plan, dict(known.roles), place, seed=seed)
        meter.own, run = time.process_time(), f"{task.name}-{read(version).short}-{seed}"
        setting = Setting(task=known.task, arrays=arrays, folder=place, kit=kit_of(KIT, version, place), run=run, started=0.0,
                          deadline=cpu_seconds * (1 - LAST_BLEND), seed=seed, slots=1, memory_bytes=MEMORY_BYTES,
                          policy=options.policy)
        with open_record(self.keep or place) as record:
            proposer = Embedded(known.traits, seed=seed, greater_is_better=known.task.greater_is_better,
                                policy=options.policy)
            if any(old.run == run for old in record.runs()):  # played before a kill, but not noted
                setting = replace(setting, run=f"{run}-{len(record.runs())}")
            record.start_run(setting.run, task=task.family, folder=str(place), budget_seconds=cpu_seconds, seed=seed,
                             metric=known.task.metric, greater_is_better=known.task.greater_is_better,
                             settings={"traits": asdict(known.traits), "playbook": read(version).hash, "cut": task.name})
            state = compete(setting, record=record, executor=meter, proposer=proposer, view=Quiet(), clock=meter.seconds)
            record.finish_run(setting.run, status="finished", summary={"entries": len(state.entries)})
        return _arm(setting, state, task, meter.seconds())


def _arm(setting: Setting, state: State, task: GateTask, cpu_seconds: float) -> Arm:
    """Grade what the run left, and what a constant would have left."""
    floor = grade(setting.task, _constant(setting, state), task.answers)
    graded = grade(setting.task, setting.folder / "submission.csv", task.answers)
    return Arm(_loss(setting, graded), _loss(setting, floor) or 1.0, graded.private_standard_error or 0.0,
               round(cpu_seconds, 2), len(state.entries))


def _constant(setting: Setting, state: State) -> Path:
    validated = setting.arrays.validated
    decision = choose_decision(metric(setting.task.metric), setting.arrays.truth[validated], state.out_of_fold[0][validated])
    path = setting.folder / "constant.csv"
    write_submission(setting.task, decision.apply(np.asarray(state.test[0])), path)
    return path


def _loss(setting: Setting, graded: Grade) -> float | None:
    """The private score as a loss: itself where lower is better, its distance from 1 where higher is."""
    if graded.private is None:
        return None
    return 1.0 - graded.private if setting.task.greater_is_better else graded.private
