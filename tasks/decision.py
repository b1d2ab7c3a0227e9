"""Chooses the decision step between a prediction and a submission, and says what a score is worth.

A decision is fitted to out-of-fold predictions and must earn its place: candidates go from plain to clever, and each is
kept only if, fitted on one half of the rows and scored on the other and the other way round, it beats the one before.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from tasks import scores
from tasks.decision_steps import Argmax, ArgmaxEach, Cutpoints, Decision, LabelThresholds, Scale, Threshold, TopK
from tasks.metrics import METRICS, Metric, MetricError, Undefined

__all__ = ["Decision", "choose_decision", "half", "standard_error"]

Fit = Callable[[Metric, np.ndarray, np.ndarray], Decision]

CELLS = 240_000          # probabilities that the searches with several columns read
GRID = 200               # candidate places of a cut-point
PLACES = 24              # candidate thresholds for all labels together
CLASSES_SEARCHED = 40    # more classes than this get no search class by class
PLENTY = 20_000          # rows with which searched cuts need no caution
PASSES = 6
NOISE = 0.5              # standard errors of the gain that class weights must gain: at 0 accuracy loses, at 1 F1
REPEATS = 30
FEWEST = 20              # rows from which a threshold is chosen
BAGS = 15                # bootstrap samples that a threshold is averaged over,
BAGGED_ROWS = 5_000      # where there are no more rows than this
BOOTSTRAP_ROWS = 10_000
FEW_GROUPS = 20          # fewer are not dealt whole: one half might lack a class
RELATIVE = ("mape", "rmspe")  # a common factor lowers them; smape is best at the median
LOG_2 = float(np.log(2))


def choose_decision(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Decision:
    """The decision step for a metric, fitted on truth (n,) codes or (n, k) flags and raw, what solutions return.

    What kind of step follows from the metric and the shapes: nothing for probabilities and values (but a common factor
    where errors are relative), top k for rankings,
    label thresholds for flags, arg-max (with class weights) for distributions; for a number (n,) a threshold where the
    truth has two classes, cut-points where it has more.
    """
    truth, raw = np.asarray(truth), np.asarray(raw)
    if metric.k is not None:
        return TopK(metric.k)
    if metric.name in RELATIVE and raw.ndim == 1:
        return _best_supported(metric, truth[truth != 0], raw[truth != 0], [_as_it_is, _scaled], noise=NOISE)
    if not metric.labels:
        return Decision()
    if raw.ndim == 2:
        truth, raw = _sample(truth, raw, CELLS // raw.shape[1])
    if metric.decision == "argmax_each":
        return ArgmaxEach(_one_of_each(truth))
    if truth.ndim == 2:
        plain: list[Fit] = [_half_for_labels, _one_threshold, _threshold_each]
        full = [partial(_never_empty, fit) for fit in plain] if (truth.sum(axis=1) > 0).all() else []
        return _best_supported(metric, truth, raw, [*plain, *full])
    if raw.ndim == 2:
        searched: list[Fit] = [_class_weights] if raw.shape[1] <= CLASSES_SEARCHED else []
        return _best_supported(metric, truth, raw, [_plain_argmax, _prior_weights, *searched], noise=NOISE)
    if truth.max(initial=0) < 2:
        fits = [_expected_threshold, _mean_threshold] if truth.min() < truth.max() and len(truth) >= FEWEST else [_half]
        return _best_supported(metric, truth, raw, fits, noise=NOISE)
    cautious = metric.decision == "cutpoints" and len(truth) < PLENTY
    return _best_supported(metric, truth, raw, [_rounding, _halfway_cuts if cautious else _best_cuts])


def standard_error(
    metric: Metric, truth: np.ndarray, submitted: np.ndarray, *, seed: int, repeats: int = REPEATS,
    groups: np.ndarray | None = None,
) -> float:
    """Bootstrap standard error of metric.score(truth, submitted), over rows, or over whole groups (n,) where given.

    Of many units, samples of BOOTSTRAP_ROWS are scored and the error is scaled by the root of the ratio. NaN where
    fewer than two samples have a score.
    """
    rng = np.random.default_rng(seed)
    units = _rows_of_groups(groups) if groups is not None else None
    count = len(truth) if units is None else len(units)
    size = min(count, BOOTSTRAP_ROWS)
    found = []
    for _ in range(repeats):
        drawn = rng.integers(count, size=size)
        rows = drawn if units is None else np.concatenate([units[unit] for unit in drawn])
        try:
            found.append(metric.score(truth[rows], submitted[rows]))
        except Undefined:
            continue
    return float(np.std(found, ddof=1) * np.sqrt(size / count)) if len(found) > 1 else float("nan")


def _rows_of_groups(groups: np.ndarray) -> list[np.ndarray]:
    _, number = np.unique(groups, return_inverse=True)
    return np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])


def _sample(truth: np.ndarray, raw: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    if len(truth) <= size:
        return truth, raw
    rows = np.random.default_rng(0).choice(len(truth), size, replace=False)
    return truth[rows], raw[rows]


def _best_supported(
    metric: Metric, truth: np.ndarray, raw: np.ndarray, fits: Sequence[Fit], *, noise: float = 0.0,
) -> Decision:
    """The last of `fits` that beat those before it on rows it was not fitted to, by `noise` standard errors. The first reads
    no rows; where the metric has no value on a half, as F1 without a positive row, what was fitted there has no support."""
    if len(truth) < 4:
        return fits[0](metric, truth, raw)
    left = half(truth, seed=0)
    chosen, submitted = fits[0], _swapped(fits[0], metric, truth, raw, left)
    for fit in fits[1:]:
        try:
            rival = _swapped(fit, metric, truth, raw, left)
            hurdle = noise * _error_of_gain(metric, truth, submitted, rival) if noise else 0.0
            better = _gain(metric, truth, submitted, rival) > hurdle
        except Undefined:
            continue
        if better:
            chosen, submitted = fit, rival
    return chosen(metric, truth, raw)


def half(truth: np.ndarray, *, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Flags (n,) of one half of the rows: every other one of each class of truth (n,) and of ascending numbers, or, where
    truth is (n, k), of all. Where groups (n,) are given and there are FEW_GROUPS, whole groups, of ascending means."""
    if groups is not None:
        number = np.unique(groups, return_inverse=True)[1]
        sizes = np.bincount(number)
        if len(sizes) >= FEW_GROUPS:
            means = np.bincount(number, truth) / sizes if truth.ndim == 1 else np.zeros((len(sizes), 1))
            return half(means, seed=seed)[number]
    order = np.random.default_rng(seed).permutation(len(truth))
    if truth.ndim == 1:
        order = order[np.argsort(truth[order], kind="stable")]
    flags = np.zeros(len(truth), dtype=bool)
    flags[order[::2]] = True
    return flags


