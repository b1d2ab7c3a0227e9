"""Forecasts series: the past of each series beyond the horizon as features, an exponential smoothing with seasons, and trees
on how far a label lies from where its series stood.

Series are the levels of key columns, times a grid (hours, days, weeks, months, quarters, years). A label is only used by
rows that are later than it by the whole horizon, so train rows and rows to predict know equally much.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from . import boosters, clock, columns, features, losses

MOST_CELLS = 20_000_000  # series x times
SEASONS = {"hour": (24, 168), "day": (7, 364), "week": (52,), "month": (12,), "quarter": (4,), "year": (), "step": ()}
SPANS = {"hour": (24, 96, 312), "day": (7, 28, 91, 364), "week": (4, 13, 52), "month": (3, 12, 48), "quarter": (2, 4, 16),
         "year": (1, 3, 8), "step": (4, 16, 52)}  # times that means of the past are over; the second says where a series stands
ALPHAS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7)
MOST_DRAWN = 100_000  # rows that a model of what is known some steps before learns from
FEWEST_TOLD = 50  # rows with a known past, below which there is nothing to learn
EFFECTS_ROUNDS, EFFECTS_SHARE = 60, 0.2  # trees that tell what columns do to labels, and their part of the time


@dataclass(frozen=True)
class Grid:
    """Places of train and predict rows: series 0.., and time 0.. in steps; `width` times in all, `end` the last train one."""

    train: tuple[np.ndarray, np.ndarray]
    predict: tuple[np.ndarray, np.ndarray]
    series: int
    width: int
    end: int
    step: str

    @property
    def horizon(self) -> int:
        """Steps from the last train time to the last one to predict."""
        return int(self.predict[1].max(initial=0)) - self.end


def grid_of(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, keys: list[str] | None = None) -> Grid | None:
    """The grid of series and times; None without a time column, without rows to predict after the train rows, or where
    series and times are too many. keys: None takes the card's group and the categoricals that tell the series apart."""
    if task.time not in train.columns or not len(predict):
        return None
    names = _keys(train, task) if keys is None else keys
    both = pd.concat([train[[*names, task.time]], predict[[*names, task.time]]], ignore_index=True)
    series = both.groupby(names, observed=True, dropna=False).ngroup().to_numpy() if names else np.zeros(len(both), np.int64)
    place, step = _places(both[task.time], series)
    n = len(train)
    if place is None or place[:n].max() >= place[n:].max():
        return None
    found = Grid((series[:n], place[:n]), (series[n:], place[n:]), int(series.max()) + 1, int(place.max()) + 1,
                 int(place[:n].max()), step)
    return found if found.series * found.width <= MOST_CELLS else None


def _keys(train: pd.DataFrame, task: SimpleNamespace) -> list[str]:
    """As few columns as make a time of a series one row: the finest first, another where that leaves rows together."""
    names = [name for name in columns.named(train, task, "categorical", "numeric")
             if 2 <= train[name].nunique() <= len(train) / 8 and _is_key(train[name])]
    names.sort(key=lambda name: -train[name].nunique())
    chosen = [task.group] if task.group in train.columns and task.group != task.time else []
    for name in names:
        if not train.duplicated([*chosen, task.time]).any() or len(chosen) == 3:
            break
        if name not in chosen and train.duplicated([*chosen, name, task.time]).mean() < train.duplicated(
                [*chosen, task.time]).mean() - 0.01:
            chosen.append(name)
    return chosen


def _is_key(column: pd.Series) -> bool:
    """Levels, or whole numbers from 0 that could be names."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return True
    values = columns.numbers(column)
    return bool(np.isfinite(values).all() and (values == np.floor(values)).all() and values.min() >= 0)


def _places(time: pd.Series, series: np.ndarray) -> tuple[np.ndarray | None, str]:
    """Each row's time in steps, and what a step is: the commonest distance of neighbouring times of a series."""
    values = columns.numbers(time)
    if not np.isfinite(values).all():
        return None, "step"
    order = np.lexsort((values, series))
    apart = np.diff(values[order])[np.diff(series[order]) == 0]
    apart = apart[apart > 1e-6]
    if not len(apart):
        return None, "step"
    if not pd.api.types.is_datetime64_any_dtype(time.dtype):
        return np.rint((values - values.min()) / np.median(apart)).astype(np.int64), "step"
    at, days = time.dt, float(np.median(apart))
    if days >= 27:
        months = ((at.year - at.year.min()) * 12 + at.month).to_numpy(np.int64)
        size, name = (1, "month") if days < 45 else (3, "quarter") if days < 200 else (12, "year")
        return (months - months.min()) // size, name
    name, length = ("week", 7.0) if days > 5 else ("day", 1.0) if days > 0.9 else ("hour", 1 / 24)
    return np.floor((values - values.min()) / length + 1e-6).astype(np.int64), name


