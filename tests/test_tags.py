"""Labels that are lists in one column: each is a target, and the submission has them joined again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from folders import prepared, rows, write_folder

from tasks import tags
from tasks.decision import choose_decision
from tasks.metrics import metric
from tasks.spec import load, read_tables
from tasks.submission import SubmissionError, read_answers, read_submission, write_submission

NAMES = ("Crime", "Drama", "New York", "War")


def folder_of_lists(path: Path, mark: str = "|", *, description: str = "", toml: str = "", seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    names = [name.replace(" ", "" if mark == " " else " ") for name in NAMES]
    lists = [mark.join(name for name in names if rng.random() < 0.4) or names[1] for _ in range(120)]
    train, test = rows(120).assign(kinds=lists), rows(30, first=120, seed=1)
    return write_folder(path, train, test, test[["id"]].assign(kinds=names[1]), description=description, toml=toml)


@pytest.mark.parametrize("mark", ["|", " ", ",", ";"])
def test_each_label_of_a_list_is_a_target_and_the_submission_joins_them_again(tmp_path: Path, mark: str) -> None:
    folder = folder_of_lists(tmp_path / "a", mark)
    task, tables, _, arrays = prepared(folder, tmp_path / "run")
    assert (task.kind, task.submission, task.metric, task.mark) == ("multilabel", "tags", "f1_samples", mark)
    assert len(task.targets) == 4 and arrays.truth.shape == (120, 4) and "kinds" not in tables.train
    flags = np.random.default_rng(3).integers(0, 2, (30, 4))
    write_submission(task, flags, tmp_path / "s.csv")
    written = pd.read_csv(tmp_path / "s.csv", keep_default_na=False)
    assert list(written.columns) == ["id", "kinds"]
    assert written["kinds"][0].split(mark) == [name for name, flag in zip(task.tags, flags[0], strict=True) if flag]
    assert np.array_equal(read_submission(task, tmp_path / "s.csv"), flags)
    assert np.array_equal(read_answers(task, tmp_path / "s.csv")[0], flags)


def test_a_label_that_train_does_not_know_is_refused(tmp_path: Path) -> None:
    task, _ = load(folder_of_lists(tmp_path / "a"))
    pd.DataFrame({"id": range(120, 150), "kinds": "War|Peace"}).to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(SubmissionError, match="has the label 'Peace'"):
        read_submission(task, tmp_path / "s.csv")


@pytest.mark.parametrize(("description", "found"), [
    ("Scored by the mean F1 score.", "f1_samples"), ("The metric is F2 score, averaged.", "fbeta_samples@2"),
    ("Evaluated with the Jaccard index.", "jaccard"), ("Scored by micro F1.", "f1_micro")])
def test_a_description_of_lists_means_a_metric_of_lists(tmp_path: Path, description: str, found: str) -> None:
    assert load(folder_of_lists(tmp_path / "a", description=description))[0].metric == found


def test_what_task_toml_says_of_the_form_counts(tmp_path: Path) -> None:
    assert load(folder_of_lists(tmp_path / "a", toml='kind = "multiclass"\n'))[0].kind == "multiclass"
    assert load(folder_of_lists(tmp_path / "b", toml='submission = "tags"\n'))[0].mark == "|"


def test_names_of_several_words_and_plain_classes_are_no_lists() -> None:
    for labels in (["New York", "Los Angeles", "San Diego"], ["a", "b"], ["1", "2"], ["very good", "good", "very bad", "bad"]):
        assert tags.mark_of(pd.Series(labels * 40), sure=False) is None
    assert tags.mark_of(pd.Series(["a b", "a", "b"] * 40), sure=True) == " "


def test_where_every_row_has_a_label_every_prediction_may_have_one() -> None:
    rng = np.random.default_rng(0)
    truth = np.eye(6, dtype=int)[rng.integers(6, size=3000)]
    raw = np.clip(truth * 0.1 + rng.uniform(0.05, 0.3, truth.shape), 0, 1)
    judge = metric("f1_samples")
    flags = choose_decision(judge, truth, raw).apply(raw)
    assert flags.sum(axis=1).min() == 1
    plain = (raw >= 0.25).astype(int)
    assert judge.score(truth, flags) > judge.score(truth, plain)
    assert (choose_decision(judge, np.zeros_like(truth), raw / 2).apply(raw / 2).sum(axis=1) == 0).all()


def test_metrics_of_lists_by_hand() -> None:
    truth, given = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0]]), np.array([[1, 0, 0], [0, 0, 0], [0, 1, 1]])
    assert metric("jaccard").score(truth, given) == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert metric("fbeta_samples@1").score(truth, given) == pytest.approx(metric("f1_samples").score(truth, given))
    assert metric("fbeta_samples@2").score(truth, given) == pytest.approx((5 / 9 + 1 + 0) / 3)


def folder_of_classes(path: Path, *, toml: str = "", description: str = "") -> Path:
    rng = np.random.default_rng(0)
    train = rows(120).assign(paint=rng.choice(["red", "blue", "green"], 120), grade=rng.choice([1, 2, 3, 4], 120))
    test = rows(30, first=120, seed=1)
    return write_folder(path, train, test, test[["id"]].assign(paint="red", grade=1), toml=toml, description=description)


def test_several_targets_of_classes_are_a_flag_for_each_class_and_one_class_a_column_is_submitted(tmp_path: Path) -> None:
    folder = folder_of_classes(tmp_path / "a", description="Scored by the mean accuracy over both columns.")
    task, tables, _, arrays = prepared(folder, tmp_path / "run")
    assert (task.kind, task.submission, task.metric) == ("multilabel", "labels", "mean_accuracy")
    assert task.labels == {"paint": ("blue", "green", "red"), "grade": ("1", "2", "3", "4")}
    assert arrays.truth.shape == (120, 7) and (arrays.truth.sum(axis=1) == 2).all()
    raw = np.random.default_rng(3).uniform(size=(30, 7))
    decided = choose_decision(metric("mean_accuracy"), arrays.truth, np.zeros((120, 7))).apply(raw)
    assert (decided[:, :3].sum(axis=1) == 1).all() and (decided[:, 3:].sum(axis=1) == 1).all()
    write_submission(task, decided, tmp_path / "s.csv")
    written = pd.read_csv(tmp_path / "s.csv")
    assert list(written["paint"]) == [task.labels["paint"][k] for k in raw[:, :3].argmax(axis=1)]
    assert list(written["grade"]) == [k + 1 for k in raw[:, 3:].argmax(axis=1)]
    assert np.array_equal(read_submission(task, tmp_path / "s.csv"), decided)
    assert np.array_equal(read_answers(task, tmp_path / "s.csv")[0], decided)
    assert read_tables(task).train.equals(tables.train)
    written.assign(paint="mauve").to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(SubmissionError, match="has the paint 'mauve'"):
        read_submission(task, tmp_path / "s.csv")


def test_rows_that_lack_one_of_their_classes_are_left_out(tmp_path: Path) -> None:
    folder = folder_of_classes(tmp_path / "a")
    train = pd.read_csv(folder / "train.csv")
    train.loc[[3, 7], "paint"] = None
    train.to_csv(folder / "train.csv", index=False)
    assert len(load(folder)[1].train) == 118


def test_mean_accuracy_is_that_of_the_columns_and_a_class_that_no_row_has_is_never_in_the_way() -> None:
    truth = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [0, 1, 0, 0, 1]])
    given = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]])
    assert metric("mean_accuracy").score(truth, given) == pytest.approx((2 / 3 + 2 / 3) / 2)
    raw = np.array([[0.1, 0.2, 0.0, 0.9, 0.3]])
    flags = choose_decision(metric("mean_accuracy"), truth, truth.astype(float)).apply(raw)
    assert flags[0].tolist() == [0, 1, 0, 1, 0]
