"""Asks a pretrained transformer for tables, TabICL, which reads the train rows as its context and is not trained on them.

Qu, Holzmüller, Varoquaux and Le Morvan 2025 (https://arxiv.org/abs/2502.05564), package `tabicl` (BSD); version 2 of the
weights. They are used where they are present: the host lays them into the folder of what was prepared.
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from . import clock, devices, forests, losses
from .losses import Goal

NAME = "tabicl"
CLASSES, NUMBERS = "classifier", "regressor"  # the two files of weights, each NAME/<file>.ckpt
PROBES = (100, 400)      # rows of context whose passes are timed
MOST_CELLS = 600_000     # of rows and columns in one pass: each is a vector of half a kilobyte, several times
LEAST_ROWS = 128


@dataclass(frozen=True)
class Question:
    """The context: left (n, k) float32 with its goal; what is asked: right (m, k)."""

    left: np.ndarray
    right: np.ndarray
    goal: Goal
    weights: Path
    device: str
    threads: int
    seed: int

    def context(self, rows: int) -> np.ndarray:
        """Numbers of at most that many train rows, by lot, with every class among them."""
        order = np.random.default_rng(self.seed).permutation(len(self.left))
        if self.goal.loss in ("logistic", "softmax"):
            first = np.unique(self.goal.labels[order], return_index=True)[1]
            order = np.concatenate([order[first], np.delete(order, first)])
        return np.sort(order[:rows])

    def answer(self, rows: np.ndarray, asked: np.ndarray, members: int) -> np.ndarray:
        """(m,) or (m, classes): the mean over `members` views, which differ in the order of columns and in scaling."""
        from tabicl import TabICLClassifier, TabICLRegressor

        kind = TabICLClassifier if self.goal.loss in ("logistic", "softmax") else TabICLRegressor
        model = kind(n_estimators=members, model_path=self.weights, allow_auto_download=False, device=self.device,
                     random_state=self.seed, n_jobs=self.threads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns without spread, which are none of ours
            model.fit(self.left[rows], self.goal.labels[rows])
            if self.goal.loss in ("absolute", "quantile"):
                return np.asarray(model.predict(asked, output_type="quantiles", alphas=[self.goal.quantile])).reshape(len(asked))
            if self.goal.loss == "squared":
                return np.asarray(model.predict(asked)).reshape(len(asked))
            said = np.zeros((len(asked), max(2, self.goal.classes)))
            said[:, model.classes_] = model.predict_proba(asked)
        return said[:, 1] if self.goal.loss == "logistic" else said


def tabicl(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    members: int = 8,
    rows: int = 20_000,
) -> np.ndarray:
    """Predictions of the pretrained TabICL: the mean over at most `members` views of at most `rows` train rows.

    Fewer of both where the seconds left do not suffice, by the time that two small passes take. FileNotFoundError where the
    weights are not there.
    """
    left, right = forests.coded(train, predict, task)

    def fit(goal: Goal) -> np.ndarray:
        goal = losses.plain(goal)
        if left.shape[1] == 0:
            return losses.prior(goal, len(right))
        asked = Question(left, right, goal, weights(goal, task), devices.device_for(task, "torch"), task.threads, task.seed)
        most = min(rows, len(left), max(LEAST_ROWS, MOST_CELLS // 2 // left.shape[1]))
        chosen = clock.chosen(task, NAME) or _affordable(asked, members, most)
        clock.choose(NAME, chosen)
        context = asked.context(chosen[1])
        return np.concatenate([asked.answer(context, part, chosen[0]) for part in _parts(right, len(context))])

    return losses.solve(target, task, len(predict), fit)


def weights(goal: Goal, task: SimpleNamespace) -> Path:
    """The file of weights that the host has laid ready for such a goal."""
    kind = CLASSES if goal.loss in ("logistic", "softmax") else NUMBERS
    folder = getattr(task, "prepared", None)
    path = Path(folder or ".") / NAME / f"{kind}.ckpt"
    if folder is None or not path.exists():
        raise FileNotFoundError(f"TabICL's weights ({kind}.ckpt) are not present in this run: use another model")
    return path


def _affordable(asked: Question, members: int, most: int) -> list[int]:
    """Views and rows of context for which the seconds left suffice: all rows first, then as many views."""
    width = asked.left.shape[1]
    sizes = [min(size, len(asked.left)) for size in PROBES]
    took = [_timed(asked, size) for size in sizes]
    works = [_work(size, min(size, len(asked.right)), width) for size in sizes]
    rate = max((took[1] - took[0]) / max(works[1] - works[0], 1.0), 0.2 * took[1] / works[1])  # seconds of a unit of work
    left = 0.8 * losses.seconds(asked.goal) - took[0]
    while most > LEAST_ROWS and rate * _passes(asked.right, most, width) > left:
        most = max(LEAST_ROWS, int(0.7 * most))
    return [int(np.clip(left / (rate * _passes(asked.right, most, width)), 1, members)), most]


def _timed(asked: Question, size: int) -> float:
    began = time.monotonic()
    asked.answer(asked.context(size), asked.right[:size], 1)
    return time.monotonic() - began


def _passes(right: np.ndarray, context: int, width: int) -> float:
    return sum(_work(context, len(part), width) for part in _parts(right, context))


def _work(context: int, asked: int, width: int) -> float:
    """Millions of multiplications of one view: each cell is embedded, each row read, and beside all rows of the context."""
    return (context + asked) * (1.2 * width + 75 + 0.025 * context)


def _parts(right: np.ndarray, context: int) -> Sequence[np.ndarray]:
    """The rows to be asked about, in as many passes as the size of one allows."""
    room = max(LEAST_ROWS, MOST_CELLS // right.shape[1] - context)
    return [right[start:start + room] for start in range(0, len(right), room)] or [right]
