"""Grading: the Usage column parts the rows, ids rule the order, and what a competition would refuse is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from folders import folder_with_target

from leaderboard.grade import grade
from tasks.spec import Task, load_task
from tasks.submission import SubmissionError, write_submission

TRUTH = np.tile([0, 1], 10)


def _task(path: Path, usage: list[str] | None) -> tuple[Task, Path]:
    """A binary task by log loss with 20 test rows (ids 60 to 79), and its private answers."""
    folder = folder_with_target(path / "public", np.tile([0, 1], 30), toml='metric = "log_loss"\nkind = "binary"\n')
    answers = pd.DataFrame({"id": np.arange(60, 80), "y": TRUTH})
    if usage is not None:
        answers["Usage"] = usage
    answers.to_csv(path / "answers.csv", index=False)
    return load_task(folder), path / "answers.csv"


def _submit(task: Task, probabilities: np.ndarray, path: Path) -> Path:
    write_submission(task, probabilities, path / "submission.csv")
    return path / "submission.csv"


def test_each_part_of_the_rows_is_scored_alone(tmp_path: Path) -> None:
    task, answers = _task(tmp_path, ["Public"] * 8 + ["Private"] * 12)
    sure = np.where(TRUTH == 1, 0.9, 0.1)
    sure[:8] = 0.5
    found = grade(task, _submit(task, sure, tmp_path), answers)
    assert found.public == pytest.approx(np.log(2))
    assert found.private == pytest.approx(-np.log(0.9))
    assert found.private_standard_error == pytest.approx(0.0, abs=1e-9)
    assert found.rows == 20


def test_every_row_is_private_where_no_usage_is_written(tmp_path: Path) -> None:
    task, answers = _task(tmp_path, None)
    found = grade(task, _submit(task, np.full(20, 0.5), tmp_path), answers)
    assert found.public is None
    assert found.private == pytest.approx(np.log(2))


def test_rows_are_matched_by_id_and_not_by_place(tmp_path: Path) -> None:
    task, answers = _task(tmp_path, ["Public", "Private"] * 10)
    path = _submit(task, np.linspace(0.1, 0.9, 20), tmp_path)
    before = grade(task, path, answers)
    for file in (path, answers):
        pd.read_csv(file).sample(frac=1, random_state=len(file.name)).to_csv(file, index=False)
    after = grade(task, path, answers)
    assert (after.public, after.private) == pytest.approx((before.public, before.private))


def test_a_part_without_a_score_has_none(tmp_path: Path) -> None:
    folder = folder_with_target(tmp_path / "public", np.tile([0, 1], 30), toml='metric = "auc"\nkind = "binary"\n')
    usage = np.where(TRUTH == 1, "Public", "Private")  # the area under the curve needs both classes
    answers = tmp_path / "answers.csv"
    pd.DataFrame({"id": np.arange(60, 80), "y": TRUTH, "Usage": usage}).to_csv(answers, index=False)
    task = load_task(folder)
    found = grade(task, _submit(task, np.linspace(0, 1, 20), tmp_path), answers)
    assert (found.public, found.private, found.private_standard_error) == (None, None, None)


@pytest.mark.parametrize("spoil", [
    lambda rows: rows.iloc[1:],
    lambda rows: rows.assign(id=rows["id"].iloc[0]),
    lambda rows: rows.assign(id=rows["id"] + 1000),
    lambda rows: rows.assign(y="much"),
    lambda rows: rows.rename(columns={"y": "z"}),
])
def test_a_file_that_a_competition_would_refuse_is_refused(tmp_path: Path, spoil: object) -> None:
    task, answers = _task(tmp_path, None)
    path = _submit(task, np.full(20, 0.5), tmp_path)
    assert callable(spoil)
    spoil(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(SubmissionError, match=r"submission\.csv"):
        grade(task, path, answers)
