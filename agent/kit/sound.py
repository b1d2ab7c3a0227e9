"""Describes sounds by numbers, from the pictures of their frequencies over time that the host made (log-mel, in decibels).

A picture is 64 bands high, low below, and 128 frames wide; its name ends with SUFFIX, and white is its loudest point.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy import fft
from sklearn.decomposition import PCA

from . import columns, pixels

SUFFIX = pixels.SUFFIX
DECIBELS = 80.0
COEFFICIENTS = 20


def pictures(frame: pd.DataFrame, task: SimpleNamespace, name: str) -> tuple[np.ndarray, np.ndarray]:
    """One column's spectrograms (n, bands, frames) in decibels below the loudest, the lowest band first, and for each
    the loudest point's decibels and the sound's seconds (n, 2). A row without a sound is silence."""
    grey, told = pixels.spectrograms(list(frame[name]), task)
    loud = grey[:, ::-1].astype(np.float32)
    loud *= DECIBELS / 255
    loud -= DECIBELS
    return loud, told


def features(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, components: int = 24
) -> columns.Frames:
    """Adds, for each image column of spectrograms: loudness, length; mean, spread and peak of each pair of bands over
    time, above their own background; cepstral coefficients with their spread and change; the course of loudness; where
    the power lies; components (PCA of all rows). Other image columns add nothing."""
    left, right = train, predict
    for name in columns.named(train, task, "image"):
        if not train[name].astype(str).str.endswith(SUFFIX).any():
            continue
        (a, told), (b, told_too) = pictures(train, task, name), pictures(predict, task, name)
        whole = np.concatenate([a, b])
        values = np.column_stack([np.concatenate([told, told_too]), _described(whole), _components(whole, components)])
        new = {f"{name}_sound{k}": column for k, column in enumerate(values.T)}
        left = columns.beside(left, {key: column[: len(train)] for key, column in new.items()})
        right = columns.beside(right, {key: column[len(train) :] for key, column in new.items()})
    return left, right


def _described(loud: np.ndarray) -> np.ndarray:
    """(n, features) of spectrograms (n, bands, frames), a thousand at a time."""
    return np.concatenate([_of_some(loud[start : start + 1000]) for start in range(0, len(loud), 1000)])


def _of_some(loud: np.ndarray) -> np.ndarray:
    paired = loud.reshape(len(loud), 32, 2, loud.shape[2]).mean(axis=2)
    above = np.maximum(paired - np.median(paired, axis=2, keepdims=True), 0)
    cepstrum = fft.dct(loud, axis=1, norm="ortho")[:, :COEFFICIENTS]
    change = np.diff(cepstrum, axis=2)
    course = loud.mean(axis=1).reshape(len(loud), 16, -1).mean(axis=2)
    power = 10 ** (loud / 10)
    band = np.arange(loud.shape[1])[None, :, None]
    centre = (power * band).sum(axis=1) / power.sum(axis=1)
    parts = [
        paired.mean(axis=2), paired.std(axis=2), above.max(axis=2), np.quantile(above, 0.9, axis=2),
        cepstrum.mean(axis=2), cepstrum.std(axis=2), change.std(axis=2), course,
        np.column_stack([centre.mean(axis=1), centre.std(axis=1), np.abs(np.diff(course, axis=1)).mean(axis=1),
                         above.mean(axis=(1, 2)), (above > 10).mean(axis=(1, 2))]),
    ]
    return np.hstack(parts)


def _components(loud: np.ndarray, count: int) -> np.ndarray:
    """Components of the pictures above their background, averaged to 32 bands and 32 frames."""
    small = loud.reshape(len(loud), 32, 2, 32, -1).mean(axis=(2, 4))
    small = np.maximum(small - np.median(small, axis=2, keepdims=True), 0).reshape(len(loud), -1)
    return PCA(min(count, *small.shape), svd_solver="randomized", random_state=0).fit_transform(small)
