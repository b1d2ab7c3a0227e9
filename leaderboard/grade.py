"""Grades a submission against the private answers. Nothing else in the project does."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.decision import standard_error
from tasks.metrics import Metric, Undefined, metric
from tasks.spec import Task
from tasks.submission import read_answers, read_submission


@dataclass(frozen=True)
class Grade:
    """Scores by the task's metric on the two parts of the test rows; None where a part is empty or has no score.

    private_standard_error: how far the private score would wander over other test rows, or groups of them, of the same
    kind (bootstrap).
    """

    public: float | None
    private: float | None
    private_standard_error: float | None
    rows: int
    private_rows: int


def grade(task: Task, submission: Path, answers: Path, *, units: np.ndarray | None = None) -> Grade:
    """Score a submission file. units: (n_test,) codes of the test rows that are no independent draws, in the order of
    test.csv. Raises SubmissionError, with one line, where a competition would refuse the file."""
    judge = metric(task.metric)
    submitted = read_submission(task, submission)
    truth, usage = read_answers(task, answers)
    public, private = (usage == part for part in ("Public", "Private"))
    score = _score(judge, truth[private], submitted[private])
    error = None if score is None else standard_error(judge, truth[private], submitted[private], seed=0,
                                                      groups=None if units is None else units[private])
    return Grade(_score(judge, truth[public], submitted[public]), score, error, len(submitted),
                 int(private.sum()))


def _score(judge: Metric, truth: np.ndarray, submitted: np.ndarray) -> float | None:
    if not len(truth):
        return None
    try:
        return judge.score(truth, submitted)
    except Undefined:
        return None
