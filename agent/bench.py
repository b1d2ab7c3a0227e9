"""The benchmark: runs tasks x seeds, each in a process of its own, and writes docs/results.md and docs/results.json.

Resumable: a result that is in the JSON is not run again. `--agent NAME` lets a rival (agent/rivals/) run instead of us: the
same tasks, budget, threads and grader; crashes, overruns and invalid submissions are results too. Plain folders may
join: `--folders DIR` takes every folder below DIR that holds train.csv, test.csv and solution.csv (the answers, shown to
nobody before the end of a run).
"""

import argparse
import csv
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from threading import Lock
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agent.bench_rivals import rival_lines
from agent.commands.compete import locate
from agent.output import UsageError
from agent.rival_run import result as result_of
from agent.rival_run import run_rival
from agent.rivals import rival
from leaderboard.grade import grade
from tasks import catalogue
from tasks.metrics import metric
from tasks.spec import load_task
from tasks.submission import SubmissionError
from tasks.tables import TaskError

DOCS = Path(__file__).parent.parent / "docs"
OURS = "medalist"
RIVALS = ("default LightGBM", "default CatBoost", "tuned LightGBM")


@dataclass(frozen=True)
class Cell:
    """One run to make: what is competed in, from which seed."""

    name: str
    target: str
    answers: Path | None
    seed: int
    agent: str = OURS


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    store = Store(options.out.with_suffix(".json"))
    cells = [cell for cell in _cells(options) if not store.has(cell, options.budget, options.slots)]
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, ThreadPoolExecutor(options.parallel) as threads:
        bar = progress.add_task(f"{len(cells)} runs of {options.budget:g} s", total=len(cells))
        for result in threads.map(lambda cell: _run(cell, options), cells):
            store.add(result)
            progress.advance(bar)
            progress.console.print(f"{result['task']} seed {result['seed']}: {result.get('private', result.get('error'))}")
    options.out.write_text(page(store.results))
    print(page(store.results))
    return 0


class Store:
    """Results on disk, written after each run."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, Lock()
        self.results: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []

    def has(self, cell: Cell, budget: float, slots: int) -> bool:
        key = (cell.name, cell.seed, budget, slots, cell.agent)
        return any(_key(result) == key for result in self.results if "error" not in result)

    def add(self, result: dict[str, Any]) -> None:
        with self.lock:
            self.results = [r for r in self.results if _key(r) != _key(result)] + [result]
            self.results.sort(key=_key)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.results, indent=1) + "\n")


def _key(result: dict[str, Any]) -> tuple[str, int, float, int, str]:
    return result["task"], result["seed"], result["budget"], result["slots"], result.get("agent", OURS)


def _cells(options: argparse.Namespace) -> list[Cell]:
    names = options.tasks if options.tasks is not None else catalogue.names()
    cells = [Cell(name, name, None, seed) for seed in options.seeds for name in names]
    for folder in sorted(options.folders.iterdir()) if options.folders else ():
        if (folder / "solution.csv").exists():
            cells += [Cell(folder.name, str(folder), folder / "solution.csv", seed) for seed in options.seeds]
    return [replace(cell, agent=options.agent) for cell in cells]


def _run(cell: Cell, options: argparse.Namespace) -> dict[str, Any]:
    """One `medalist compete --json` in its own process, or a rival in its; a failure is a result with an error line."""
    if cell.agent != OURS:
        return _run_rival(cell, options)
    command = [sys.executable, "-m", "agent.cli", "compete", cell.target, "--budget", str(options.budget), "--json",
               "--seed", str(cell.seed), "--slots", str(options.slots), "--runs", str(options.runs),
               "--data", str(options.data), *(["--answers", str(cell.answers)] if cell.answers else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    result = {"task": cell.name, "seed": cell.seed, "budget": options.budget, "slots": options.slots}
    if done.returncode:
        return {**result, "error": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    outcome = json.loads(done.stdout)
    kept = ("metric", "private", "private_standard_error", "public", "honest", "honest_standard_error", "ensemble",
            "cross_validated", "entries", "completed", "seconds")
    return {**result, **{name: outcome[name] for name in kept}}


def _run_rival(cell: Cell, options: argparse.Namespace) -> dict[str, Any]:
    """A rival's run, graded as ours is; how it ended is its status."""
    made = {"task": cell.name, "seed": cell.seed, "budget": options.budget, "slots": options.slots, "agent": cell.agent}
    try:
        folder, answers = locate(cell.target, options.data, cell.answers)
        task = load_task(folder)
        with tempfile.TemporaryDirectory() as place:
            submission = Path(place) / "submission.csv"
            run = run_rival(rival(cell.agent), folder, submission, budget=options.budget, threads=options.slots,
                            seed=cell.seed, cache=options.cache, model=options.model)
            graded = grade(task, submission, answers) if submission.exists() and answers else None
    except (UsageError, TaskError, SubmissionError, catalogue.CatalogueError) as error:
        return {**made, "error": " ".join(str(error).split())}
    scores = {"private": graded.private, "private_standard_error": graded.private_standard_error,
              "public": graded.public} if graded else {"private": None}
    return {**made, "metric": task.metric, **scores, **result_of(run)}


