"""`medalist doctor`: which isolation this machine offers."""

import argparse

from agent.output import print_rows

HELP = "say which isolation this machine offers and how to mend what is missing"


def add(made: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace, started: float) -> None:
    from sandbox.doctor import diagnose

    rows = [vars(check) for check in diagnose()]
    print_rows(rows, list(rows[0]), as_json=options.json, title="isolation")
