"""`medalist show [RUN]`: one run with its entries, blend and scores."""

import argparse
import json

from rich.console import Console

from agent.output import print_rows, record_path

HELP = "show one run: its entries, blend and scores"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("run", nargs="?", help="a run's id; the latest when left out")


def run(options: argparse.Namespace, started: float) -> None:
    from agent import run

    record_path(options.runs)
    facts = run.facts(options.run, runs=options.runs)
    if options.json:
        print(json.dumps(facts, indent=1))
        return
    columns = ["number", "operator", "family", "status", "score", "spread", "wall_seconds", "hypothesis"]
    print_rows(facts["entries"], columns, as_json=False, title=f"run {facts['run']}")
    Console().print({key: value for key, value in facts.items() if key != "entries"})
