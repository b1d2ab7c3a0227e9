"""Reads columns of image paths or of pixels, describes images by numbers and fits a small convolutional network.

Torch is imported when a function needs it.
"""

import math
import re
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from . import clock, columns, losses, nets, pixels

FIRST = 50  # images, whose sides decide how large all of them are read
SMALL = 32  # pixels a side, of images that are described by numbers
WIDTHS = {32: 1.0, 16: 0.42, 8: 0.18}  # of the first layers, and what a step costs beside the widest
ENOUGH = 400  # steps that a net should take, where fewer are not all that it was given
PROBED = 16  # images of the step that is timed


def load(frame: pd.DataFrame, task: SimpleNamespace, *, size: int | None = None) -> np.ndarray:
    """The images of every image column as uint8 (n, c, h, w), columns stacked along c; a missing path is all zeros.

    size: pixels a side; None keeps the images' own side up to 64. Grey images have one channel, others three.
    Raises FileNotFoundError where a path names no file below the card's assets.
    """
    names = columns.named(frame, task, "image")
    if not names:
        raise ValueError(f"no image column among {list(frame.columns)}; the card's roles must name one")
    side = size or pixels.side_of(frame[names[0]].head(FIRST), task)
    return np.concatenate([pixels.squares(list(frame[name]), task, side) for name in names], axis=1)


def _both(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, size: int | None) -> np.ndarray:
    """Images of train rows, then of predict rows, with equal channels."""
    pixels = grid(train, task)
    both = pd.concat([train[pixels], predict[pixels]] if pixels else [train, predict], ignore_index=True)
    return _laid_out(both) if pixels else load(both, task, size=size)


def grid(frame: pd.DataFrame, task: SimpleNamespace) -> list[str]:
    """Names, in order, of 64 or more numeric columns that hold the pixels of one grey square image, else [].

    They are one word and a number each, a square in count, on one scale from 0 upward, and a pixel resembles the ones
    beside and below it more than it does others. A frame with an image column has no grid.
    """
    if columns.named(frame, task, "image"):
        return []
    found = [(m[1], int(m[2]), name) for name in frame.columns if (m := re.fullmatch(r"(.*?)(\d+)", str(name)))]
    words = [word for word, _, _ in found]
    word = max(set(words), key=words.count, default="")
    names = [name for _, _, name in sorted((w, number, name) for w, number, name in found if w == word)]
    side = math.isqrt(len(names))
    if side < 8 or side**2 != len(names) or len(columns.named(frame[names], task, "numeric")) < len(names):
        return []
    values = columns.table(frame[names].head(2000), names)
    return names if np.nanmin(values) >= 0 and _is_smooth(values, side) else []


