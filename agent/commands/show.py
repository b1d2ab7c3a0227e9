"""`medalist show [RUN]`: one run with its entries, blend and scores."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from agent.output import print_rows, record_path
from leaderboard.alive import state
from leaderboard.record import Record

HELP = "show one run: its entries, blend and scores"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("run", nargs="?", help="a run's id; the latest when left out")


def run(options: argparse.Namespace, started: float) -> None:
    facts = _facts(options.run, record_path(options.runs))
    if options.json:
        print(json.dumps(facts, indent=1))
        return
    columns = ["number", "operator", "family", "status", "score", "spread", "wall_seconds", "hypothesis"]
    print_rows(facts["entries"], columns, as_json=False, title=f"run {facts['run']}")
    Console().print({key: value for key, value in facts.items() if key != "entries"})


def _facts(run: str | None, path: Path) -> dict[str, Any]:
    """One run as the record has it."""
    with Record(path) as record:
        known = record.latest(run, unfinished=False)
        entries = [
            {"number": e.number, "operator": e.operator, "family": e.family, "status": e.status, "score": e.score,
             "spread": e.spread, "wall_seconds": e.cost_wall_seconds, "hypothesis": e.hypothesis}
            for e in record.entries(known.run)
        ]
        return {"run": known.run, "task": known.task, "status": state(known), "folder": known.folder,
                "summary": known.summary, "entries": entries}
