"""How the host's steps grow with the rows: seconds, peak memory and the exponent of each from 10,000 to 1,000,000 rows.

`python -m agent.bench_scale --rows 10000 100000 1000000`. Each size runs in a process of its own. What is measured is the
host alone, no model: reading, roles, validation plan (with the adversarial check), arrays, the first entry and its
submission, grading and blending of five made-up entries. Writes docs/scale.json, prints a table.

The kernel's part of the processor time is told apart, since it depends on where pages come from: on a virtual machine that
gives free memory back to its host, pages that are touched anew cost several times what pages do that were freed just before.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from agent.bench_data import write_task
from agent.compete import Game, Job, Setting, State
from agent.proposers.embedded import Embedded
from agent.racing import Candidate
from agent.solution import Solution
from agent.traits import Traits
from agent.view import Quiet
from leaderboard.record import Record
from sandbox import Cost, Trial, executor

OUT = Path(__file__).parent.parent / "docs" / "scale.json"
MEMBERS = 5
ENOUGH = 0.05  # seconds below which a step's growth says nothing


@dataclass
class Watch:
    """Wall and processor seconds of each step, in order, the kernel's among them, and the process's peak memory once it was
    done."""

    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    kernel_seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begun, used, kernel = time.perf_counter(), time.process_time(), os.times().system
        yield
        self.seconds[name], self.cpu_seconds[name] = time.perf_counter() - begun, time.process_time() - used
        self.kernel_seconds[name] = os.times().system - kernel
        self.peak_bytes[name] = _peak()
        print(f"{name}: {self.seconds[name]:.1f} s, peak {self.peak_bytes[name] / 2**20:.0f} MiB", file=sys.stderr, flush=True)


def _peak() -> int:
    """Bytes; getrusage would count what the parent process had when it forked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measure(folder: Path, place: Path) -> dict[str, Any]:
    """Take a task's folder through all steps of the host in this process: rows, bytes, seconds and peak memory by step."""
    from agent.run import Options, finishing_seconds, traits_of
    from tasks import spec, tables, validation
    from tasks.arrays import write_arrays

    watch, options = Watch(), Options(budget=300.0)
    base = _peak()  # what the imports take
    with watch.step("reading"):
        task, read = spec.load(folder)
    table_bytes = int(sum(frame.memory_usage(deep=True).sum() for frame in (read.train, read.test)))
    with watch.step("roles"):
        found = tables.survey(read.train, read.test, id=task.id, targets=task.targets, text=task.text)
    with watch.step("adversarial check"):
        validation.adversarial(read.train, read.test, found.roles, seed=0)
    with watch.step("validation plan, check included"):
        plan = validation.design(task, read.train, read.test, found.roles, seed=0)
    with watch.step("traits"):
        traits = traits_of(task, plan, found.roles, read.train, read.test)
    with watch.step("arrays"):
        arrays = write_arrays(task, read.train, read.test, plan, found.roles, place, seed=0)
    del read
    now = time.monotonic()
    setting = Setting(task, arrays, place, kit=place, run="scale", started=now, deadline=now + options.budget
                      - finishing_seconds(options.budget))
    _compete(watch, setting, traits)
    return {"rows": arrays.n_train, "table_bytes": table_bytes, "base_bytes": base, "seconds": watch.seconds,
            "cpu_seconds": watch.cpu_seconds, "kernel_seconds": watch.kernel_seconds, "peak_bytes": watch.peak_bytes}


def _compete(watch: Watch, setting: Setting, traits: Traits) -> None:
    """The first entry with its submission, then made-up entries: graded, recorded, blended."""
    with Record(setting.folder / "record.db") as record:
        record.start_run(setting.run, task=setting.task.name, folder=str(setting.folder), budget_seconds=300.0, seed=0,
                         metric=setting.task.metric, greater_is_better=setting.task.greater_is_better, settings={})
        proposer = Embedded(traits, seed=0, greater_is_better=setting.task.greater_is_better)
        game = Game(setting, record, executor("local"), proposer, Quiet(), time.monotonic, State())
        with watch.step("first entry, its submission"):
            game.enter_prior()
        game.state.blend_seconds = math.inf  # no blend between: that is a step of its own
        with watch.step("five entries: grading, recording"):
            for number in range(1, MEMBERS + 1):
                _enter(game, number)
        with watch.step("their blend"):
            game.blend(final=True)


