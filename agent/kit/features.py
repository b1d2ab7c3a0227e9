"""Adds columns: dates, missing flags, pairs and group statistics of the numerics that matter, digits, clusters."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd

from . import boosters, columns, losses, splits
from .columns import Frames

WIDE = 2_000  # columns beyond which blocks that look at every column leave the frame as it is


def dates(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, cyclic: bool = False, absolute: bool = True,
) -> Frames:
    """Replaces datetimes by days elapsed, year, month, day, weekday, day of year, hour (those that vary).

    Every two datetimes also give the days between them; cyclic adds sine and cosine of hour, weekday, day of year. Without
    `absolute` only what comes back is left, no days elapsed and no year: beyond the train rows' time trees know neither.
    """
    names = columns.named(train, task, "datetime")
    if task.time in names:
        splits.keep_time(train, task)
    left: dict[str, np.ndarray] = {}
    right: dict[str, np.ndarray] = {}
    for name in names:
        a, b = _date_parts(train[name], cyclic, absolute), _date_parts(predict[name], cyclic, absolute)
        telling = [part for part, values in a.items() if len(np.unique(values[~np.isnan(values)])) > 1]
        left |= {f"{name}_{part}": a[part] for part in telling}
        right |= {f"{name}_{part}": b[part] for part in telling}
    for one, two in combinations(names[:6], 2):
        left[f"{one}-{two}"] = columns.numbers(train[one]) - columns.numbers(train[two])
        right[f"{one}-{two}"] = columns.numbers(predict[one]) - columns.numbers(predict[two])
    return columns.beside(train.drop(columns=names), left), columns.beside(predict.drop(columns=names), right)


def _date_parts(column: pd.Series, cyclic: bool, absolute: bool) -> dict[str, np.ndarray]:
    when = column.dt
    parts = {
        **({"year": when.year} if absolute else {}),
        "month": when.month,
        "day": when.day,
        "weekday": when.day_of_week,
        "yearday": when.day_of_year,
        "hour": when.hour,
        "minute": when.minute,
    }
    numbers = {"elapsed": columns.numbers(column)} if absolute else {}
    numbers |= {part: values.to_numpy(dtype=float, na_value=np.nan) for part, values in parts.items()}
    if cyclic:
        for part, period in (("hour", 24), ("weekday", 7), ("yearday", 365.25)):
            angle = 2 * np.pi * numbers[part] / period
            numbers |= {f"{part}_sin": np.sin(angle), f"{part}_cos": np.cos(angle)}
    return numbers


def missing(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, most: int = 100) -> Frames:
    """Adds `<name>_missing` for columns that lack values in some train rows, and `missing_count` over all columns."""
    some = [str(name) for name, share in train.isna().mean().items() if 0 < share < 1][:most]
    if not some:
        return train, predict
    return _flags(train, some), _flags(predict, some)


def _flags(frame: pd.DataFrame, some: list[str]) -> pd.DataFrame:
    flags = {f"{name}_missing": frame[name].isna().to_numpy(float) for name in some}
    return columns.beside(frame, flags | {"missing_count": frame.isna().sum(axis=1).to_numpy(float)})


def relevance(
    train: pd.DataFrame, target: pd.Series | pd.DataFrame, task: SimpleNamespace, *, bins: int = 255
) -> "pd.Series[float]":
    """Each column's share of the gain of a quick LightGBM (60 trees, at most 10,000 rows), largest first."""
    import lightgbm as lgb

    rows = np.random.default_rng(task.seed).permutation(len(train))[:10_000]
    names = [
        name for name in train.columns if columns.role(train[name], task) in ("numeric", "categorical", "datetime")
    ]
    table = boosters.tabulate(train[names].iloc[rows], train[names].iloc[rows[:1]], task)
    if table.train.empty or len(rows) < 10:
        return pd.Series(0.0, index=names)
    gain = np.zeros(table.train.shape[1])
    for values in losses.target_columns(target, task, 4).T:
        settings = {
            "objective": "regression",
            "num_leaves": 15,
            "learning_rate": 0.1,
            "num_threads": task.threads,
            "seed": task.seed,
            "deterministic": True,
            "verbosity": -1,
            "min_child_samples": 10,
            "max_bin": bins,
        }
        model = lgb.train(settings, lgb.Dataset(table.train, values[rows], categorical_feature=table.categorical), 60)
        gain += model.feature_importance("gain") / max(values[rows].var(), 1e-12)
    found = pd.Series(gain, index=[names[int(short[1:])] for short in table.train.columns])
    return (found / max(found.sum(), 1e-12)).reindex(names, fill_value=0.0).sort_values(ascending=False, kind="stable")


