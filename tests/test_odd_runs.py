"""Odd folders through the whole command: a correct run, or one line and exit code 2 with nothing left behind."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas as pd
import pytest
from folders import folder_with_target, rows, write_folder

FLAGS = [0, 1] * 30


def one_test_row_string_ids_a_column_of_nothing_and_infinity(folder: Path) -> Path:
    train, test = (part.assign(nothing=np.nan) for part in (rows(60).assign(y=FLAGS), rows(1, first=60)))
    train.loc[3, "size"] = np.inf
    train["id"], test["id"] = [f"row-{i}" for i in range(60)], "row-x"
    return write_folder(folder, train, test, test[["id"]].assign(y=0.5))


def numbers_written_as_people_write_them(folder: Path) -> Path:
    """Money, thousands, percent, and postal codes of which a few have letters."""
    rng = np.random.default_rng(0)
    made = rows(360).assign(
        price=[f"${value:,}" for value in rng.integers(100, 90_000, 360)], share=[f"{v}%" for v in rng.integers(0, 100, 360)],
        code=[f"{value:05}" for value in rng.integers(1_000, 1_040, 360)], y=[0, 1] * 180)
    made.loc[[5, 320], "code"] = "E2A4H"
    train, test = made.iloc[:300], made.iloc[300:].drop(columns="y").reset_index(drop=True)
    return write_folder(folder, train, test, test[["id"]].assign(y=0.5))


def a_class_of_one_row_in_another_encoding(folder: Path) -> Path:
    made = folder_with_target(folder, ["oui"] * 58 + ["été", "non"], sample="oui")
    (made / "train.csv").write_bytes((made / "train.csv").read_text(encoding="utf-8").encode("cp1252"))
    return made


def ten_thousand_columns(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.integers(0, 1000, (140, 10_000)), columns=[f"c{i}" for i in range(10_000)])
    train = pd.concat([rows(100).assign(y=[0, 1] * 50), wide.iloc[:100]], axis=1)
    test = pd.concat([rows(40, first=100), wide.iloc[100:].reset_index(drop=True)], axis=1)
    return write_folder(folder, train, test, test[["id"]].assign(y=0.5))


def one_positive_row_under_f1(folder: Path) -> Path:
    made = folder_with_target(folder, [0] * 59 + [1], sample=0)
    (made / "description.md").write_text("# Rare\n\n## Evaluation\nSubmissions are evaluated on the F1 score.\n")
    return made


@pytest.mark.parametrize("make", [
    one_test_row_string_ids_a_column_of_nothing_and_infinity, a_class_of_one_row_in_another_encoding, ten_thousand_columns,
    numbers_written_as_people_write_them, one_positive_row_under_f1,
])
def test_an_odd_folder_is_run_to_the_end(
    make: Callable[[Path], Path], tmp_path: Path, medalist: Callable[..., CompletedProcess[str]],
) -> None:
    folder = make(tmp_path / "task")
    done = medalist("compete", folder, "--budget", 12, "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    made = pd.read_csv(Path(json.loads(done.stdout)["folder"]) / "submission.csv", dtype={"id": str})
    sample = pd.read_csv(folder / "sample_submission.csv", dtype={"id": str})
    assert list(made.columns) == list(sample.columns) and list(made["id"]) == list(sample["id"])
    assert made["y"].notna().all()
    assert "Traceback" not in done.stderr


BROKEN: dict[str, Callable[[Path], object]] = {
    "no test.csv": lambda folder: (folder / "test.csv").unlink(),
    "is empty": lambda folder: (folder / "train.csv").write_bytes(b""),
    "the target is missing": lambda folder: pd.read_csv(folder / "train.csv").drop(columns="y").to_csv(
        folder / "train.csv", index=False),
    "is constant": lambda folder: pd.read_csv(folder / "train.csv").assign(y=1).to_csv(folder / "train.csv", index=False),
    "duplicate ids": lambda folder: pd.read_csv(folder / "test.csv").assign(id=60).to_csv(folder / "test.csv", index=False),
    "no task 'nowhere'": lambda folder: None,
}


@pytest.mark.parametrize("line", BROKEN)
def test_a_broken_folder_is_one_line_and_exit_code_2(
    line: str, tmp_path: Path, medalist: Callable[..., CompletedProcess[str]],
) -> None:
    folder = folder_with_target(tmp_path / "task", FLAGS)
    BROKEN[line](folder)
    given = "nowhere" if "nowhere" in line else folder
    done = medalist("compete", given, "--budget", 12)
    assert done.returncode == 2
    assert line in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not list((tmp_path / "runs").glob("*/*/submission.csv"))
