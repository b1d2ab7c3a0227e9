"""Predicts what a user makes of an item: biases, matrix factorisation, neighbours, and the next item of a history.

Nothing but two columns of levels and the target is used; boosters rank again with all the rest beside.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy import sparse

from . import columns, encoders, losses, splits
from .losses import Goal

FEWEST = 40         # levels that users, and items, have at least
MOST_COLUMNS = 200  # of tables that are looked through
MOST_SIDE = 4_000   # of users or items, between which likenesses are computed
MOST_PRODUCTS = 2e9  # of likenesses with what is known, some seconds of them
SAME = 0.5          # share of levels that both sides have, from which they are things of one kind
TOLD = 0.3          # correlation of what things are worth on both sides, from which a pair counts the other way round too
SHRINK = 10.0       # imagined rows without a bias; also of a likeness

Pair = tuple[np.ndarray, np.ndarray]  # user numbers, item numbers


def pair_of(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace) -> tuple[str, str] | None:
    """The two columns of levels that pair users with items: many levels each, several rows a level, hardly a pair twice.

    Whole numbers that look like codes count as levels. None where there are no such columns.
    """
    names = columns.named(train, task, "categorical", "numeric") if train.shape[1] <= MOST_COLUMNS else []
    whole = [name for name in names if _is_coded(train[name])]
    sizes = {name: int(train[name].nunique()) for name in whole}
    fitting = sorted((name for name in whole if FEWEST <= sizes[name] <= len(train) / 4), key=lambda name: -sizes[name])[:4]
    for place, first in enumerate(fitting):
        for second in fitting[place + 1 :]:
            known = all(predict[name].isin(train[name].unique()).mean() > 0.5 for name in (first, second))
            if known and train[[first, second]].duplicated().mean() < 0.05 and _crossed(train, first, second):
                return first, second
    return None


def _is_coded(column: pd.Series) -> bool:
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return True
    values = columns.numbers(column)
    return bool(np.isfinite(values).all() and (values == np.floor(values)).all() and values.min() >= 0)


def _crossed(train: pd.DataFrame, first: str, second: str) -> bool:
    """Whether neither column hangs on the other: an item's rows are of many users, and a user's of many items."""
    groups = train.groupby(first, observed=True)[second].nunique(), train.groupby(second, observed=True)[first].nunique()
    return all(group.mean() >= 3 for group in groups)


def _numbered(
    train: pd.DataFrame, predict: pd.DataFrame, names: tuple[str, str],
) -> tuple[Pair, Pair, tuple[int, int], bool]:
    """Numbers of both sides' levels, for train and predict rows, how many there are, and whether they are of one kind: the same
    numbers for the same levels where both sides have mostly the same ones, as teams or friends."""
    sides = [set(train[name].dropna().unique()) for name in names]
    if len(sides[0] & sides[1]) >= SAME * len(sides[0] | sides[1]):
        both = [pd.concat([frame[name] for name in names], ignore_index=True) for frame in (train, predict)]
        a, b, size = columns.codes(*both)
        return (a[: len(train)], a[len(train):]), (b[: len(predict)], b[len(predict):]), (size, size), True
    coded = [columns.codes(train[name], predict[name]) for name in names]
    return (coded[0][0], coded[1][0]), (coded[0][1], coded[1][1]), (coded[0][2], coded[1][2]), False


def _both_ways(pair: Pair, values: np.ndarray, sizes: tuple[int, int]) -> tuple[Pair, np.ndarray]:
    """Pairs of things of one kind also the other way round, where what a thing is worth on one side it is worth on the other
    (friends), or costs there (teams)."""
    mean, one, two = _biases(pair, values, sizes)
    known = np.flatnonzero((np.bincount(pair[0], minlength=sizes[0]) > 1) & (np.bincount(pair[1], minlength=sizes[1]) > 1))
    told = float(np.corrcoef(one[known], two[known])[0, 1]) if len(known) > 10 and one[known].std() * two[known].std() else 0.0
    if abs(told) < TOLD:
        return pair, values
    turned = values if told > 0 else 2 * mean - values
    return (np.concatenate(pair), np.concatenate(pair[::-1])), np.concatenate([values, turned])


def features(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    rank: int = 8,
    folds: int = 4,
) -> columns.Frames:
    """Adds `pair_bias`, `pair_factors` and `pair_near`: what the biases, the factors and the neighbours of user and item
    expect of the target (of its first columns), for train rows from the other folds only. Without a pair of columns
    (`pair_of`) nothing changes."""
    names = pair_of(train, predict, task)
    if names is None:
        return train, predict
    a, b, sizes, one_kind = _numbered(train, predict, names)
    number = splits.fold_numbers(train, target, task, folds)
    left: dict[str, np.ndarray] = {}
    right: dict[str, np.ndarray] = {}
    for j, values in enumerate(losses.target_columns(target, task, most=3).T):
        inside = np.empty((len(train), 3))
        for fold in np.unique(number):
            held = number == fold
            shown = (a[0][held], a[1][held])
            inside[held] = expected((a[0][~held], a[1][~held]), values[~held], shown, sizes, rank=rank, seed=task.seed,
                                    one_kind=one_kind)
        outside = expected(a, values, b, sizes, rank=rank, seed=task.seed, one_kind=one_kind)
        for k, part in enumerate(("bias", "factors", "near")):
            name = f"pair_{part}" + (f"_{j}" if j else "")
            left[name], right[name] = inside[:, k], outside[:, k]
    return columns.beside(train, left), columns.beside(predict, right)


def expected(
    pair: Pair, values: np.ndarray, shown: Pair, sizes: tuple[int, int], *, rank: int, seed: int, one_kind: bool = False,
) -> np.ndarray:
    """(rows, 3) expectations of the shown pairs: overall mean and biases; those and factors; those and neighbours. one_kind:
    both sides are numbered alike."""
    pair, values = _both_ways(pair, values, sizes) if one_kind else (pair, values)
    mean, users, items = _biases(pair, values, sizes)
    rest = values - mean - users[pair[0]] - items[pair[1]]
    flat = mean + users[shown[0]] + items[shown[1]]
    one, two = _factors(pair, rest, sizes, rank=rank, seed=seed)
    return np.column_stack([flat, flat + (one[shown[0]] * two[shown[1]]).sum(axis=1), flat + _near(pair, rest, shown, sizes)])


def _biases(pair: Pair, values: np.ndarray, sizes: tuple[int, int]) -> tuple[float, np.ndarray, np.ndarray]:
    """The mean, and shrunken effects of users and items, fitted in turns."""
    mean = float(values.mean())
    users, items = np.zeros(sizes[0]), np.zeros(sizes[1])
    for _ in range(4):
        items = _effects(pair[1], values - mean - users[pair[0]], sizes[1])
        users = _effects(pair[0], values - mean - items[pair[1]], sizes[0])
    return mean, users, items


def _effects(code: np.ndarray, rest: np.ndarray, levels: int) -> np.ndarray:
    return np.asarray(np.bincount(code, weights=rest, minlength=levels) / (np.bincount(code, minlength=levels) + SHRINK))


def _factors(
    pair: Pair, rest: np.ndarray, sizes: tuple[int, int], *, rank: int, seed: int, rounds: int = 6, penalty: float = 0.06
) -> tuple[np.ndarray, np.ndarray]:
    """Factors of users and items whose products fit the rest, by alternating least squares with a penalty that grows with
    a level's rows (Zhou et al. 2008)."""
    random = np.random.default_rng(seed)
    scale = float(rest.std()) or 1.0
    users, items = np.zeros((sizes[0], rank)), random.normal(0, 0.3, (sizes[1], rank))
    sides = [_sorted(pair[0], pair[1], rest / scale), _sorted(pair[1], pair[0], rest / scale)]
    for _ in range(rounds):
        users = _solved(sides[0], items, sizes[0], penalty)
        items = _solved(sides[1], users, sizes[1], penalty)
    return users * scale, items


