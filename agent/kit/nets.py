"""Fits tabular neural networks on one or two CPU threads (or CUDA): packed RealMLP-style ensembles and TabM.

Numbers, dates (as elapsed days), flags of missing values and categories are used; text and image columns are not.
Torch is imported when a model is called, not before.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from . import clock, columns, splits

SHARE = 0.75  # of the seconds left that training and its forecast of predicting may take
ENOUGH = 0.5  # of the planned steps that are to be made in time: networks that trained less gain by being fewer


@dataclass(frozen=True)
class Table:
    """A frame as arrays: numbers (n, f) float32 near unit scale, codes (n, c) int64 below `levels`."""

    numbers: tuple[np.ndarray, np.ndarray]
    codes: tuple[np.ndarray, np.ndarray]
    levels: list[int]


def mlp(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    width: int | None = None,
    depth: int = 3,
    members: int | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    lr: float | None = None,
    weight_decay: float = 0.02,
    dropout: float = 0.25,
    activation: str = "mish",
    periodic: bool | None = None,
    sigma: float = 0.1,
    smoothing: float | None = None,
    patience: float = 0.4,
    max_seconds: float = 120.0,
) -> np.ndarray:
    """Predictions of a packed ensemble of RealMLP-style networks, in the shape that the card demands.

    Members train side by side, each on the rows outside a holdout of its own, and keep their best
    epoch. What is None follows the number of rows and the kind of task; `members` is also what half of the planned
    steps have time for, by a few steps that are timed. Never trains past `max_seconds` or the seconds left.
    """
    import torch
    from torch import Tensor

    from .heads import head_of
    from .packed import PackedMLP
    from .training import Plan, device_of, fit, raw_outputs

    ends = clock.deadline(task, SHARE)
    device = device_of(task)
    data, head = tables(train, predict), head_of(target, task, smoothing=smoothing)
    classify = head.kind in ("softmax", "logistic")
    numeric = data.numbers[0].shape[1]
    inputs, unseen = (tuple(torch.as_tensor(p[i], device=device) for p in (data.numbers, data.codes)) for i in (0, 1))
    y = torch.as_tensor(head.encoded, device=device)
    size = batch or default_batch(len(train))
    epochs = epochs or default_epochs(len(train), size)

    def network(count: int) -> PackedMLP:
        torch.manual_seed(task.seed)
        net = PackedMLP(
            count,
            numeric,
            data.levels,
            head.outputs,
            width=width or default_width(len(train)),
            depth=depth,
            dropout=dropout,
            sigma=sigma,
            activation=activation,
            periodic=numeric <= 40 if periodic is None else periodic,
        ).to(device)
        net.start_from(*(part[:512].expand(count, *part[:512].shape) for part in inputs))
        return net

    def step(net: PackedMLP) -> Tensor:
        return head.loss(net(*(part[:size].expand(net.members, *part[:size].shape) for part in inputs)), y[None, :size])

    pace = _pace(len(train), size, epochs, min(max_seconds, ends - time.monotonic()))
    count = members or _members(task, network, step, 1, default_members(len(train)), pace)
    net = network(count)
    plan = Plan(
        epochs=epochs,
        batch=size,
        lr=lr or (0.04 if classify else 0.1),
        weight_decay=weight_decay,
        patience=patience,
        seconds=min(max_seconds, ends - time.monotonic()),
        ticks=clock.chosen(task, "ticks"),
    )
    held = holdouts(train, target, task, count)
    fit(net, inputs, y, held, head, plan, seed=task.seed, predict_rows=len(predict))
    return head.decode(raw_outputs(net, unseen, count))


def tabm(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    members: int | None = None,
    width: int = 192,
    depth: int = 2,
    epochs: int | None = None,
    batch: int | None = None,
    lr: float = 0.002,
    weight_decay: float = 0.01,
    dropout: float = 0.1,
    embedding: int = 12,
    smoothing: float | None = None,
    patience: float = 0.25,
    max_seconds: float = 180.0,
) -> np.ndarray:
    """Predictions of TabM (Gorishniy et al. 2025, arXiv 2410.24210, package `tabm`) in the shape that the card demands.

    `members` batch-ensembled networks share weights and one holdout, a fifth of the train rows, on which the best
    epoch of their mean is chosen; None: 16, or as few as 4 where half of the planned steps have no time for more. Never
    trains past `max_seconds` or the seconds left.
    """
    import torch
    from torch import Tensor

    from .batch_ensemble import TabMNetwork
    from .heads import head_of
    from .training import Plan, device_of, fit, raw_outputs

    ends = clock.deadline(task, SHARE)
    device = device_of(task)
    data, head = tables(train, predict), head_of(target, task, smoothing=smoothing)
    inputs, unseen = (tuple(torch.as_tensor(p[i], device=device) for p in (data.numbers, data.codes)) for i in (0, 1))
    y = torch.as_tensor(head.encoded, device=device)
    size = batch or default_batch(len(train))
    epochs = epochs or default_epochs(len(train), size)

    def network(count: int) -> TabMNetwork:
        torch.manual_seed(task.seed)
        return TabMNetwork(
            data.numbers[0].shape[1], data.levels, head.outputs,
            members=count, width=width, depth=depth, dropout=dropout, embedding=embedding,
        ).to(device)

    def step(net: TabMNetwork) -> Tensor:
        return head.loss(net(*(part[None, :size] for part in inputs)), y[None, :size])

    pace = _pace(len(train), size, epochs, min(max_seconds, ends - time.monotonic()))
    net = network(members or _members(task, network, step, 4, 16, pace))
    plan = Plan(
        epochs=epochs, batch=size, lr=lr, weight_decay=weight_decay,
        schedule="onecycle", patience=patience, seconds=min(max_seconds, ends - time.monotonic()),
        ticks=clock.chosen(task, "ticks"),
    )
    fit(net, inputs, y, holdouts(train, target, task, 1), head, plan, seed=task.seed, predict_rows=len(predict))
    return head.decode(raw_outputs(net, unseen, 1))


def default_members(n: int) -> int:
    """How many networks to train side by side: small tables afford more."""
    return 8 if n <= 5_000 else 4 if n <= 40_000 else 2


def _members(
    task: SimpleNamespace, network: Callable[[int], Any], loss: Callable[[Any], Any], least: int, most: int, pace: float,
) -> int:
    """As many as the fit that this one repeats had, or another fold of the run, or as are affordable; printed as a choice."""
    known = clock.chosen(task, "members") or clock.hinted(task, "members")
    count = known or affordable(network, loss, least, most, pace)
    clock.choose("members", count)
    return int(count)


def _pace(rows: int, size: int, epochs: int, seconds: float) -> float:
    """Seconds that a step of `size` rows may take for enough of the planned steps to be made: four fifths of the rows train."""
    return seconds / (ENOUGH * epochs * math.ceil(0.8 * rows / size))


def affordable(network: Callable[[int], Any], loss: Callable[[Any], Any], least: int, most: int, pace: float) -> int:
    """How many members take no more than `pace` seconds a step: the fewest and the most are timed on networks that are
    thrown away, what lies between is interpolated. loss: of a network on a batch."""
    import torch

    def seconds(count: int) -> float:
        net, times = network(count).train(), []
        optimizer = torch.optim.AdamW(net.groups(1e-3, 0.0), fused=True)
        for _ in range(3):
            begun = time.monotonic()
            optimizer.zero_grad(set_to_none=True)
            value = loss(net)
            value.backward()
            optimizer.step()
            value.item()  # by then a GPU is done
            times.append(time.monotonic() - begun)
        return min(times[1:])

    few, many = seconds(least), seconds(most)
    return int(np.clip(least + (most - least) * (pace - few) / max(many - few, 1e-9), least, most))


def default_width(n: int) -> int:
    """Units a hidden layer."""
    return 128 if n <= 5_000 else 256


def default_batch(n: int) -> int:
    """Rows a step."""
    return 64 if n <= 500 else 128 if n <= 3_000 else 256 if n <= 40_000 else 1024


def default_epochs(n: int, batch: int) -> int:
    """Epochs so that training takes about two thousand steps, never under 8 or over 64 epochs."""
    return int(np.clip(2_000 * batch / max(n, 1), 8, 64))


def holdouts(train: pd.DataFrame, target: Any, task: SimpleNamespace, members: int) -> list[np.ndarray]:
    """For each member the rows that it is judged on, equal counts: whole groups, blocks of time or an even spread."""
    parts = max(members, 5)
    if task.time in train.columns and train[task.time].nunique() >= 10:
        fold = (train[task.time].rank(method="first", na_option="top").to_numpy() - 1) * parts // len(train)
    else:
        fold = splits.fold_numbers(train, target, task, parts)
    held = [np.flatnonzero(fold == part) for part in reversed(range(parts))][:members]
    least = min(map(len, held))
    shuffle = np.random.default_rng(task.seed)
    return [np.sort(shuffle.permutation(part)[:least]) for part in held]


def tables(train: pd.DataFrame, predict: pd.DataFrame, *, one_hot: int = 9, rare: int = 3) -> Table:
    """Both frames as arrays scaled by the train rows.

    Categories of up to `one_hot` levels become indicator columns, larger ones codes in which 0 stands for missing,
    unseen and levels with fewer than `rare` train rows.
    """
    dense: list[np.ndarray] = []
    coded: list[np.ndarray] = []
    levels: list[int] = []
    for name in train.columns:
        kind = columns.role(train[name], SimpleNamespace(roles={}))
        if kind in ("numeric", "datetime"):
            dense += _numeric(columns.numbers(train[name]), columns.numbers(predict[name]))
        elif kind == "categorical":
            codes, count = _levels(train[name], predict[name], rare)
            if count <= one_hot + 1:
                dense += _indicators(codes, len(train), count)
            else:
                coded.append(codes)
                levels.append(count)
    rows, total = len(train), len(train) + len(predict)
    numbers = np.column_stack(dense or [np.zeros(total)]).astype(np.float32)
    codes = np.column_stack(coded) if coded else np.zeros((total, 0), dtype=np.int64)
    return Table((numbers[:rows], numbers[rows:]), (codes[:rows], codes[rows:]), levels)


def _numeric(train: np.ndarray, predict: np.ndarray) -> list[np.ndarray]:
    """The robustly scaled, smoothly clipped column (RealMLP's preprocessing) and its flag of missing values."""
    known = train[~np.isnan(train)]
    if not len(known):
        return []
    both = np.concatenate([train, predict])
    missing = np.isnan(both)
    flags = [missing.astype(float)] if 0 < len(known) < len(train) else []
    low, centre, high = np.quantile(known, [0.25, 0.5, 0.75])
    spread = high - low if high > low else 0.5 * (known.max() - known.min())
    if not spread > 0:
        return flags
    scaled = np.clip((np.where(missing, centre, both) - centre) / max(spread, 1e-300), -1e6, 1e6)
    return [scaled / np.sqrt(1 + (scaled / 3) ** 2), *flags]


def _levels(train: pd.Series, predict: pd.Series, rare: int) -> tuple[np.ndarray, int]:
    """Codes of train and predict rows: 1.. for levels with `rare` train rows or more, 0 for all else."""
    first, second, count = columns.codes(train, predict)
    seen = np.bincount(first, minlength=count) >= rare
    seen[0] = False
    number = np.where(seen, np.cumsum(seen), 0)
    return number[np.concatenate([first, second])], int(seen.sum()) + 1


def _indicators(codes: np.ndarray, rows: int, count: int) -> list[np.ndarray]:
    """An indicator column for every level; one of -1, 0, 1 where there are two levels."""
    if count == 3:
        return [np.array([0.0, -1.0, 1.0])[codes]]
    return [(codes == level).astype(float) for level in range(1, count) if (codes[:rows] == level).any()]
