"""Finds columns by what they hold, codes their levels and puts new columns beside old ones."""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import pandas as pd

TURNED = 10_000  # rows that principal components are found on
Frames = tuple[pd.DataFrame, pd.DataFrame]


def role(column: pd.Series, task: SimpleNamespace) -> str:
    """What a column holds; its dtype decides, the card tells text from image paths."""
    return _role(column.name, column.dtype, task)


def _role(name: object, dtype: np.dtype | pd.api.extensions.ExtensionDtype, task: SimpleNamespace) -> str:
    if isinstance(dtype, pd.CategoricalDtype):
        return "categorical"
    if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        return "datetime"
    if pd.api.types.is_numeric_dtype(dtype) or dtype.kind == "m":
        return "numeric"
    declared = task.roles.get(name, "text")
    return str(declared) if declared in ("text", "image", "categorical") else "text"


def named(frame: pd.DataFrame, task: SimpleNamespace, *roles: str) -> list[str]:
    """Names of the columns that hold one of `roles`, in the frame's order."""
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"two columns are called {twice!r}: each name may stand once")
    return [name for name, dtype in zip(frame.columns, frame.dtypes, strict=True) if _role(name, dtype, task) in roles]


def beside(frame: pd.DataFrame, new: Mapping[str, object]) -> pd.DataFrame:
    """The frame with `new` columns after it; an old column of the same name gives way."""
    if not new:
        return frame
    kept = frame.drop(columns=[name for name in new if name in frame.columns])
    return pd.concat([kept, pd.DataFrame(dict(new), index=frame.index)], axis=1)


def numbers(column: pd.Series) -> np.ndarray:
    """A numeric or datetime column as float64 (n,); infinite becomes missing, dates become days since 1970, spans days."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if column.dtype.kind == "m":
        return np.asarray(column.dt.total_seconds(), dtype=float) / 86_400.0
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        naive = column.dt.tz_localize(None) if column.dt.tz is not None else column
        return ((naive - pd.Timestamp(0)) / pd.Timedelta(days=1)).to_numpy(dtype=float, na_value=np.nan)
    values = column.to_numpy(dtype=float, na_value=np.nan, copy=True)
    values[~np.isfinite(values)] = np.nan
    return values


def table(frame: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Numeric columns as one float64 array (n, len(names)), missing as NaN."""
    if not names:
        return np.empty((len(frame), 0))
    if len(names) > 1 and all(isinstance(dtype, np.dtype) and dtype.kind in "iufb" for dtype in frame.dtypes[names]):
        values = np.array(frame[names].to_numpy(dtype=float), order="C")  # all at once: thousands of columns take seconds else
        values[~np.isfinite(values)] = np.nan
        return values
    return np.column_stack([numbers(frame[name]) for name in names])


def is_spelled(column: pd.Series) -> bool:
    """Whether a column's values, or its levels, are text and no numbers."""
    dtype = column.cat.categories.dtype if isinstance(column.dtype, pd.CategoricalDtype) else column.dtype
    return not pd.api.types.is_numeric_dtype(dtype)


def codes(train: pd.Series, predict: pd.Series) -> tuple[np.ndarray, np.ndarray, int]:
    """Level numbers of both columns and how many there are: 0 is missing, 1.. the levels of both together."""
    both_known = isinstance(train.dtype, pd.CategoricalDtype) and isinstance(predict.dtype, pd.CategoricalDtype)
    if both_known and train.cat.categories.equals(predict.cat.categories):
        levels = len(train.cat.categories)
        return train.cat.codes.to_numpy(np.int64) + 1, predict.cat.codes.to_numpy(np.int64) + 1, levels + 1
    both = pd.concat([train.astype(object), predict.astype(object)], ignore_index=True)
    number, levels_found = pd.factorize(both, sort=False)
    return number[: len(train)] + 1, number[len(train) :] + 1, len(levels_found) + 1


def level_names(train: pd.Series, predict: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Both columns as object arrays of strings, missing as an empty string."""
    return tuple(  # type: ignore[return-value]
        column.astype(object).where(column.notna(), "").astype(str).to_numpy(object) for column in (train, predict)
    )


def described(
    train: pd.DataFrame, predict: pd.DataFrame, names: Sequence[str], of: Callable[[pd.Series], np.ndarray], *, count: int,
    word: str,
) -> Frames:
    """Numbers beside each of the columns: what `of` makes of it, (n, k), or, with a count, its principal components over all
    rows; called by the column, `word` and a number."""
    left, right = train, predict
    for name in names:
        a, b = of(train[name]), of(predict[name])
        if count:
            a, b = principal(a, b, count)
        left = beside(left, {f"{name}_{word}{k}": values for k, values in enumerate(a.T)})
        right = beside(right, {f"{name}_{word}{k}": values for k, values in enumerate(b.T)})
    return left, right


def principal(a: np.ndarray, b: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first principal components of all rows, or of 10,000 of them, of `a` (n, k) and of `b` (m, k); at most `count`."""
    from sklearn.decomposition import PCA

    both = np.concatenate([a, b])
    if len(both) > TURNED:
        both = both[np.random.default_rng(0).choice(len(both), TURNED, replace=False)]
    turn = PCA(min(count, *both.shape), svd_solver="randomized", random_state=0).fit(both)
    return turn.transform(a), turn.transform(b)
