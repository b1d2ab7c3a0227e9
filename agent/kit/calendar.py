"""Makes features of time-ordered data: calendar parts, seasonal and recent levels of the target, and a trend for models
that cannot extrapolate. Labels are only ever taken from train rows of another stretch of time than the row's own.
"""

import importlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from . import clock, columns, losses

YEAR = 365.2425
MOST_CELLS = 2_000_000  # of one table of sums


def features(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, *, cyclic: bool = True
) -> columns.Frames:
    """Calendar parts of the card's time column, else of every datetime column, that vary over the train rows.

    Adds year, month, week, day of month, year and week, hour, minute, weekend, days elapsed since the first train row,
    and with `cyclic` a sine and cosine of the hour, the weekday and the day of the year. A numeric time stays as it is.
    """
    dates = columns.named(train, task, "datetime")
    first: dict[str, np.ndarray] = {}
    second: dict[str, np.ndarray] = {}
    for name in [task.time] if task.time in dates else dates:
        one, two = _parts(train[name], cyclic), _parts(predict[name], cyclic)
        start = np.nanmin(one["elapsed"]) if np.isfinite(one["elapsed"]).any() else 0.0
        one["elapsed"], two["elapsed"] = one["elapsed"] - start, two["elapsed"] - start
        varying = [part for part, values in one.items() if len(np.unique(values[np.isfinite(values)])) > 1]
        first |= {f"{name}_{part}": one[part] for part in varying}
        second |= {f"{name}_{part}": two[part] for part in varying}
    return columns.beside(train, first), columns.beside(predict, second)


def _parts(time: pd.Series, cyclic: bool) -> dict[str, np.ndarray]:
    at = time.dt
    elapsed = columns.numbers(time)
    hour = (at.hour + at.minute / 60).to_numpy(float, na_value=np.nan)
    found = {
        "year": at.year, "month": at.month, "week": at.isocalendar().week, "day": at.day, "day_of_year": at.day_of_year,
        "weekday": at.day_of_week, "hour": at.hour, "minute": at.minute,
    }
    parts = {name: values.to_numpy(dtype=float, na_value=np.nan) for name, values in found.items()}
    parts["weekend"] = np.where(np.isnan(parts["weekday"]), np.nan, parts["weekday"] >= 5)
    parts["elapsed"] = elapsed
    if cyclic:
        for name, angle in (
            ("hour", hour / 24), ("weekday", parts["weekday"] / 7), ("season", parts["day_of_year"] / YEAR),
        ):
            parts[f"{name}_sin"], parts[f"{name}_cos"] = np.sin(2 * np.pi * angle), np.cos(2 * np.pi * angle)
    return parts


@dataclass(frozen=True)
class Stretches:
    """Train and predict rows cut along time: `train` and `predict` hold stretch numbers 0..count; predict rows later
    than every train row are in stretch `count`, which has no train rows."""

    train: np.ndarray
    predict: np.ndarray
    count: int


def lags(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    keys: list[str] | None = None,
    prior: float = 5.0,
    most_keys: int = 3,
) -> columns.Frames:
    """Seasonal and recent means of the target by series (categorical key columns) and calendar part.

    Time is cut into stretches about as long as the predict rows' horizon. `mean` averages the train rows of all other
    stretches; `recent` is the mean of the latest earlier stretch that has rows; `level` that of all earlier ones. So a
    train row never sees a label of its own stretch, and predict rows see all train rows. Without a time column in the
    frame nothing changes. keys: None takes the card's group and up to `most_keys` categorical columns with repeated
    levels.
    """
    if task.time not in train.columns:
        return train, predict
    stretches = stretches_of(columns.numbers(train[task.time]), columns.numbers(predict[task.time]))
    values = losses.target_columns(target, task, most=3)
    chosen = _keys(train, task, most_keys) if keys is None else [key for key in keys if key in train.columns]
    first: dict[str, np.ndarray] = {}
    second: dict[str, np.ndarray] = {}
    for series, key_codes in _series(train, predict, chosen).items():
        for part, part_codes in _season(train[task.time], predict[task.time]).items():
            cells, count = _cells(key_codes, part_codes)
            if count * (stretches.count + 1) > MOST_CELLS:
                continue
            for i, labels in enumerate(values.T):
                for kind, column in _levels(labels, cells, count, stretches, prior).items():
                    name = f"lag_{series}_{part}_{kind}" + (f"_{i}" if values.shape[1] > 1 else "")
                    first[name], second[name] = column[: len(train)], column[len(train) :]
    return columns.beside(train, first), columns.beside(predict, second)


