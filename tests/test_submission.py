"""Submission rows: written as the sample asks, read back as they were given, refused with a reason."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from folders import folder_with_target, rows, write_folder

from tasks.spec import Task, load_task
from tasks.submission import SubmissionError, check_submission, read_answers, read_submission, write_submission

FLAGS = [0, 1] * 30


def written(task: Task, submitted: np.ndarray, path: Path) -> pd.DataFrame:
    write_submission(task, submitted, path)
    check_submission(task, path)
    assert np.array_equal(read_submission(task, path), submitted)
    return pd.read_csv(path, dtype={"id": str})


def test_probabilities_come_in_the_order_of_the_sample(tmp_path: Path) -> None:
    train, test = rows(60).assign(y=FLAGS), rows(20, first=60)
    sample = test[["id"]].iloc[::-1].assign(y=0.5)
    task = load_task(write_folder(tmp_path, train, test, sample))
    frame = written(task, np.arange(20) / 20, tmp_path / "out" / "submission.csv")
    assert frame["id"].tolist() == [str(i) for i in range(79, 59, -1)]
    assert frame["y"].iloc[-1] == 0.0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["submission.csv"]


@pytest.mark.parametrize(("values", "sample", "first"), [
    (["cat", "dog", "owl"] * 20, "cat", "owl"), (FLAGS, 1, 1), ([True, False] * 30, True, True),
])
def test_labels_are_written_as_they_were_in_train(
    tmp_path: Path, values: list[object], sample: object, first: object,
) -> None:
    task = load_task(folder_with_target(tmp_path, values, sample=sample))
    last = len(task.classes) - 1
    frame = written(task, np.array([last] + [0] * 19), tmp_path / "s.csv")
    assert frame["y"].iloc[0] == first


def test_a_distribution_has_the_columns_of_the_sample(tmp_path: Path) -> None:
    train, test = rows(60).assign(kind=["a", "b", "c"] * 20), rows(20, first=60)
    task = load_task(write_folder(tmp_path, train, test, test[["id"]].assign(c=0.2, a=0.5, b=0.3)))
    frame = written(task, np.tile([0.1, 0.2, 0.7], (20, 1)), tmp_path / "s.csv")
    assert list(frame.columns) == ["id", "c", "a", "b"]
    assert frame.iloc[0, 1:].tolist() == [0.7, 0.1, 0.2]


def test_ranked_labels_share_a_cell(tmp_path: Path) -> None:
    task = load_task(folder_with_target(tmp_path, ["cat", "dog", "owl"] * 20, sample="cat dog"))
    assert task.submission == "top_k"
    assert written(task, np.tile([2, 0], (20, 1)), tmp_path / "s.csv")["y"].iloc[0] == "owl cat"


def test_several_values_have_a_column_each(tmp_path: Path) -> None:
    train, test = rows(60).assign(a=np.arange(60) / 7, b=np.arange(60)), rows(20, first=60)
    task = load_task(write_folder(tmp_path, train, test, test[["id"]].assign(b=0.0, a=0.0)))
    assert task.targets == ("b", "a")
    assert written(task, np.tile([1.5, 2.5], (20, 1)), tmp_path / "s.csv")["b"].iloc[0] == 1.5


def test_without_an_id_rows_keep_the_order_and_the_sample_its_numbers(tmp_path: Path) -> None:
    train, test = rows(60).assign(label=FLAGS).drop(columns="id"), rows(9).drop(columns="id")
    sample = pd.DataFrame({"ImageId": range(1, 10), "Label": [0.5] * 9})
    task = load_task(write_folder(tmp_path, train, test, sample))
    frame = written(task, np.arange(9) / 9, tmp_path / "s.csv")
    assert list(frame.columns) == ["ImageId", "Label"] and frame["ImageId"].tolist() == list(range(1, 10))


def test_without_a_sample_the_header_is_the_id_and_the_target(tmp_path: Path) -> None:
    test = rows(9, first=60)
    task = load_task(write_folder(tmp_path, rows(60).assign(y=np.arange(60) / 7), test))
    assert list(written(task, np.arange(9.0), tmp_path / "s.csv").columns) == ["id", "y"]


def test_ids_are_written_as_they_were(tmp_path: Path) -> None:
    train, test = rows(60).assign(y=FLAGS), rows(9)
    test["id"] = [f"00{i}" for i in range(9)]
    task = load_task(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5)))
    assert written(task, np.arange(9) / 9, tmp_path / "s.csv")["id"].tolist() == test["id"].tolist()


@pytest.mark.parametrize(("spoil", "line"), [
    (lambda f: f.drop(columns="y"), "has the columns .'id'. and must have .'id', 'y'."),
    (lambda f: f.assign(z=1), "must have"),
    (lambda f: f.iloc[1:], "has 19 rows and must have 20"),
    (lambda f: f.assign(id=f["id"].replace(60, 61)), "an id more than once: '61'"),
    (lambda f: f.assign(id=f["id"].replace(60, 7)), "lacks 1 ids of test.csv, e.g. '60'"),
    (lambda f: f.assign(y=f["y"].where(f["id"] != 60)), "1 values of 'y' that are no finite number"),
    (lambda f: f.assign(y=np.inf), "20 values of 'y'"),
    (lambda f: f.iloc[:0], "no rows below its header"),
])
def test_a_spoilt_file_is_refused_with_the_reason(tmp_path: Path, spoil: object, line: str) -> None:
    task = load_task(folder_with_target(tmp_path, FLAGS))
    good = pd.DataFrame({"id": range(60, 80), "y": 0.5})
    spoil(good).to_csv(tmp_path / "s.csv", index=False)  # type: ignore[operator]
    with pytest.raises(SubmissionError, match=line):
        check_submission(task, tmp_path / "s.csv")


@pytest.mark.parametrize(("submitted", "line"), [
    (np.zeros(19), "19 predictions for the 20 rows"), (np.zeros((20, 2)), "shape .20, 2."),
    (np.full(20, np.nan), "missing or infinite"),
])
def test_predictions_that_do_not_fit_are_not_written(tmp_path: Path, submitted: np.ndarray, line: str) -> None:
    task = load_task(folder_with_target(tmp_path, FLAGS))
    with pytest.raises(SubmissionError, match=line):
        write_submission(task, submitted, tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()


def test_answers_are_read_in_the_order_of_the_test_with_their_usage(tmp_path: Path) -> None:
    task = load_task(folder_with_target(tmp_path, ["cat", "dog"] * 30))
    answers = pd.DataFrame({"id": range(60, 80), "y": ["cat"] * 5 + ["dog"] * 15, "Usage": ["Public", "Private"] * 10})
    answers.iloc[::-1].to_csv(tmp_path / "a.csv", index=False)
    truth, usage = read_answers(task, tmp_path / "a.csv")
    assert truth.tolist() == [0] * 5 + [1] * 15
    assert usage.tolist() == ["Public", "Private"] * 10


def test_an_answer_that_no_train_row_has_is_said(tmp_path: Path) -> None:
    task = load_task(folder_with_target(tmp_path, ["cat", "dog"] * 30))
    pd.DataFrame({"id": range(60, 80), "y": "emu"}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(SubmissionError, match="the label 'emu'"):
        read_answers(task, tmp_path / "a.csv")
