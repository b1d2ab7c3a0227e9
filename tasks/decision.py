"""The decision step between what a solution returns and what is submitted: threshold, arg-max, cut points, top k.

Chosen on out-of-fold predictions by the host. Applying one needs NumPy only: this file is copied beside a solution.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tasks.metrics import Metric

ROWS = 20_000        # decisions are chosen on at most so many rows
CANDIDATES = 200     # thresholds tried
PASSES = 3
WEIGHT_ROWS = 6_000  # class weights are chosen on the first so many rows: the host's row order is random


@dataclass(frozen=True)
class Decision:
    """kind: none | threshold | argmax | cutpoints | label_thresholds | top_k, with its numbers (see `apply`)."""

    kind: str
    numbers: tuple[float, ...] = ()

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """raw: (n,) or (n, k) as a solution returns it; the submitted form: (n,) codes or numbers, or (n, k)."""
        if self.kind == "threshold":
            return (raw >= self.numbers[0]).astype(int)
        if self.kind == "argmax":
            return (raw * np.asarray(self.numbers)).argmax(axis=1)
        if self.kind == "cutpoints":
            return np.searchsorted(np.asarray(self.numbers), raw, side="right")
        if self.kind == "label_thresholds":
            return (raw >= np.asarray(self.numbers)).astype(int)
        if self.kind == "top_k":
            return np.argsort(-raw, axis=1, kind="stable")[:, : int(self.numbers[0])]
        return raw

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Decision":
        return cls(data["kind"], tuple(data["numbers"]))


def choose_decision(metric: "Metric", truth: np.ndarray, raw: np.ndarray) -> Decision:
    """The decision that scores best on these rows. truth: (n,) or (n, k); raw: (n,) or (n, k), finite."""
    if metric.decision == "none":
        return Decision("none")
    if metric.decision == "top_k":
        return Decision("top_k", (float(metric.argument or 1),)) if raw.ndim == 2 else Decision("none")
    truth, raw = _some(truth, raw)
    if truth.ndim == 2:
        return _label_thresholds(metric, truth, raw)
    if raw.ndim == 2:
        return _class_weights(metric, truth, raw)
    if metric.decision == "cutpoints" or truth.max() > 1:
        return _cutpoints(metric, truth, raw)
    return _threshold(metric, truth, raw)


def score_raw(metric: "Metric", truth: np.ndarray, raw: np.ndarray) -> float:
    """The apparent score: the decision chosen on the rows that are scored."""
    return metric.score(truth, choose_decision(metric, truth, raw).apply(raw))


def standard_error(metric: "Metric", truth: np.ndarray, submitted: np.ndarray, *, seed: int, repeats: int = 40) -> float:
    """Bootstrap standard error of the score over rows (Efron, 1979); large n by a subsample, scaled by its square root."""
    rng = np.random.default_rng(seed)
    size = min(len(truth), 5_000)
    scores = []
    for _ in range(repeats):
        rows = rng.integers(0, len(truth), size)
        try:
            scores.append(metric.score(truth[rows], submitted[rows]))
        except ValueError:
            continue
    return float(np.std(scores) * np.sqrt(size / len(truth))) if len(scores) > 1 else float("nan")


def _some(truth: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(truth) <= ROWS:
        return truth, raw
    rows = np.random.default_rng(0).choice(len(truth), ROWS, replace=False)
    return truth[rows], raw[rows]


def _score(metric: "Metric", truth: np.ndarray, decision: Decision, raw: np.ndarray) -> float:
    try:
        value = metric.score(truth, decision.apply(raw))
    except ValueError:
        return -np.inf
    return value if metric.greater_is_better else -value


def _threshold(metric: "Metric", truth: np.ndarray, raw: np.ndarray) -> Decision:
    """The middle of the best plateau of a smoothed score by threshold: a single lucky cut is noise."""
    cuts = np.unique(np.append(np.quantile(raw, np.linspace(0.002, 0.998, CANDIDATES)), 0.5))
    scores = np.array([_score(metric, truth, Decision("threshold", (cut,)), raw) for cut in cuts])
    if not np.isfinite(scores).any():
        return Decision("threshold", (0.5,))
    scores = np.where(np.isfinite(scores), scores, scores[np.isfinite(scores)].min())
    smooth = np.convolve(np.pad(scores, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    return Decision("threshold", (float(cuts[int(np.argmax(smooth))]),))


def _label_thresholds(metric: "Metric", truth: np.ndarray, raw: np.ndarray) -> Decision:
    """One threshold a label, by coordinate ascent from 0.5."""
    start = np.full(raw.shape[1], 0.5)
    grids = [np.quantile(raw[:, k], np.linspace(0.02, 0.98, 33)) for k in range(raw.shape[1])]
    found = _ascend(lambda point: _score(metric, truth, Decision("label_thresholds", tuple(point)), raw), start, grids)
    return Decision("label_thresholds", found)


def _class_weights(metric: "Metric", truth: np.ndarray, raw: np.ndarray) -> Decision:
    """Arg-max after a weight for each class; weights differ from 1 only where they gain on both halves of the rows."""
    classes = raw.shape[1]
    plain = Decision("argmax", (1.0,) * classes)
    if metric.name in ("accuracy", "f1_micro") or classes > 60 or len(truth) < 200:
        return plain
    truth, raw = truth[:WEIGHT_ROWS], raw[:WEIGHT_ROWS]
    half = np.random.default_rng(0).permutation(len(truth)) % 2 == 0
    gains = []
    for fit, check in ((half, ~half), (~half, half)):
        chosen = Decision("argmax", _weights(metric, truth[fit], raw[fit]))
        gains.append(_score(metric, truth[check], chosen, raw[check]) - _score(metric, truth[check], plain, raw[check]))
    return Decision("argmax", _weights(metric, truth, raw)) if min(gains) > 0 else plain


def _weights(metric: "Metric", truth: np.ndarray, raw: np.ndarray) -> tuple[float, ...]:
    grids = [np.exp(np.linspace(-1.5, 1.5, 9))] * raw.shape[1]
    start = np.ones(raw.shape[1])
    return _ascend(lambda point: _score(metric, truth, Decision("argmax", tuple(point)), raw), start, grids)


def _cutpoints(metric: "Metric", truth: np.ndarray, raw: np.ndarray) -> Decision:
    """Cut points between ordered codes: from rounding and from matched class shares, improved by coordinate ascent."""
    codes = int(truth.max()) + 1
    shares = np.cumsum(np.bincount(truth.astype(int), minlength=codes) / len(truth))[:-1]
    starts = [np.arange(codes - 1) + 0.5, np.quantile(raw, np.clip(shares, 0, 1))]
    grid = np.unique(np.quantile(raw, np.linspace(0.005, 0.995, 80)))

    def score(point: Sequence[float]) -> float:
        return _score(metric, truth, Decision("cutpoints", tuple(np.sort(point))), raw)

    ends = [_ascend(score, start, [grid] * (codes - 1)) for start in starts]
    return Decision("cutpoints", tuple(sorted(max(ends, key=score))))


def _ascend(
    score: Callable[[Sequence[float]], float], start: np.ndarray, grids: Sequence[np.ndarray]
) -> tuple[float, ...]:
    """Coordinate ascent: each number in turn is set to the best value of its grid, until a pass gains nothing."""
    point, best = [float(value) for value in start], score(list(start))
    for _ in range(PASSES):
        before = best
        for k, grid in enumerate(grids):
            values = [score([*point[:k], float(value), *point[k + 1:]]) for value in grid]
            top = int(np.argmax(values))
            if values[top] > best:
                point[k], best = float(grid[top]), values[top]
        if best <= before:
            break
    return tuple(point)