def stretches_of(train: np.ndarray, predict: np.ndarray, *, fewest: int = 4, most: int = 20) -> Stretches:
    """Equal stretches of train time, counted back from its end, as long as twice the median predict row is late."""
    start, end = (np.nanmin(train), np.nanmax(train)) if np.isfinite(train).any() else (0.0, 0.0)
    span = max(end - start, 1e-9)
    late = predict[predict > end] - end
    length = 2 * np.median(late) if len(late) else span / 10
    count = int(np.clip(round(span / max(length, 1e-9)), fewest, most))
    number = [np.clip(((t - start) / span * count), 0, count - 1) for t in (train, predict)]
    first, second = (np.where(np.isnan(n), count - 1, n).astype(int) for n in number)
    return Stretches(first, np.where(predict > end, count, second), count)


def _keys(train: pd.DataFrame, task: SimpleNamespace, most: int) -> list[str]:
    """The card's group, then the categorical columns whose levels repeat, finest first."""
    def repeats(name: str) -> bool:
        return 2 <= train[name].nunique() <= len(train) / 8

    found = [name for name in columns.named(train, task, "categorical") if repeats(name)]
    found.sort(key=lambda name: -train[name].nunique())
    group = [task.group] if task.group in train.columns and repeats(task.group) else []
    return list(dict.fromkeys(group + found))[:most]


def _series(train: pd.DataFrame, predict: pd.DataFrame, keys: list[str]) -> dict[str, np.ndarray]:
    """Series codes of train and predict rows: all rows as one, each key alone, all keys together."""
    total = len(train) + len(predict)
    found = {"all": np.zeros(total, dtype=np.int64)}
    for key in keys:
        one, two, _ = columns.codes(train[key], predict[key])
        found[key] = np.concatenate([one, two])
    if len(keys) > 1:
        found["each"] = np.unique(np.column_stack([found[key] for key in keys]), axis=0, return_inverse=True)[1].ravel()
    return found


def _season(train: pd.Series, predict: pd.Series) -> dict[str, np.ndarray]:
    """Calendar codes of train and predict rows, those that vary; `any` is one season for all."""
    both = pd.concat([train, predict], ignore_index=True)
    found = {"any": np.zeros(len(both), dtype=np.int64)}
    if not pd.api.types.is_datetime64_any_dtype(both.dtype):
        return found
    at = both.dt
    weekday, hour = (part.fillna(0).to_numpy(np.int64) for part in (at.day_of_week, at.hour))
    month = at.month.fillna(0).to_numpy(np.int64)
    for name, codes in {"hour": hour, "weekday": weekday, "month": month, "hour_of_week": weekday * 24 + hour}.items():
        if len(np.unique(codes[: len(train)])) > 1:
            found[name] = codes
    if not {"hour", "weekday"} <= found.keys():
        found.pop("hour_of_week", None)
    return found


def _cells(series: np.ndarray, season: np.ndarray) -> tuple[np.ndarray, int]:
    codes = series * (season.max() + 1) + season
    levels, number = np.unique(codes, return_inverse=True)
    return number.ravel(), len(levels)


