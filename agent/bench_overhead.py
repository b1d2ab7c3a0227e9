"""What a run costs beyond its fits: the share of everything that is not inside fit_predict, and the gain by warm starts.

`make bench-overhead BUDGET=300`. A run on a generated 50,000-row task, every fit_predict timed from inside; then some of
its trials again, one after another, warm and each in a cold interpreter with the same walls. Writes docs/overhead.json.
"""

import argparse
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from agent import run as runs_of
from agent.bench_data import write_task
from agent.compete import compete
from agent.proposers.embedded import Embedded
from agent.view import Quiet
from sandbox import Executor, Limits, Trial, executor

OUT = Path(__file__).parent.parent / "docs" / "overhead.json"
TIMED = '''

def fit_predict(train, target, predict, task, *, _inner=fit_predict):
    import time
    print("\\nfit begins", time.monotonic(), time.process_time(), flush=True)
    try:
        return _inner(train, target, predict, task)
    finally:
        print("\\nfit ends", time.monotonic(), time.process_time(), flush=True)
'''
MARK = re.compile(r"fit (begins|ends) ([\d.]+) ([\d.]+)")


@dataclass(frozen=True)
class Call:
    """One trial as it was asked for, and how it went: seconds of wall clock and processor, in fit_predict and in all."""

    arguments: Mapping[str, Any]
    status: str
    wall: float
    cpu: float
    fit_wall: float
    fit_cpu: float


@dataclass
class Stopwatch:
    """An executor that has each solution say when its fit_predict begins and ends, and keeps that."""

    executor: Executor
    calls: list[Call] = field(default_factory=list)

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

    def run(
        self, source: str, *, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any],
    ) -> Trial:
        asked = {"source": source + TIMED, "inputs": inputs, "limits": limits, "shape": shape, "card": card}
        begun = time.monotonic()
        trial = self.executor.run(**asked)  # type: ignore[arg-type]
        self.calls.append(_call(asked, trial, begun, time.monotonic()))
        return replace(trial, log=MARK.sub("", trial.log))

    def cancel(self) -> None:
        self.executor.cancel()

    def __enter__(self) -> "Executor":
        self.executor.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.executor.__exit__(kind, error, trace)


def _call(asked: Mapping[str, Any], trial: Trial, begun: float, ended: float) -> Call:
    """What was killed inside fit_predict was in it until then."""
    marks = {what: (float(wall), float(cpu)) for what, wall, cpu in MARK.findall(trial.log)}
    first = marks.get("begins", (ended, trial.cost.cpu_seconds))
    last = marks.get("ends", (ended, trial.cost.cpu_seconds))
    return Call(asked, trial.status, ended - begun, trial.cost.cpu_seconds, last[0] - first[0], max(0.0, last[1] - first[1]))


def competed(folder: Path, *, budget: float, slots: int, runs: Path) -> tuple[dict[str, Any], list[Call]]:
    """A run in this process; what it used, and its trials. `share` is of processor seconds, `slot_share` of slots' time.

    The warm server's own imports, once a run, are not among the processor seconds: it is killed, so nobody counts them."""
    started, watch = time.monotonic(), Stopwatch(executor("local"))
    options = runs_of.Options(budget=budget, slots=slots, device="cpu")
    with watch as timed, runs_of.open_record(runs) as record, ExitStack() as going_on:
        own = _used()
        begun = runs_of.begin(folder, options, record=record, runs=runs, started=started, clock=time.monotonic,
                              going_on=going_on)
        known, setting = begun.known, begun.setting
        read = time.monotonic() - started
        proposer = Embedded(known.traits, seed=0, greater_is_better=known.task.greater_is_better)
        state = compete(setting, record=record, executor=timed, proposer=proposer, view=Quiet(), clock=time.monotonic)
        competing = time.monotonic() - started - read
        runs_of.finish(setting, record, state, options, begun.plan, Quiet(), time.monotonic)
        host = _used() - own
    wall, calls = time.monotonic() - started, watch.calls
    total = host + sum(call.cpu for call in calls)
    fits = sum(call.fit_cpu for call in calls)
    return {
        "budget": budget, "slots": slots, "wall_seconds": wall, "entries": len(state.entries), "trials": len(calls),
        "share": 1 - fits / total, "slot_share": 1 - sum(call.fit_wall for call in calls) / (slots * wall),
        "cpu_seconds": {"all": total, "inside fit_predict": fits, "the agent's process": host,
                        "trials outside fit_predict": sum(call.cpu for call in calls) - fits},
        "wall": {"reading, plan, arrays": read, "competing": competing, "report and export": wall - read - competing},
        "blending_seconds": state.blend_seconds,
        "trials_per_minute": 60 * len(calls) / wall,
    }, calls


def warm_against_cold(calls: Sequence[Call], *, trials: int) -> dict[str, Any]:
    """The same trials, evenly chosen from those that ended well, one after another: trials a minute, both ways."""
    good = [call for call in calls if call.status == "ok"]
    if not good:
        raise SystemExit(f"none of {len(calls)} trials ended well: give a larger --budget")
    chosen = good[:: max(1, len(good) // trials)][:trials]
    rates = {}
    for name in ("local", "cold"):
        with executor(name) as made:
            made.run(**chosen[0].arguments)  # the server's start is no trial's
            begun = time.monotonic()
            for call in chosen:
                made.run(**call.arguments)
            rates[name] = 60 * len(chosen) / (time.monotonic() - begun)
    return {"trials": len(chosen), "warm_per_minute": rates["local"], "cold_per_minute": rates["cold"],
            "ratio": rates["local"] / rates["cold"]}


def _used() -> float:
    """Processor seconds of this process and of all that have ended below it."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=300.0)
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--trials", type=int, default=12, help="that run again, warm and cold (default: 12)")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = write_task(Path(name) / "task", rows=options.rows, columns=options.columns)
        found, calls = competed(folder, budget=options.budget, slots=options.slots, runs=Path(name) / "runs")
        found |= {"rows": options.rows, "columns": options.columns, "warm against cold":
                  warm_against_cold(calls, trials=options.trials)}
    text = json.dumps(found, indent=1)
    options.out.write_text(text + "\n")
    print(text)
    print(f"overhead: {found['share']:.1%} of the processor seconds, {found['slot_share']:.1%} of the slots' time; "
          f"warm trials a minute: {found['warm against cold']['ratio']:.1f} x cold", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
