"""Competition folders for tests."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.arrays import Arrays, write_arrays
from tasks.spec import Tables, Task, load
from tasks.tables import Survey, survey
from tasks.validation import Plan, design


def write_folder(
    folder: Path, train: pd.DataFrame, test: pd.DataFrame, sample: pd.DataFrame | None = None, *, toml: str = "",
    description: str = "",
) -> Path:
    """A folder as Kaggle would hand it out."""
    folder.mkdir(parents=True, exist_ok=True)
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    if sample is not None:
        sample.to_csv(folder / "sample_submission.csv", index=False)
    for name, text in (("task.toml", toml), ("description.md", description)):
        if text:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def rows(n: int, *, first: int = 0, seed: int = 0) -> pd.DataFrame:
    """Rows of an id, a number and a level."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"id": np.arange(first, first + n), "size": rng.normal(size=n).round(3),
                         "colour": rng.choice(["red", "green", "blue"], n)})


def folder_with_target(path: Path, target: object, *, n: int = 60, sample: object = 0.5, toml: str = "",
                       description: str = "") -> Path:
    """A folder whose target column "y" has the given values and whose sample has `sample` in every row."""
    train, test = rows(n).assign(y=target), rows(20, first=n, seed=1)
    return write_folder(path, train, test, test[["id"]].assign(y=sample), toml=toml, description=description)


def planned(
    folder: Path, *, seed: int = 0, folds: int | None = None, seconds: float = math.inf,
) -> tuple[Task, Tables, Survey, Plan]:
    """The folder read and its validation planned."""
    task, tables = load(folder)
    found = survey(tables.train, tables.test, id=task.id, targets=task.targets, text=task.text,
                   assets=task.assets_folder)
    return task, tables, found, design(task, tables.train, tables.test, found.roles, seed=seed, folds=folds,
                                       seconds=seconds)


def prepared(folder: Path, run: Path) -> tuple[Task, Tables, Survey, Arrays]:
    """The folder read, planned and written out for a run."""
    task, tables, found, plan = planned(folder)
    return task, tables, found, write_arrays(task, tables.train, tables.test, plan, found.roles, run, seed=0)