def _sorted(own: np.ndarray, other: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, ...]:
    """Levels that occur, where their rows begin, how many there are; and the rows by level: other side's level, value."""
    order = np.argsort(own, kind="stable")
    levels, first, counts = np.unique(own[order], return_index=True, return_counts=True)
    return levels, first, counts, other[order], rest[order]


def _solved(side: tuple[np.ndarray, ...], other: np.ndarray, levels: int, penalty: float) -> np.ndarray:
    found, first, counts, place, rest = side
    rows = other[place]
    rank = other.shape[1]
    squares = np.empty((len(found), rank, rank))
    for k in range(rank):
        squares[:, k] = np.add.reduceat(rows * rows[:, k : k + 1], first, axis=0)
    right = np.add.reduceat(rows * rest[:, None], first, axis=0)
    squares += (penalty * (counts + SHRINK))[:, None, None] * np.eye(rank)
    made = np.zeros((levels, rank))
    made[found] = np.linalg.solve(squares, right[:, :, None])[:, :, 0]
    return made


def _near(pair: Pair, rest: np.ndarray, shown: Pair, sizes: tuple[int, int]) -> np.ndarray:
    """What is left of the same item by users alike, and of the same user of items alike: a mean of both by their weights."""
    users, items = (_alike(own, other, asked, about, rest, size, width) for own, other, asked, about, size, width in (
        (*pair, *shown, *sizes), (*pair[::-1], *shown[::-1], *sizes[::-1])))
    return (users[0] + items[0]) / (users[1] + items[1] + 0.5)


