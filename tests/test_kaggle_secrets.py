"""Kaggle's credentials are in the user's environment and home; a trial finds them nowhere."""

import json
from pathlib import Path

import numpy as np
import pytest
from folders import folder_with_target, prepared, rows

from sandbox import Limits, executor

KIT = Path(__file__).resolve().parents[1] / "agent" / "kit"
LIMITS = Limits(wall_seconds=300, memory_bytes=1 << 30, disk_bytes=64 << 20)
SECRET = "a1b2c3d4e5f6-not-for-trials"
SEARCH = """
import os
import numpy as np

def fit_predict(train, target, predict, task):
    secret, looked = "".join(("a1b2c3d4e5f6", "-not-for-trials")).encode(), 0
    found = secret in repr(dict(os.environ)).encode()
    for top in ("/proc", "/tmp", "/root", "/home", "/inputs", "/etc", PLACE):
        for folder, folders, names in os.walk(top):
            if folder.count("/") > 6:
                folders.clear()
            for name in names:
                if name in ("environ", "cmdline") or not folder.startswith("/proc"):
                    try:
                        with open(os.path.join(folder, name), "rb") as file:
                            found, looked = found or secret in file.read(1 << 16), looked + 1
                    except OSError:
                        continue
    return np.full(len(predict), -1.0 if found else float(looked))
"""


def test_no_credential_can_be_found_from_inside_a_trial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A trial looks through its environment, the processes and the files that it can see."""
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "alice", "key": SECRET}))
    for name, value in (("HOME", str(tmp_path)), ("KAGGLE_USERNAME", "alice"), ("KAGGLE_KEY", SECRET)):
        monkeypatch.setenv(name, value)
    _, _, _, arrays = prepared(folder_with_target(tmp_path / "task", rows(60)["size"]), tmp_path / "run")
    count, data = arrays.predict_rows(0), arrays.data
    card = {**json.loads((data / "card.json").read_text()), "seed": 0, "threads": 1, "seconds_left": 60.0, "device": "cpu"}
    with executor("cold") as run:
        trial = run.run(f"PLACE = {str(tmp_path)!r}\n{SEARCH}", limits=LIMITS, shape=(count,), card=card,
                        inputs={"features": data / "features.arrow", "fold": data / "fold-0", "kit": KIT})
    assert trial.prediction is not None, (trial.status, trial.log)
    assert np.all(trial.prediction > 0)
