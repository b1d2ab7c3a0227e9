"""A blend: weights over entries' predictions, and how to apply them. Needs NumPy only; it is copied beside a solution."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

EPSILON = 1e-6


@dataclass(frozen=True)
class Blend:
    """prediction = inverse_link(bias + sum of weight x link(prediction of the entry)).

    link: identity | log1p | logit | log (distributions, renormalised) | rank (order only, for AUC-like metrics).
    """

    method: str
    link: str
    weights: Mapping[int, float]
    bias: float = 0.0

    def apply(self, predictions: Mapping[int, np.ndarray]) -> np.ndarray:
        """predictions: entry number -> (n,) or (n, k). Returns the blended (n,) or (n, k)."""
        total = sum(weight * linked(predictions[number], self.link) for number, weight in self.weights.items())
        return unlinked(np.asarray(total) + self.bias, self.link)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "weights": {str(number): weight for number, weight in self.weights.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Blend":
        weights = {int(number): float(weight) for number, weight in data["weights"].items()}
        return cls(data["method"], data["link"], weights, data["bias"])


def linked(prediction: np.ndarray, link: str) -> np.ndarray:
    """The prediction in the space where it is averaged."""
    if link == "log1p":
        return np.log1p(np.maximum(prediction, 0.0))
    if link == "logit":
        clipped = np.clip(prediction, EPSILON, 1 - EPSILON)
        return np.log(clipped / (1 - clipped))
    if link == "log":
        return np.log(np.clip(prediction, EPSILON, 1.0))
    if link == "rank":
        return ranks(prediction)
    return prediction


def as_columns(predictions: Mapping[int, np.ndarray], link: str) -> dict[str, np.ndarray]:
    """Predictions, (n,) or (n, k), as columns that another model may be shown, by name."""
    columns: dict[str, np.ndarray] = {}
    for number, values in predictions.items():
        seen = linked(values, link)
        parts = {"": seen} if seen.ndim == 1 else {f", {k}": part for k, part in enumerate(seen.T)}
        columns |= {f"entry {number}{which}": np.ascontiguousarray(part, dtype=np.float64) for which, part in parts.items()}
    return columns


def unlinked(total: np.ndarray, link: str) -> np.ndarray:
    """Back to the space of predictions."""
    if link == "log1p":
        return np.expm1(np.clip(total, 0.0, 700.0))
    if link == "logit":
        return 1.0 / (1.0 + np.exp(-np.clip(total, -500, 500)))
    if link == "log":
        exponent = np.exp(total - total.max(axis=1, keepdims=True))
        return exponent / exponent.sum(axis=1, keepdims=True)
    return total


def ranks(values: np.ndarray) -> np.ndarray:
    """Mean ranks scaled into (0, 1), column by column; ties share a rank."""
    if values.ndim == 2:
        return np.stack([ranks(column) for column in values.T], axis=1)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    upper = np.cumsum(counts)
    return (upper - (counts - 1) / 2.0 - 0.5)[inverse] / len(values)
