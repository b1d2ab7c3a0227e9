"""Competes in MLE-bench's competitions: lays their prepared files out, runs on them, grades as MLE-bench does."""

from dataclasses import dataclass
from pathlib import Path

from leaderboard.grade import grade
from leaderboard.mlebench import Competition, handed_out
from leaderboard.mlebench.answers import write_answers
from leaderboard.mlebench.medals import read_leaderboard, thresholds
from leaderboard.mlebench.report import Report, report
from tasks import layout
from tasks.spec import Task, load_task
from tasks.submission import SubmissionError

PREFIX = "mlebench:"


@dataclass(frozen=True)
class Place:
    """A competition as it is competed in: the laid-out folder, its answers where they can be graded here."""

    competition: Competition
    folder: Path
    answers: Path | None


def locate(id: str, *, mlebench_data: Path, data: Path, repository: Path | None = None) -> Place:
    """The competition, laid out below `data`/arranged. MleBenchError, with the command, where it is not prepared."""
    known = handed_out(id, mlebench_data, repository=repository)
    folder = layout.arrange(known.public, data / "arranged" / id)
    return Place(known, folder, write_answers(load_task(folder), known.private, folder.parent / "private"))


def graded(place: Place, submission: Path) -> Report:
    """The report of a submission; without a score where it is missing or invalid, or where only MLE-bench can grade it."""
    task = load_task(place.folder)
    board = place.competition.leaderboard
    marks = thresholds(read_leaderboard(board)) if board else None
    return report(place.competition.id, submission, _score(task, place.answers, submission), marks,
                  lower_is_better=not task.greater_is_better)


def _score(task: Task, answers: Path | None, submission: Path) -> float | None:
    if answers is None or not submission.is_file():
        return None
    try:
        return grade(task, submission, answers).private
    except SubmissionError:
        return None
