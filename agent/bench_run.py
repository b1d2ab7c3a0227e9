"""One run of the benchmark, ours or a rival's: how it ended, what it scored and took, and of what it was made."""

import argparse
import hashlib
import json
import signal
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from agent.bench_curve import curve, first_seconds
from agent.commands.compete import locate
from agent.output import UsageError
from agent.rival_run import LATE, patience, run_rival
from agent.rival_run import result as result_of
from agent.rivals import rival
from agent.timed import timed
from leaderboard.grade import grade
from leaderboard.mlebench import MleBenchError
from leaderboard.record import RecordError
from leaderboard.reference import OURS
from tasks import catalogue
from tasks.spec import Task, load_task
from tasks.submission import SubmissionError
from tasks.tables import TaskError

ROOT = Path(__file__).parent.parent
KEPT = ("run", "private", "private_standard_error", "public", "honest", "honest_standard_error", "ensemble",
        "cross_validated", "entries", "completed", "seconds", "cpu_seconds")
NO_FAILURE = (2, 130, -signal.SIGINT, -signal.SIGTERM)  # exit codes of what could not begin, and of what was stopped by hand
UNFIT = (UsageError, RecordError, TaskError, catalogue.CatalogueError, MleBenchError)  # nothing was run


@dataclass(frozen=True)
class Cell:
    """One run to make: what is competed in, from which seed. wall: seconds that a rival took for the benchmark's budget,
    where a run of ours is given as many."""

    name: str
    target: str
    answers: Path | None
    seed: int
    agent: str = OURS
    wall: float | None = None


def run_cell(cell: Cell, options: argparse.Namespace) -> dict[str, Any]:
    """The result as the benchmark keeps it; `error` in place of a status where nothing could be run."""
    made = {"task": cell.name, "seed": cell.seed, "budget": cell.wall or options.budget, "slots": options.slots}
    made |= {"agent": cell.agent} if cell.agent != OURS else {}
    made |= {"beside": options.budget} if cell.wall else {}
    try:
        folder, answers = locate(cell.target, options.data, cell.answers)
        task = load_task(folder)
        told = (_ours if cell.agent == OURS else _rival)(cell, options, task, answers)
        return {**made, "metric": task.metric, **told, "made_of": made_of(cell)}
    except UNFIT as error:
        return {**made, "error": " ".join(str(error).split())}


def _ours(cell: Cell, options: argparse.Namespace, task: Task, answers: Path | None) -> dict[str, Any]:
    """`medalist compete --json` in a process of its own. What it says of itself is checked on its submission."""
    budget = cell.wall or options.budget
    command = [sys.executable, "-m", "agent.cli", "compete", cell.target, "--budget", str(budget), "--json",
               "--seed", str(cell.seed), "--slots", str(options.slots), "--runs", str(options.runs),
               "--data", str(options.data), *(["--answers", str(cell.answers)] if cell.answers else [])]
    with tempfile.TemporaryDirectory() as place:
        out, errors = Path(place) / "out", Path(place) / "errors"
        ran = timed(command, out=out, errors=errors, kill_after=patience(budget))
        said = errors.read_text(errors="replace").strip().splitlines() or ["no output"]
        if ran.code in NO_FAILURE:
            raise UsageError(said[-1].removeprefix("medalist: "))
        took = {"seconds": round(ran.seconds, 3)}  # what its trials used, only a run that ends says
        if ran.code is None:
            return {"status": "timeout", "private": None, **took, "reason": f"killed after {ran.seconds:.0f} s"}
        if ran.code:
            return {"status": "crash", "private": None, **took, "reason": said[-1]}
        outcome = json.loads(out.read_text())
    kept = {name: outcome[name] for name in KEPT}
    status, reason, points = _checked(task, answers, options.runs, outcome, budget)
    status = "overrun" if status == "ok" and outcome["seconds"] > LATE * budget else status
    return {**kept, "status": status, **({"reason": reason} if reason else {}), "curve": points,
            "first_seconds": first_seconds(options.runs, outcome["run"])}


def _checked(
    task: Task, answers: Path | None, runs: Path, outcome: dict[str, Any], budget: float,
) -> tuple[str, str, list[tuple[float, float]]]:
    """Status, reason and anytime curve, by what lies in the run's folder."""
    if answers is None:
        return "ok", "", []
    try:
        grade(task, Path(outcome["folder"]) / "submission.csv", answers)
    except SubmissionError as error:
        return "invalid", str(error), []
    return "ok", "", curve(runs, outcome["run"], task, answers, budget=budget)


def _rival(cell: Cell, options: argparse.Namespace, task: Task, answers: Path | None) -> dict[str, Any]:
    """A rival's run, graded as ours is; how it ended is its status."""
    with tempfile.TemporaryDirectory() as place:
        submission = Path(place) / "submission.csv"
        known = rival(cell.agent)
        run = run_rival(known, task.folder, submission, budget=options.budget, threads=options.slots,
                        seed=cell.seed, cache=options.cache, model=options.model)
        graded = grade(task, submission, answers) if submission.exists() and answers else None
    scores = {"private": graded.private, "private_standard_error": graded.private_standard_error,
              "public": graded.public} if graded else {"private": None}
    return {**scores, **result_of(run), "versions": " ".join((*known.first, *known.packages))}


def made_of(cell: Cell) -> dict[str, str]:
    """Fingerprints of the task's files and of who competes: a result is of these and of no others."""
    task = _of_folder(Path(cell.target)) if cell.target not in (*catalogue.names(), *catalogue.traps()) else \
        catalogue.stamp_of(cell.target)
    return {"task": task[:16], "agent": (_of_our_code() if cell.agent == OURS else _of_rival(cell.agent))[:16]}


@cache
def _of_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@cache
def _of_our_code() -> str:
    digest = hashlib.sha256()
    for package in ("agent", "tasks", "sandbox", "leaderboard"):
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


@cache
def _of_rival(name: str) -> str:
    known = rival(name)
    return hashlib.sha256(known.file.read_bytes() + repr((known.variant, known.first, known.packages)).encode()).hexdigest()
