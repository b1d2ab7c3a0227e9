"""The validation plan: folds that the host designs from the data before any model exists, the same for a whole run.

Random, stratified, grouped or forward in time: validate rows stand to fit rows as test rows stand to train rows.
An adversarial model (can train and test rows be told apart?) is part of the plan:
http://fastml.com/adversarial-validation-part-one/
"""

import math
import re
import warnings
from calendar import month_name
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from tasks.nearness import nearer
from tasks.spec import CLASSED, Task
from tasks.tables import TaskError, as_amounts, as_dates, together, typed

Rows = np.ndarray
Folds = tuple[tuple[Rows, Rows], ...]
TIME_WORDS = re.compile(r"(?i)(^|[_\W])(date|day|week|month|year|yr|time|timestamp|epoch|period|quarter)s?($|[_\W])")
ENTITIES = ("patient", "subject", "person", "user", "customer", "client", "speaker", "author", "participant", "session")
SOME = 40  # test rows that are asked first
SAME_ENTITIES = 0.05  # a column whose levels in train are had by fewer test rows names entities, and test has others
FOLDS, LARGE_FOLDS = 5, 3
LARGE_ROWS = 50_000  # three folds instead of five: the time buys better models, and the folds are large enough
FEW_CLASSES = 10  # with which boosters are quick enough
DEAR = 200_000  # rows times classes, of more classes, from which they are treated as large data are
LEAST_ROWS = 10  # of each class that a tenth of the rows should then hold
RARE_ROWS = 100  # of the rarer class that each fold should validate
TENTHS = 10  # large data: each of the three folds validates a tenth of the rows, so that its model knows nine tenths
HURRY = 3_000  # rows for each second of a run, from which large data have one such fold: there is the time of a few models
CELLS_HURRY = 150_000  # cells of the train table for each second of a run, from which any data have one fold
SHIFTED = 0.65  # adversarial AUC above which the plan warns
NEARNESS_ROWS = 80
FAR = 0.6  # share of pairs in which a validated text is nearer than a test text, from which the plan warns


@dataclass(frozen=True)
class Plan:
    """Folds as (fit rows, validate rows): sorted row numbers of the train table; with what was found and why."""

    scheme: str
    folds: Folds
    n_train: int
    group: str | None = None
    time: str | None = None
    adversarial_auc: float | None = None
    adversarial_columns: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    nearer: float | None = None  # chance that a validated text is nearer to fitted ones than a test text is
    unseen_months: tuple[int, ...] = ()  # of the year: most test rows lie in them; train has each once, no fold has it
    one_year: bool = False  # nor has train any other month twice: nothing tells seasons from what has changed since

    @property
    def validated(self) -> np.ndarray:
        """(n_train,) bool: rows that some fold validates."""
        mask = np.zeros(self.n_train, dtype=bool)
        for _, rows in self.folds:
            mask[rows] = True
        return mask

    def to_json(self) -> dict[str, Any]:
        """Everything but the row numbers, which write_arrays keeps as .npy."""
        sizes = [{"fit": len(fit), "validate": len(validate)} for fit, validate in self.folds]
        return {"scheme": self.scheme, "folds": sizes, "n_train": self.n_train, "validated": int(self.validated.sum()),
                "group": self.group, "time": self.time, "adversarial_auc": self.adversarial_auc,
                "adversarial_columns": list(self.adversarial_columns), "reasons": list(self.reasons),
                "nearer": self.nearer, "unseen_months": list(self.unseen_months),
                "one_year": self.one_year}


