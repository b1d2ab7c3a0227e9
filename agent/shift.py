"""Whether a model sees the test rows as it sees the rows that it was validated on: two-sample tests on its predictions.

Rows of both files may look alike column by column and still be other rows: pairs of a person and a film that come later,
sentences of other threads. What matters of such a difference shows in what a fitted model predicts. Each fold's model is
asked about the rows it validates and about the test rows, so that both are seen by the same model and neither by a mean of
models. Source: Rabanser, Günnemann and Lipton, "Failing Loudly" (https://arxiv.org/abs/1810.11953), black-box shift detection
with the Kolmogorov-Smirnov test and Bonferroni's correction.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

FAR = 0.05         # distance from which a difference is told: below it no score has been seen to suffer
APART = 2.0        # times what differs between samples of the same rows where those are no independent draws
CHANCE = 1e-4      # of so large a distance between samples of independent rows
HALVINGS = 5       # of the validated units
ROWS = 5_000       # looked at of each side
COLUMNS = 30       # looked at of wide predictions, beside the largest of each row
FEWEST = 50        # rows of either side

ByFold = Mapping[int, np.ndarray]


@dataclass(frozen=True)
class Shift:
    """Kolmogorov-Smirnov distances (0: alike, 1: apart) between a model's predictions of validated and of test rows."""

    distance: float  # mean over the folds, of the prediction's column that differs most
    usual: float     # between rows of one origin: of as many other groups, or of other times; 0 where rows are independent
    chance: float    # of so large a distance in one fold, over all columns, were rows independent draws

    @property
    def told(self) -> bool:
        """Whether the difference is larger than what chance, groups and times make."""
        return self.distance >= FAR and self.distance > APART * self.usual and self.chance < CHANCE

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        usual = f", {self.usual:.2f} between validated rows of other groups or times" if self.usual else ""
        return f"Kolmogorov-Smirnov distance {self.distance:.2f}{usual}"


def told_shift(data: Mapping[str, Any] | None) -> Shift | None:
    """A shift as the record keeps it, if it is large enough to be told."""
    shift = Shift(**data) if data else None
    return shift if shift and shift.told else None


def prediction_shift(
    validated: ByFold, tested: ByFold, *, units: ByFold | None = None, test_units: np.ndarray | None = None,
    forward: bool = False,
) -> Shift | None:
    """validated: by fold, (rows, ...) predictions of its validate rows; tested: the same model's, of all test rows, or one
    model's alone where a final fit on all rows makes them. units and test_units: codes of the rows, equal where rows are no
    independent draws. forward: folds are other times, and may differ as test and train do. None where too few rows tell."""
    mine = {fold: values for fold, values in validated.items() if len(values) >= FEWEST}
    others = {fold: values for fold, values in tested.items() if len(values) >= FEWEST}
    if not mine or not others:
        return None
    last = mine[max(mine)]
    pairs = [(_columns(mine.get(fold, last)), _columns(values)) for fold, values in others.items()]
    columns = range(pairs[0][0].shape[1])
    found = np.array([[_distance(one[:, c], other[:, c]) for c in columns] for one, other in pairs])  # (folds, columns, 2)
    most = int(found[:, :, 0].mean(axis=0).argmax())
    usual = [0.0]
    if forward:
        usual += [_distance(_columns(one)[:, most], _columns(other)[:, most])[0] for one, other in combinations(mine.values(), 2)]
    if units is not None and test_units is not None:
        usual.append(float(np.mean([_between_units(_column(values, most), units[fold], len(np.unique(test_units)))
                                    for fold, values in mine.items()])))
    return Shift(float(found[:, most, 0].mean()), float(max(usual)), float(min(1.0, np.median(found[:, most, 1]) * len(columns))))


def _between_units(values: np.ndarray, units: np.ndarray, test_units: int) -> float:
    """The usual distance between the rows of these units and those of `test_units` others: what halves of them show, by how
    much more or less two samples of those sizes wander."""
    codes = np.unique(units, return_inverse=True)[1]
    count = int(codes.max()) + 1
    if count < 2:
        return 1.0
    rng = np.random.default_rng(0)
    halves = [rng.permutation(count)[codes] < count / 2 for _ in range(HALVINGS)]
    size = np.sqrt((1 / count + 1 / test_units) / (1 / (count - count // 2) + 1 / (count // 2)))
    return float(size * np.mean([_distance(values[half], values[~half])[0] for half in halves]))


def _columns(values: np.ndarray) -> np.ndarray:
    """(rows, columns): up to COLUMNS of the prediction's, and of several each row's largest; a sample of many rows."""
    if len(values) > ROWS:
        values = values[np.random.default_rng(0).choice(len(values), ROWS, replace=False)]
    return np.column_stack([_column(values, c) for c in range(_width(values))])


def _width(values: np.ndarray) -> int:
    return 1 if values.ndim == 1 or values.shape[1] == 1 else min(COLUMNS, values.shape[1]) + 1


def _column(values: np.ndarray, number: int) -> np.ndarray:
    """(rows,): one column of the prediction; after the last that is looked at, each row's largest."""
    values = values.reshape(len(values), -1)
    return values[:, number] if number < min(COLUMNS, values.shape[1]) else values.max(axis=1)


def _distance(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    from scipy.stats import ks_2samp

    found = ks_2samp(one, other, method="asymp")
    return float(found.statistic), float(found.pvalue)
