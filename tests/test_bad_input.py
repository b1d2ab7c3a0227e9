"""Bad folders: each is one clear line or a correct plan, never a traceback of someone else's."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from folders import folder_with_target, planned, prepared, rows, write_folder

from tasks.spec import load, load_task
from tasks.tables import TaskError

FLAGS = [0, 1] * 30


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _with(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None


def _rewrite(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    return lambda folder: change(pd.read_csv(folder / name)).to_csv(folder / name, index=False)


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no test.csv": (_without("test.csv"), "no test.csv in .*it holds: sample_submission.csv, train.csv"),
    "no train.csv": (_without("train.csv"), "no train.csv in"),
    "target missing": (_rewrite("train.csv", lambda f: f.drop(columns="y")), "the target is missing: .*'y'"),
    "target all missing": (_rewrite("train.csv", lambda f: f.assign(y=np.nan)), "no row with a value of 'y'"),
    "constant target": (_rewrite("train.csv", lambda f: f.assign(y=1)), "the target 'y' is constant: all 60"),
    "empty file": (_with("train.csv", b""), "train.csv is empty .0 bytes."),
    "blank file": (_with("test.csv", b"\n\n"), "test.csv is empty"),
    "header only": (_with("test.csv", b"id,size,colour\n"), "test.csv has no rows below its header"),
    "ragged": (_with("train.csv", b"id,y\n1,0\n2,1,3,4\n"), "train.csv is not a readable CSV table"),
    "unclosed quote": (_with("train.csv", b'id,y\n1,0\n2,"1\n3,0\n'), "train.csv is not a readable CSV table"),
    "not text": (_with("train.csv", bytes(range(256)) * 40), "train.csv"),
    "duplicate ids": (_rewrite("test.csv", lambda f: f.assign(id=f["id"].replace(61, 60))),
                      "test.csv has 1 duplicate ids in column 'id', e.g. '?60'?"),
    "other ids": (_rewrite("sample_submission.csv", lambda f: f.assign(id=f["id"] + 1)),
                  "ids of sample_submission.csv and test.csv differ"),
    "id missing": (_rewrite("test.csv", lambda f: f.assign(id=f["id"].where(f["id"] != 60))),
                   "1 rows without an id"),
    "nothing asked": (_rewrite("sample_submission.csv", lambda f: f[["id"]]), "no column that test.csv lacks"),
    "few rows": (_rewrite("train.csv", lambda f: f.iloc[:3]), "3 rows with a target"),
    "prose as target": (_rewrite("train.csv", lambda f: f.assign(y="text " + f["id"].astype(str))), "neither classes"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_one_line(tmp_path: Path, name: str) -> None:
    folder = folder_with_target(tmp_path, FLAGS)
    damage, line = BROKEN[name]
    damage(folder)
    with pytest.raises(TaskError, match=line) as error:
        planned(folder)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"no folder .*nowhere"):
        load_task(tmp_path / "nowhere")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_file_that_is_not_utf8_is_read_and_said(tmp_path: Path, encoding: str) -> None:
    folder = folder_with_target(tmp_path, ["oui", "été"] * 30)
    text = (folder / "train.csv").read_text(encoding="utf-8")
    (folder / "train.csv").write_bytes(text.encode(encoding))
    task, _ = load(folder)
    assert task.classes == ("oui", "été")
    assert any("train.csv is not UTF-8" in note for note in task.inferred)


@pytest.mark.parametrize("labels", [[0] * 59 + [1], [0] * 58 + [1, 1], ["a"] * 58 + ["b", "c"]])
def test_a_class_of_one_or_two_rows_leaves_no_fold_with_one_class(tmp_path: Path, labels: list[object]) -> None:
    _, tables, _, plan = planned(folder_with_target(tmp_path, labels, sample=labels[0]))
    assert len(plan.folds) >= 2
    assert all(tables.train["y"].iloc[fit].nunique() > 1 for fit, _ in plan.folds)


def test_a_class_within_one_group_leaves_no_fold_with_one_class(tmp_path: Path) -> None:
    train = rows(60).assign(site=np.repeat(list("abcdef"), 10), y=[1] * 10 + [0] * 50)
    test = rows(20, first=60).assign(site="z")
    folder = write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5), toml='group = "site"')
    _, tables, _, plan = planned(folder)
    assert all(tables.train["y"].iloc[fit].nunique() > 1 for fit, _ in plan.folds)


def test_columns_without_a_value_in_one_file_or_both_do_no_harm(tmp_path: Path) -> None:
    train = rows(60).assign(gone=np.nan, later=np.nan, early=["x", "y"] * 30, y=FLAGS)
    test = rows(20, first=60).assign(gone=np.nan, later=["u", "v"] * 10, early=np.nan)
    folder = write_folder(tmp_path / "t", train, test, test[["id"]].assign(y=0.5))
    _, _, found, arrays = prepared(folder, tmp_path / "r")
    assert found.dropped["gone"] == "every value is missing"
    assert "missing in train.csv" in found.dropped["later"] and "missing in test.csv" in found.dropped["early"]
    assert arrays.n_test == 20


def test_infinite_values_are_missing_and_said(tmp_path: Path) -> None:
    train, test = rows(60).assign(y=FLAGS), rows(20, first=60)
    train.loc[3, "size"], test.loc[4, "size"] = np.inf, -np.inf
    folder = write_folder(tmp_path / "t", train, test, test[["id"]].assign(y=0.5))
    _, _, found, arrays = prepared(folder, tmp_path / "r")
    assert any("infinite values in size" in note for note in found.notes)
    table = pd.read_feather(arrays.data / "features.arrow")
    assert table["size"].isna().sum() == 2 and np.isfinite(table["size"].dropna()).all()


def test_an_infinite_regression_target_is_one_line(tmp_path: Path) -> None:
    values = [*np.arange(59) / 7, np.inf]
    with pytest.raises(TaskError, match="'y' has 1 values that are no finite number"):
        load(folder_with_target(tmp_path, values, sample=0.5))


def test_one_test_row_and_ids_that_are_strings_are_planned(tmp_path: Path) -> None:
    train, test = rows(60).assign(y=FLAGS), rows(1, first=60)
    train["id"], test["id"] = [f"row-{i}" for i in range(60)], "row-x"
    _, _, _, arrays = prepared(write_folder(tmp_path / "t", train, test, test[["id"]].assign(y=0.5)), tmp_path / "r")
    assert arrays.test_ids == ("row-x",) and len(arrays.folds) == 5


def test_an_id_that_repeats_in_train_groups_its_rows(tmp_path: Path) -> None:
    train, test = rows(60).assign(y=FLAGS), rows(20, first=60)
    train["id"] = np.repeat(np.arange(20), 3)
    _, tables, _, plan = planned(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5)))
    assert plan.group == "id"
    assert all(not set(tables.train["id"].iloc[f]) & set(tables.train["id"].iloc[v]) for f, v in plan.folds)


def test_a_column_of_numbers_in_one_file_and_words_in_the_other_is_categorical(tmp_path: Path) -> None:
    train, test = rows(60).assign(code=np.arange(60) % 7, y=FLAGS), rows(20, first=60).assign(code="unknown")
    _, _, found, _ = prepared(write_folder(tmp_path / "t", train, test, test[["id"]].assign(y=0.5)), tmp_path / "r")
    assert found.roles["code"] == "categorical"


def test_no_usable_column_is_one_line(tmp_path: Path) -> None:
    train, test = rows(60)[["id"]].assign(y=FLAGS), rows(20, first=60)[["id"]]
    with pytest.raises(TaskError, match="no usable feature"):
        planned(write_folder(tmp_path, train, test, test[["id"]].assign(y=0.5)))


def test_ten_thousand_columns_are_planned_in_seconds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.integers(0, 1000, (120, 10_000)), columns=[f"c{i}" for i in range(10_000)])
    train = pd.concat([rows(80).assign(y=[0, 1] * 40), wide.iloc[:80]], axis=1)
    test = pd.concat([rows(40, first=80), wide.iloc[80:].reset_index(drop=True)], axis=1)
    folder = write_folder(tmp_path / "t", train, test, test[["id"]].assign(y=0.5))
    started = time.process_time()
    _, _, found, arrays = prepared(folder, tmp_path / "r")
    assert len(found.roles) == 10_002 and arrays.n_train == 80
    assert time.process_time() - started < 60