def _levels(labels: np.ndarray, cells: np.ndarray, count: int, rows: Stretches, prior: float) -> dict[str, np.ndarray]:
    """`mean`, `recent` and `level` of train rows, then predict rows, from sums by cell and stretch."""
    n, width = len(labels), rows.count + 1
    place = cells[:n] * width + rows.train
    number = np.bincount(place, minlength=count * width).reshape(count, width)
    total = np.bincount(place, weights=labels, minlength=count * width).reshape(count, width)
    stretch = np.concatenate([rows.train, rows.predict])
    seen_number, seen_total = number.sum(1)[cells], total.sum(1)[cells]
    others, other_total = len(labels), labels.sum()
    own = np.arange(len(cells)) < n
    seen_number = seen_number - np.where(own, number[cells, stretch], 0)
    seen_total = seen_total - np.where(own, total[cells, stretch], 0)
    whole_number = others - np.where(own, number.sum(0)[stretch], 0)
    whole = (other_total - np.where(own, total.sum(0)[stretch], 0)) / np.maximum(whole_number, 1)
    earlier_number, earlier_total = (_shift(sums.cumsum(1)) for sums in (number, total))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = pd.DataFrame(np.where(number > 0, total / number, np.nan)).ffill(axis=1).to_numpy()
        level = np.where(earlier_number > 0, earlier_total / earlier_number, np.nan)
    return {
        "mean": (seen_total + prior * whole) / (seen_number + prior),
        "recent": _shift(means, np.nan)[cells, stretch],
        "level": level[cells, stretch],
    }


def _shift(table: np.ndarray, fill: float = 0.0) -> np.ndarray:
    """Every column moved one stretch later."""
    return np.column_stack([np.full(len(table), fill), table[:, :-1]])


def trended(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    model: str = "boosters.lightgbm",
    damping: float = 1.0,
    **params: Any,
) -> np.ndarray:
    """Predictions of the kit's `model` ("module.function") on what a linear trend in time leaves, the trend added back.

    The trend is fitted on the scale where the metric's loss is simple (logarithms for rmsle and its like) beside
    weekday and yearly waves; `damping` in [0, 1] shortens its reach beyond the last train row. Kinds other than
    regression and multiregression, and frames without a time column, go to the model as they are.
    """
    module, _, function = model.partition(".")
    call = getattr(importlib.import_module(f".{module}", __package__), function)
    if task.kind not in ("regression", "multiregression") or task.time not in train.columns:
        return np.asarray(call(train, target, predict, task, **params))
    goals = losses.goals_of(target, task)
    labels = np.column_stack([goal.labels for goal in goals])
    trend, ahead = _trend(labels, columns.numbers(train[task.time]), columns.numbers(predict[task.time]), damping)
    rest = labels - trend
    metric = {"absolute": "mae", "quantile": f"pinball@{goals[0].quantile}"}.get(goals[0].loss, "rmse")
    card = SimpleNamespace(**{**vars(task), "metric": metric, "seconds_left": clock.seconds_left(task)})
    flat = task.kind == "regression"
    left = pd.Series(rest[:, 0], index=train.index) if flat else pd.DataFrame(rest, index=train.index)
    fitted = np.asarray(call(train, left, predict, card, **params)).reshape(len(predict), -1) + ahead
    back = np.column_stack([
        np.maximum(np.expm1(fitted[:, i]), 0.0) if goal.logarithmic else fitted[:, i] for i, goal in enumerate(goals)
    ])
    return back[:, 0] if flat else back


def _trend(labels: np.ndarray, train: np.ndarray, predict: np.ndarray, damping: float) -> tuple[np.ndarray, np.ndarray]:
    """The trend at train and predict rows (n, k): zero at the last train row, its slope by ridge beside the waves."""
    end = np.nanmax(train) if np.isfinite(train).any() else 0.0
    late, ahead = (np.nan_to_num(t - end) for t in (train, predict))
    span = max(-late.min(), 1e-9)
    waves = [np.ones_like(late), late / span]
    for period in (7.0, YEAR) if span > 1.5 * YEAR else (7.0,):
        waves += [np.sin(2 * np.pi * late / period), np.cos(2 * np.pi * late / period)]
    design = np.column_stack(waves)
    slope = np.linalg.solve(design.T @ design + 1e-3 * len(late) * np.eye(len(waves)), design.T @ labels)[1] / span
    reach = np.where(ahead > 0, damping * ahead, ahead)
    return late[:, None] * slope, reach[:, None] * slope
