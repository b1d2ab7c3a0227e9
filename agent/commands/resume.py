"""`medalist resume [RUN]`: goes on where a run was stopped or killed."""

import argparse

from agent.output import positive, print_outcome, record_path

HELP = "go on with a run that was stopped or killed"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("run", nargs="?", help="a run's id; the latest unfinished one when left out")
    made.add_argument("--budget", type=positive, default=None, metavar="SECONDS",
                      help="a new total; what was spent counts (default: the run's own)")


def run(options: argparse.Namespace, started: float) -> None:
    record_path(options.runs)  # before what takes seconds to import

    from agent import run
    from agent.view import view

    outcome = run.go_on(options.run, runs=options.runs, budget=options.budget, view=view(quiet=options.json),
                        started=started)
    print_outcome(outcome, as_json=options.json)
