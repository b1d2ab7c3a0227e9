"""`medalist submit [RUN]`: sends a run's submission to Kaggle, waits for its score, records both."""

import argparse

from agent.output import print_standing, record_path, whole

HELP = "submit a run to its Kaggle competition, wait for the score and record it"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("run", nargs="?", help="a run's id; the latest when left out")
    made.add_argument("--competition", metavar="SLUG", help="needed where the run did not read kaggle:SLUG")
    made.add_argument("--submissions-per-day", type=whole, default=2, metavar="N", help="the most of ours a day (default: 2)")
    made.add_argument("--anyway", action="store_true", help="also where the gain is within its noise")


def run(options: argparse.Namespace, started: float) -> None:
    from agent import kaggle_run
    from leaderboard.record import Record

    with Record(record_path(options.runs)) as record:
        known = record.latest(options.run)
        with kaggle_run.client(kaggle_run.slug_of(known, options.competition)) as kaggle:
            made = kaggle_run.submit(record, known, kaggle, a_day=options.submissions_per_day, anyway=options.anyway)
    print_standing(made, as_json=options.json)
