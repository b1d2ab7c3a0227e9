"""The private answers of a prepared competition, in the form in which this project grades: id and targets, all private."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.spec import CLASSED, Task
from tasks.submission import USAGE, SubmissionError, read_answers
from tasks.tables import TaskError, as_numbers, read_table

USUAL = ("answers.csv", "test.csv", "gold_submission.csv", "solution.csv", "test_labels.csv")


def write_answers(task: Task, private: Path, into: Path) -> Path | None:
    """`into`/answers.csv (closed to others) for `task`, or None where no file of `private` has such answers.

    MLE-bench grades all rows, so that its Usage is dropped; one-hot answers become labels, and so do 0 and 1 where they
    stand for the two classes.
    """
    for source in _candidates(private):
        try:
            exact = [name for name in (task.id, *task.targets, *task.columns) if name]
            rows = _plain(task, read_table(source, as_text=exact))
            rows = _labelled(task, rows)
            into.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = into / "answers.csv"
            rows.to_csv(target, index=False)
            os.chmod(target, 0o600)
            read_answers(task, target)
            return target
        except (SubmissionError, TaskError, KeyError, ValueError):
            (into / "answers.csv").unlink(missing_ok=True)
    return None


def _candidates(private: Path) -> list[Path]:
    usual = [private / name for name in USUAL if (private / name).is_file()]
    return usual + [path for path in sorted(private.glob("*.csv")) if path not in usual and "sample" not in path.name]


def _labelled(task: Task, rows: pd.DataFrame) -> pd.DataFrame:
    """Flags as the class that the sample gives a probability: its second one."""
    if task.kind != "binary" or set(task.classes) & {"0", "1"}:
        return rows
    flags = as_numbers(rows[task.targets[0]])
    meant = flags.map({0.0: task.classes[0], 1.0: task.classes[1]})
    return rows.assign(**{task.targets[0]: meant}) if meant.notna().all() else rows


def _plain(task: Task, rows: pd.DataFrame) -> pd.DataFrame:
    ids = [task.id] if task.id else []
    if task.submission in ("tags", "labels"):
        return rows[[*ids, *task.columns]]
    if all(target in rows.columns for target in task.targets):
        return rows[[*ids, *task.targets]].drop(columns=USAGE, errors="ignore")
    columns = task.class_columns if task.kind in CLASSED and len(task.columns) > 1 else task.columns
    if len(columns) == 1 and len(task.targets) == 1:  # the answers have the name of the submission's column
        return rows[[*ids, columns[0]]].rename(columns={columns[0]: task.targets[0]})
    values = np.column_stack([as_numbers(rows[column]) for column in columns])
    labels = np.array(task.classes, dtype=object)[values.argmax(axis=1)]
    return rows[ids].assign(**{task.targets[0]: labels})