def pairs(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    most: int = 6,
    kinds: tuple[str, ...] = ("ratio", "difference"),
) -> Frames:
    """Adds ratio, difference, product or sum of every two of the `most` numerics that matter most."""
    if train.shape[1] > WIDE:
        return train, predict
    top = _top(train, target, task, "numeric", most)
    left, right = {}, {}
    for one, two in combinations(top, 2):
        for kind in kinds:
            name = f"{one}{SIGNS[kind]}{two}"
            left[name], right[name] = (_combined(frame, one, two, kind) for frame in (train, predict))
    return columns.beside(train, left), columns.beside(predict, right)


SIGNS = {"ratio": "/", "difference": "-", "product": "*", "sum": "+"}


def _combined(frame: pd.DataFrame, one: str, two: str, kind: str) -> np.ndarray:
    a, b = columns.numbers(frame[one]), columns.numbers(frame[two])
    if kind == "ratio":
        return np.divide(a, b, out=np.full(len(a), np.nan), where=b != 0)
    return np.asarray({"difference": a - b, "product": a * b, "sum": a + b}[kind])


def _top(
    train: pd.DataFrame, target: pd.Series | pd.DataFrame, task: SimpleNamespace, what: str, most: int
) -> list[str]:
    gain = relevance(train, target, task)
    return [name for name in gain.index[gain > 0] if columns.role(train[name], task) == what][:most]


def group_aggregates(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    categoricals: int = 3,
    numerics: int = 4,
) -> Frames:
    """Adds mean and spread of the numerics that matter within the categoricals that matter, and the deviation.

    Statistics are over train and predict rows together; no label is used except to choose the columns.
    """
    if train.shape[1] > WIDE:
        return train, predict
    gain = relevance(train, target, task)
    ranked = [name for name in gain.index if gain[name] > 0]
    groups = [name for name in ranked if columns.role(train[name], task) == "categorical"][:categoricals]
    measured = [name for name in ranked if columns.role(train[name], task) == "numeric"][:numerics]
    left, right = {}, {}
    for group in groups:
        a, b, levels = columns.codes(train[group], predict[group])
        for name in measured:
            values = np.concatenate([columns.numbers(train[name]), columns.numbers(predict[name])])
            for part, new in _within(np.concatenate([a, b]), values, levels).items():
                left[f"{name}_{part}_by_{group}"], right[f"{name}_{part}_by_{group}"] = new[: len(a)], new[len(a) :]
    return columns.beside(train, left), columns.beside(predict, right)


def _within(code: np.ndarray, values: np.ndarray, levels: int) -> dict[str, np.ndarray]:
    known = ~np.isnan(values)
    count = np.maximum(np.bincount(code[known], minlength=levels), 1)
    mean = (np.bincount(code[known], weights=values[known], minlength=levels) / count)[code]
    away = values - mean
    spread = np.sqrt(np.bincount(code[known], weights=away[known] ** 2, minlength=levels) / count)[code]
    return {"mean": mean, "std": spread, "deviation": away}


def digits(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, most: int = 20) -> Frames:
    """Adds the fraction of numerics that have one and the last digit of large whole ones (prices end in 9)."""
    left, right = {}, {}
    for name in columns.named(train, task, "numeric")[:most]:
        a, b = columns.numbers(train[name]), columns.numbers(predict[name])
        whole = bool(np.all(np.isnan(a) | (a == np.floor(a))))
        if whole and np.nanmax(np.abs(a), initial=0) < 100:
            continue
        part, turn = ("last_digit", lambda v: np.mod(v, 10)) if whole else ("fraction", lambda v: v - np.floor(v))
        left[f"{name}_{part}"], right[f"{name}_{part}"] = turn(a), turn(b)
    return columns.beside(train, left), columns.beside(predict, right)


def row_statistics(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, fewest: int = 8) -> Frames:
    """Adds mean, spread, extremes and zeros over a row's numerics where there are at least `fewest` of them."""
    names = columns.named(train, task, "numeric")
    if len(names) < fewest:
        return train, predict
    return _row(train, names), _row(predict, names)


