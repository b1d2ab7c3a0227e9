"""The formulas of the metrics, in NumPy, since hill climbing asks for them hundreds of times on all rows.

Every function takes (truth, prediction): (n,) or (n, k) arrays of equal length in the form that is submitted. Where the
formula has no value (AUC of one class) it raises Undefined. The tests hold them equal to scikit-learn's. scikit-learn and
SciPy are loaded by what calls them: they take two seconds of processor time, and most commands score nothing.
"""

import numpy as np

SMALLEST = 1e-15


class Undefined(ValueError):
    """The metric has no value for this truth; the message says why."""


def auc(truth: np.ndarray, probability: np.ndarray) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties counting half.

    Ten times as fast as sklearn.metrics.roc_auc_score: two sorts of parts and no curve.
    """
    negative, positive = np.sort(probability[truth == 0]), np.sort(probability[truth != 0])
    if not len(negative) or not len(positive):
        only = "positive" if len(positive) else "negative"
        raise Undefined(f"AUC needs both classes; all {len(truth)} rows are {only}")
    below = np.searchsorted(negative, positive, side="left").sum()
    up_to = np.searchsorted(negative, positive, side="right").sum()
    return float((below + up_to) / (2.0 * len(negative) * len(positive)))


def mean_auc(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean of the columns' AUC, over the columns in which both classes occur; class codes (n,) are one-vs-rest."""
    truth = indicators(truth, probabilities.shape[1])
    both = [j for j, column in enumerate(truth.T) if column.min() != column.max()]
    if not both:
        raise Undefined("mean AUC needs a column with both classes; every column has one class only")
    return float(np.mean([auc(truth[:, j], probabilities[:, j]) for j in both]))


def indicators(truth: np.ndarray, width: int) -> np.ndarray:
    """Class codes (n,) as columns of 0 and 1 (n, width); columns stay as they are."""
    return truth if truth.ndim == 2 else (truth[:, None] == np.arange(width)).astype(np.int64)


def average_precision(truth: np.ndarray, probability: np.ndarray) -> float:
    """The mean precision at the places of the positives when rows are sorted by probability; rows of equal probability share
    the precision of the last of them. The area under the precision-recall curve as a step function."""
    if not (truth != 0).any():
        raise Undefined(f"average precision needs a positive row; none of {len(truth)} is one")
    order = np.argsort(-probability, kind="stable")
    positive = truth[order] != 0
    last = np.append(np.diff(probability[order]) != 0, True)
    found, seen = np.cumsum(positive)[last], np.flatnonzero(last) + 1
    return float((np.diff(found, prepend=0) * found / seen).sum() / found[-1])


def brier(truth: np.ndarray, probability: np.ndarray) -> float:
    """Mean squared difference of the probability from 0 or 1 (Brier 1950)."""
    return float(np.square(truth - probability).mean())


def log_loss(truth: np.ndarray, probability: np.ndarray) -> float:
    """Mean negative log of what the true class was given, clipped at 1e-15; a distribution is rescaled to sum to 1."""
    if probability.ndim == 1:
        right = np.where(truth == 1, probability, 1.0 - probability)
        return float(-np.log(np.clip(right, SMALLEST, 1.0)).mean())
    clipped = np.maximum(probability, SMALLEST)
    right = clipped[np.arange(len(truth)), truth.astype(np.intp)]
    return float((np.log(clipped.sum(axis=1)) - np.log(right)).mean())


def mean_log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean of the columns' binary log losses."""
    return log_loss(truth.ravel(), probabilities.ravel())


def rmse(truth: np.ndarray, value: np.ndarray) -> float:
    return float(np.sqrt(np.square(truth - value).mean()))


def mse(truth: np.ndarray, value: np.ndarray) -> float:
    return float(np.square(truth - value).mean())


def mean_rmse(truth: np.ndarray, values: np.ndarray) -> float:
    return float(np.sqrt(np.square(truth - values).mean(axis=0)).mean())


def rmsle(truth: np.ndarray, value: np.ndarray) -> float:
    """RMSE of log(1 + y); negative predictions count as 0. Undefined for a truth of -1 or less."""
    return rmse(*_logs(truth, value))


def msle(truth: np.ndarray, value: np.ndarray) -> float:
    """MSE of log(1 + y): the square of RMSLE."""
    return mse(*_logs(truth, value))


def mean_rmsle(truth: np.ndarray, values: np.ndarray) -> float:
    return mean_rmse(*_logs(truth, values))