def _enter(game: Game, number: int) -> None:
    """An entry whose predictions are the truth with much noise."""
    arrays, rng = game.setting.arrays, np.random.default_rng(number)
    candidate = Candidate(number, Solution("", "made up", "", f"made up {number}"), arrays.fits, game.clock())
    game.candidates.append(candidate)
    for fold in range(arrays.fits):
        rows = arrays.validation_rows(fold)
        noisy = arrays.truth[rows] + rng.normal(size=len(rows))
        made = 1 / (1 + np.exp(-np.r_[noisy, rng.normal(size=arrays.predict_rows(fold) - len(rows))]))
        candidate.running.add(fold)
        game.take(Job(candidate, fold, 0.0), Trial("ok", made, Cost(0.0, 0.0, 0)))


def exponents(small: Mapping[str, Any], large: Mapping[str, Any], *, kernel: bool = True) -> dict[str, float | None]:
    """How each step's processor time grew, with or without the kernel's part, as a power of the rows; None where it is too
    short to tell."""
    ratio = math.log(large["rows"] / small["rows"])

    def seconds(result: Mapping[str, Any], name: str) -> float:
        return float(result["cpu_seconds"][name] - (0.0 if kernel else result["kernel_seconds"][name]))

    return {name: round(math.log(seconds(large, name) / max(seconds(small, name), 1e-4)) / ratio, 2)
            if seconds(large, name) >= ENOUGH else None for name in large["cpu_seconds"]}


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a line a step, a column a size (processor seconds, the kernel's among them, wall), and between sizes the
    exponents of all processor seconds and of those outside the kernel."""
    heads = [f"{result['rows']:,} rows" for result in results]
    grown = [(exponents(small, large), exponents(small, large, kernel=False)) for small, large in pairwise(results)]
    lines = [f"| step | {' | '.join(heads)} | {' | '.join(f'to {head}' for head in heads[1:])} |",
             "|---" * (1 + len(results) + len(grown)) + "|"]
    for name in results[-1]["seconds"]:
        seconds = [f"{r['cpu_seconds'][name]:.2f} s ({r['kernel_seconds'][name]:.2f}; {r['seconds'][name]:.1f})" for r in results]
        powers = [", ".join(f"n^{power[name]:.2f}" for power in pair if power[name] is not None) for pair in grown]
        lines.append(f"| {' | '.join([name, *seconds, *powers])} |")
    peaks = []
    for result in results:
        peak = max(result["peak_bytes"].values())
        peaks.append(f"{peak / 2**20:,.0f} MiB: {(peak - result['base_bytes']) / result['table_bytes']:.1f} x the table and "
                     f"{result['base_bytes'] / 2**20:.0f} MiB of libraries")
    return "\n".join([*lines, f"| {' | '.join(['peak memory of the host', *peaks, *[''] * len(grown)])} |"])


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options.add_argument("--columns", type=int, default=100)
    options.add_argument("--out", type=Path, default=OUT, help="results by rows; those that are there and not asked for stay")
    options.add_argument("--one", type=Path, nargs=2, metavar=("FOLDER", "PLACE"), help=argparse.SUPPRESS)
    chosen = options.parse_args(arguments)
    if chosen.one:
        print(json.dumps(measure(*chosen.one)))
        return 0
    known = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    for rows in chosen.rows:
        known[str(rows)] = _in_a_process_of_its_own(rows, chosen.columns)
        chosen.out.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    print(table([known[rows] for rows in sorted(known, key=int)]))
    return 0


def _in_a_process_of_its_own(rows: int, columns: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder, place = write_task(Path(name) / "task", rows=rows, columns=columns), Path(name) / "run"
        place.mkdir()
        done = subprocess.run([sys.executable, "-m", "agent.bench_scale", "--one", folder, place], stdout=subprocess.PIPE,
                              text=True, check=True)
        return dict(json.loads(done.stdout))


if __name__ == "__main__":
    sys.exit(main())