def design(
    task: Task, train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str], *, seed: int, folds: int | None = None,
    seconds: float = math.inf,
) -> Plan:
    """The plan: forward in time where test is later, grouped where test has entities of its own, else stratified.

    seconds: processor time that the run will have. Raises TaskError when there is no feature, or too few rows for two folds.
    """
    if not roles:
        raise TaskError("train.csv and test.csv share no usable feature column: ids, constants and repeats are none")
    if len(train) < 4:
        raise TaskError(f"train.csv has {len(train)} rows with a target; a validation plan needs at least 4")
    count = folds or (LARGE_FOLDS if len(train) > LARGE_ROWS else FOLDS)
    rng = np.random.default_rng(seed)
    entities = _group_column(task, train, test, roles)
    together_by = entities[0]
    auc, columns = adversarial(train, test, {c: r for c, r in roles.items() if c != together_by}, seed=seed,
                               group=together_by)
    choice = _forward(task, train, test, roles, count) or _blocks(task, train, test, roles, count, rng)
    choice = choice or _grouped(task, train, *entities, count, rng)
    choice = choice or _drifting(task, train, test, roles, count, auc, columns)
    plan = _with_two_classes(choice, task, train) if choice else None
    plan = plan or _shuffled(task, train, count, rng, seconds, width=len(roles))
    near = _nearer(plan, train, test, roles, seed)
    return replace(plan, adversarial_auc=auc, adversarial_columns=columns, nearer=near,
                   reasons=(*plan.reasons, *_verdict(plan, auc, columns), *_apart(near)))


def units(plan: Plan, train: pd.DataFrame, test: pd.DataFrame) -> tuple[Rows, Rows] | None:
    """Codes of the train and of the test rows, equal where rows are no independent draws: those of a group, or of a moment
    of a plan in time where moments have several rows. None where every train row is its own."""
    name = plan.group or plan.time
    if name is None:
        return None
    others = test[name] if name in test else pd.Series(np.nan, test.index)  # without one each test row is its own
    codes = pd.factorize(together(train[name], others), use_na_sentinel=True)[0]
    codes = np.where(codes < 0, codes.max() + 1 + np.arange(len(codes)), codes)
    mine = codes[: len(train)]
    if len(mine) < 1.5 * len(np.unique(mine)):
        return None
    return mine, codes[len(train):]


def _nearer(plan: Plan, train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str], seed: int) -> float | None:
    """The largest over the text columns; None without one, or with too few rows to tell chance from more."""
    fit, validate = plan.folds[0]
    if min(len(validate), len(test)) < NEARNESS_ROWS:
        return None
    found = [nearer(train[c], test[c], fit, validate, seed=seed) for c in roles if roles[c] == "text"]
    return max(found, default=None)


def _apart(near: float | None) -> tuple[str, ...]:
    if near is None or near < FAR:
        return ()
    return (f"test texts have less in common with train texts than those have with each other ({near:.0%} of pairs): "
            f"the scores of the folds are too bright",)


def _verdict(plan: Plan, auc: float | None, columns: Sequence[str]) -> tuple[str, ...]:
    if auc is None:
        return ("too few rows or columns to ask whether train and test differ",)
    if auc < SHIFTED:
        return (f"train and test rows cannot be told apart (adversarial AUC {auc:.2f})",)
    tail = "" if plan.scheme == "forward" else "; the scores of the test may differ from those of the folds"
    return (f"train and test rows differ (adversarial AUC {auc:.2f}), most in {', '.join(columns)}{tail}",)


# --- shuffled folds

