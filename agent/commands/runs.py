"""`medalist runs [TASK]`: the runs of the record."""

import argparse
from typing import Any

from agent.output import print_rows, record_path

HELP = "list runs in the record"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("task", nargs="?", help="only this task's")


def run(options: argparse.Namespace, started: float) -> None:
    from leaderboard.record import Record

    with Record(record_path(options.runs)) as record:
        rows = [_row(run) for run in record.runs(options.task)]
    print_rows(rows, ["run", "task", "status", "budget", "cv", "honest", "private"], as_json=options.json, title="runs")


def _row(run: Any) -> dict[str, Any]:
    from leaderboard.alive import state

    summary = run.summary or {}
    return {"run": run.run, "task": run.task, "status": state(run), "budget": run.budget_seconds,
            "cv": summary.get("ensemble"), "honest": summary.get("honest"), "private": summary.get("private")}
