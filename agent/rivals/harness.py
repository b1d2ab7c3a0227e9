"""Runs a rival's file inside the rival's own environment: `python harness.py RIVAL.py CASE`. Needs numpy and pandas only.

CASE is a folder that agent/rival_run.py writes: case.json, and train.csv, test.csv, targets.csv or, for a rival that
competes by itself, the path of the competition. What comes back: predictions.npy, or submission.csv.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any


def main(file: Path, folder: Path) -> None:
    case = SimpleNamespace(**json.loads((folder / "case.json").read_text(encoding="utf-8")), folder=folder / "work")
    case.folder.mkdir(exist_ok=True)
    rival = _load(file)
    if hasattr(rival, "compete"):
        rival.compete(Path(case.public), folder / "submission.csv", case)
    else:
        _tables(rival, folder, case)


def _tables(rival: ModuleType, folder: Path, case: SimpleNamespace) -> None:
    """One model for each target; their time is the budget in equal parts."""
    import numpy as np
    import pandas as pd

    targets = pd.read_csv(folder / "targets.csv")
    train, test = (_typed(pd.read_csv(folder / f"{side}.csv", dtype=_texts(case), keep_default_na=False, na_values=[""]), case)
                   for side in ("train", "test"))
    _share_levels(train, test, case)
    case.seconds = case.seconds / targets.shape[1]
    made = []
    for name in targets.columns:
        target = targets[name].astype("int64") if case.classes else targets[name]
        made.append(np.asarray(rival.fit_predict(train.copy(), target, test.copy(), case), dtype=float))
    predictions = made[0] if len(made) == 1 else np.column_stack(made)
    np.save(folder / "partial.npy", predictions)
    (folder / "partial.npy").replace(folder / "predictions.npy")


def _texts(case: SimpleNamespace) -> dict[str, type]:
    return {name: str for name, role in case.roles.items() if role in ("categorical", "text")}


def _typed(frame: Any, case: SimpleNamespace) -> Any:
    """Numbers as floats, texts as strings without gaps; levels are left to _share_levels."""
    for name, role in case.roles.items():
        if role == "text":
            frame[name] = frame[name].fillna("")
        elif role == "numeric":
            frame[name] = frame[name].astype(float)
    return frame


def _share_levels(train: Any, test: Any, case: SimpleNamespace) -> None:
    """Categoricals of both tables with the same levels."""
    import pandas as pd

    for name, role in case.roles.items():
        if role == "categorical":
            levels = pd.Index(sorted(set(train[name].dropna()) | set(test[name].dropna())))
            train[name] = pd.Categorical(train[name], categories=levels)
            test[name] = pd.Categorical(test[name], categories=levels)


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("rival", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
