"""Decision steps: how what a solution returns becomes what is submitted. Needs NumPy only, so that it can travel."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Decision:
    """Submit what the solution returns."""

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """raw: what a solution returns, (n,) or (n, k). Returns the submitted form, for the same rows."""
        return raw

    def to_json(self) -> dict[str, Any]:
        return {"step": next(name for name, made in STEPS.items() if made is type(self)), **asdict(self)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Decision":
        """The decision that to_json wrote."""
        settings = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items() if key != "step"}
        return STEPS[data["step"]](**settings)


@dataclass(frozen=True)
class Threshold(Decision):
    """Class 1 for a number (n,) of `at` or more; returns codes (n,)."""

    at: float

    def apply(self, raw: np.ndarray) -> np.ndarray:
        return (raw >= self.at).astype(np.int64)


@dataclass(frozen=True)
class Argmax(Decision):
    """The class whose probability times its weight is largest; (n, k) to codes (n,). No weights: all are 1."""

    weights: tuple[float, ...] = ()

    def apply(self, raw: np.ndarray) -> np.ndarray:
        return np.argmax(raw * np.array(self.weights) if self.weights else raw, axis=1)


@dataclass(frozen=True)
class Cutpoints(Decision):
    """The number of ascending cuts that a number (n,) reaches, as code (n,)."""

    cuts: tuple[float, ...]

    def apply(self, raw: np.ndarray) -> np.ndarray:
        return np.searchsorted(np.array(self.cuts), raw, side="right")


@dataclass(frozen=True)
class LabelThresholds(Decision):
    """Flags (n, k): which probabilities reach the threshold of their column; `never_empty`: in a row where none does, the one
    that comes nearest to it."""

    at: tuple[float, ...]
    never_empty: bool = False

    def apply(self, raw: np.ndarray) -> np.ndarray:
        share = raw / np.maximum(np.array(self.at), 1e-9)
        flags = (raw >= np.array(self.at)).astype(np.int64)
        if self.never_empty:
            empty = np.flatnonzero(flags.sum(axis=1) == 0)
            flags[empty, share[empty].argmax(axis=1)] = 1
        return flags


@dataclass(frozen=True)
class ArgmaxEach(Decision):
    """Flags (n, k): of each run of columns, `sizes` of them after each other, the likeliest one."""

    sizes: tuple[int, ...]

    def apply(self, raw: np.ndarray) -> np.ndarray:
        flags, first = np.zeros(raw.shape, dtype=np.int64), 0
        for size in self.sizes:
            flags[np.arange(len(raw)), first + raw[:, first : first + size].argmax(axis=1)] = 1
            first += size
        return flags


@dataclass(frozen=True)
class TopK(Decision):
    """Codes (n, k) of the likeliest classes, best first; fewer columns where there are fewer classes."""

    k: int

    def apply(self, raw: np.ndarray) -> np.ndarray:
        return np.argsort(-raw, axis=1, kind="stable")[:, : self.k]


@dataclass(frozen=True)
class Scale(Decision):
    """Every number times `by`: relative errors are smallest for predictions below the mean."""

    by: float

    def apply(self, raw: np.ndarray) -> np.ndarray:
        return raw * self.by


STEPS: dict[str, type[Decision]] = {
    "none": Decision, "threshold": Threshold, "argmax": Argmax, "cutpoints": Cutpoints,
    "label_thresholds": LabelThresholds, "argmax_each": ArgmaxEach, "top_k": TopK, "scale": Scale,
}
