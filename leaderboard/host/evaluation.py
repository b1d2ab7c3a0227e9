"""Evaluates one submission: its form, refused in the words that Kaggle uses, then its two scores."""

import csv
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.grade import grade
from leaderboard.host.unpack import Unreadable
from tasks.spec import Task, load_task
from tasks.submission import SubmissionError
from tasks.tables import read_table

NO_SCORE = "Evaluation Exception: the metric has no value for this submission"


@dataclass(frozen=True)
class Scores:
    public: float
    private: float


def evaluate(task: Path, answers: Path, submission: Path, *, name: str) -> Scores:
    """The scores of a CSV file, by the task's metric. Raises Unreadable with what Kaggle would say.

    `name`: what the file was called when it was submitted.
    """
    known, ids = _known(task)
    _check_form(_records(submission), known, ids)
    try:
        found = grade(known, submission, answers)
    except SubmissionError as error:
        raise Unreadable(f"Evaluation Exception: {str(error).replace(submission.name, name)}") from error
    if found.public is None or found.private is None or not math.isfinite(found.public + found.private):
        raise Unreadable(NO_SCORE)
    return Scores(found.public, found.private)


@functools.lru_cache(maxsize=4)
def _known(folder: Path) -> tuple[Task, tuple[str, ...]]:
    """The task and the ids that a submission must have, or "" for each row where rows have no id."""
    task = load_task(folder)
    test = read_table(folder / "test.csv", as_text=[task.id] if task.id else [])
    return task, tuple(test[task.id].astype(str)) if task.id else ("",) * len(test)


def _records(path: Path) -> Iterator[list[str]]:
    """The rows of the file, blank lines left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (row for row in csv.reader(file) if row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unreadable("ERROR: The submission is not a CSV file in UTF-8") from error


def _check_form(records: Iterator[list[str]], task: Task, ids: Sequence[str]) -> None:
    head = next(records, None)
    if head is None:
        raise Unreadable("Evaluation Exception: Submission is empty")
    wanted = [name for name in (task.id, *task.columns) if name]
    for name in wanted:
        if name not in head:
            raise Unreadable(f"ERROR: Unable to find the required column '{name}'")
    if task.id and len(head) != len(wanted):
        raise Unreadable(f"Evaluation Exception: Submission must have {len(wanted)} columns")
    found = [_key(number, row, head, task.id) for number, row in enumerate(records, 1)]
    if len(found) != len(ids):
        raise Unreadable(f"Evaluation Exception: Submission must have {len(ids)} rows")
    if task.id:
        _check_keys(found, ids, task.id)


def _key(number: int, row: Sequence[str], head: Sequence[str], id: str | None) -> str:
    if len(row) != len(head):
        raise Unreadable(f"ERROR: Record {number} had {len(row)} columns but expected {len(head)}")
    return row[head.index(id)].strip() if id else ""


def _check_keys(found: Sequence[str], ids: Sequence[str], id: str) -> None:
    seen: set[str] = set()
    for line, key in enumerate(found, 2):
        if key in seen:
            raise Unreadable(f"ERROR: The value '{key}' in the key column '{id}' has already been defined (Line {line})")
        seen.add(key)
    lacking = [key for key in ids if key not in seen]
    if lacking:
        raise Unreadable(f"ERROR: Unable to find {len(lacking)} required key values in the '{id}' column\n"
                         f"ERROR: Unable to find the required key value '{lacking[0]}' in the '{id}' column")
