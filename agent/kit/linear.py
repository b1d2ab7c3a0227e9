"""Fits linear and kernel models: ridge and logistic regression, support vectors, additive effects of levels."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel

from . import clock, losses, matrix, penalties, splits
from .losses import Goal

Matrix = Any  # a dense array or a scipy CSR matrix
Machine = tuple[str, float, float]  # scale, width and cost of support vectors
LESS, MORE = (10.0, 1.0, 0.1), (100.0, 1000.0, 10_000.0)  # penalties in the order of agent/kit/penalties.py
LEAST = (0.01, 0.001, 0.0001)  # further ones of least squares where columns are nearly as many as rows, as in spectra
TEXT_LESS, TEXT_MORE = (1.0, 0.3, 0.1, 0.03, 0.01), (10.0, 100.0)  # of several classes on many sparse columns
TOLERANCE = 5e-5
COSTS = (2.0, 10.0)
WIDTHS = (0.3, 1.0)
CHUNK = 2_000  # rows that machines are asked about at once
ROOM = 1 << 30  # bytes of kernels, or of a dense matrix
FEW, FULL = 500, 0.2  # columns, and share of values that are not zero, for which a matrix is dense
TURNED = 2e10  # products that turning a matrix may take


def regularised(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    scale: str = "standard",
    splines: int = 0,
    strength: float | None = None,
) -> np.ndarray:
    """Predictions of ridge (numbers) or logistic regression (classes) on scaled numerics and one-hot levels.

    splines: knots of a cubic spline for each numeric (0: none). strength: the L2 penalty; None: chosen on a holdout.
    """
    a, b = matrix.numeric(train, predict, task, scale=scale)
    if splines and a.shape[1] <= 200:
        a, b = _splined(a, b, splines)
    c, d = matrix.one_hot(train, predict, task)
    left, right = sparse.hstack([sparse.csr_matrix(a), c], "csr"), sparse.hstack([sparse.csr_matrix(b), d], "csr")
    left, right = _turned(*_dense(left, right))
    return fit_matrix(left, right, train, target, task, strength=strength)


def _dense(left: Matrix, right: Matrix) -> tuple[Matrix, Matrix]:
    """As arrays where columns are few or zeros are: there a pass takes a tenth of the time."""
    rows, width = left.shape
    full = left.nnz > FULL * rows * width and 8 * (rows + right.shape[0]) * width < ROOM
    return (left.toarray(), right.toarray()) if width <= FEW or full else (left, right)


def _turned(left: Matrix, right: Matrix) -> tuple[Matrix, Matrix]:
    """Arrays of more columns than rows, turned so that they have as many: whatever the labels, the weights that an L2 penalty
    leaves are sums of rows (the representer theorem), so the model is the same."""
    rows, width = left.shape
    if sparse.issparse(left) or width <= rows or rows**2 * width > TURNED:
        return left, right
    axes, turned = np.linalg.qr(left.T)
    return turned.T, right @ axes


def biases(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    strength: float | None = None,
) -> np.ndarray:
    """Predictions from one additive effect for each level of each categorical, shrunk towards none.

    The baseline of user-by-item data (Koren et al. 2009, the biases); numerics enter scaled.
    """
    c, d = matrix.one_hot(train, predict, task, fewest=1, most=1_000_000)
    a, b = matrix.numeric(train, predict, task)
    left, right = sparse.hstack([sparse.csr_matrix(a), c], "csr"), sparse.hstack([sparse.csr_matrix(b), d], "csr")
    return fit_matrix(left, right, train, target, task, strength=strength)


def fit_matrix(
    left: Matrix,
    right: Matrix,
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    task: SimpleNamespace,
    *,
    strength: float | None = None,
) -> np.ndarray:
    """Predictions of a linear model on given matrices; the train frame only tells how to hold rows out."""

    def fit(goal: Goal) -> np.ndarray:
        goal = losses.plain(goal)
        if left.shape[1] == 0:
            return losses.prior(goal, right.shape[0])
        known = clock.chosen(task, "strength") or clock.hinted(task, "strength")
        penalty, shift = known or _choose(left, goal, splits.held_out(train, target, task), strength)
        clock.choose("strength", [penalty, shift])
        everything = np.ones(left.shape[0], dtype=bool)
        return fit_one(left, goal, everything, penalty)(right) + shift

    return losses.solve(target, task, right.shape[0], fit)


def fit_one(
    left: Matrix, goal: Goal, rows: np.ndarray, strength: float, model: LogisticRegression | None = None
) -> Callable[[Matrix], np.ndarray]:
    """A fitted linear model's predictor: probabilities for class goals, else numbers on the labels' scale. `model`: where
    a logistic fit goes on from."""
    kept = np.flatnonzero(rows)
    if goal.loss in ("logistic", "softmax"):
        fresh, model = model is None, model or _logistic(left, goal)
        steps = [step for step in (10.0, 1.0) if step > 2 * strength] if fresh and model.solver == "newton-cg" else []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the iteration limit is our time limit
            for step in (*steps, strength):  # Newton's method is quicker to a small penalty by way of larger ones
                model.set_params(C=1 / step).fit(left[kept], goal.labels[kept])
        if goal.loss == "logistic":
            return lambda x: np.asarray(model.predict_proba(x)[:, 1])
        return lambda x: np.asarray(model.predict_proba(x))
    wide = sparse.issparse(left)
    ridge = Ridge(alpha=strength, solver="sparse_cg" if wide else "cholesky", max_iter=300 if wide else None, tol=1e-4)
    ridge.fit(left[kept], goal.labels[kept], None if goal.weights is None else goal.weights[kept])
    return lambda x: np.asarray(ridge.predict(x))


def _logistic(left: Matrix, goal: Goal) -> LogisticRegression:
    """Of several classes on sparse columns Newton's method with conjugate gradients needs a third of L-BFGS's passes."""
    if sparse.issparse(left) and goal.loss == "softmax":
        return LogisticRegression(solver="newton-cg", max_iter=30, tol=TOLERANCE, warm_start=True)
    return LogisticRegression(max_iter=150, warm_start=True)


def _choose(left: Matrix, goal: Goal, held: np.ndarray, strength: float | None) -> tuple[float, float]:
    """The penalty that is best on the held rows, and the shift that makes an absolute or quantile loss least there."""
    classes = goal.loss in ("logistic", "softmax")
    if classes:
        held = splits.with_every_class(held, goal.labels)
    if not held.any() or held.all() or (classes and strength is not None):
        return strength or 1.0, 0.0
    shown, shifts = np.flatnonzero(held), dict[float, float]()
    path = _logistic(left, goal) if classes else None

    def loss(penalty: float) -> float:
        predicted, shift = fit_one(left, goal, ~held, penalty, path)(left[shown]), 0.0
        if goal.loss in ("absolute", "quantile"):
            shift = float(np.quantile(goal.labels[shown] - predicted, goal.quantile))
        shifts[penalty] = shift
        return losses.judge(goal, shown, predicted + shift)

    less, more = (TEXT_LESS, TEXT_MORE) if path is not None and path.solver == "newton-cg" else (LESS, MORE)
    less = less if classes or left.shape[0] > 2 * left.shape[1] else (*less, *LEAST)
    best = penalties.search(*((less, more) if strength is None else ([strength], [])), loss=loss, goal=goal)
    return best, shifts[best]


def _splined(a: np.ndarray, b: np.ndarray, knots: int) -> matrix.Arrays:
    from sklearn.preprocessing import SplineTransformer

    many = np.array([len(np.unique(column)) > knots + 2 for column in a.T], dtype=bool)
    if not many.any():
        return a, b
    turn = SplineTransformer(n_knots=knots, knots="quantile", extrapolation="linear").fit(a[:, many])
    return np.hstack([a, turn.transform(a[:, many])]), np.hstack([b, turn.transform(b[:, many])])


def support_vectors(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    scale: str | None = None,
    cost: float | None = None,
    width: float | None = None,
    exact_rows: int = 6_000,
    features: int = 600,
) -> np.ndarray:
    """Predictions of an RBF support-vector machine with calibrated probabilities; strong on smooth numeric data.

    scale as in matrix.numeric; cost is C; width times scikit-learn's own gamma is the kernel's; None: chosen by
    cross-fitted loss. Up to `exact_rows` train rows the kernel of all pairs is kept (8 bytes each); beyond, it is
    approximated by `features` Nystroem features under a linear model.
    """
    scales = [scale] if scale else ["standard", "common"]
    laid = {name: matrix.dense(train, predict, task, scale=name) for name in scales}
    if len(train) > exact_rows:
        left, right = _nystroem(*laid[scales[0]], features, width or 1.0, task.seed)
        return fit_matrix(left, right, train, target, task)
    kernels = _Kernels(laid)

    def fit(goal: Goal) -> np.ndarray:
        goal = losses.plain(goal)
        if laid[scales[0]][0].shape[1] == 0:
            return losses.prior(goal, len(predict))
        number = _spread(goal, splits.fold_numbers(train, target, task, 3))
        known = clock.chosen(task, "machine") or clock.hinted(task, "machine")
        if known:
            best, values = _best_machine(kernels, goal, number, [known[0]], [known[1]], [known[2]])
        else:
            widths, costs = (width,) if width else WIDTHS, (cost,) if cost else COSTS
            best, values = _best_machine(kernels, goal, number, scales, widths, costs)
        clock.choose("machine", best)
        return _machine(kernels, best, goal, values)

    return losses.solve(target, task, len(predict), fit)


def _nystroem(a: np.ndarray, b: np.ndarray, features: int, width: float, seed: int) -> matrix.Arrays:
    from sklearn.kernel_approximation import Nystroem

    if a.shape[1] == 0:
        return a, b
    gamma = 0.5 * width / a.shape[1]
    turn = Nystroem(gamma=gamma, n_components=min(features, len(a)), random_state=seed).fit(a)
    return turn.transform(a), turn.transform(b)


class _Kernels:
    """RBF kernels by scale and width, each worked out once for all classes, costs, targets and inner folds."""

    def __init__(self, laid: dict[str, matrix.Arrays]) -> None:
        self.laid = laid
        self.known: dict[tuple[str, float], np.ndarray] = {}

    def among(self, scale: str, width: float) -> np.ndarray:
        """The kernel of train rows with each other, (n, n); kept while there is room."""
        if (scale, width) not in self.known:
            rows = self.laid[scale][0]
            if sum(kernel.nbytes for kernel in self.known.values()) + 8 * len(rows) ** 2 > ROOM:
                self.known.clear()
            self.known[scale, width] = rbf_kernel(rows, gamma=width * _gamma(rows))
        return self.known[scale, width]

    def towards(self, scale: str, width: float) -> Iterator[np.ndarray]:
        """The kernel of predict rows with train rows, (rows, n) for each CHUNK of them."""
        rows, asked = self.laid[scale]
        for start in range(0, len(asked), CHUNK):
            yield rbf_kernel(asked[start : start + CHUNK], rows, gamma=width * _gamma(rows))


def _gamma(rows: np.ndarray) -> float:
    """The kernel's gamma as scikit-learn's SVC chooses it: "scale"."""
    return 1 / (rows.shape[1] * float(rows.var()) or 1.0)


def _spread(goal: Goal, number: np.ndarray) -> np.ndarray:
    """Fold numbers with the first row of each class in no fold (-1): every fit knows every class."""
    if goal.loss not in ("logistic", "softmax"):
        return number
    spread = number.copy()
    spread[np.unique(goal.labels, return_index=True)[1]] = -1
    return spread


def _best_machine(
    kernels: _Kernels, goal: Goal, number: np.ndarray, scales: Sequence[str], widths: Sequence[float], costs: Sequence[float]
) -> tuple[Machine, np.ndarray]:
    """Scale, width and cost with the least cross-fitted loss, as far as the time goes, and their cross-fitted decision
    values: each scale with each width at the first cost, then the best of them at the others."""
    rows = np.flatnonzero(number >= 0)
    best: tuple[float, Machine, np.ndarray] | None = None

    def look(machine: Machine) -> None:
        nonlocal best
        if best is not None and losses.seconds(goal) < 0:
            return
        values = _out_of_fold(kernels.among(*machine[:2]), goal, number, machine[2])
        found = losses.judge(goal, rows, _calibrated(goal, values, rows, values[rows]))
        if best is None or found < best[0]:
            best = (found, machine, values)

    for scale, width in product(scales, widths):
        look((scale, width, costs[0]))
    assert best is not None
    scale, width, _ = best[1]
    for cost in costs[1:]:
        look((scale, width, cost))
    return best[1], best[2]


def _out_of_fold(kernel: np.ndarray, goal: Goal, number: np.ndarray, cost: float) -> np.ndarray:
    values: np.ndarray | None = None
    for fold in np.unique(number[number >= 0]):
        held, rest = np.flatnonzero(number == fold), np.flatnonzero(number != fold)
        found = _decision(kernel[np.ix_(rest, rest)], goal, rest, cost)(kernel[np.ix_(held, rest)])
        values = np.zeros((len(kernel), found.shape[1])) if values is None else values
        values[held] = found
    assert values is not None
    return values


def _decision(kernel: np.ndarray, goal: Goal, rows: np.ndarray, cost: float) -> Callable[[np.ndarray], np.ndarray]:
    """Machines fitted on the kernel of the given rows: one for each class against the rest, whose margins calibrate
    better than the votes of class pairs, or one for a number."""
    from sklearn.svm import SVC, SVR

    labels = goal.labels[rows]
    if goal.loss in ("logistic", "softmax"):
        machines = [SVC(C=cost, kernel="precomputed").fit(kernel, labels == level) for level in _levels(goal)]
        return lambda x: np.column_stack([machine.decision_function(x) for machine in machines])
    mean, spread = labels.mean(), max(float(labels.std()), 1e-12)
    weights = None if goal.weights is None else goal.weights[rows]
    regressor = SVR(C=cost, epsilon=0.05, kernel="precomputed").fit(kernel, (labels - mean) / spread, weights)
    return lambda x: regressor.predict(x).reshape(-1, 1) * spread + mean


def _levels(goal: Goal) -> range:
    return range(goal.classes) if goal.loss == "softmax" else range(1, 2)


def _calibrated(goal: Goal, values: np.ndarray, rows: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Decision values as probabilities by a logistic curve for each class through out-of-fold values (Platt 1999)."""
    if goal.loss not in ("logistic", "softmax"):
        shift = np.quantile(goal.labels[rows] - values[rows, 0], goal.quantile) if goal.loss == "quantile" else 0.0
        return np.asarray(shown[:, 0] + shift)
    chances = [
        _curve(values[rows, k], goal.labels[rows] == level, shown[:, k]) for k, level in enumerate(_levels(goal))
    ]
    if goal.loss == "logistic":
        return chances[0]
    whole = np.column_stack(chances)
    return np.asarray(whole / np.maximum(whole.sum(axis=1, keepdims=True), 1e-12))


def _curve(values: np.ndarray, yes: np.ndarray, shown: np.ndarray) -> np.ndarray:
    if yes.all() or not yes.any():
        return np.full(len(shown), (yes.sum() + 0.5) / (len(yes) + 1))
    model = LogisticRegression(C=100.0, max_iter=200).fit(values[:, None], yes)
    return np.asarray(model.predict_proba(shown[:, None])[:, 1])


def _machine(kernels: _Kernels, machine: Machine, goal: Goal, values: np.ndarray) -> np.ndarray:
    scale, width, cost = machine
    rows = np.flatnonzero(np.abs(values).sum(axis=1) > 0)
    decide = _decision(kernels.among(scale, width), goal, np.arange(len(values)), cost)
    return _calibrated(goal, values, rows, np.concatenate([decide(part) for part in kernels.towards(scale, width)]))
