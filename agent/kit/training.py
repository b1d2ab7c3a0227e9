"""Trains a torch network within a time limit and keeps each member's best epoch; imports torch, so import it lazily.

A network here maps inputs of shape (members, batch, ...) to raw outputs (members or more, batch, outputs). Members may
be independent (their parameters have a leading member axis) or share weights; each trains on rows of its own and is
judged on the rows it does not train on. `independent` says which;
`at(progress)` and `groups(lr, weight_decay)` let it follow the schedule and name its optimizer groups.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .heads import Head

FORWARD = 0.6  # what predicting a row costs at most, as a share of training on it once

Inputs = tuple[Tensor, ...]
Augment = Callable[[Inputs, torch.Generator], Inputs]


@dataclass(frozen=True)
class Plan:
    """How long and how hard to train; seconds is wall clock, the forecast of later prediction included."""

    epochs: int
    batch: int
    lr: float
    weight_decay: float
    seconds: float
    schedule: str = "coslog4"
    patience: float = 1.0  # share of the epochs without a better score after which training ends


def schedule(name: str, progress: float) -> float:
    """The learning rate's factor at `progress` in [0, 1]: `coslog4` (RealMLP, arXiv 2407.04491) or `onecycle`."""
    t = min(max(progress, 0.0), 1.0)
    if name == "coslog4":
        return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))
    return t / 0.2 if t < 0.2 else 0.5 * (1 + math.cos(math.pi * (t - 0.2) / 0.8))


def flat_cosine(progress: float) -> float:
    """1 for the first half, then a cosine down to 0: the schedule of weight decay and dropout in RealMLP."""
    return 1.0 if progress < 0.5 else 0.5 * (1 + math.cos(math.pi * (2 * min(progress, 1.0) - 1)))


def device_of(task: Any) -> torch.device:
    """The task's device, with torch told the task's thread count."""
    torch.set_num_threads(max(1, int(task.threads)))
    return torch.device(task.device)


def fit(
    net: Any,
    inputs: Inputs,
    target: Tensor,
    held: Sequence[np.ndarray],
    head: Head,
    plan: Plan,
    *,
    seed: int,
    predict_rows: int = 0,
    augment: Augment | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Trains `net` in place, leaves the best epoch's parameters in it and returns the number of epochs finished.

    held: for each member the row numbers that it is judged on and never trains on (equal counts; empty: no judging,
    the last epoch stays). It stops at `plan.seconds` less a forecast of what predicting `predict_rows` will take.
    """
    start = clock()
    rows = _Rows(len(target), held, seed, target.device)
    best = _Best(net, len(held))
    optimizer = torch.optim.AdamW(net.groups(plan.lr, plan.weight_decay), betas=(0.9, 0.95), fused=True)
    bases = [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    batches = max(1, math.ceil(rows.count / plan.batch))
    since, rows_done, spent = 0, 0, 0.0
    for epoch in range(plan.epochs):
        net.train()
        for number, index in enumerate(rows.shuffled(batches)):
            passed = clock() - start
            forecast = FORWARD * predict_rows * passed / max(rows_done, 1)
            spent = passed / max(plan.seconds - forecast, 0.3 * plan.seconds, 1e-9)
            if spent >= 1:
                break
            progress = max((epoch * batches + number + 1) / (plan.epochs * batches), spent)
            _set(optimizer, bases, progress, plan.schedule)
            net.at(progress)
            batch = tuple(part[index] for part in inputs)
            loss = head.loss(net(*(augment(batch, rows.generator) if augment else batch)), target[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            rows_done += index.shape[1]
        since = 0 if best.offer(_judge(net, inputs, target, rows, head)) else since + 1
        if spent >= 1 or since > plan.patience * plan.epochs:
            break
    best.restore()
    return epoch + 1


def raw_outputs(net: Any, inputs: Inputs, members: int, chunk: int = 4096) -> Tensor:
    """Raw outputs (members or more, rows, outputs) of every member for the same rows."""
    net.eval()
    parts = []
    with torch.inference_mode():
        for begin in range(0, len(inputs[0]), chunk):
            piece = (part[begin : begin + chunk] for part in inputs)
            parts.append(net(*(part.expand(members, *part.shape) for part in piece)))
    return torch.cat(parts, dim=1)


def _judge(net: Any, inputs: Inputs, target: Tensor, rows: "_Rows", head: Head) -> np.ndarray | None:
    if not rows.held.shape[1]:
        return None
    net.eval()
    pieces = []
    with torch.inference_mode():
        for index in rows.held.split(4096, dim=1):
            pieces.append(net(*(part[index] for part in inputs)))
        return head.score(torch.cat(pieces, dim=1), target[rows.held], net.independent)


def _set(optimizer: torch.optim.Optimizer, bases: list[tuple[float, float]], progress: float, name: str) -> None:
    for group, (lr, decay) in zip(optimizer.param_groups, bases, strict=True):
        group["lr"] = lr * schedule(name, progress)
        group["weight_decay"] = decay * flat_cosine(progress)


class _Rows:
    """The rows that each member trains on, shuffled anew each epoch, and those it is judged on."""

    def __init__(self, n: int, held: Sequence[np.ndarray], seed: int, device: torch.device) -> None:
        everything = np.arange(n)
        own = [np.setdiff1d(everything, part) for part in held]
        self.count = min(map(len, own))
        self.own = torch.as_tensor(np.stack([part[: self.count] for part in own]), device=device)
        self.held = torch.as_tensor(np.stack(held), device=device)
        self.generator = torch.Generator(device=device).manual_seed(seed)

    def shuffled(self, batches: int) -> list[Tensor]:
        noise = torch.rand(self.own.shape, generator=self.generator, device=self.own.device)
        return list(torch.gather(self.own, 1, noise.argsort(dim=1)).tensor_split(batches, dim=1))


class _Best:
    """The parameters and buffers of the best epoch so far: per member where members are independent."""

    def __init__(self, net: nn.Module, members: int) -> None:
        self.net, self.scores = net, np.full(members, np.inf)
        self.state = {name: value.detach().clone() for name, value in net.state_dict().items()}

    def offer(self, scores: np.ndarray | None) -> bool:
        """Keeps the present state where it scores lower; without scores it always does. True when it was kept."""
        if scores is None:
            self.scores[:] = -np.inf
            better = np.ones_like(self.scores, dtype=bool)
        else:
            better = scores < self.scores
            self.scores = np.where(better, scores, self.scores)
        for name, value in self.net.state_dict().items() if better.any() else ():
            mask = torch.as_tensor(better, device=value.device)
            if better.all() or not getattr(self.net, "independent", False):
                self.state[name].copy_(value)
            else:
                self.state[name][mask] = value[mask]
        return bool(better.any())

    def restore(self) -> None:
        self.net.load_state_dict(self.state)