def _row(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    values = np.ma.masked_invalid(columns.table(frame, names))
    new = {"mean": values.mean(axis=1), "std": values.std(axis=1), "min": values.min(axis=1), "max": values.max(axis=1)}
    filled = {f"row_{part}": np.ma.filled(np.ma.asarray(found).astype(float), np.nan) for part, found in new.items()}
    return columns.beside(frame, filled | {"row_zeros": np.asarray((values == 0).sum(axis=1).filled(0), dtype=float)})


def scaled(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, most: int = WIDE
) -> tuple[np.ndarray, np.ndarray]:
    """Numerics of both frames as arrays: medians for missing, mean 0 and spread 1 on the train rows, within +-8."""
    names = columns.named(train, task, "numeric", "datetime")[:most]
    a, b = columns.table(train, names), columns.table(predict, names)
    kept = ~np.isnan(a).all(axis=0)
    a, b = a[:, kept], b[:, kept]
    middle = np.nanmedian(a, axis=0) if a.size else np.zeros(a.shape[1])
    a, b = np.where(np.isnan(a), middle, a), np.where(np.isnan(b), middle, b)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, spread = a.mean(axis=0), a.std(axis=0)
        usable = np.isfinite(spread) & (spread > 0)
        a, b = ((part[:, usable] - mean[usable]) / spread[usable] for part in (a, b))
    return np.clip(a, -8, 8), np.clip(b, -8, 8)


def clusters(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, count: int = 8) -> Frames:
    """Adds the distances to `count` k-means centres of the scaled numerics and, as a categorical, the nearest one."""
    from sklearn.cluster import KMeans

    a, b = scaled(train, predict, task)
    if a.shape[1] < 2 or len(np.unique(a, axis=0)) < count:
        return train, predict
    rows = np.random.default_rng(task.seed).permutation(len(a))[:20_000]
    model = KMeans(count, n_init=1, max_iter=100, random_state=task.seed).fit(a[rows])
    return tuple(_distances(frame, model.transform(part)) for frame, part in ((train, a), (predict, b)))  # type: ignore


def _distances(frame: pd.DataFrame, distance: np.ndarray) -> pd.DataFrame:
    new: dict[str, object] = {f"centre{k}": distance[:, k] for k in range(distance.shape[1])}
    nearest = pd.Categorical(distance.argmin(axis=1), categories=range(distance.shape[1]))
    return columns.beside(frame, new | {"nearest_centre": nearest})


def svd(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, components: int = 8) -> Frames:
    """Adds the first principal components of the scaled numerics, `component<k>`."""
    from sklearn.decomposition import PCA

    a, b = scaled(train, predict, task)
    count = min(components, a.shape[1] - 1, len(a) - 1)
    if count < 1:
        return train, predict
    model = PCA(count, random_state=task.seed).fit(a)
    parts = (model.transform(part) for part in (a, b))
    return tuple(  # type: ignore[return-value]
        columns.beside(frame, {f"component{k}": part[:, k] for k in range(count)})
        for frame, part in zip((train, predict), parts, strict=True)
    )


def factorised(
    train: pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    components: int = 4,
    fewest: int = 20,
    most: int = 3,
) -> Frames:
    """Adds for categoricals of at least `fewest` levels where each level lies among the levels it occurs with.

    The positions are the singular vectors of log counts of level pairs, over train and predict rows.
    """
    from scipy.sparse import coo_matrix
    from sklearn.decomposition import TruncatedSVD

    coded = {name: columns.codes(train[name], predict[name]) for name in columns.named(train, task, "categorical")}
    large = sorted((name for name in coded if coded[name][2] > fewest), key=lambda name: -coded[name][2])[:most]
    left: dict[str, np.ndarray] = {}
    right: dict[str, np.ndarray] = {}
    for one, two in combinations(large, 2):
        (a, b, rows), (c, d, width) = coded[one], coded[two]
        pair = np.concatenate([a, b]), np.concatenate([c, d])
        together = coo_matrix((np.ones(len(pair[0])), pair), shape=(rows, width)).tocsr().log1p()
        model = TruncatedSVD(min(components, width - 1, rows - 1), random_state=task.seed)
        first, second = model.fit_transform(together), model.components_.T
        for k in range(first.shape[1]):
            left |= {f"{one}_in_{two}{k}": first[a, k], f"{two}_in_{one}{k}": second[c, k]}
            right |= {f"{one}_in_{two}{k}": first[b, k], f"{two}_in_{one}{k}": second[d, k]}
    return columns.beside(train, left), columns.beside(predict, right)
