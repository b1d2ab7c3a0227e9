"""The ensemble, on the host's side: best single, hill climbing with replacement, or a linear stack, whichever scores
best cross-fitted (weights, decision and winner chosen on one half of the out-of-fold rows, scored on the other)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from agent.blend import Blend, linked, unlinked
from tasks.decision import Decision, choose_decision, half, standard_error
from tasks.metrics import Metric, Undefined, metric

ROWS = 10_000
SLOW = {"concordance": 2_500}  # rows where a score takes so long that those of all methods took 20 s of a run
CELLS = 2_000_000  # probabilities of one member that a stack reads: it holds those of all members at once
MEMBERS = 20
STEPS = 30
PATIENCE = 4
SHRINK = 1e-3

Predictions = Mapping[int, np.ndarray]


@dataclass(frozen=True)
class Ensemble:
    """A chosen blend with its decision step. `score`: apparent; `honest`: cross-fitted, with its standard error."""

    blend: Blend
    decision: Decision
    score: float
    honest: float
    standard_error: float
    by_method: Mapping[str, float]


def build(
    judge: Metric, kind: str, truth: np.ndarray, predictions: Predictions, *, seed: int, units: np.ndarray | None = None,
    scaled: bool = True,
) -> Ensemble:
    """truth: (n,) or (n, k); predictions: entry number -> out-of-fold (n,) or (n, k), finite. At least one entry.
    units: (n,) codes of rows that belong together: halves hold whole units, and noise is that of drawing units. scaled: whether
    a stack may join, whose weights need not add up to one: what it corrects is the level of these rows."""
    arena = Arena(judge, kind, truth, _best(judge, truth, predictions), seed, units, scaled=scaled)
    everything = np.arange(len(truth))
    left, right = arena.split(everything, seed)
    blend, by_method = arena.choose(everything)
    raw = blend.apply(arena.predictions)
    decision = choose_decision(judge, truth, raw)
    honest, error = arena.cross_fitted(left, right)
    return Ensemble(blend, decision, value(judge, truth, decision.apply(raw)), honest, error, by_method)


class Arena:
    """The entries that may join a blend, and the rows on which they meet."""

    def __init__(
        self, judge: Metric, kind: str, truth: np.ndarray, predictions: Predictions, seed: int,
        units: np.ndarray | None = None, *, scaled: bool = True,
    ) -> None:
        self.judge, self.kind, self.truth, self.predictions, self.seed = judge, kind, truth, predictions, seed
        self.units, self.scaled = units, scaled
        self.surrogate = surrogate(judge, kind)
        self.sign = 1.0 if self.surrogate.greater_is_better else -1.0

    def choose(self, rows: np.ndarray) -> tuple[Blend, dict[str, float]]:
        """The method whose cross-fitted score within `rows` is best, fitted on all of `rows`."""
        left, right = self.split(rows, self.seed + 1)
        scores = {name: self._mean_of_swaps(fit, left, right) for name, fit in self._methods().items()}
        best = max(scores, key=lambda name: -np.inf if np.isnan(scores[name]) else self.judge.sign * scores[name])
        return self._methods()[best](self._sample(rows)), scores

    def cross_fitted(self, left: np.ndarray, right: np.ndarray) -> tuple[float, float]:
        """Everything chosen on one half, scored on the other, both ways: mean and standard error."""
        scores, errors = [], []
        for fit_rows, score_rows in ((left, right), (right, left)):
            blend, _ = self.choose(fit_rows)
            submitted = self._submitted(blend, fit_rows, score_rows)
            scores.append(value(self.judge, self.truth[score_rows], submitted))
            errors.append(standard_error(self.judge, self.truth[score_rows], submitted, seed=self.seed,
                                         groups=self._units(score_rows)))
        return _mean(scores), float(np.sqrt(np.sum(np.square(errors)))) / 2.0

    def split(self, rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Two halves of the rows, each with its share of every class, or whole units where rows come in units."""
        left = half(self.truth[rows], seed=seed, groups=self._units(rows))
        return rows[left], rows[~left]

    def _units(self, rows: np.ndarray) -> np.ndarray | None:
        return None if self.units is None else self.units[rows]

    def _methods(self) -> dict[str, Callable[[np.ndarray], Blend]]:
        methods: dict[str, Callable[[np.ndarray], Blend]] = {"best single": self._best_single}
        if len(self.predictions) > 1:
            methods["hill climbing"] = self._hill_climbing
            if self.scaled and stack_link(self.kind, self.judge):
                methods["linear stack"] = self._stack
        return methods

    def _mean_of_swaps(self, fit: Callable[[np.ndarray], Blend], left: np.ndarray, right: np.ndarray) -> float:
        pairs = ((left, right), (right, left))
        return _mean([self._score(fit(self._sample(a)), a, b) for a, b in pairs])

    def _score(self, blend: Blend, fit_rows: np.ndarray, score_rows: np.ndarray) -> float:
        return value(self.judge, self.truth[score_rows], self._submitted(blend, fit_rows, score_rows))

    def _submitted(self, blend: Blend, fit_rows: np.ndarray, score_rows: np.ndarray) -> np.ndarray:
        """What would be submitted for `score_rows` with the decision chosen on `fit_rows`."""
        decision = choose_decision(self.judge, self.truth[fit_rows], blend.apply(self._at(fit_rows, blend.weights)))
        return decision.apply(blend.apply(self._at(score_rows, blend.weights)))

    def _at(self, rows: np.ndarray, members: Collection[int] | None = None) -> dict[int, np.ndarray]:
        return {number: self.predictions[number][rows] for number in (self.predictions if members is None else members)}

    def _sample(self, rows: np.ndarray) -> np.ndarray:
        most = SLOW.get(self.judge.name, ROWS)
        return rows if len(rows) <= most else np.random.default_rng(self.seed).choice(rows, most, replace=False)

    def _best_single(self, rows: np.ndarray) -> Blend:
        scores = {n: self._worth(rows, p) for n, p in self._at(rows).items()}
        return Blend("best single", "identity", {max(scores, key=scores.__getitem__): 1.0})

    def _hill_climbing(self, rows: np.ndarray) -> Blend:
        """Caruana et al., Ensemble Selection from Libraries of Models, 2004: greedy, with replacement."""
        link = climb_link(self.judge)
        views = {number: linked(p, link) for number, p in self._at(rows).items()}
        counts, total, best, best_counts = dict.fromkeys(views, 0), np.zeros(1), -np.inf, {}
        stale = 0
        for step in range(1, STEPS + 1):
            scores = {n: self._link_score(rows, (total + view) / step, link) for n, view in views.items()}
            winner = max(scores, key=scores.__getitem__)
            counts[winner] += 1
            total = total + views[winner]
            stale = 0 if scores[winner] > best else stale + 1
            if scores[winner] > best:
                best, best_counts = scores[winner], dict(counts)
            if stale >= PATIENCE:
                break
        chosen = sum(best_counts.values())
        return Blend("hill climbing", link, {n: c / chosen for n, c in best_counts.items() if c})

    def _link_score(self, rows: np.ndarray, total: np.ndarray, link: str) -> float:
        return self._worth(rows, unlinked(total, link))

    def _worth(self, rows: np.ndarray, prediction: np.ndarray) -> float:
        """What weights are chosen by, greater is better; the same for all where it has no value on these rows."""
        found = self.sign * value(self.surrogate, self.truth[rows], prediction)
        return 0.0 if np.isnan(found) else found

    def _stack(self, rows: np.ndarray) -> Blend:
        """Weights by a penalised least-squares or log-loss fit in link space, shrunk towards the plain mean."""
        link = stack_link(self.kind, self.judge)
        numbers = list(self.predictions)
        rows = rows[: max(1, CELLS // self.predictions[numbers[0]][0].size)]
        views = np.stack([linked(self.predictions[number][rows], link) for number in numbers])
        weights, bias = _fit_stack(views, self.truth[rows], link)
        return Blend("linear stack", link, dict(zip(numbers, weights.tolist(), strict=True)), bias)


def surrogate(judge: Metric, kind: str) -> Metric:
    """What weights are chosen by: the metric itself, or its smooth relative where a decision step stands between."""
    if judge.decision == "none":
        return judge
    names = {"value": "rmse", "multilabel": "mean_log_loss"}
    return metric(names["value"] if judge.decision == "cutpoints" or kind == "ordinal" else names.get(kind, "log_loss"))


def climb_link(judge: Metric) -> str:
    """Where hill climbing averages: ranks for metrics of order, logs for metrics of ratios."""
    if judge.name in ("auc", "mean_auc", "average_precision", "gini", "concordance"):
        return "rank"
    return "log1p" if judge.name in ("rmsle", "msle", "mean_rmsle") else "identity"


def stack_link(kind: str, judge: Metric) -> str:
    """Where a linear stack is fitted; empty where none is defined."""
    if kind in ("regression", "ordinal", "multiregression"):
        return "log1p" if judge.name in ("rmsle", "msle", "mean_rmsle") else "identity"
    return {"binary": "logit", "multilabel": "logit", "multiclass": "log"}.get(kind, "")


def _fit_stack(views: np.ndarray, truth: np.ndarray, link: str) -> tuple[np.ndarray, float]:
    """views: (members, n) or (members, n, k) in link space. Returns weights (members,) and a bias, 0 where it can be none: a
    distribution's is lost when it is scaled, and numeric targets have no bias in common."""
    members, chances = len(views), link in ("logit", "log")
    start = np.append(np.full(members, 1.0 / members), 0.0)
    target = truth.astype(int) if chances else linked(truth.astype(float), link)
    if not chances and target.ndim == 2:  # a target's errors count by its scale, as in a mean of RMSEs, not by its square
        widths = np.sqrt(np.maximum(target.std(axis=0), 1e-12))
        views, target = views / widths, target / widths
    scale = 1.0 if chances else max(float(np.var(target, axis=0).mean()), 1e-12)
    biased = link == "logit" or (link != "log" and target.ndim == 1)

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        total = np.tensordot(point[:-1], views, axes=1) + point[-1]
        value, slope = _loss(total, target, link)
        axes = tuple(range(1, views.ndim))
        gradient = np.append((views * slope).sum(axis=axes), slope.sum() if biased else 0.0)
        pull = point[:-1] - 1.0 / members
        gradient[:-1] = gradient[:-1] / scale + 2 * SHRINK * members * pull
        gradient[-1] /= scale
        return value / scale + SHRINK * members * float(pull @ pull), gradient

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return found.x[:-1], float(found.x[-1])


def _loss(total: np.ndarray, target: np.ndarray, link: str) -> tuple[float, np.ndarray]:
    """Mean loss and its slope by `total`."""
    n = len(total)
    if link == "logit":
        probability = unlinked(total, link)
        value = np.logaddexp(0.0, total).mean() - (target * total).mean()
        return float(value), (probability - target) / total.size
    if link == "log":
        probability = unlinked(total, link)
        value = -np.log(np.clip(probability[np.arange(n), target], 1e-15, 1.0)).mean()
        return float(value), (probability - np.eye(total.shape[1])[target]) / n
    return float(((total - target) ** 2).mean()), 2 * (total - target) / total.size


def _best(judge: Metric, truth: np.ndarray, predictions: Predictions) -> dict[int, np.ndarray]:
    """The entries with the best apparent scores, at most MEMBERS."""
    if len(predictions) <= MEMBERS:
        return dict(predictions)
    rows = np.random.default_rng(0).choice(len(truth), min(len(truth), ROWS), replace=False)
    sign = 1.0 if judge.greater_is_better else -1.0
    scores = {}
    for number, prediction in predictions.items():
        decision = choose_decision(judge, truth[rows], prediction[rows])
        scores[number] = np.nan_to_num(sign * value(judge, truth[rows], decision.apply(prediction[rows])), nan=-np.inf)
    kept = sorted(scores, key=scores.__getitem__, reverse=True)[:MEMBERS]
    return {number: predictions[number] for number in sorted(kept)}


def value(judge: Metric, truth: np.ndarray, submitted: np.ndarray) -> float:
    """The score, NaN where the metric has no value for this truth."""
    try:
        return judge.score(truth, submitted)
    except Undefined:
        return float("nan")


def _mean(scores: Sequence[float]) -> float:
    """Of those that are numbers."""
    known = [score for score in scores if not np.isnan(score)]
    return float(np.mean(known)) if known else float("nan")
