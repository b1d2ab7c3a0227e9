"""`medalist sync [SLUG]`: brings what Kaggle says of past submissions into the record."""

import argparse

from agent.output import print_rows, record_path

HELP = "bring all scores of past Kaggle submissions into the record"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("competition", nargs="?", metavar="SLUG", help="only this one; all of the record when left out")


def run(options: argparse.Namespace, started: float) -> None:
    from agent import kaggle_sync
    from leaderboard.record import Record

    with Record(record_path(options.runs)) as record:
        rows = kaggle_sync.sync(record, options.competition)
    columns = ["competition", "ref", "date", "run", "status", "cv", "honest", "public", "private", "news"]
    print_rows(rows, columns, as_json=options.json, title="submissions")
