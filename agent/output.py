"""What commands print: tables for people, JSON for machines."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from leaderboard.web.words import plain

PIPED = 200  # letters of a line that no screen shows: whoever reads it wants each cell whole


class UsageError(Exception):
    """What the user gave cannot be done; the message says what was given, what exists, what to do."""


def print_rows(rows: list[dict[str, Any]], columns: list[str], *, as_json: bool, title: str) -> None:
    """`rows` as a table of `columns`, or all of them as JSON."""
    if as_json:
        print(json.dumps(rows, indent=1, default=str))
        return
    table = Table(title=_text(title))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "run")  # a run's name is to be said again, in one piece
    for row in rows:
        table.add_row(*(_text(_cell(row.get(column))) for column in columns))
    Console(width=None if sys.stdout.isatty() else PIPED).print(table)


def print_outcome(outcome: Any, *, as_json: bool) -> None:
    """The closing table of a run."""
    if as_json:
        print(json.dumps(outcome.to_json(), indent=1))
        return
    table = Table(title=_text(f"{outcome.task}: {outcome.metric}"), show_header=False)
    for name, value in outcome.rows():
        table.add_row(name, _text(value))
    Console().print(table)


def print_standing(standing: Any, *, as_json: bool) -> None:
    """What became of a submission."""
    if as_json:
        print(json.dumps(standing.to_json(), indent=1))
        return
    table = Table(title=_text(f"Kaggle: {standing.sent.slug}"), show_header=False)
    for name, value in standing.rows():
        table.add_row(name, _text(value))
    Console().print(table)


def print_ending(outcome: Any, standing: Any, failure: Exception | None, *, as_json: bool) -> None:
    """A run that was to be submitted: its outcome, whatever became of the submission; then a failure to make it is raised."""
    if as_json:
        print(json.dumps({**outcome.to_json(), "submission": standing.to_json() if standing else None}, indent=1))
    else:
        print_outcome(outcome, as_json=False)
        if standing is not None:
            print_standing(standing, as_json=False)
    if failure is not None:
        raise failure


def say(line: str) -> None:
    """A line for whoever watches, beside what the command prints."""
    print(line, file=sys.stderr, flush=True)


def print_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    """What a run would do."""
    if as_json:
        print(json.dumps(plan, indent=1))
        return
    table = Table(title="plan: nothing was run", show_header=False)
    for name, value in plan.items():
        table.add_row(name, _text("\n".join(map(str, value)) if isinstance(value, list) else str(value)))
    Console().print(table)


def record_path(runs: Path) -> Path:
    """The record's file; UsageError where there is none, so that looking makes nothing."""
    path = runs / "record.db"
    if not path.exists():
        raise UsageError(f"no record at {path}: compete first, or say --runs FOLDER")
    return path


def positive(text: str) -> float:
    """A number above zero, for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def whole(text: str) -> int:
    """A whole number of 1 or more, for argparse."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of 1 or more")
    return int(text)


def _text(words: str) -> Text:
    """Words as they are: what names and models say is no markup of ours, and moves no cursor."""
    return Text("\n".join(plain(line) for line in words.split("\n")))


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