def _logs(truth: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if truth.min() < 0:
        raise Undefined(f"RMSLE needs a truth of 0 or more; the smallest is {truth.min():g}")
    return np.log1p(truth), np.log1p(np.maximum(value, 0.0))


def mae(truth: np.ndarray, value: np.ndarray) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(truth, value))


def medae(truth: np.ndarray, value: np.ndarray) -> float:
    """Median absolute error."""
    return float(np.median(np.abs(truth - value)))


def pearson(truth: np.ndarray, value: np.ndarray) -> float:
    """Pearson's correlation; 0 for a constant prediction."""
    if truth.min() == truth.max():
        raise Undefined("a correlation needs a truth that varies")
    if value.min() == value.max():
        return 0.0
    return float(np.corrcoef(truth, value)[0, 1])


def spearman(truth: np.ndarray, value: np.ndarray) -> float:
    """Spearman's rank correlation, ties with their mean rank; 0 for a constant prediction."""
    from scipy.stats import rankdata

    return pearson(rankdata(truth), rankdata(value))


def mape(truth: np.ndarray, value: np.ndarray) -> float:
    """Mean of |error / truth| as a fraction, over the rows whose truth is not 0."""
    return float(np.abs(_relative_errors(truth, value)).mean())


def rmspe(truth: np.ndarray, value: np.ndarray) -> float:
    """Root of the mean of (error / truth)^2 as a fraction, over the rows whose truth is not 0 (as in Rossmann)."""
    return float(np.sqrt(np.square(_relative_errors(truth, value)).mean()))


def _relative_errors(truth: np.ndarray, value: np.ndarray) -> np.ndarray:
    kept = truth != 0
    if not kept.any():
        raise Undefined(f"a relative error needs a truth other than 0; all {len(truth)} are 0")
    return np.asarray((value[kept] - truth[kept]) / truth[kept])


def smape(truth: np.ndarray, value: np.ndarray) -> float:
    """Symmetric mean absolute percentage error, 0 to 200; a row with truth and prediction 0 counts as 0."""
    size = np.abs(truth) + np.abs(value)
    return float(200.0 * np.divide(np.abs(truth - value), size, out=np.zeros(len(size)), where=size > 0).mean())


def r2(truth: np.ndarray, value: np.ndarray) -> float:
    if truth.min() == truth.max():
        raise Undefined("R2 needs a truth that varies")
    from sklearn.metrics import r2_score

    return float(r2_score(truth, value))


def pinball(truth: np.ndarray, value: np.ndarray, quantile: float) -> float:
    """Quantile loss: an error upwards costs 1 - quantile a unit, one downwards the quantile."""
    from sklearn.metrics import mean_pinball_loss

    return float(mean_pinball_loss(truth, value, alpha=quantile))


def gini(truth: np.ndarray, value: np.ndarray) -> float:
    """Normalised Gini: how well the order of the predictions sorts the truth, 1 for perfect; 2 AUC - 1 for 0 and 1.

    Ties share their mean rank, so that the order of the rows does not matter (the loops seen on Kaggle let it).
    """
    from scipy.stats import rankdata

    centred = truth - truth.mean()
    perfect = centred @ rankdata(truth)
    if truth.min() == truth.max():
        raise Undefined("Gini needs a truth that varies")
    return float(centred @ rankdata(value) / perfect)


def concordance(truth: np.ndarray, risk: np.ndarray) -> float:
    """Harrell's concordance index. truth (n, 2): duration, event in {0, 1}; risk (n,): larger = earlier event.

    A pair counts when one row had its event while the other was still under observation, a row censored at the very
    time of the event included; equal risks count half. O(n log n): a pair's groups, numbered by time, differ first
    in one bit, and for each bit the rows before and after are counted in the order of risk.
    """
    duration, event = truth[:, 0], truth[:, 1] != 0
    order = np.argsort(risk, kind="stable")
    level = np.cumsum(np.diff(risk[order], prepend=risk[order[0]]) != 0)
    rows = np.stack([_time_groups(duration, event)[order], event[order], level])
    counts = np.zeros(3)
    for bit in reversed(range(int(rows[0].max()).bit_length())):
        rows, found = _pairs_split_at(bit, rows)
        counts += found
    concordant, tied, pairs = counts
    if not pairs:
        raise Undefined("concordance needs an event with a row that outlasts it; there is no such pair")
    return float((concordant + 0.5 * tied) / pairs)


def _time_groups(duration: np.ndarray, event: np.ndarray) -> np.ndarray:
    """(n,) codes ordered by duration, events before censored rows of the same duration."""
    _, code = np.unique(duration, return_inverse=True)
    return np.unique(2 * code + ~event, return_inverse=True)[1]


