"""`medalist sync [SLUG]`: brings what Kaggle says of past submissions into the record."""

import argparse
import json
from dataclasses import asdict

from agent.output import print_rows, record_path
from leaderboard.web.words import plain

HELP = "bring all scores of past Kaggle submissions into the record"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("competition", nargs="?", metavar="SLUG", help="only this one; all of the record when left out")


def run(options: argparse.Namespace, started: float) -> None:
    from agent import kaggle_sync
    from leaderboard.record import Record

    with Record(record_path(options.runs)) as record:
        found = kaggle_sync.sync(record, options.competition)
    if options.json:
        print(json.dumps([asdict(known) for known in found], indent=1))
        return
    columns = ["ref", "date", "run", "status", "cv", "honest", "public", "private", "news"]
    for known in found:
        print_rows(list(known.rows), columns, as_json=False, title=known.slug)
        for row in (row for row in known.rows if row["error"]):
            print(plain(f"submission {row['ref']}: {row['error']}"))
        print(known.line())
