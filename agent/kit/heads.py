"""Says how a network's raw outputs become a loss, a score and predictions; imports torch, so import it lazily.

Built on the goals of `losses`, with all target columns fitted by one network.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from . import losses


@dataclass(frozen=True)
class Head:
    """A task's output layer: `outputs` raw outputs a row, `encoded` labels of the train rows (n,) or (n, columns)."""

    task: SimpleNamespace
    goals: list[losses.Goal]
    outputs: int
    encoded: np.ndarray
    smoothing: float = 0.0
    by_error: bool = False
    centre: np.ndarray | float = 0.0
    scale: np.ndarray | float = 1.0

    @property
    def kind(self) -> str:
        """The goals' loss: logistic, softmax, squared, absolute, quantile or cox."""
        return self.goals[0].loss

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        """The mean training loss; raw (members, batch, outputs), y (members or 1, batch, ...)."""
        return self._losses(raw, y.expand(len(raw), *y.shape[1:]), self.smoothing).mean()

    def score(self, raw: Tensor, y: Tensor, independent: bool) -> np.ndarray:
        """Each member's loss on its own rows, or the loss of the members' mean where they are not independent."""
        raw = raw if independent else self.mean(raw)[None]
        scores = self._losses(raw, y, 0.0).reshape(len(raw), -1).mean(1)
        if self.by_error and self.kind == "softmax":
            scores = (raw.argmax(-1) != y).float().mean(1) + 1e-3 * scores
        return scores.cpu().numpy()

    def _losses(self, raw: Tensor, y: Tensor, smoothing: float) -> Tensor:
        if self.kind == "cox":
            return _cox(raw[..., 0], y)
        if self.kind == "softmax":
            return F.cross_entropy(raw.movedim(-1, 1), y, label_smoothing=smoothing, reduction="none")
        y, weights = y[..., : self.outputs], y[..., self.outputs :]
        if self.kind == "logistic":
            soft = y * (1 - smoothing) + smoothing / 2
            return F.binary_cross_entropy_with_logits(raw, soft, reduction="none")
        error = y - raw
        if self.kind == "squared":
            return error.square() * weights
        level = self.goals[0].quantile
        return torch.maximum(level * error, (level - 1) * error) * weights

    def mean(self, raw: Tensor) -> Tensor:
        """The members' mean (rows, outputs): of probabilities, given as logits, or of values."""
        if self.kind == "softmax":
            return F.log_softmax(raw, -1).logsumexp(0) - float(np.log(len(raw)))
        return torch.logit(raw.sigmoid().mean(0), eps=1e-7) if self.kind == "logistic" else raw.mean(0)

    def decode(self, raw: Tensor) -> np.ndarray:
        """Raw outputs (members, rows, outputs) as the array that the task's prediction demands."""
        mean = self.mean(raw.double().cpu())
        if self.kind == "softmax":
            clipped = F.softmax(mean, -1).numpy().clip(1e-7)
            return np.asarray(clipped / clipped.sum(axis=1, keepdims=True))
        values = mean.sigmoid().numpy() if self.kind == "logistic" else mean.numpy() * self.scale + self.centre
        if self.kind not in ("logistic", "cox"):
            values = np.column_stack([_unfold(goal, values[:, i]) for i, goal in enumerate(self.goals)])
        return values if self.task.kind in ("multilabel", "multiregression") else values[:, 0]


def head_of(target: pd.Series | pd.DataFrame, task: SimpleNamespace, *, smoothing: float | None = None) -> Head:
    """The head for a task's kind and metric; labels are smoothed by .1 where the metric counts right answers."""
    goals = losses.goals_of(target, task)
    likes_accuracy = losses.counts_answers(task)
    smooth = 0.1 * likes_accuracy if smoothing is None else smoothing
    labels = np.column_stack([goal.labels for goal in goals])
    if goals[0].loss == "softmax":
        return Head(task, goals, goals[0].classes, labels[:, 0].astype(np.int64), smooth, likes_accuracy)
    if goals[0].loss == "logistic":
        return Head(task, goals, len(goals), labels.astype(np.float32), smooth)
    if goals[0].loss == "cox":
        return Head(task, goals, 1, labels[:, 0].astype(np.float32))
    spread = labels.std(axis=0)
    centre, scale = labels.mean(axis=0), np.where(spread > 1e-12, spread, 1.0)
    weights = np.column_stack([np.ones(len(labels)) if goal.weights is None else goal.weights for goal in goals])
    encoded = np.hstack([(labels - centre) / scale, weights]).astype(np.float32)
    return Head(task, goals, len(goals), encoded, 0.0, False, centre, scale)


def _unfold(goal: losses.Goal, fitted: np.ndarray) -> np.ndarray:
    """Fitted values inside the range of the labels, on the target's own scale."""
    inside = np.clip(fitted, goal.labels.min(), goal.labels.max())
    return np.expm1(inside) if goal.logarithmic else inside


def _cox(risk: Tensor, signed: Tensor) -> Tensor:
    """Breslow's negative log partial likelihood an event, (members,); `signed` as in losses.cox_goal."""
    order = signed.abs().argsort(dim=-1, descending=True, stable=True)
    risk, event = risk.gather(-1, order), (signed.gather(-1, order) > 0).float()
    missed = (risk.logcumsumexp(-1) - risk) * event
    return missed.sum(-1) / event.sum(-1).clamp(min=1)
