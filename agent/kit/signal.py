"""Describes signals that lie in a row: numbered columns of one word each (ax_000 .. ax_099) are the values of a channel.

What comes of it does not hang on where in the row something happens, which trees on single columns would have to learn.
"""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd

from . import columns

FEWEST = 24  # values of a channel
BANDS = 12
LOOKED_AT = 2000  # rows by which numbers that follow each other are told from numbered things


def channels(frame: pd.DataFrame, task: SimpleNamespace) -> dict[str, list[str]]:
    """The columns of each channel in order; {} where there is none. Neighbours go together more than columns far apart do:
    counts of numbered things (dept_001, dept_002, ...) do not."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name in columns.named(frame, task, "numeric"):
        if parts := re.fullmatch(r"(.*?)(\d+)", str(name)):
            found.setdefault(parts[1], []).append((int(parts[2]), name))
    ordered = {word: [name for _, name in sorted(members)] for word, members in found.items() if len(members) >= FEWEST}
    return {word: names for word, names in ordered.items() if _flows(columns.table(frame.head(LOOKED_AT), names))}


def _flows(values: np.ndarray) -> bool:
    """Whether values (n, k) that follow each other in a row correlate, and more than values a third of the row apart."""
    known = ~np.isnan(values)
    mean = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    level = np.where(known, values - mean, 0)
    level /= np.maximum(np.sqrt((level**2).mean(axis=0)), 1e-12)
    apart = {step: float(np.abs((level[:, :-step] * level[:, step:]).mean(axis=0)).mean()) for step in (1, values.shape[1] // 3)}
    near, far = apart.values()
    return near > 0.15 and 1 - near <= 0.85 * (1 - far)


def features(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, keep: bool = False
) -> columns.Frames:
    """Replaces (`keep`: stands beside) each channel by level, spread, extremes, quantiles, roughness, crossings of the
    mean, power by frequency band, the strongest frequency, autocorrelation, and correlations between channels."""
    found = channels(train, task)
    if not found:
        return train, predict
    sides = [_described(frame, found) for frame in (train, predict)]
    used = [] if keep else [name for members in found.values() for name in members]
    left, right = (columns.beside(frame.drop(columns=used), side)
                   for frame, side in zip((train, predict), sides, strict=True))
    return left, right


def _described(frame: pd.DataFrame, found: dict[str, list[str]]) -> dict[str, np.ndarray]:
    made: dict[str, np.ndarray] = {}
    seen: dict[str, np.ndarray] = {}
    for word, members in found.items():
        values = _without_gaps(columns.table(frame, members))
        made |= {f"{word}{key}": column for key, column in _of_channel(values).items()}
        seen[word] = values
    words = list(seen)[:8]
    for place, one in enumerate(words):
        for two in words[place + 1 :]:
            if seen[one].shape == seen[two].shape:
                made[f"{one}{two}together"] = (_standard(seen[one]) * _standard(seen[two])).mean(axis=1)
    return made


def _without_gaps(values: np.ndarray) -> np.ndarray:
    """Gaps take the row's mean, 0 where a row has no value."""
    known = ~np.isnan(values)
    mean = np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(known, values, mean[:, None])


def _standard(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=1, keepdims=True)
    return (values - values.mean(axis=1, keepdims=True)) / np.where(spread > 1e-12, spread, 1.0)


def _of_channel(values: np.ndarray) -> dict[str, np.ndarray]:
    level = _standard(values)
    steps = np.diff(values, axis=1)
    power = np.abs(np.fft.rfft(level, axis=1))[:, 1:] ** 2
    share = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-12)
    edges = np.unique(np.geomspace(1, power.shape[1] + 1, BANDS + 1).astype(int)) - 1
    bands = np.add.reduceat(share, edges[:-1], axis=1)
    around = np.fft.irfft(np.abs(np.fft.rfft(level, 2 * level.shape[1], axis=1)) ** 2, axis=1)[:, : level.shape[1] // 2]
    around = around / np.maximum(around[:, :1], 1e-12)
    first = np.argmax(around < 0, axis=1)
    later = np.where(np.arange(around.shape[1]) >= np.maximum(first, 1)[:, None], around, -1.0)
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9], axis=1)
    found = {
        "mean": values.mean(axis=1), "spread": values.std(axis=1), "least": values.min(axis=1), "most": values.max(axis=1),
        "low": low, "middle": middle, "high": high, "rough": np.abs(steps).mean(axis=1), "jump": np.abs(steps).max(axis=1),
        "skew": (level**3).mean(axis=1), "peaked": (level**4).mean(axis=1), "trend": values[:, -1] - values[:, 0],
        "crossings": (np.diff(np.signbit(level), axis=1)).mean(axis=1), "strongest": share.argmax(axis=1).astype(float),
        "pure": share.max(axis=1), "period": later.argmax(axis=1).astype(float), "periodic": later.max(axis=1),
    }
    return found | {f"band{k}": band for k, band in enumerate(bands.T)}
