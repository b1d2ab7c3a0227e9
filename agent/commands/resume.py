"""`medalist resume [RUN]`: goes on where a run was stopped or killed, and submits where the run was to submit."""

import argparse

from agent.output import positive, print_ending, print_outcome, record_path, say
from agent.owed import a_day, to_resume
from leaderboard.record import Record

HELP = "go on with a run that was stopped or killed"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("run", nargs="?", help="a run's id; the latest unfinished one when left out")
    made.add_argument("--budget", type=positive, default=None, metavar="SECONDS",
                      help="a new total; what was spent counts (default: the run's own)")


def run(options: argparse.Namespace, started: float) -> None:
    with Record(record_path(options.runs)) as record:
        known = to_resume(record, options.run)

    from agent import kaggle_compete, run  # takes seconds to import
    from agent.view import view

    shown = view(quiet=options.json)
    if a_day(known):
        print_ending(*kaggle_compete.go_on(known, runs=options.runs, budget=options.budget, view=shown, started=started,
                                           say=say), as_json=options.json)
        return
    print_outcome(run.go_on(known.run, runs=options.runs, budget=options.budget, view=shown, started=started),
                  as_json=options.json)