def _is_smooth(values: np.ndarray, side: int) -> bool:
    """Whether columns one or `side` places apart go together more than columns half an image apart do."""
    level = np.nan_to_num(values - values.mean(axis=0)) / (values.std(axis=0) + 1e-9)
    place = np.arange(side**2)
    apart = {step: np.abs((level[:, :-step] * level[:, step:]).mean(axis=0)) for step in (1, side, side * (side // 2))}
    beside = apart[1][(place[:-1] + 1) % side > 0].mean()
    return min(beside, apart[side].mean()) > max(0.15, 1.5 * apart[side * (side // 2)].mean())


def _laid_out(pixels: pd.DataFrame) -> np.ndarray:
    """Pixel columns (n, side * side) as images (n, 1, side, side) stretched to 0..255."""
    values = np.nan_to_num(columns.table(pixels, list(pixels.columns)))
    side = math.isqrt(values.shape[1])
    scaled = values * (255 / max(float(values.max(initial=0)), 1e-9))
    return np.clip(scaled, 0, 255).astype(np.uint8).reshape(-1, 1, side, side)


def features(
    train: pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    size: int = SMALL,
    components: int = 32,
    name: str = "image",
) -> columns.Frames:
    """Numbers that describe the images: histograms, edges by direction and cell, texture spectrum, and components
    (PCA of all rows) of the pixels. Adds nothing where there is neither an image column nor a `grid`."""
    if not columns.named(train, task, "image") and not grid(train, task):
        return train, predict
    pixels = _both(train, predict, task, size).astype(np.float32) / 255
    parts = {"tone": _tones(pixels), "edge": _edges(pixels), "wave": _spectrum(pixels), "pca": _pca(pixels, components)}
    new = {f"{name}_{part}_{i}": column for part, values in parts.items() for i, column in enumerate(values.T)}
    n = len(train)
    first = columns.beside(train, {key: value[:n] for key, value in new.items()})
    return first, columns.beside(predict, {key: value[n:] for key, value in new.items()})


def _tones(pixels: np.ndarray) -> np.ndarray:
    """Mean, spread and an eight-bin histogram of each channel, and the centre and extent of the brightness."""
    flat = pixels.reshape(*pixels.shape[:2], -1)
    bins = [((flat >= low / 8) & (flat < (low + 1) / 8 + (low == 7))).mean(-1) for low in range(8)]
    weight = pixels.mean(axis=1) + 1e-6
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    place = np.linspace(-1, 1, pixels.shape[-1])
    moments = []
    for axis in (1, 2):
        along = weight.sum(axis=3 - axis)
        centre = along @ place
        moments += [centre, along @ place**2 - centre**2]
    return np.hstack([flat.mean(-1), flat.std(-1), *bins, np.column_stack(moments)])


def _edges(pixels: np.ndarray, cells: int = 4, bins: int = 8) -> np.ndarray:
    """Gradient strength by direction in a grid of cells, normalised by image: a plain HOG (Dalal and Triggs 2005)."""
    grey = pixels.mean(axis=1)
    dy, dx = np.gradient(grey, axis=(1, 2))
    strength, turn = np.hypot(dx, dy), np.arctan2(dy, dx) % np.pi
    sector = np.minimum((turn / np.pi * bins).astype(int), bins - 1)
    edges = np.linspace(0, grey.shape[1], cells + 1).astype(int)
    out = []
    for direction in range(bins):
        part = np.where(sector == direction, strength, 0)
        rows = np.add.reduceat(np.add.reduceat(part, edges[:-1], axis=1), edges[:-1], axis=2)
        out.append(rows.reshape(len(grey), -1))
    histogram = np.hstack(out)
    return histogram / (np.linalg.norm(histogram, axis=1, keepdims=True) + 1e-6)


def _spectrum(pixels: np.ndarray, rings: int = 6) -> np.ndarray:
    """Log power of the Fourier transform in rings of frequency."""
    grey = pixels.mean(axis=1)
    power = np.abs(np.fft.fft2(grey - grey.mean(axis=(1, 2), keepdims=True))) ** 2
    frequency = np.fft.fftfreq(grey.shape[1])
    ring = (np.hypot(frequency[:, None], frequency[None]) / 0.5 * rings).astype(int)
    return np.column_stack([np.log1p(power[:, ring == r].mean(axis=1)) for r in range(rings)])


def _pca(pixels: np.ndarray, components: int) -> np.ndarray:
    small = _shrink(pixels, 16).reshape(len(pixels), -1)
    count = min(components, *small.shape)
    return PCA(count, svd_solver="randomized", random_state=0).fit_transform(small)


def _shrink(pixels: np.ndarray, side: int) -> np.ndarray:
    """Means over blocks so that a side has about `side` pixels."""
    step = max(1, pixels.shape[-1] // side)
    kept = pixels.shape[-1] // step * step
    blocks = pixels[..., :kept, :kept].reshape(*pixels.shape[:2], kept // step, step, kept // step, step)
    return blocks.mean(axis=(3, 5))


def flips(
    images: np.ndarray, target: pd.Series | pd.DataFrame, task: SimpleNamespace, *, rows: int = 3000
) -> list[int]:
    """The axes (3: left-right, 2: up-down) along which mirroring leaves a linear reading of the label almost as good.

    A ridge fitted on half of the rows is tried on the other half as they are and mirrored.
    """
    values = losses.target_columns(target, task)
    order = np.random.default_rng(task.seed).permutation(len(images))[:rows]
    small = _shrink(images[order].astype(np.float32) / 255, 16)
    half = len(order) // 2
    if half < 20:
        return []
    truth = values[order][half:]
    model = Ridge(alpha=10.0).fit(small[:half].reshape(half, -1), values[order][:half])
    kept = []
    for axis in (3, 2):
        plain, mirrored = (
            _explained(truth, model.predict(np.ascontiguousarray(view[half:]).reshape(len(truth), -1)))
            for view in (small, np.flip(small, axis))
        )
        if plain > 0.01 and mirrored > 0.8 * plain:
            kept.append(axis)
    return kept


def _explained(truth: np.ndarray, guess: np.ndarray) -> float:
    """The correlation of guess and truth over all columns, each centred."""
    a, b = truth - truth.mean(axis=0), guess.reshape(truth.shape) - truth.mean(axis=0)
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12))


def _width(
    images: np.ndarray, outputs: int, batch: int, steps: int, seconds: float, device: Any, task: SimpleNamespace,
) -> int:
    """The widest net that takes enough of its steps in that time, by the time of one on a few images; as another fold has
    it, where it is known. A wide net that takes a dozen steps knows nothing."""
    known = clock.chosen(task, "width")
    known = clock.hinted(task, "width") if known is None else known
    if known is None and device.type == "cpu":
        step = _seconds_of_a_step(images[:PROBED], outputs, max(WIDTHS)) * batch / len(images[:PROBED])
        known = next((width for width, cost in WIDTHS.items() if seconds > min(steps, ENOUGH) * step * cost), min(WIDTHS))
    known = max(WIDTHS) if known is None else int(known)
    clock.choose("width", known)
    return known


def _seconds_of_a_step(images: np.ndarray, outputs: int, width: int) -> float:
    """Of the second one: the first has its memory to find."""
    import torch

    from .residual import ResidualNetwork

    net = ResidualNetwork(images.shape[1], images.shape[2], outputs, width=width)
    for _ in range(2):
        begun = time.monotonic()
        net(torch.as_tensor(images)[None]).square().mean().backward()
        taken = time.monotonic() - begun
    return taken


def convnet(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    size: int | None = None,
    width: int | None = None,
    epochs: int | None = None,
    batch: int = 64,
    lr: float = 0.004,
    weight_decay: float = 0.05,
    shift: float = 0.1,
    mirror: bool | None = None,
    judged: bool | None = None,
    smoothing: float | None = None,
    max_seconds: float = 600.0,
) -> np.ndarray:
    """Predictions of a small residual network on image columns, or on a table of pixels (`grid`), as the card demands.

    width: channels of the first layers; None takes the widest of WIDTHS that has the time for enough steps.
    shift: largest random move as a share of the side; mirror: None decides by `flips`. judged: keep the best
    epoch on a fifth of the train rows, else train on all rows and keep the last; None judges from 20,000 rows,
    where the fifth can be spared. Never trains past `max_seconds` or the seconds left.
    """
    import torch

    from .heads import head_of
    from .residual import ResidualNetwork, augmentation
    from .training import Plan, device_of, fit, raw_outputs

    ends = clock.deadline(task, nets.SHARE)
    device = device_of(task)
    images = _both(train, predict, task, size)
    axes = flips(images[: len(train)], target, task) if mirror is None else [3] * mirror
    head = head_of(target, task, smoothing=smoothing)
    sparing = len(train) < 20_000 if judged is None else not judged
    held = [np.empty(0, dtype=np.int64)] if sparing else nets.holdouts(train, target, task, 1)
    epochs = epochs or int(np.clip(60_000 / len(train), 10, 60))
    steps, seconds = epochs * math.ceil(len(train) / batch), min(max_seconds, ends - time.monotonic())
    width = width or _width(images, head.outputs, batch, steps, seconds, device, task)
    torch.manual_seed(task.seed)
    net = ResidualNetwork(images.shape[1], images.shape[2], head.outputs, width=width).to(device)
    pixels = torch.as_tensor(images, device=device)
    net.start_from(pixels[: len(train)])
    plan = Plan(
        epochs=epochs, batch=batch, lr=lr, weight_decay=weight_decay,
        schedule="onecycle", seconds=min(max_seconds, ends - time.monotonic()), ticks=clock.chosen(task, "ticks"),
    )
    fit(
        net, (pixels[: len(train)],), torch.as_tensor(head.encoded, device=device), held, head, plan,
        seed=task.seed, predict_rows=len(predict), augment=augmentation(round(shift * images.shape[2]), axes),
    )
    return head.decode(raw_outputs(net, (pixels[len(train) :],), 1, chunk=512))