def page(results: Iterable[dict[str, Any]]) -> str:
    """The results as a Markdown page: one table a budget, one row a task, mean over seeds."""
    every = list(results)
    good = [result for result in every if result.get("agent", OURS) == OURS and result.get("private") is not None]
    lines = ["# Results", "", "Made by `make bench`. Private scores; mean over seeds. Bold: better than the rival row.", ""]
    for budget, slots in sorted({(result["budget"], result["slots"]) for result in good}, reverse=True):
        chosen = [result for result in good if (result["budget"], result["slots"]) == (budget, slots)]
        lines += [f"## {budget:g} seconds, {slots} processor{'s' if slots > 1 else ''}", "", *_table(chosen), ""]
    lines += rival_lines(every)
    return "\n".join(lines)


def _table(results: Sequence[dict[str, Any]]) -> list[str]:
    head = ["task", "metric", "medalist", "seeds", *RIVALS, "honest estimate", "within 2 SE", "wall / budget"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name in sorted({result["task"] for result in results}):
        lines.append(f"| {' | '.join(_row(name, [r for r in results if r['task'] == name]))} |")
    return lines


def _row(name: str, runs: Sequence[dict[str, Any]]) -> list[str]:
    judge = metric(runs[0]["metric"])
    private, field = mean(run["private"] for run in runs), rivals(name)
    wins = {rival: score for rival, score in field.items() if _better(private, score, judge.greater_is_better)}
    inside = sum(calibrated(run) for run in runs)
    return [
        name, f"{judge.name} {'↑' if judge.greater_is_better else '↓'}",
        f"**{private:.5g}**" if field and len(wins) == len(field) else f"{private:.5g}", str(len(runs)),
        *(f"{field[rival]:.5g}{' ✓' if rival in wins else ' ✗'}" if rival in field else "" for rival in RIVALS),
        f"{mean(run['honest'] for run in runs):.5g}", f"{inside} of {len(runs)}",
        f"{max(run['seconds'] / run['budget'] for run in runs):.3f}",
    ]


def calibrated(run: dict[str, Any]) -> bool:
    """Is the honest estimate within two standard errors (its own and the private score's) of the private score?"""
    error = math.hypot(run["honest_standard_error"] or 0.0, run["private_standard_error"] or 0.0)
    return abs(run["honest"] - run["private"]) <= 2 * error


def rivals(name: str) -> dict[str, float]:
    """Private scores of the reference competitors of a catalogue task."""
    path = Path(catalogue.__file__).parent / "catalog" / name / "field.csv"
    if not path.exists():
        return {}
    with path.open() as lines:
        return {row["name"]: float(row["private"]) for row in csv.DictReader(lines) if row["name"] in RIVALS}


def _better(ours: float, theirs: float, greater_is_better: bool) -> bool:
    return ours > theirs if greater_is_better else ours < theirs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--tasks", nargs="*", default=None, help="catalogue names; all when left out")
    parser.add_argument("--folders", type=Path, help="plain task folders with solution.csv")
    parser.add_argument("--agent", default=OURS, help="a rival instead of us")
    parser.add_argument("--cache", type=Path, default=Path("data/rivals"), help="where rivals' environments lie")
    parser.add_argument("--model", default="", help="a language model, for rivals that need one")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--budget", type=float, default=300.0)
    parser.add_argument("--slots", type=int, default=2, help="processors of a run")
    parser.add_argument("--parallel", type=int, default=1, help="runs at once")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=DOCS / "results.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
