"""`medalist compete TASK`: a run, from reading the task to the graded submission."""

import argparse
import os
import time
from pathlib import Path

from agent.output import UsageError, positive, print_outcome, print_plan

HELP = "compete in a task: a catalogue name or a folder with a Kaggle download"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("task", help="catalogue name, or folder with train.csv and test.csv")
    made.add_argument("--budget", type=positive, default=300.0, metavar="SECONDS", help="wall clock, the one dial")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--until", type=float, metavar="SCORE", help="stop once the honest estimate reaches this")
    made.add_argument("--plan", action="store_true", help="print what would be done and what it costs; run nothing")
    made.add_argument("--executor", default="local", help="how trials run (default: local)")
    made.add_argument("--slots", type=int, default=None, help="trials at once (default: one per processor)")
    made.add_argument("--memory", type=positive, default=4.0, metavar="GIB", help="memory of one trial (default: 4)")
    made.add_argument("--answers", type=Path, help="a file with the test rows' answers: grade at the end, never before")


def run(options: argparse.Namespace, started: float) -> None:
    from agent import run
    from agent.view import view

    folder, answers = locate(options.task, options.data, options.answers)
    started = time.monotonic() if answers != options.answers else started
    settings = run.Options(
        budget=options.budget, seed=options.seed, until=options.until, executor=options.executor, answers=answers,
        memory_bytes=int(options.memory * 2**30), **({"slots": options.slots} if options.slots else {}),
    )
    if options.plan:
        print_plan(run.plan_only(folder, settings), as_json=options.json)
        return
    outcome = run.start(folder, settings, runs=options.runs, view=view(quiet=options.json), started=started)
    print_outcome(outcome, as_json=options.json)


def locate(task: str, data: Path, answers: Path | None) -> tuple[Path, Path | None]:
    """The public folder of a catalogue task (prepared now if need be) or of a user's own, and its answers."""
    from tasks import catalogue

    if task in catalogue.names():
        public = catalogue.prepare(task, data, data / "cache") / "public"
        return public, public.parent / "private" / "answers.csv"
    if os.sep in task or Path(task).is_dir():
        return Path(task), answers
    raise UsageError(f"no task {task!r}: it is neither a folder nor one of {', '.join(catalogue.names())}")
