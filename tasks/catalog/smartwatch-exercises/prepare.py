"""Builds smartwatch-exercises: windows of six signals, one row each; three people are test."""

import io
from pathlib import Path

import numpy as np
import pandas as pd

from tasks import packaged, splitting

SAMPLES, STEP = 200, 100
TEST_SUBJECTS = [2, 5, 9]
CHANNELS = ["ax", "ay", "az", "wx", "wy", "wz"]


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: every other sample of windows that overlap by half, in columns."""
    content = packaged.read(raw, "seglearn", "seglearn/data/watch_dataset.npy")
    watch = np.load(io.BytesIO(content), allow_pickle=True).item()
    parts = [_windows(*recording) for recording in zip(watch["X"], watch["subject"], watch["y"], strict=True)]
    windows = pd.concat(parts, ignore_index=True)
    windows["exercise"] = windows["exercise"].map(dict(enumerate(watch["y_labels"])))
    split = splitting.chosen_split(windows, windows["subject"].isin(TEST_SUBJECTS), seed=49)
    splitting.write_competition(split, public, private, seed=49)


def _windows(signals: np.ndarray, subject: float, exercise: float) -> pd.DataFrame:
    """The windows of one recording (n, 6): subject, then the samples channel by channel, then the exercise."""
    starts = range(0, len(signals) - SAMPLES + 1, STEP)
    rows = [signals[start : start + SAMPLES : 2].T.ravel().round(4) for start in starts]
    names = [f"{channel}_{k:03d}" for channel in CHANNELS for k in range(SAMPLES // 2)]
    frame = pd.DataFrame(np.array(rows).reshape(len(rows), len(names)), columns=names)
    frame.insert(0, "subject", int(subject))
    return frame.assign(exercise=int(exercise))
