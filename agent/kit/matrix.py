"""Lays frames out as one numeric matrix for models that need scaled numbers: linear, kernel, neighbours."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy import sparse

from . import columns

Arrays = tuple[np.ndarray, np.ndarray]
Sparse = tuple[sparse.csr_matrix, sparse.csr_matrix]


def numeric(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, scale: str = "standard") -> Arrays:
    """Numerics and datetimes (n, k): medians for missing plus a flag, scaled on the train rows, within +-8.

    scale: standard (after a signed log where skewed), quantile (to a normal shape), common (one scale for all
    columns, for pixels and other measurements in one unit).
    """
    names = columns.named(train, task, "numeric", "datetime")
    a, b = columns.table(train, names), columns.table(predict, names)
    kept = ~np.isnan(a).all(axis=0)
    a, b = a[:, kept], b[:, kept]
    gaps = np.isnan(a).any(axis=0) & (len(a) > 1)
    flags = np.isnan(a[:, gaps]).astype(float), np.isnan(b[:, gaps]).astype(float)
    middle = np.nanmedian(a, axis=0) if a.size else np.zeros(a.shape[1])
    a, b = np.where(np.isnan(a), middle, a), np.where(np.isnan(b), middle, b)
    a, b = {"standard": _standard, "quantile": _quantile, "common": _common}[scale](
        np.clip(a, -1e30, 1e30), np.clip(b, -1e30, 1e30)
    )
    return np.hstack([np.clip(a, -8, 8), flags[0]]), np.hstack([np.clip(b, -8, 8), flags[1]])


def _standard(a: np.ndarray, b: np.ndarray) -> Arrays:
    centred = a - a.mean(axis=0)
    spread = np.maximum(a.std(axis=0), 1e-300)
    skew = np.abs(((centred / spread) ** 3).mean(axis=0)) > 2
    a, b = (np.where(skew, np.sign(part) * np.log1p(np.abs(part)), part) for part in (a, b))
    mean, spread = a.mean(axis=0), a.std(axis=0)
    told = spread > 1e-12 * np.maximum(np.abs(mean), 1e-12)
    return (a[:, told] - mean[told]) / spread[told], (b[:, told] - mean[told]) / spread[told]


def _quantile(a: np.ndarray, b: np.ndarray) -> Arrays:
    from sklearn.preprocessing import QuantileTransformer

    told = a.min(axis=0) < a.max(axis=0) if len(a) else np.zeros(a.shape[1], dtype=bool)
    if not told.any():
        return a[:, told], b[:, told]
    turn = QuantileTransformer(n_quantiles=min(200, len(a)), output_distribution="normal", random_state=0)
    return np.clip(turn.fit_transform(a[:, told]), -3, 3), np.clip(turn.transform(b[:, told]), -3, 3)


def _common(a: np.ndarray, b: np.ndarray) -> Arrays:
    told = a.std(axis=0) > 0
    spread = float(a[:, told].std()) if told.any() else 1.0
    mean = a[:, told].mean(axis=0)
    return (a[:, told] - mean) / spread, (b[:, told] - mean) / spread


def one_hot(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, fewest: int = 3, most: int = 10_000
) -> Sparse:
    """Indicators of every level that at least `fewest` train rows have, the `most` commonest of each column."""
    left, right = [sparse.csr_matrix((len(train), 0))], [sparse.csr_matrix((len(predict), 0))]
    for name in columns.named(train, task, "categorical"):
        a, b, levels = columns.codes(train[name], predict[name])
        seen = np.bincount(a, minlength=levels)
        common = np.argsort(-seen, kind="stable")[:most]
        common = np.sort(common[seen[common] >= min(fewest, len(train))])
        place = np.full(levels, -1)
        place[common] = np.arange(len(common))
        left.append(_indicators(place[a], len(common)))
        right.append(_indicators(place[b], len(common)))
    return sparse.hstack(left, format="csr"), sparse.hstack(right, format="csr")


def _indicators(place: np.ndarray, width: int) -> sparse.csr_matrix:
    rows = np.flatnonzero(place >= 0)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, place[rows])), shape=(len(place), width))


def dense(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, scale: str = "standard", levels: int = 30
) -> Arrays:
    """Scaled numerics and the indicators of each categorical's `levels` commonest levels, as float64 arrays."""
    a, b = numeric(train, predict, task, scale=scale)
    c, d = one_hot(train, predict, task, fewest=3, most=levels)
    return np.hstack([a, c.toarray()]), np.hstack([b, d.toarray()])