def _pairs_split_at(bit: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs whose group numbers differ first at `bit`: those in the right order of risk, those of equal risk, all.

    rows (3, n): group, event, level (which numbers the distinct risks), ascending in level within the blocks that share
    the higher bits. Also returns the rows so arranged for the next lower bit.
    """
    group, event, level = rows
    block = group >> (bit + 1)
    later = (group >> bit) & 1
    before = np.concatenate([[0], np.cumsum(later)])
    new_block = np.diff(block, prepend=-1) != 0
    start, end = _runs(new_block)
    tie_start, tie_end = _runs(new_block | (np.diff(level, prepend=-1) != 0))
    earlier = (event == 1) & (later == 0)
    lower, equal = before[tie_start] - before[start], before[tie_end] - before[tie_start]
    whole = before[end] - before[start]
    place = np.arange(len(group))
    ones = before[:-1] - before[start]
    zeros_first = np.where(later == 1, end - whole + ones, place - ones)
    arranged = np.empty_like(rows)
    arranged[:, zeros_first] = rows
    return arranged, np.array([lower[earlier].sum(), equal[earlier].sum(), whole[earlier].sum()], dtype=float)


def _runs(starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every row the first row of its run and the row after its last."""
    first, number = np.flatnonzero(starts), np.cumsum(starts) - 1
    return first[number], np.append(first[1:], len(starts))[number]


def sample_f1(truth: np.ndarray, labels: np.ndarray) -> float:
    """The mean over rows of 2 |A and B| / (|A| + |B|), where A and B are sets of labels (or pixels); 1 for two empty.

    A truth (n,) is one such set.
    """
    truth, labels = np.atleast_2d(truth) != 0, np.atleast_2d(labels) != 0
    size = truth.sum(axis=1) + labels.sum(axis=1)
    shared = 2.0 * (truth & labels).sum(axis=1)
    return float(np.divide(shared, size, out=np.ones(len(size)), where=size > 0).mean())


def sample_fbeta(truth: np.ndarray, labels: np.ndarray, beta: float) -> float:
    """The mean over rows of the F-beta of two sets of labels, flags (n, k); 1 for two empty ones."""
    truth, labels = truth != 0, labels != 0
    size = beta**2 * truth.sum(axis=1) + labels.sum(axis=1)
    shared = (1 + beta**2) * (truth & labels).sum(axis=1)
    return float(np.divide(shared, size, out=np.ones(len(size)), where=size > 0).mean())


def shared_of_true(truth: np.ndarray, labels: np.ndarray) -> float:
    """The share of the true flags (n, k) that are given: of classes of several columns, one flag each, the mean accuracy."""
    true = (truth != 0).sum()
    if not true:
        raise Undefined("mean accuracy needs labels; there are none")
    return float(((truth != 0) & (labels != 0)).sum() / true)


def sample_jaccard(truth: np.ndarray, labels: np.ndarray) -> float:
    """The mean over rows of |A and B| / |A or B|, where A and B are sets of labels, flags (n, k); 1 for two empty ones."""
    truth, labels = truth != 0, labels != 0
    size, shared = (truth | labels).sum(axis=1), (truth & labels).sum(axis=1)
    return float(np.divide(shared, size, out=np.ones(len(size)), where=size > 0).mean())


def reciprocal_rank(truth: np.ndarray, ranked: np.ndarray, k: int) -> float:
    """MAP@k where each row has one true code: 1 / place of it in `ranked` (n, k codes, best first), 0 when absent."""
    return float(np.where(_hit(truth, ranked, k), 1.0 / np.arange(1, k + 1), 0.0).max(axis=1).mean())


def discounted_gain(truth: np.ndarray, ranked: np.ndarray, k: int) -> float:
    """NDCG@k where each row has one true code: 1 / log2(1 + place of it in `ranked`), 0 when absent."""
    return float(np.where(_hit(truth, ranked, k), 1.0 / np.log2(np.arange(2, k + 2)), 0.0).max(axis=1).mean())


def _hit(truth: np.ndarray, ranked: np.ndarray, k: int) -> np.ndarray:
    """(n, k) bool: which place holds the true code; places that are not given hold nothing."""
    given = ranked[:, :k] == truth[:, None]
    return np.pad(given, ((0, 0), (0, k - given.shape[1])))


def confusion(truth: np.ndarray, labels: np.ndarray, *, classes: int) -> np.ndarray:
    """(classes, classes) counts of rows by true code and given code."""
    cells = truth.astype(np.int64) * classes + labels.astype(np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(float)


def accuracy(table: np.ndarray) -> np.ndarray:
    """table: confusion counts (..., k, k), true class by given class; so in all the functions below. Returns (...)."""
    return np.asarray(_diagonal(table).sum(axis=-1) / table.sum(axis=(-2, -1)))


def balanced_accuracy(table: np.ndarray) -> np.ndarray:
    """The mean recall over the classes that occur in the truth."""
    return _mean_where(_diagonal(table), table.sum(axis=-1))


def f1(table: np.ndarray) -> np.ndarray:
    """F1 of class 1 of two. Undefined without a positive row."""
    return fbeta(table, 1.0)


def fbeta(table: np.ndarray, beta: float) -> np.ndarray:
    """F-beta of class 1 of two: recall counts beta times as much as precision. Undefined without a positive row."""
    if table[..., 1, :].sum() == 0:
        raise Undefined(f"F{beta:g} needs a positive row; there is none")
    weight = beta**2
    true, given = table[..., 1, :].sum(axis=-1), table[..., :, 1].sum(axis=-1)
    return np.asarray((1 + weight) * table[..., 1, 1] / (weight * true + given))


def f1_macro(table: np.ndarray) -> np.ndarray:
    """The mean F1 over the classes that occur in the truth or in the prediction."""
    return _mean_where(2 * _diagonal(table), table.sum(axis=-1) + table.sum(axis=-2))


def mcc(table: np.ndarray) -> np.ndarray:
    """Matthews correlation for k classes (Gorodkin 2004); 0 for a constant prediction, Undefined for such a truth."""
    n, true, given = table.sum(axis=(-2, -1)), table.sum(axis=-1), table.sum(axis=-2)
    covariance = _diagonal(table).sum(axis=-1) * n - (true * given).sum(axis=-1)
    spread_true, spread_given = n**2 - (true**2).sum(axis=-1), n**2 - (given**2).sum(axis=-1)
    if not np.all(spread_true > 0):
        raise Undefined("MCC needs two classes in the truth; there is one")
    size = np.sqrt(spread_true * spread_given)
    return np.divide(covariance, size, out=np.zeros_like(size), where=size > 0)


def qwk(table: np.ndarray) -> np.ndarray:
    """Cohen's kappa with the squared difference of the codes as weight. Undefined for a constant truth."""
    codes = np.arange(table.shape[-1])
    return _kappa(table, np.square(codes[:, None] - codes))


def kappa(table: np.ndarray) -> np.ndarray:
    """Cohen's kappa: agreement beyond chance, all errors alike (Cohen 1960). Undefined for a constant truth."""
    return _kappa(table, 1 - np.eye(table.shape[-1]))


def _kappa(table: np.ndarray, distance: np.ndarray) -> np.ndarray:
    true, given = table.sum(axis=-1), table.sum(axis=-2)
    if not np.all((true > 0).sum(axis=-1) > 1):
        raise Undefined("kappa needs two classes in the truth; there is one")
    expected = np.einsum("...i,ij,...j->...", true, distance, given) / table.sum(axis=(-2, -1))
    return np.asarray(1.0 - (table * distance).sum(axis=(-2, -1)) / expected)


def binary_tables(both: np.ndarray, true: np.ndarray, given: np.ndarray, n: int) -> np.ndarray:
    """(..., 2, 2) confusion counts from the numbers of true positives, of positives and of given positives."""
    false = given - both
    missed = true - both
    return np.stack([np.stack([n - true - false, false], -1), np.stack([missed, both], -1)], -2).astype(float)


def _diagonal(table: np.ndarray) -> np.ndarray:
    return np.diagonal(table, axis1=-2, axis2=-1)


def _mean_where(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The mean of part / whole over the last axis, where whole is not 0."""
    share = np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
    return np.asarray(share.sum(axis=-1) / (whole > 0).sum(axis=-1))


def f1_macro_of_columns(truth: np.ndarray, labels: np.ndarray) -> float:
    """Multilabel F1, the mean over the columns with a positive in truth or prediction; 1 where there is none at all."""
    shared, size = _shared_and_size(truth, labels)
    return float(_mean_where(2 * shared, size)) if size.any() else 1.0


def f1_micro_of_columns(truth: np.ndarray, labels: np.ndarray) -> float:
    """Multilabel F1 of all cells together; 1 where nothing is positive."""
    shared, size = _shared_and_size(truth, labels)
    return float(2 * shared.sum() / size.sum()) if size.any() else 1.0


def _shared_and_size(truth: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each column |A and B| and |A| + |B| of the positives in truth and prediction."""
    truth, labels = truth != 0, labels != 0
    counts = [np.count_nonzero(part, axis=0) for part in (truth & labels, truth, labels)]
    return counts[0], counts[1] + counts[2]
