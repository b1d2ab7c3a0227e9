"""Reads a competition with a model: kind, metric, traps, ideas and a hint on validation, which is checked against the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agent.llm.extract import decision
from agent.prompting.data_card import said
from tasks.spec import Task
from tasks.tables import as_dates, as_numbers

SEEN = 0.05       # of test rows that may have a level of the train rows where a column names groups
REPEATED = 1.2    # train rows a level at least
MOST_TRAPS, MOST_IDEAS = 5, 6
NAME = {"anyOf": [{"type": "string"}, {"type": "null"}]}
LINES = {"type": "array", "items": {"type": "string"}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"kind": {"type": "string"}, "metric": {"type": "string"}, "traps": LINES, "ideas": LINES, "group": NAME,
                   "time": NAME, "why": {"type": "string"}},
    "required": ["kind", "metric", "traps", "ideas", "group", "time", "why"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Reading:
    """What a model made of a competition's page. `group` and `time` are hints: nothing follows before `check` agrees."""

    kind: str = ""
    metric: str = ""
    traps: tuple[str, ...] = ()
    ideas: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """A hint after a look at the data: `key` is group or time; `says` is a sentence with the figures."""

    key: str
    column: str
    holds: bool
    says: str


def reading_of(text: str) -> Reading | None:
    """The reading in a reply's text; None where there is none that fits SCHEMA."""
    found = decision(text, SCHEMA)
    if not found.ok:
        return None
    value = found.value
    traps, ideas = (tuple(said(line) for line in value[key][:most])
                    for key, most in (("traps", MOST_TRAPS), ("ideas", MOST_IDEAS)))
    return Reading(said(value["kind"], 40), said(value["metric"], 40), traps, ideas, value["group"], value["time"],
                   said(value["why"]))


def check(reading: Reading, task: Task, plan: Mapping[str, Any], train: pd.DataFrame, test: pd.DataFrame) -> list[Verdict]:
    """What the data say of the hints that the plan does not follow already."""
    verdicts = []
    if reading.group and reading.group not in (plan["group"], plan["time"]) and not task.group:
        verdicts.append(_check_group(reading.group, train, test))
    if reading.time and reading.time != plan["time"] and not task.time:
        verdicts.append(_check_time(reading.time, train, test))
    return verdicts


def _check_group(name: str, train: pd.DataFrame, test: pd.DataFrame) -> Verdict:
    column = said(name, 60)
    if name not in train or name not in test:
        return Verdict("group", column, False, f"{column} is no column of both files")
    levels = train[name].nunique()
    if levels < 4 or len(train) < REPEATED * levels:
        return Verdict("group", column, False, f"{column} has {levels} levels in {len(train)} rows: they form no groups")
    seen = float(test[name].dropna().isin(train[name].unique()).mean()) if test[name].notna().any() else 1.0
    says = f"{seen:.0%} of the test rows have a {column} that train rows have"
    unlike = "" if seen <= SEEN else ": folds that keep them apart would be unlike the test"
    return Verdict("group", column, seen <= SEEN, says + unlike)


def _check_time(name: str, train: pd.DataFrame, test: pd.DataFrame) -> Verdict:
    column = said(name, 60)
    if name not in train or name not in test:
        return Verdict("time", column, False, f"{column} is no column of both files")
    before, after = _instants(train[name]), _instants(test[name])
    if not len(before) or not len(after):
        return Verdict("time", column, False, f"{column} holds neither dates nor numbers")
    later = float(np.mean(after > np.quantile(before, 0.95)))
    says = f"{later:.0%} of the test rows are later in {column} than 95% of the train rows"
    return Verdict("time", column, later >= 0.95, says)


def _instants(values: pd.Series) -> np.ndarray:
    """Dates as nanoseconds, numbers as they are, missing ones left out."""
    if values.dtype.kind not in "iuf":
        dates = as_dates(values)
        if dates is not None:
            return dates.dropna().astype("int64").to_numpy(dtype=float)
    numbers = as_numbers(values).to_numpy(dtype=float)
    return numbers[np.isfinite(numbers)]