def _shuffled(
    task: Task, train: pd.DataFrame, count: int, rng: np.random.Generator, seconds: float = math.inf, *, width: int = 1,
) -> Plan:
    key, scheme, why = _strata(task, train)
    count, why = _fewer_for_rare(task, key, min(count, len(train) // 2), why)
    parts = _parts(count, key, task)
    if task.kind == "multiclass" and count == FOLDS and _many_of_many(key):
        count, parts = LARGE_FOLDS, TENTHS
    if (parts == TENTHS and len(key) > HURRY * seconds) or len(key) * width > CELLS_HURRY * seconds:
        count = 1
    fold = _deal(key, parts, rng, even=task.kind in CLASSED)
    if task.kind in CLASSED:  # the only row of a class stays among the fit rows: no fold can learn and validate it
        _, codes, sizes = np.unique(key, return_inverse=True, return_counts=True)
        fold[sizes[codes] == 1] = -1
    return Plan(scheme, _from_labels(fold, count), len(train), reasons=(f"{_folds(count, parts)}, {scheme}: {why}",))


def _parts(count: int, key: np.ndarray, task: Task) -> int:
    """Into how many parts rows are dealt, of which `count` are validated: all where a class is rare."""
    rare = task.kind == "binary" and np.bincount(key).min() < TENTHS * RARE_ROWS
    return TENTHS if len(key) > LARGE_ROWS and count == LARGE_FOLDS and not rare else count


def _many_of_many(key: np.ndarray) -> bool:
    """Whether rows times classes, which is what a booster's time grows with, are as dear as large data, and no class is rare."""
    sizes = np.bincount(key)
    return bool(len(sizes) > FEW_CLASSES and len(key) * len(sizes) > DEAR and sizes.min() >= TENTHS * LEAST_ROWS)


def _folds(count: int, parts: int) -> str:
    if count == 1:
        return f"one in {parts} rows, once, as the time is short for so many"
    return f"{count} folds" if parts == count else f"{count} folds of one in {parts} rows each"


def _strata(task: Task, train: pd.DataFrame) -> tuple[np.ndarray, str, str]:
    """A sortable number for each row, after which rows are dealt to the folds."""
    values = train[list(task.targets)]
    if task.kind in CLASSED:
        return pd.factorize(values.iloc[:, 0], sort=True)[0], "stratified", "each class is spread evenly"
    if task.kind == "multilabel":
        codes = pd.factorize(pd.MultiIndex.from_frame(values))[0]
        rare = np.bincount(codes)[codes] < 5
        key = np.where(rare, -1 - values.sum(axis=1).to_numpy(), codes)
        return key, "stratified", "each combination of labels is spread evenly"
    if task.kind == "survival":
        duration, event = (values[c].to_numpy(dtype=float) for c in task.targets)
        order = np.lexsort((duration, event))
        return np.argsort(order), "stratified", "events and durations are spread evenly"
    return values.rank().mean(axis=1).to_numpy(), "stratified", "low and high targets are spread evenly"


def _fewer_for_rare(task: Task, key: np.ndarray, count: int, why: str) -> tuple[int, str]:
    """Two classes: no more folds than rows of the rarer one, so that each fold validates both."""
    count = max(count, 2)
    if task.kind != "binary":
        return count, why
    rarest = int(np.bincount(key).min())
    if rarest >= count:
        return count, why
    return max(2, rarest), f"{why}; the rarer class has only {rarest} rows"


def _deal(key: np.ndarray, count: int, rng: np.random.Generator, *, even: bool) -> np.ndarray:
    """Fold of each row: rows in order of key (ties at random), each run of `count` rows dealt to different folds."""
    order = np.lexsort((rng.random(len(key)), key))
    rounds = -(-len(key) // count)
    hands = np.tile(np.arange(count), (rounds, 1))
    if not even:
        hands = rng.permuted(hands, axis=1)
    fold = np.empty(len(key), dtype=np.int64)
    fold[order] = hands.ravel()[: len(key)]
    return fold


def _from_labels(fold: np.ndarray, count: int) -> Folds:
    pairs = ((np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(count))
    return tuple((fit, validate) for fit, validate in pairs if len(fit) and len(validate))


def _with_two_classes(plan: Plan, task: Task, train: pd.DataFrame) -> Plan | None:
    """Without the folds whose fit rows are all alike; None when fewer than two folds (one, forward in time) remain."""
    target = pd.factorize(train[task.targets[0]])[0]
    good = tuple(pair for pair in plan.folds if len(np.unique(target[pair[0]])) > 1)
    if len(good) < (1 if plan.scheme == "forward" else 2):
        return None
    return replace(plan, folds=good)


# --- groups

def _grouped(
    task: Task, train: pd.DataFrame, name: str | None, why: str, count: int, rng: np.random.Generator,
) -> Plan | None:
    if name is None:
        return None
    codes = pd.factorize(train[name], use_na_sentinel=True)[0]
    codes = np.where(codes < 0, codes.max() + 1 + np.arange(len(codes)), codes)  # a row without a group is its own
    return _plan_of_groups(task, train, np.unique(codes, return_inverse=True)[1], count, rng, name, why)


def _plan_of_groups(
    task: Task, train: pd.DataFrame, codes: np.ndarray, count: int, rng: np.random.Generator, name: str, why: str,
) -> Plan | None:
    groups = int(codes.max()) + 1
    count = min(count, groups)
    if count < 2:
        return None
    key, scheme, _ = _strata(task, train)
    parts = _parts(count, key, task) if groups >= 100 else count
    fold = _deal_groups(codes, _histogram(key, codes, groups, task), parts, rng)[codes]
    scheme = "stratified_grouped" if task.kind in CLASSED else "grouped"
    reason = f"{_folds(count, parts)}, {scheme} by {name} ({groups} groups): {why}"
    return Plan(scheme, _from_labels(fold, count), len(train), group=name, reasons=(reason,))


def _histogram(key: np.ndarray, codes: np.ndarray, groups: int, task: Task) -> np.ndarray:
    """(groups, bins + 1): rows of each group by class (or fifth of the target), and all of its rows."""
    bins = np.unique(key, return_inverse=True)[1] if task.kind in CLASSED else pd.qcut(
        pd.Series(key).rank(method="first"), min(5, len(key)), labels=False).to_numpy()
    bins = np.minimum(bins, 49)
    counts = np.zeros((groups, int(bins.max()) + 2))
    np.add.at(counts, (codes, bins), 1)
    counts[:, -1] = counts.sum(axis=1)
    return counts


def _deal_groups(codes: np.ndarray, counts: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each group: the largest first, to the fold that has least of what it holds; thousands are dealt."""
    groups = len(counts)
    if groups > 5000:
        mean = counts[:, :-1] @ np.arange(counts.shape[1] - 1) / counts[:, -1]
        return _deal(mean + 1e3 * np.floor(np.log2(counts[:, -1])), count, rng, even=False)
    weight = 1 / np.maximum(counts.sum(axis=0), 1) ** 2
    filled, fold = np.zeros((count, counts.shape[1])), np.zeros(groups, dtype=np.int64)
    for group in np.lexsort((rng.random(groups), -counts[:, -1])):
        fold[group] = np.argmin(filled @ (counts[group] * weight))
        filled[fold[group]] += counts[group]
    return fold


def _group_column(task: Task, train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str]) -> tuple[str | None, str]:
    if task.group:
        return task.group, "task.toml says so"
    if task.id and task.id in train and not train[task.id].is_unique:
        return task.id, "the id occurs more than once in train.csv"
    for name in roles:
        if _names_entities(train, test, name, roles[name]):
            return name, "its values repeat in train.csv and hardly any is in test.csv"
    for name in (c for c in train.columns if c not in test.columns and c not in task.targets and _identifies(c)):
        levels = train[name].nunique()
        if levels >= 10 and len(train) >= 1.5 * levels:
            return name, "it identifies, its values repeat in train.csv and test.csv lacks it"
    return None, ""


def _identifies(name: str) -> bool:
    """Whether a column's name says that it tells who or what was observed: PatientID, user_id, subject."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return bool(words) and (words[-1].lower() == "id" or words[-1].lower() in ENTITIES)


def _names_entities(train: pd.DataFrame, test: pd.DataFrame, name: str, role: str) -> bool:
    """Whether a column's levels repeat among train rows and are not those of the test rows."""
    values = train[name]
    whole = role == "numeric" and values.dtype.kind in "iu"
    if not (whole or role in ("categorical", "datetime")) or len(test) < 10:
        return False
    if whole and _are_shared(values.to_numpy(), test[name]):
        return False
    levels = np.unique(values.to_numpy()) if whole else values.dropna().unique()
    if len(levels) < 10 or len(values) < 1.5 * len(levels):
        return False
    others = test[name].dropna()
    if len(others) < 10:
        return False
    if role != "datetime" and _kinds_differ(values, others):
        return False
    if not whole and _are_shared(levels, others):
        return False
    return bool(others.isin(levels).mean() <= SAME_ENTITIES)


def _are_shared(values: np.ndarray, others: pd.Series) -> bool:
    """Whether test rows here and there mostly have values of train rows: the quick answer, of most columns."""
    return bool(others.iloc[:: max(1, len(others) // SOME)].isin(values).mean() > 0.5)


def _kinds_differ(values: pd.Series, others: pd.Series) -> bool:
    return (values.dtype.kind in "iuf") != (others.dtype.kind in "iuf")


# --- time

def _forward(task: Task, train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str], count: int) -> Plan | None:
    if task.time:
        times = _times(task.time, train, test, roles)
        if times is None:
            raise TaskError(f"time = {task.time!r}: its values are neither dates nor numbers")
        if np.nanmin(times[1], initial=np.inf) >= np.nanmedian(times[0]):
            return _forward_plan(task, train, test, task.time, *times, count, roles, "task.toml names the time")
        return None
    for name in (c for c in roles if _may_be_time(c, train[c], roles[c])):
        times = _times(name, train, test, roles)
        if times is not None and len(times[1]) and np.nanmin(times[1]) > np.nanmax(times[0]):
            return _forward_plan(task, train, test, name, *times, count, roles, "every test row is later than every train row")
    return None


def _drifting(
    task: Task, train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str], count: int, auc: float | None,
    columns: Sequence[str],
) -> Plan | None:
    """Forward when the adversarial model tells the files apart by a time in which nearly all test rows are later."""
    top = columns[0] if columns else None
    if auc is None or auc < 0.9 or top is None or not _may_be_time(top, train[top], roles[top]):
        return None
    times = _times(top, train, test, roles)
    if times is None or not len(times[1]) or np.nanquantile(times[1], 0.05) < np.nanquantile(times[0], 0.95):
        return None
    why = f"nearly all test rows are later (adversarial AUC {auc:.2f})"
    return _forward_plan(task, train, test, top, *times, count, roles, why)


def _may_be_time(name: str, values: pd.Series, role: str) -> bool:
    """A date, or whole numbers that are years or are named like a time; a row number is none."""
    if role == "datetime":
        return True
    if role != "numeric" or values.dtype.kind not in "iuf":
        return False
    named = TIME_WORDS.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)) is not None
    raw = values.to_numpy()
    known = raw[np.isfinite(raw)]
    if not len(known) or not (named or (known.min() >= 1900 and known.max() <= 2100)) or (known % 1 != 0).any():
        return False
    return len(np.unique(known)) >= 3


def _times(
    name: str, train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str],
) -> tuple[np.ndarray, np.ndarray] | None:
    """Train and test times as floats (nanoseconds for dates, NaN where missing)."""
    values = together(train[name], test[name]) if name in test else train[name]
    dates = as_dates(values) if roles.get(name) != "numeric" else None
    if dates is not None:
        numbers = np.where(dates.isna(), np.nan, dates.astype("int64").to_numpy(dtype=float))
    else:
        numbers = as_amounts(values).to_numpy()
    if np.isnan(numbers[: len(train)]).mean() > 0.05:
        return None
    return numbers[: len(train)], numbers[len(train):][~np.isnan(numbers[len(train):])]


def _forward_plan(
    task: Task, train: pd.DataFrame, test: pd.DataFrame, name: str, past: np.ndarray, future: np.ndarray, count: int,
    roles: dict[str, str], why: str,
) -> Plan | None:
    """Expanding windows: each block of time is validated by what lies before it; blocks as long as the test's span."""
    known = np.where(np.isnan(past), np.nanmin(past), past)
    edges = _edges(known, future, count)
    pairs = []
    for start, end in pairwise(edges):
        fit, validate = np.flatnonzero(known <= start), np.flatnonzero((known > start) & (known <= end))
        pairs.append((_strangers(task, train, test, fit, validate), validate))
    folds = tuple(pair for pair in pairs if len(pair[0]) >= 2 and len(pair[1]))
    if not folds:
        return None
    reasons = [f"{len(folds)} folds, forward in {name}: {why}; each validates the block after what it fits"]
    months = _unseen_months(past, future, np.concatenate([rows for _, rows in folds])) if roles.get(name) == "datetime" else ()
    if months:
        named = ", ".join(month_name[month] for month in months)
        reasons.append(f"most test rows are of months that train has once and no fold validates ({named}): the scores of the "
                       f"test may differ")
    one_year = bool(months) and _no_month_twice(past)
    if one_year:
        reasons.append("train has no month of the year twice: what it says of a time of the year is taken to come back")
    return Plan("forward", folds, len(train), group=task.group, time=name, reasons=tuple(reasons), unseen_months=months,
                one_year=one_year)


def _unseen_months(past: np.ndarray, future: np.ndarray, validated: Rows) -> tuple[int, ...]:
    """Months of the year that train has once and no fold validates, where most test rows are of such; else ().

    There the time of the year cannot be told from the time that has passed, and no fold says which of them counts."""
    mine, later = (pd.to_datetime(pd.Series(times)).dt for times in (past, future))
    once = mine.year.groupby(mine.month).nunique().eq(1)
    unseen = (set(once.index[once]) & set(later.month)) - set(mine.month.iloc[validated])
    return tuple(sorted(int(month) for month in unseen)) if later.month.isin(unseen).mean() > 0.5 else ()


def _no_month_twice(past: np.ndarray) -> bool:
    times = pd.to_datetime(pd.Series(past)).dt
    return bool(times.year.groupby(times.month).nunique().max() == 1)


def _edges(past: np.ndarray, future: np.ndarray, count: int) -> np.ndarray:
    """Ends of the blocks, each as long as the test's span, or with as many rows each where those do not fit."""
    moments = np.unique(past)
    if len(moments) < 2:
        return moments
    step = float(np.median(np.diff(moments)))
    span = (float(future.max() - future.min()) if len(future) else 0.0) + step
    last = float(moments[-1])
    for blocks in range(count, 1, -1):
        edges = last - span * np.arange(blocks, -1, -1)
        rows = np.histogram(past, bins=edges)[0] if span * blocks <= 0.6 * (last - moments[0]) else np.zeros(1)
        if rows.min() >= max(2, 0.02 * len(past)):
            return edges
    return np.unique(np.append(np.quantile(past, np.linspace(0.4, 1, count + 1)[:-1], method="lower"), last))


def _strangers(task: Task, train: pd.DataFrame, test: pd.DataFrame, fit: Rows, validate: Rows) -> Rows:
    """Fit rows without the groups of the validate rows, where the test's groups are not in train either."""
    name = task.group
    if name is None or name not in test or test[name].isin(train[name]).mean() > SAME_ENTITIES:
        return fit
    return fit[~train[name].iloc[fit].isin(train[name].iloc[validate]).to_numpy()]


def _blocks(
    task: Task, train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str], count: int, rng: np.random.Generator,
) -> Plan | None:
    """Grouped by stretch of time where test has stretches between those of train, as the last days of each month."""
    dated = [task.time] if task.time else [c for c in roles if roles[c] == "datetime"]
    for name in dated:
        times = _times(name, train, test, roles)
        codes = _stretches(*times, dates=roles.get(name) != "numeric") if times is not None else None
        if codes is not None:
            why = "test.csv has stretches of time between those of train.csv"
            plan = _plan_of_groups(task, train, codes, count, rng, f"stretches of {name}", why)
            return replace(plan, scheme="grouped", group=None, time=name) if plan else None
    return None


def _stretches(past: np.ndarray, future: np.ndarray, *, dates: bool) -> np.ndarray | None:
    """The stretch of time of each train row, no longer than the test's; None unless each day is train's or test's."""
    day = 86_400e9 if dates else 1.0
    past, future = np.floor(np.nan_to_num(past, nan=np.nanmin(past)) / day), np.floor(future / day)
    mine, others = np.unique(past), np.unique(future)
    shared = np.isin(future, mine).mean() if len(future) else 1.0
    if shared > 0.01 or len(others) < 3 or len(past) < 3 * len(mine) or len(mine) < 6:
        return None
    gaps = np.searchsorted(others, mine)  # the number of test days before each train day: equal within a stretch
    runs = len(np.unique(gaps))
    if runs < 3:
        return None
    length = max(1, round(len(others) / max(1, len(np.unique(np.searchsorted(mine, others))))))
    first = np.r_[True, np.diff(gaps) != 0]
    within = np.arange(len(mine)) - np.maximum.accumulate(np.where(first, np.arange(len(mine)), 0))
    piece = np.cumsum(first | (within % length == 0)) - 1
    return np.unique(piece[np.searchsorted(mine, past)], return_inverse=True)[1]


# --- adversarial check

def adversarial(
    train: pd.DataFrame, test: pd.DataFrame, roles: dict[str, str], *, seed: int, group: str | None = None,
    rows: int = 5000, most: int = 300,
) -> tuple[float | None, tuple[str, ...]]:
    """Two-fold AUC of telling test from train rows, and the columns that told most; None below 20 rows of either.

    The rows of a group are in one half: where test has groups of its own, the model would else know them again by
    whatever they have in common, and find train and test to differ where nothing but the groups does.
    """
    if min(len(train), len(test)) < 20:
        return None, ()
    rng = np.random.default_rng(seed)
    train, test = (frame.iloc[np.sort(rng.permutation(len(frame))[:rows])].reset_index(drop=True)
                   for frame in (train, test))
    usable = [c for c in roles if roles[c] in ("numeric", "datetime") or
              (roles[c] == "categorical" and together(train[c], test[c]).nunique() <= 1000)]
    texts = [c for c in roles if roles[c] == "text"]
    label = np.r_[np.zeros(len(train)), np.ones(len(test))]
    half = _halves(train, test, group, label, rng)
    told: list[tuple[float, tuple[str, ...]]] = []
    if usable:
        names = sorted(rng.permutation(usable)[:most], key=list(roles).index)
        features = _as_floats(typed(train, test, {name: roles[name] for name in names}))
        told.append(_two_fold_auc(features, label, names, half))
    told += [(_two_fold_word_auc(together(train[c], test[c]), label, half, rng), (c,)) for c in texts[:3]]
    return max(told, default=(None, ()))


def _halves(
    train: pd.DataFrame, test: pd.DataFrame, group: str | None, label: np.ndarray, rng: np.random.Generator,
) -> np.ndarray:
    """0 or 1 for each row, train rows first: half of the rows (of the groups, where known) of either file."""
    if group is None or group not in test:
        return _deal(label, 2, rng, even=True)
    codes = pd.factorize(together(train[group], test[group]), use_na_sentinel=False)[0]
    groups, place = np.unique(codes + label * len(label), return_inverse=True)
    if min((groups < len(label)).sum(), (groups >= len(label)).sum()) < 10:
        return _deal(label, 2, rng, even=True)
    return _deal((groups >= len(label)).astype(float), 2, rng, even=True)[place]


def _as_floats(features: pd.DataFrame) -> np.ndarray:
    columns: list[np.ndarray] = []
    for name in features:
        values = features[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            columns.append(values.cat.codes.to_numpy(dtype=np.float32))
        elif values.dtype.kind == "M":
            days = (values - pd.Timestamp("2000-01-01")) / pd.Timedelta(days=1)
            columns.append(days.to_numpy(dtype=np.float32))
        else:
            columns.append(values.to_numpy(dtype=np.float32))
    return np.column_stack(columns)


def _two_fold_word_auc(
    texts: pd.Series, label: np.ndarray, half: np.ndarray, rng: np.random.Generator, rows: int = 2500,
) -> float:
    """Two-fold AUC of telling test from train rows by their words."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    chosen = np.sort(rng.permutation(len(label))[: 2 * rows])
    label, half = label[chosen], half[chosen]
    heads = texts.iloc[chosen].fillna("").astype(str).str.slice(0, 2000)
    words = HashingVectorizer(n_features=2**15, alternate_sign=False, norm="l2").transform(heads)
    aucs = []
    for k in (0, 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the iteration limit is our time limit
            model = LogisticRegression(C=10.0, max_iter=60).fit(words[half != k], label[half != k])
        aucs.append(roc_auc_score(label[half == k], model.decision_function(words[half == k])))
    return float(np.mean(aucs))


def _two_fold_auc(
    features: np.ndarray, label: np.ndarray, names: Sequence[str], half: np.ndarray,
) -> tuple[float, tuple[str, ...]]:
    import lightgbm
    from sklearn.metrics import roc_auc_score

    settings = {"objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 10, "num_threads": 1,
                "verbosity": -1, "seed": 0, "max_bin": 63, "feature_fraction": 0.5}
    scores, gain = np.zeros(len(label)), np.zeros(features.shape[1])
    for k in (0, 1):
        data = lightgbm.Dataset(features[half != k], label[half != k], params={"verbosity": -1})
        model = lightgbm.train(settings, data, num_boost_round=30)
        scores[half == k] = model.predict(features[half == k], num_threads=1)
        gain += model.feature_importance("gain")
    aucs = [roc_auc_score(label[half == k], scores[half == k]) for k in (0, 1)]
    top = tuple(str(names[i]) for i in np.argsort(-gain)[:3] if gain[i] > 0)
    return float(np.mean(aucs)), top
