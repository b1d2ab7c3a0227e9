"""`medalist tasks`: the catalogue."""

import argparse

from agent.output import print_rows

HELP = "list the catalogue"


def add(made: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace, started: float) -> None:
    from tasks import catalogue

    rows = [catalogue.facts(name) for name in catalogue.names()]
    print_rows(rows, ["name", "kind", "metric", "family", "title"], as_json=options.json, title="catalogue")
