"""Trains a torch network within a time limit and keeps each member's best epoch; imports torch, so import it lazily.

A network here maps inputs of shape (members, batch, ...) to raw outputs (members or more, batch, outputs). Members may
be independent (their parameters have a leading member axis) or share weights; each trains on rows of its own and is
judged on the rows it does not train on. `independent` says which;
`at(progress)` and `groups(lr, weight_decay)` let it follow the schedule and name its optimizer groups.
"""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .clock import choose
from .devices import device_for
from .heads import Head

TICKS = 200  # parts of the time by which the schedule moves on; a run that is repeated is repeated by them
WARM = 10  # steps before the pace is known
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
    ticks: Sequence[int] | None = None  # of the fit to repeat: the steps at which each part of the time was over


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
    return torch.device(device_for(task, "torch"))


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
    the last epoch stays). It stops at `plan.seconds` less a forecast of what predicting `predict_rows` will take, and
    prints as the choice `ticks` how time passed; `plan.ticks` makes it pass so again.
    """
    meter = _Meter(plan, predict_rows, clock)
    rows = _Rows(len(target), held, seed, target.device)
    best = _Best(net, len(held))
    optimizer = torch.optim.AdamW(net.groups(plan.lr, plan.weight_decay), betas=(0.9, 0.95), fused=True)
    bases = [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    batches = max(1, math.ceil(rows.count / plan.batch))
    since = 0
    for epoch in range(plan.epochs):
        net.train()
        for number, index in enumerate(rows.shuffled(batches)):
            step = epoch * batches + number
            spent = meter.spent(step, step * rows.count // batches)
            if spent >= 1:
                break
            progress = max((step + 1) / (plan.epochs * batches), spent)
            _set(optimizer, bases, progress, plan.schedule)
            net.at(progress)
            batch = tuple(part[index] for part in inputs)
            loss = head.loss(net(*(augment(batch, rows.generator) if augment else batch)), target[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        since = 0 if best.offer(_judge(net, inputs, target, rows, head)) else since + 1
        if spent >= 1 or since > plan.patience * plan.epochs:
            break
    best.restore()
    choose("ticks", meter.ticks)
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


class _Meter:
    """How much of the time is spent, in whole parts: as the clock says or, in a fit that is repeated, said then."""

    def __init__(self, plan: Plan, predict_rows: int, clock: Callable[[], float]) -> None:
        self.plan, self.predict_rows, self.clock, self.start = plan, predict_rows, clock, clock()
        self.ticks, self.first = list(plan.ticks or ()), self.start

    def spent(self, step: int, rows: int) -> float:
        """The share of the time spent before this step, when so many rows were trained on."""
        if self.plan.ticks is not None:
            return bisect_right(self.ticks, step) / TICKS
        now, seconds = self.clock(), self.plan.seconds
        self.first = self.first if step else now
        forecast = FORWARD * self.predict_rows * (now - self.first) / rows if step >= WARM else 0.0
        parts = math.floor(TICKS * (now - self.start) / max(seconds - forecast, 0.3 * seconds, 1e-9))
        self.ticks += [step] * (min(parts, TICKS) - len(self.ticks))
        return len(self.ticks) / TICKS


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
