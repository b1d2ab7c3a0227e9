"""The benchmark: runs tasks x seeds, each in a process of its own, and writes docs/results.md, its JSON and its plots.

Resumable: each result is in the JSON as soon as it is there, and is not made again while the task's files and the rival's
file and pins are the same. Results of an older state of our own code stay, save failures, unless --anew asks for new ones.
`--agent NAME` lets a rival (agent/rivals/) run instead of us: the same tasks, budget, threads and grader; crashes, overruns
and invalid submissions are results too. Plain folders may join: `--folders DIR` takes every folder below DIR that holds
train.csv, test.csv and solution.csv (the answers, shown to nobody before the end of a run).
`--as-long-as NAME...` gives a run of ours the wall clock that the best of these rivals took, where that was over the budget.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agent.bench_families import better, wall
from agent.bench_page import page, write_leads, write_plots
from agent.bench_run import Cell, made_of, run_cell
from agent.output import UsageError, positive, whole
from agent.rivals import rival
from agent.timed import stop
from leaderboard.reference import OURS
from tasks import catalogue

_docs = Path(__file__).parent.parent / "docs"
DOCS = _docs if _docs.is_dir() else Path("docs")
Result = Mapping[str, Any]
MakeOf = Callable[[Cell], Mapping[str, str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Raises UsageError, after all else is done and written, where some runs could not be made at all."""
    options = _parser().parse_args(arguments)
    if options.agent != OURS:
        rival(options.agent)  # says who there is
    if options.out.suffix == ".json":  # of which there is one beside every page
        options.out = options.out.with_suffix(".md")
    store = Store(options.out.with_suffix(".json"))
    cells = [cell for cell in (_longer(options, store) if options.as_long_as else _cells(options))
             if not store.has(cell, cell.wall or options.budget, options.slots, of=made_of, anew=options.anew)]
    failed: list[str] = []
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, ThreadPoolExecutor(options.parallel) as threads:
        bar = progress.add_task(f"{len(cells)} runs of {options.budget:g} s", total=len(cells))
        try:
            for result in threads.map(lambda cell: _run(cell, options, store), cells):
                failed += [line(result)] if "error" in result else []
                progress.advance(bar)
                progress.console.print(line(result), markup=False, highlight=False)
        except KeyboardInterrupt:
            stop()
            threads.shutdown(cancel_futures=True)
            raise UsageError("stopped by hand; what had ended is kept, and the same command goes on from there") from None
    options.out.parent.mkdir(parents=True, exist_ok=True)
    plots, leads = write_plots(store.results, options.out), write_leads(store.results, options.out)
    options.out.write_text(page(store.results, plots=plots, leads=leads))
    print(page(store.results))
    if failed:
        raise UsageError(f"{len(failed)} of {len(cells)} runs could not be made: {failed[0]}")
    return 0


def line(result: Result) -> str:
    """How a run went, for people."""
    if "error" in result:
        return f"{result['task']} seed {result['seed']}: not run: {result['error']}"
    status = result.get("status", "ok")
    how = "" if status == "ok" else f", {status}" + (f": {result['reason']}" if result.get("reason") else "")
    return f"{result['task']} seed {result['seed']}: {result.get('private')}{how}"


class Store:
    """Results on disk, written after each run."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError where the file holds no results."""
        self.path, self.lock = path, Lock()
        try:
            self.results: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
            self.results.sort(key=_key)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} holds no results of the benchmark ({error}): move it away or say --out") from error

    def has(self, cell: Cell, budget: float, slots: int, *, of: MakeOf | None = None, anew: bool = False) -> bool:
        """Whether there is a result that still holds. of: fingerprints of what the cell is made of now."""
        known = self.of(cell, budget, slots)
        known = None if known is None or "error" in known else known
        told = (known or {}).get("made_of")
        if known is None or of is None or told is None:  # older results say nothing of what they were made of
            return known is not None and not (anew and of is not None)
        now = of(cell)
        if told["agent"] != now["agent"] and (cell.agent != OURS or anew or known["status"] not in ("ok", "overrun")):
            return False
        return bool(told["task"] == now["task"])

    def of(self, cell: Cell, budget: float, slots: int) -> Result | None:
        """The cell's result, failed or not."""
        key = (cell.name, cell.seed, budget, slots, cell.agent)
        return next((result for result in self.results if _key(result) == key), None)

    def add(self, result: dict[str, Any]) -> None:
        with self.lock:
            self.results = [r for r in self.results if _key(r) != _key(result)] + [result]
            self.results.sort(key=_key)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps(self.results, indent=1) + "\n")
            partial.replace(self.path)


def _key(result: Result) -> tuple[str, int, float, int, str]:
    return result["task"], result["seed"], result["budget"], result["slots"], result.get("agent", OURS)


def _run(cell: Cell, options: argparse.Namespace, store: Store) -> dict[str, Any]:
    result = run_cell(cell, options)
    store.add(result)
    return result


def _cells(options: argparse.Namespace) -> list[Cell]:
    names = options.tasks if options.tasks is not None else catalogue.names()
    cells = [Cell(name, name, None, seed) for seed in options.seeds for name in names]
    for folder in sorted(options.folders.iterdir()) if options.folders else ():
        if (folder / "solution.csv").exists():
            cells += [Cell(folder.name, str(folder), folder / "solution.csv", seed) for seed in options.seeds]
    return [replace(cell, agent=options.agent) for cell in cells]


def _longer(options: argparse.Namespace, store: Store) -> list[Cell]:
    """Our runs on the tasks where the best of those rivals was late, each with the wall clock that it took."""
    if options.agent != OURS:
        raise UsageError("--as-long-as gives time to us: leave --agent out")
    for name in options.as_long_as:
        rival(name)
    cells, found = [], False
    for cell in _cells(options):
        best = better([r for r in store.results if r["task"] == cell.name and r["budget"] == options.budget
                       and r.get("agent") in options.as_long_as])
        found |= best is not None
        if best is not None and wall(best, options.budget) > options.budget:
            cells.append(replace(cell, wall=wall(best, options.budget)))
    if not found:
        raise UsageError(f"{store.path} has no run of {' or '.join(options.as_long_as)} with a score in {options.budget:g} s: "
                         "run them first, with --agent")
    return cells


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--tasks", nargs="*", default=None, help="catalogue names; all when left out")
    parser.add_argument("--folders", type=Path, help="plain task folders with solution.csv")
    parser.add_argument("--agent", default=OURS, help="a rival instead of us")
    parser.add_argument("--as-long-as", nargs="+", metavar="NAME", help="rivals that were late: as much wall clock for us")
    parser.add_argument("--cache", type=Path, default=Path("data/rivals"), help="where rivals' environments lie")
    parser.add_argument("--model", default="", help="a language model, for rivals that need one")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--budget", type=positive, default=300.0)
    parser.add_argument("--slots", type=whole, default=2, help="processors of a run")
    parser.add_argument("--parallel", type=whole, default=1, help="runs at once")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=DOCS / "results.md")
    parser.add_argument("--anew", action="store_true", help="also what older code of ours has a result of")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UsageError as wrong:
        print(f"bench: {wrong}", file=sys.stderr)
        sys.exit(2)