def _table(grid: Grid, labels: np.ndarray) -> np.ndarray:
    """Mean labels (series, width), missing where there is no train row."""
    cell = grid.train[0] * grid.width + grid.train[1]
    size = grid.series * grid.width
    number = np.bincount(cell, minlength=size)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.bincount(cell, weights=labels, minlength=size) / number).reshape(grid.series, grid.width))


def past(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    keys: list[str] | None = None,
) -> columns.Frames:
    """Adds what each series was a horizon and more ago: the last values of the same season, means, spread and share of
    zeros of windows that end a horizon before, their trend, and steps since the last value that was not zero.

    On the scale where the metric's loss is simple (logarithms for rmsle and its like). Without a grid nothing changes.
    """
    grid = grid_of(train, predict, task, keys)
    if grid is None:
        return train, predict
    n = len(train)
    series, place = (np.concatenate([grid.train[k], grid.predict[k]]) for k in (0, 1))
    found: dict[str, np.ndarray] = {}
    for j, labels in enumerate(losses.target_columns(target, task, most=2).T):
        table = _table(grid, labels)
        for name, values in _of_table(table, series, place, grid).items():
            found[f"past_{name}" + (f"_{j}" if j else "")] = values
    return columns.beside(train, {k: v[:n] for k, v in found.items()}), columns.beside(
        predict, {k: v[n:] for k, v in found.items()})