def _swapped(fit: Fit, metric: Metric, truth: np.ndarray, raw: np.ndarray, left: np.ndarray) -> np.ndarray:
    """What would be submitted for all rows, each decided by a step fitted to the other half."""
    from_left = fit(metric, truth[left], raw[left]).apply(raw[~left])
    from_right = fit(metric, truth[~left], raw[~left]).apply(raw[left])
    submitted = np.empty((len(truth), *from_left.shape[1:]), dtype=from_left.dtype)
    submitted[left], submitted[~left] = from_right, from_left
    return submitted


def _gain(metric: Metric, truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    return metric.sign * (metric.score(truth, after) - metric.score(truth, before))


def _error_of_gain(metric: Metric, truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """By a paired bootstrap over rows."""
    if np.array_equal(before, after):
        return 0.0
    rng, gains = np.random.default_rng(0), []
    for rows in (rng.integers(len(truth), size=len(truth)) for _ in range(REPEATS)):
        with suppress(Undefined):
            gains.append(_gain(metric, truth[rows], before[rows], after[rows]))
    return float(np.std(gains, ddof=1)) if len(gains) > 1 else float("inf")


# One number a row, relative errors.

def _as_it_is(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Decision:
    return Decision()


def _scaled(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Scale:
    """The factor from a half to two that scores best on these rows. New rows with noise of 0.15 and 0.4 in logarithms, median
    predicted / scaled, 300 rows: rmspe 0.153 / 0.150 and 0.455 / 0.384, mape 0.120 / 0.120 and 0.335 / 0.311."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(lambda log: -metric.sign * metric.score(truth, raw * np.exp(log)), bounds=(-LOG_2, LOG_2),
                            method="bounded", options={"xatol": 1e-4})
    return Scale(float(np.exp(found.x)))


# One number a row, two classes.

def _half(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Decision:
    return Threshold(0.5)


def _mean_threshold(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Decision:
    """The best threshold; of few rows the mean of the best over bootstrap samples, which scores better on new rows
    (300 rows, F1 0.585 -> 0.588, MCC 0.424 -> 0.430; 5,000 rows, MCC 0.436 -> 0.437)."""
    if len(truth) > BAGGED_ROWS:
        return best_threshold(metric, truth, raw)
    rng, found = np.random.default_rng(0), []
    for rows in (rng.integers(len(truth), size=len(truth)) for _ in range(BAGS)):
        if truth[rows].min() != truth[rows].max():
            found.append(best_threshold(metric, truth[rows], raw[rows]).at)
    return Threshold(float(np.mean(found))) if found else best_threshold(metric, truth, raw)


def _expected_threshold(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Decision:
    """The threshold whose score is best in expectation, if the predictions, once scaled and shifted by Platt's two numbers,
    are true probabilities (the plug-in rule of Koyejo et al. 2014). The labels choose two numbers and not a place among n, so
    on new rows it beats the mean of the best on these: MCC with true probabilities, 400 rows .433 -> .437, with a rare class
    .346 -> .356, 1,400 rows .436 -> .438, .353 -> .357."""
    chance = _scaled_and_shifted(truth, raw)
    order = np.argsort(raw)
    values = raw[order]
    starts = _starts(values)
    both = chance.sum() - np.r_[0, np.cumsum(chance[order])][starts]
    found = metric.sign * _of_tables(metric, scores.binary_tables(both, both[0], len(raw) - starts, len(truth)))
    return Threshold(float(_borders(values, starts)[_middle_of_best(found)]))


def _scaled_and_shifted(truth: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Probabilities (n,) by a logistic regression on the predictions' log odds, held near what it is given (Newton)."""
    share = np.clip(raw, 1e-6, 1 - 1e-6)
    views = np.column_stack([np.log(share / (1 - share)), np.ones(len(raw))])
    weights, given = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    for _ in range(20):
        chance = 1 / (1 + np.exp(-views @ weights))
        slope = views.T @ (chance - truth) + (weights - given)
        bend = (views * (chance * (1 - chance))[:, None]).T @ views + np.eye(2)
        step = np.clip(np.linalg.solve(bend, slope), -1, 1)
        weights = weights - step
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(1 / (1 + np.exp(-views @ weights)))


def best_threshold(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Threshold:
    """The exact best threshold on these rows, in the middle of the predictions between which nothing changes."""
    both, given, thresholds = _counts_above((truth == 1).astype(np.int64), raw)
    found = metric.sign * _of_tables(metric, scores.binary_tables(both, both[0], given, len(truth)))
    return Threshold(float(thresholds[_middle_of_best(found)]))


def _counts_above(positive: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At every threshold, ascending, the first below all rows: true positives, given positives, the threshold."""
    order = np.argsort(raw)
    values = raw[order]
    starts = _starts(values)
    return positive.sum() - np.r_[0, np.cumsum(positive[order])][starts], len(raw) - starts, _borders(values, starts)


def _starts(values: np.ndarray) -> np.ndarray:
    """The places where ascending values change, their beginning and their end included."""
    return np.flatnonzero(np.r_[True, values[1:] != values[:-1], True])


def _of_tables(metric: Metric, tables: np.ndarray) -> np.ndarray:
    if metric.of_table is None:
        raise MetricError(f"{metric.name} has no decision step for class codes (n,): give flags (n, k)")
    return metric.of_table(tables)


def _borders(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The numbers halfway between the ascending values before and after each start, and a step beyond both ends."""
    padded = np.r_[values[0] - 1.0, values, values[-1] + 1.0]
    before, after = padded[starts], padded[starts + 1]
    halfway = before + (after - before) / 2
    return np.where(halfway > before, halfway, after)  # neighbours in floating point have nothing between them


def _middle_of_best(found: np.ndarray) -> int:
    """The middle of the longest run of places that score best."""
    best = np.flatnonzero(found >= found.max() - 1e-12)
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    longest = max(runs, key=len)
    return int(longest[len(longest) // 2])


# One number a row, ordered classes.

def _rounding(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Cutpoints:
    return Cutpoints(tuple((np.arange(int(truth.max())) + 0.5).tolist()))


def _matched_shares(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Cutpoints:
    """Cuts that give each class the share of rows that it has in the truth."""
    shares = np.cumsum(np.bincount(truth.astype(np.int64)))[:-1] / len(truth)
    return Cutpoints(tuple(np.quantile(raw, shares).tolist()))


def _halfway_cuts(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Cutpoints:
    """Between the best cuts and those that match shares, for kappa, which punishes shares that differ.

    Kappa on new rows, best cuts / matched shares / halfway: 0.607 / 0.613 / 0.615 from 400 rows, 0.619 / 0.617 / 0.620
    from 4,000; a mean over bootstrap samples is no better and dearer.
    """
    searched, matched = _best_cuts(metric, truth, raw).cuts, _matched_shares(metric, truth, raw).cuts
    return Cutpoints(tuple(((np.array(searched) + np.array(matched)) / 2).tolist()))


def _best_cuts(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Cutpoints:
    """Coordinate search over cuts from two starts, each cut moved to the exact best place of a grid of quantiles.

    Class counts below every place of the grid are all that it needs, so its time does not grow with the rows.
    """
    starts = [_rounding(metric, truth, raw), _matched_shares(metric, truth, raw)]
    if truth.max() >= CLASSES_SEARCHED:
        return max(starts, key=lambda start: metric.sign * metric.score(truth, start.apply(raw)))
    grid = CutGrid(metric, truth, raw)
    climbed = [grid.climb(start.cuts) for start in starts]
    return max(climbed, key=lambda pair: pair[1])[0]


class CutGrid:
    """Places where cuts may lie, and how many rows of each class lie below each."""

    def __init__(self, metric: Metric, truth: np.ndarray, raw: np.ndarray) -> None:
        classes = int(truth.max()) + 1
        order = np.argsort(raw, kind="stable")
        values = raw[order]
        starts = _starts(values)
        starts = starts[np.unique(np.linspace(0, len(starts) - 1, GRID).astype(int))]
        below = np.cumsum(truth[order][:, None] == np.arange(classes), axis=0)
        self.metric, self.classes = metric, classes
        self.below = np.vstack([np.zeros(classes), below])[starts]
        self.borders = _borders(values, starts)

    def climb(self, cuts: tuple[float, ...]) -> tuple[Cutpoints, float]:
        """The best cuts reached from these, and their signed score."""
        last = len(self.borders) - 1
        places = np.r_[0, np.searchsorted(self.borders, cuts).clip(0, last), last]
        best = -np.inf
        for _ in range(PASSES):
            before = best
            for cut in range(1, self.classes):
                places[cut], best = self._moved(places, cut)
            if best <= before + 1e-12:
                break
        return Cutpoints(tuple(self.borders[places[1:-1]].tolist())), best

    def _moved(self, places: np.ndarray, cut: int) -> tuple[int, float]:
        """The best place for one cut between its neighbours."""
        room = np.arange(places[cut - 1], places[cut + 1] + 1)
        fewest = max(8, 200_000 // self.classes**2)
        if len(room) > fewest:
            room = np.unique(np.r_[places[cut], np.linspace(room[0], room[-1], fewest).astype(int)])
        edges = np.repeat(places[None], len(room), axis=0)
        edges[:, cut] = room
        tables = np.diff(self.below[edges], axis=1).swapaxes(1, 2)
        found = self.metric.sign * _of_tables(self.metric, tables)
        place = _middle_of_best(found)
        return int(room[place]), float(found[place])


# A distribution a row.

def _plain_argmax(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Decision:
    return Argmax()


def _prior_weights(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Argmax:
    """Class weights share ** -power: power 1 is best for balanced accuracy where the probabilities are true."""
    shares = (np.bincount(truth.astype(np.int64), minlength=raw.shape[1]) + 1.0) / (len(truth) + raw.shape[1])
    rivals = [Argmax(tuple((shares**-power / np.max(shares**-power)).tolist())) for power in np.linspace(0, 1, 9)]
    return max(rivals, key=lambda rival: metric.sign * metric.score(truth, rival.apply(raw)))


def _class_weights(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Argmax:
    """Halfway, in logarithms, between the prior weights and those that a search climbs to from there.

    The search alone reads too much into classes of few rows. Macro F1 on new rows, prior / searched / halfway: 0.562 /
    0.559 / 0.565 from 2,000 rows of 5 classes, 0.381 / 0.381 / 0.388 from 5,000 rows of 12.
    """
    prior = np.array(_prior_weights(metric, truth, raw).weights)
    weights = np.sqrt(prior * _climbed(metric, truth.astype(np.int64), raw, prior))
    return Argmax(tuple((weights / weights.max()).tolist()))


def _climbed(metric: Metric, codes: np.ndarray, raw: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coordinate ascent from these weights: each in turn to the best of a grid, the others held; their product stays."""
    start = weights
    for _ in range(2):
        for label in range(len(weights)):
            factor = np.ones(len(weights))
            factor[label] = _best_factor(metric, codes, raw * weights, label)
            weights = weights * factor
    return np.asarray(weights / np.exp(np.mean(np.log(weights / start))))


def _best_factor(metric: Metric, codes: np.ndarray, weighted: np.ndarray, label: int, places: int = 64) -> float:
    """By what to multiply the weight of `label`: rows go over to it in the order of how little they lack.

    All `places` of a grid of factors from 1/8 to 8 are scored at once, from counts of (true, given) at each.
    """
    classes = weighted.shape[1]
    others = weighted.copy()
    others[:, label] = -1.0
    rival = np.argmax(others, axis=1)
    needed = others[np.arange(len(codes)), rival] / np.maximum(weighted[:, label], 1e-300)
    factors = np.geomspace(1 / 8, 8, places + 1)
    joins = np.searchsorted(factors, needed)  # the first factor that takes the row over
    shape = (places + 2, classes, classes)
    moved = np.bincount((joins * classes + codes) * classes + rival, minlength=int(np.prod(shape))).reshape(shape)
    tables = (moved.sum(axis=0) - np.cumsum(moved, axis=0)).astype(float)
    tables[:, :, label] += np.cumsum(moved.sum(axis=2), axis=0)
    found = metric.sign * _of_tables(metric, tables[:-1])
    now = places // 2
    place = _middle_of_best(found)
    return float(factors[place]) if found[place] > found[now] + 1e-12 else 1.0


# Flags for each label.

def _one_of_each(truth: np.ndarray) -> tuple[int, ...]:
    """The sizes of the runs of columns in each of which every row has one flag."""
    sizes, first = [], 0
    for end in range(1, truth.shape[1] + 1):
        if (truth[:, first:end].sum(axis=1) == 1).all():
            sizes.append(end - first)
            first = end
    left = truth.shape[1] - first  # classes that none of these rows has
    return (*sizes[:-1], sizes[-1] + left) if sizes else (left,)


def _half_for_labels(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Decision:
    return LabelThresholds((0.5,) * raw.shape[1])


def _never_empty(fit: Fit, metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Decision:
    """What another finds, with at least one label in each row."""
    found = fit(metric, truth, raw)
    assert isinstance(found, LabelThresholds)
    return replace(found, never_empty=True)


def _one_threshold(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Decision:
    """One threshold for all columns, the best of a grid of quantiles."""
    values = np.unique(np.quantile(raw, np.linspace(0.02, 0.999, PLACES)))
    rivals = [LabelThresholds((float(value),) * raw.shape[1]) for value in values]
    return max(rivals, key=lambda rival: metric.sign * metric.score(truth, rival.apply(raw)))


def _threshold_each(metric: Metric, truth: np.ndarray, raw: np.ndarray) -> Decision:
    """A threshold for each column: exact for macro F1, and for micro F1, which stands in for F1 averaged over rows."""
    if metric.name == "f1_macro":
        fallback = _one_threshold(metric, truth, raw)
        assert isinstance(fallback, LabelThresholds)
        return LabelThresholds(tuple(map(_column_threshold, truth.T, raw.T, fallback.at)))
    return _micro_thresholds(truth, raw)


def _column_threshold(truth: np.ndarray, raw: np.ndarray, fallback: float) -> float:
    return best_threshold(METRICS["f1"], truth, raw).at if truth.any() else fallback


def _micro_thresholds(truth: np.ndarray, raw: np.ndarray) -> LabelThresholds:
    """Dinkelbach: with F the score so far, every column maximises 2 TP - F * given; F rises until nothing changes."""
    columns = [_counts_above(t, r) for t, r in zip(truth.T, raw.T, strict=True)]
    score, positives = 0.0, truth.sum()
    for _ in range(20):
        picks = [int(np.argmax(2 * both - score * given)) for both, given, _ in columns]
        both, given = (sum(column[part][pick] for column, pick in zip(columns, picks, strict=True)) for part in (0, 1))
        better = 2 * both / max(positives + given, 1)
        if better <= score + 1e-12:
            break
        score = better
    return LabelThresholds(tuple(float(column[2][pick]) for column, pick in zip(columns, picks, strict=True)))
