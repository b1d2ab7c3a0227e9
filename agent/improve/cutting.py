"""Cuts small tasks from a catalogue task's public train rows: some of its rows, some of its columns, at times another target.

The catalogue's private answers are never read. A cut of canary labels has them shuffled over all its rows.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agent.improve.evaluator import GateTask
from tasks import catalogue
from tasks.spec import CLASSED

TRAIN_ROWS, TEST_ROWS = (300, 900), 1_500
MOST_COLUMNS = 60
READ_ROWS = 60_000
FORMAT = "1"


@dataclass(frozen=True)
class Cut:
    """What a cut is: train, test with labels, and its task.toml."""

    train: pd.DataFrame
    test: pd.DataFrame
    facts: Mapping[str, Any]


def cut(family: str, number: int, *, data: Path, canary: bool = False) -> GateTask:
    """The `number`-th cut of a catalogue task, made below `data/cuts` when absent."""
    source = catalogue.prepare(family, data, data / "cache")
    stamp = hashlib.sha256(f"{FORMAT} {catalogue.stamp_of(family)} {number} {canary}".encode()).hexdigest()[:16]
    name = f"{'canary' if canary else 'cut'}-{stamp}"
    place = data / "cuts" / name
    if not place.is_dir():
        rng = np.random.default_rng([int(stamp[:8], 16), number])
        table = pd.read_csv(source / "public" / "train.csv", nrows=READ_ROWS, low_memory=False)
        _write(made(table, catalogue.facts(family), number, rng, canary=canary), place)
    return GateTask(name, family, _digest(place), place / "public", place / "private" / "answers.csv", canary)


def made(
    table: pd.DataFrame, facts: Mapping[str, Any], number: int, rng: np.random.Generator, *, canary: bool = False,
) -> Cut:
    """Rows and columns drawn from `table`. Every third cut asks for another column, where one can be asked for."""
    table = table.drop(columns=facts.get("id") or [])
    spec = {key: facts[key] for key in ("metric", "kind", "targets", "submission", "group", "time", "text") if key in facts}
    if number % 3 == 2 and (other := _other_target(table, spec, rng)):
        spec = other
    table = table[_columns(table, spec, rng)]
    spec = {key: value for key, value in spec.items() if key not in ("group", "time") or value in table}
    train, test = _rows(table, spec, rng)
    if canary:
        targets, rows = list(spec["targets"]), pd.concat([train, test], ignore_index=True)
        rows[targets] = rows[targets].to_numpy()[rng.permutation(len(rows))]
        train, test = rows[: len(train)], rows[len(train):]
    ids = np.arange(len(train) + len(test))
    train, test = train.assign(row=ids[: len(train)]), test.assign(row=ids[len(train):])
    return Cut(train.reset_index(drop=True), test.reset_index(drop=True), {**spec, "id": "row"})


def _other_target(table: pd.DataFrame, spec: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any] | None:
    """Another column as target: a number of many values, or a class of two to eight levels, none rare."""
    taken = {*spec["targets"], spec.get("group"), spec.get("time"), *spec.get("text", ())}
    able = [(name, kind) for name in table.columns if name not in taken and (kind := _kind(table[name]))]
    if not able:
        return None
    target, kind = able[int(rng.integers(len(able)))]
    how = {"regression": ("rmse", "value"), "binary": ("auc", "probability"), "multiclass": ("log_loss", "distribution")}
    kept = {key: spec[key] for key in ("group", "text") if key in spec}
    return {**kept, "metric": how[kind][0], "kind": kind, "targets": [target], "submission": how[kind][1]}


def _kind(column: pd.Series) -> str:
    """What a column could be asked for as; empty where it could not."""
    counts = column.value_counts(normalize=True)
    if column.isna().mean() > 0.2 or len(counts) < 2 or counts.iloc[0] > 0.9:
        return ""
    if pd.api.types.is_numeric_dtype(column) and len(counts) > 30 and counts.iloc[0] < 0.3:
        return "regression"
    if len(counts) <= 8 and counts.iloc[-1] > 0.05:
        return "binary" if len(counts) == 2 else "multiclass"
    return ""


def _columns(table: pd.DataFrame, spec: Mapping[str, Any], rng: np.random.Generator) -> list[str]:
    """All columns for the plainest cuts, else at least half of the features; what the task rests on stays."""
    fixed = [name for name in table.columns if name in {*spec["targets"], spec.get("group"), spec.get("time"),
                                                        *spec.get("text", ())}]
    free = [name for name in table.columns if name not in fixed]
    share = rng.uniform(0.5, 1.0)
    count = min(max(len(free) and 1, round(share * len(free))), MOST_COLUMNS)
    chosen = set(rng.permutation(free)[:count]) if free else set()
    return [name for name in table.columns if name in chosen or name in fixed]


def _rows(table: pd.DataFrame, spec: Mapping[str, Any], rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and test: later rows where the task is one of time, other groups where it is one of groups, else at random."""
    table = table.dropna(subset=list(spec["targets"]))
    n_train = int(rng.integers(*TRAIN_ROWS))
    total = min(len(table), n_train + TEST_ROWS)
    n_train = min(n_train, total // 2)
    if spec.get("time"):
        ordered = table.sort_values(spec["time"], kind="stable")
        first = int(rng.integers(0, len(table) - total + 1))
        window = ordered.iloc[first : first + total]
        return window.iloc[:n_train], window.iloc[n_train:]
    if spec.get("group"):
        table = _whole_groups(table, spec["group"], total, rng)
        names = table[spec["group"]]
        n_train = int((names.isin(names.drop_duplicates()[: max(1, names.nunique() // 3)])).sum())
    else:
        table = table.iloc[rng.permutation(len(table))[:total]]
    train, test = table.iloc[:n_train], table.iloc[n_train:]
    return _with_known_classes(train, test, spec)


def _whole_groups(table: pd.DataFrame, group: str, total: int, rng: np.random.Generator) -> pd.DataFrame:
    names = rng.permutation(table[group].unique())
    places = pd.Series(np.arange(len(names)), index=names)
    ordered = table.assign(_place=table[group].map(places)).sort_values("_place", kind="stable")
    ends = int((ordered["_place"] <= ordered["_place"].iloc[min(total, len(ordered)) - 1]).sum())
    return ordered.iloc[: min(ends, 2 * total)].drop(columns="_place")


def _with_known_classes(
    train: pd.DataFrame, test: pd.DataFrame, spec: Mapping[str, Any],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Without classes that the train rows have fewer than five times: nobody could learn them."""
    if spec["kind"] not in CLASSED:
        return train, test
    target = spec["targets"][0]
    counts = train[target].value_counts()
    known = counts.index[counts >= 5]
    return train[train[target].isin(known)], test[test[target].isin(known)]


def _write(made_cut: Cut, place: Path) -> None:
    """The cut's files, made aside and renamed; whole or absent."""
    targets = list(made_cut.facts["targets"])
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".cut-") as aside:
        public, private = Path(aside) / "new" / "public", Path(aside) / "new" / "private"
        public.mkdir(parents=True)
        private.mkdir(mode=0o700)
        made_cut.train.to_csv(public / "train.csv", index=False)
        made_cut.test.drop(columns=targets).to_csv(public / "test.csv", index=False)
        made_cut.test[["row", *targets]].to_csv(private / "answers.csv", index=False)
        (public / "task.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in made_cut.facts.items()))
        try:
            os.rename(Path(aside) / "new", place)
        except OSError:
            if not place.is_dir():
                raise


def _digest(place: Path) -> str:
    content = [(place / name).read_bytes() for name in ("public/train.csv", "public/test.csv", "private/answers.csv")]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in content)).hexdigest()