def _of_table(table: np.ndarray, series: np.ndarray, place: np.ndarray, grid: Grid) -> dict[str, np.ndarray]:
    def at(values: np.ndarray, back: int) -> np.ndarray:
        where = place - back
        return np.where(where >= 0, values[series, np.maximum(where, 0)], np.nan)

    horizon, seasons = grid.horizon, SEASONS[grid.step]
    found = {"last": at(_filled(table), horizon)}
    for season in seasons:
        first = -(-horizon // season) * season
        values = [at(table, first + k * season) for k in range(3)]
        found[f"season{season}"] = values[0]
        found[f"season{season}_mean"] = _mean(np.stack(values))
    short = seasons[0] if seasons else 4
    windows = {width: _rolling(table, width) for width in (short, 4 * short, 13 * short) if width < grid.width}
    for width, (mean, spread) in windows.items():
        found[f"mean{width}"] = at(mean, horizon)
        found[f"spread{width}"] = at(spread, horizon)
    if len(windows) > 1:
        widths = list(windows)
        found["trend"] = found[f"mean{widths[0]}"] - found[f"mean{widths[-1]}"]
    if np.nanmean(table == 0) > 0.02:
        known = np.where(np.isnan(table), np.nan, (table == 0).astype(float))
        found["zeros"] = at(_rolling(known, 4 * short)[0], horizon)
        moved = np.where((table != 0) & ~np.isnan(table), np.arange(grid.width), np.nan)
        found["idle"] = place - horizon - at(_filled(moved), horizon)
    if len(seasons) > 1:
        year = -(-horizon // seasons[-1]) * seasons[-1]
        mean, _ = _rolling(table, 2 * short + 1)
        found["year_around"] = at(np.roll(mean, -short, axis=1), year)
    return found


def _mean(values: np.ndarray) -> np.ndarray:
    """Means over the first axis of what is known."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _filled(table: np.ndarray) -> np.ndarray:
    """Gaps take the last value before them."""
    return pd.DataFrame(table).ffill(axis=1).to_numpy()


def _rolling(table: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of the known values among the last `width` times, missing where fewer than a quarter are known."""
    known = ~np.isnan(table)
    values = np.where(known, table, 0.0)
    count, total, square = (_windowed(part, width) for part in (known.astype(float), values, values**2))
    enough = count >= max(1.0, width / 4)
    mean = np.where(enough, total / np.maximum(count, 1), np.nan)
    spread = np.sqrt(np.maximum(square / np.maximum(count, 1) - np.where(enough, mean, 0) ** 2, 0))
    return mean, np.where(enough, spread, np.nan)


def _windowed(values: np.ndarray, width: int) -> np.ndarray:
    total = np.cumsum(values, axis=1)
    total[:, width:] = total[:, width:] - total[:, :-width]
    return total


def smoothed(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    keys: list[str] | None = None,
    drift: float = 0.5,
) -> np.ndarray:
    """Predictions of simple exponential smoothing of each series without its seasons, half of its drift added on (the
    theta method; Assimakopoulos and Nikolopoulos 2000), seasons put back. The prior where there is no grid.

    Smoothing is chosen for each series by its errors one step ahead; seasons are means by phase, shrunk to none.
    """
    grid = grid_of(train, predict, task, keys)

    def fit(goal: losses.Goal) -> np.ndarray:
        if grid is None or goal.loss in ("softmax", "cox"):
            return losses.prior(goal, len(predict))
        table = _table(grid, goal.labels.astype(float))
        season = _seasons(table, grid)
        level, slope = _levels(table - season, grid.end)
        series, place = grid.predict
        ahead = np.maximum(place - grid.end, 0)
        reach = np.minimum(ahead, 2 * max(grid.horizon, 1))
        made = level[series] + drift * slope[series] * reach + season[series, place]
        return np.where(np.isfinite(made), made, float(np.mean(goal.labels)))

    return losses.solve(target, task, len(predict), fit)


def _seasons(table: np.ndarray, grid: Grid, shrink: float = 2.0) -> np.ndarray:
    """Seasonal parts (series, width): for each season that fits twice into the train times, mean deviations from a moving
    level by phase, those of a series shrunk towards those of all."""
    made = np.zeros_like(table)
    for season in SEASONS[grid.step]:
        if 2 * season > grid.end + 1:
            continue
        rest = table - made
        flat = rest - _around(rest, season)
        phase = np.arange(grid.width) % season
        sums, counts = (np.stack([np.add.reduceat(row[order], first) for row in part])
                        for part in (np.nan_to_num(flat), (~np.isnan(flat)).astype(float))
                        for order, first in [_by_phase(phase)])
        common = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
        parts = (sums + shrink * common) / (counts + shrink)
        made = made + (parts - parts.mean(axis=1, keepdims=True))[:, phase]
    return made


def _around(table: np.ndarray, width: int) -> np.ndarray:
    """Means of the values around each time, of those before it at the end."""
    half = width // 2
    mean = _rolling(table, width)[0]
    return np.concatenate([mean[:, half:], mean[:, -1:].repeat(half, axis=1)], axis=1) if half else mean


def _by_phase(phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(phase, kind="stable")
    return order, np.searchsorted(phase[order], np.arange(int(phase.max()) + 1))


def _levels(table: np.ndarray, end: int) -> tuple[np.ndarray, np.ndarray]:
    """The last level of each series, smoothed as its own past asks for, and its mean step (the drift of the theta line)."""
    known = table[:, : end + 1]
    start = np.nan_to_num(_mean(known.T[: max(2, known.shape[1] // 10)]), nan=float(np.nanmean(known)))
    best, level = np.full(len(table), np.inf), start
    for alpha in ALPHAS:
        now, error = start.copy(), np.zeros(len(table))
        for column in known.T:
            miss = np.where(np.isnan(column), 0.0, column - now)
            error += np.abs(miss)
            now = now + alpha * miss
        better = error < best
        best, level = np.where(better, error, best), np.where(better, now, level)
    time = np.arange(known.shape[1], dtype=float)
    weight = (~np.isnan(known)).astype(float)
    middle = (weight * time).sum(axis=1) / np.maximum(weight.sum(axis=1), 1)
    apart = time[None, :] - middle[:, None]
    slope = np.nansum(apart * known, axis=1) / np.maximum((weight * apart**2).sum(axis=1), 1e-9)
    return level, np.where(weight.sum(axis=1) >= 8, slope, 0.0)


def relative(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    keys: list[str] | None = None,
    draws: int | None = None,
    **params: Any,
) -> np.ndarray:
    """Predictions of LightGBM of how far each label lies from where its series stood: trees cannot go on from a level that
    train never had. The prior where there is no grid.

    A train row is told what was known of its series at a moment drawn 1 to horizon steps before it (`draws` times, three or
    as many as make 100,000 rows), a row to predict what is known at the end of train. The level is the mean of four weeks
    of days, a year of months and the like; where columns tell times of a series apart, as prices do, without what they do to
    labels.
    """
    grid = grid_of(train, predict, task, keys)
    n = len(train)
    each = draws or int(np.clip(MOST_DRAWN // n, 1, 3))

    def fit(goal: losses.Goal) -> np.ndarray:
        if grid is None or goal.loss in ("softmax", "cox", "logistic"):
            return losses.prior(goal, len(predict))
        before, after = features.dates(train, predict, task, absolute=False)
        labels = goal.labels.astype(float)
        if _tells_times_apart(train, grid.train[0], task):
            labels = labels - _effects(before, labels, grid, task, losses.seconds(goal))
        table = _table(grid, labels)
        drawn = np.tile(np.arange(n), each)
        ahead = np.random.default_rng(task.seed).integers(1, max(grid.horizon, 1) + 1, len(drawn))
        level, known = _since(table, (grid.train[0][drawn], grid.train[1][drawn]), ahead, grid)
        base, asked = _since(table, grid.predict, np.maximum(grid.predict[1] - grid.end, 1), grid)
        told = np.flatnonzero(np.isfinite(level))
        if len(told) < FEWEST_TOLD:
            return losses.prior(goal, len(predict))
        rows = drawn[told]
        mine = _as_regression(task, goal, losses.seconds(goal), train[task.time].iloc[rows])
        left = columns.beside(before.iloc[rows].reset_index(drop=True), {name: values[told] for name, values in known.items()})
        away = boosters.lightgbm(left, pd.Series(goal.labels[rows] - level[told]), columns.beside(after, asked), mine, **params)
        return np.where(np.isfinite(base), base, float(np.mean(level[told]))) + away

    return losses.solve(target, task, len(predict), fit)


def _as_regression(task: SimpleNamespace, goal: losses.Goal, seconds: float, times: pd.Series) -> SimpleNamespace:
    """The card of a fit to numbers on the goal's scale, of rows with these times."""
    metric = {"absolute": "mae", "quantile": f"pinball@{goal.quantile}"}.get(goal.loss, "rmse")
    return SimpleNamespace(**{**vars(task), "kind": "regression", "metric": metric, "targets": ["y"],
                              "seconds_left": seconds, "moments": times.reset_index(drop=True)})


def _tells_times_apart(train: pd.DataFrame, series: np.ndarray, task: SimpleNamespace) -> bool:
    """Whether a column besides the time varies within a series."""
    names = [name for name in columns.named(train, task, "numeric", "categorical") if name != task.time]
    return any((train[name].groupby(series).nunique(dropna=False) > 1).mean() > 0.5 for name in names)


def _effects(rows: pd.DataFrame, labels: np.ndarray, grid: Grid, task: SimpleNamespace, seconds: float) -> np.ndarray:
    """What a few trees on the columns say of how far each label lies from the mean of those around it (n,)."""
    clock.hinted(task, "best_rounds")  # what another fold's trees here were told; these look for nothing
    away = labels - _around(_table(grid, labels), SPANS[grid.step][1] + 1)[grid.train]
    known = np.flatnonzero(np.isfinite(away))
    if len(known) < FEWEST_TOLD:
        return np.zeros(len(rows))
    goal = losses.Goal("squared", labels)
    mine = _as_regression(task, goal, EFFECTS_SHARE * seconds, pd.Series(grid.train[1][known]))
    mine.hints = None
    return boosters.lightgbm(rows.iloc[known].reset_index(drop=True), pd.Series(away[known]), rows, mine, rounds=EFFECTS_ROUNDS)


def _since(
    table: np.ndarray, places: tuple[np.ndarray, np.ndarray], ahead: np.ndarray, grid: Grid,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The level (n,) of each row's series so many steps before it, and what else is known then, from that level."""
    series, place = places
    origin = place - ahead
    seasons = SEASONS[grid.step]
    short = seasons[0] if seasons else 4

    def at(values: np.ndarray, where: np.ndarray) -> np.ndarray:
        return np.where(where >= 0, values[series, np.clip(where, 0, values.shape[1] - 1)], np.nan)

    windows = [width for width in SPANS[grid.step] if width < grid.width]
    rolled = {width: _rolling(table, width) for width in windows}
    level = at(_filled(_rolling(table, SPANS[grid.step][1])[0]), origin)
    found = {"ahead": ahead.astype(float), "level": level, "last": at(_filled(table), origin) - level}
    for width in windows:
        found[f"mean{width}"] = at(rolled[width][0], origin) - level
        found[f"spread{width}"] = at(rolled[width][1], origin)
    for season in seasons:
        first = place - -(-ahead // season) * season
        values = [at(table, first - k * season) for k in range(4)]
        found[f"season{season}"] = values[0] - level
        found[f"season{season}_mean"] = _mean(np.stack(values)) - level
    if len(seasons) > 1:
        year = place - -(-ahead // seasons[-1]) * seasons[-1]
        near = _rolling(table, 2 * short + 1)[0]
        found["year_around"] = at(near, np.minimum(year + short, origin)) - level
        month = _rolling(table, 4 * short)[0]
        found["year_moved"] = at(near, np.minimum(year + short, origin)) - at(month, origin - seasons[-1])
    if np.nanmean(table == 0) > 0.02:
        known = np.where(np.isnan(table), np.nan, (table == 0).astype(float))
        found["zeros"] = at(_rolling(known, 4 * short)[0], origin)
    return level, {f"since_{name}": values for name, values in found.items()}
