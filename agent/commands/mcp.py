"""`medalist mcp TASK`: another agent is the mind; our sandbox, validation, blend and record serve it."""

import argparse
from pathlib import Path

from agent.output import positive, whole

HELP = "let another agent compete through the Model Context Protocol (standard input and output)"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("task", help="catalogue name, folder with train.csv and test.csv, or kaggle:SLUG")
    made.add_argument("--budget", type=positive, default=3600.0, metavar="SECONDS",
                      help="wall clock of the run; an entry may take 12%% of its processor time (default: 3600)")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--executor", default="local", help="how trials run (default: local)")
    made.add_argument("--author", default="mcp", help="who the entries are said to be by (default: mcp)")
    made.add_argument("--submissions-per-day", type=whole, default=2, metavar="N",
                      help="the most that the competition's host is sent a day (default: 2)")
    made.add_argument("--patience", type=positive, default=45.0, metavar="SECONDS",
                      help="a proposal that runs longer is answered with \"running\" (default: 45; clients often give a call 60)")
    made.add_argument("--answers", type=Path, help="a file with the test rows' answers: grade at submit, never before")


def run(options: argparse.Namespace, started: float) -> None:
    from agent import run
    from agent.commands.compete import locate
    from agent.mcp import Bench, serve

    folder, answers = locate(options.task, options.data, options.answers)
    settings = run.Options(budget=options.budget, seed=options.seed, executor=options.executor, answers=answers)
    serve(lambda: Bench(folder, settings, runs=options.runs, started=started, author=options.author,
                        a_day=options.submissions_per_day), patience=options.patience)