def _alike(
    own: np.ndarray, other: np.ndarray, asked: np.ndarray, about: np.ndarray, rest: np.ndarray, size: int, width: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Sums (n,) over levels like the asked ones of what is left of what is asked about, weighted, and of the weights."""
    if size > MOST_SIDE or size * (len(rest) + width) > MOST_PRODUCTS:
        return np.zeros(len(asked)), np.zeros(len(asked))
    table, flags = (sparse.csr_matrix((values, (own, other)), shape=(size, width)) for values in (rest, np.ones(len(rest))))
    length = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    common = (flags @ flags.T).toarray()
    like = (table @ table.T).toarray() / np.maximum(np.outer(length, length), 1e-9) * (common / (common + SHRINK))
    np.fill_diagonal(like, 0.0)
    like = np.maximum(like, 0.0)
    return (table.T @ like)[about, asked], (flags.T @ like)[about, asked]


def factors(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    rank: int = 12,
    near: float = 0.4,
) -> np.ndarray:
    """Predictions from user and item alone: biases, factors and, by `near` of the weight, neighbours. The prior where there
    is no such pair of columns."""
    names = pair_of(train, predict, task)

    def fit(goal: Goal) -> np.ndarray:
        goal = losses.plain(goal)
        if names is None or goal.loss == "softmax":
            return losses.prior(goal, len(predict))
        a, b, sizes, one_kind = _numbered(train, predict, names)
        found = expected(a, goal.labels.astype(float), b, sizes, rank=rank, seed=task.seed, one_kind=one_kind)
        mixed = (1 - near) * found[:, 1] + near * found[:, 2]
        return np.clip(mixed, 1e-3, 1 - 1e-3) if goal.loss == "logistic" else mixed

    return losses.solve(target, task, len(predict), fit)


def next_item(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    user: str | None = None,
    own: float = 1.0,
    alike: float = 1.0,
) -> np.ndarray:
    """Shares of each class where the classes are items and rows are choices of users: how popular an item is, what the
    user (None: the column with most repeating levels) chose before, and what those chose who chose the same."""
    name = user or _chooser(train, predict, task)

    def fit(goal: Goal) -> np.ndarray:
        popular = losses.prior(goal, len(predict))
        if goal.loss != "softmax" or name is None:
            return popular
        a, b, levels = columns.codes(train[name], predict[name])
        history = sparse.csr_matrix((np.ones(len(a)), (a, goal.labels)), shape=(levels, goal.classes))
        history.data = np.log1p(history.data)
        length = np.sqrt(np.asarray(history.multiply(history).sum(axis=0)).ravel()) + 1e-9
        together = (sparse.diags(1 / length) @ (history.T @ history) @ sparse.diags(1 / length)).tocsr()
        together.setdiag(0)
        weights = own * history + alike * (history @ together)
        raw = weights.tocsr()[b].toarray() + 0.1 * np.log1p(1e4 * popular)
        shares = popular * 0.2 + raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-9)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    return losses.solve(target, task, len(predict), fit)


def _chooser(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace) -> str | None:
    """The column of levels with the most of them, of those that repeat and come back in the rows to predict."""
    counts = encoders.code_levels(train, predict, columns.named(train, task, "numeric"), fewest=10, rows=2)
    counts |= {name: int(train[name].nunique()) for name in columns.named(train, task, "categorical")}
    known = {name: count for name, count in counts.items()
             if 10 <= count <= len(train) / 2 and predict[name].isin(train[name]).mean() > 0.5}
    return max(known, key=lambda name: known[name], default=None)


