"""`python -m tasks.traps.table` sets, for every trap task, the naive estimate and the honest one beside the private score.

naive: what trap.toml describes. honest: columns from the survey, folds from the plan, whatever is chosen or encoded
cross-fitted. Both use the same plain LightGBM, so that an estimate is judged against its own private score.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from tasks import catalogue
from tasks.arrays import truth_of
from tasks.decision import standard_error
from tasks.metrics import Metric, metric
from tasks.spec import Tables, Task, load
from tasks.submission import read_answers
from tasks.tables import survey, typed
from tasks.traps.pipeline import Best, Calibrated, Predictions, apparent, candidates, cross_fitted, encoded, predictions
from tasks.validation import Folds, design


@dataclass(frozen=True)
class Trap:
    """trap.toml. columns: "all" those of train.csv, or "with the id"; encode: a column encoded by the target;
    calibrate: through an isotonic curve; candidates: how many models the best is chosen from."""

    trap: str
    naive_cv: str
    right: str
    columns: str = "all"
    encode: str | None = None
    calibrate: bool = False
    candidates: int = 1


@dataclass(frozen=True)
class Estimate:
    """A cross-validated score, the private score of the same pipeline, and how far chance lets them lie apart."""

    cv: float
    private: float
    standard_error: float

    @property
    def right(self) -> bool:
        """Whether the two agree within two standard errors of their difference."""
        return abs(self.cv - self.private) <= 2 * self.standard_error


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    trap: str
    metric: str
    naive: Estimate
    honest: Estimate
    plan: str


def trap_of(name: str) -> Trap:
    """What trap.toml says of a trap task."""
    return Trap(**tomllib.loads((catalogue.folder(name) / "trap.toml").read_text(encoding="utf-8")))


def compare(name: str, data: Path) -> Row:
    """Prepare a trap task below `data` and estimate it both ways."""
    built = catalogue.prepare(name, data, data / "cache")
    trap, (task, tables) = trap_of(name), load(built / "public")
    truth = truth_of(task, tables.train)
    answers, usage = read_answers(task, built / "private" / "answers.csv")
    hidden = (answers, usage == "Private")
    scheme, honest = _honest(trap, task, tables, truth, hidden)
    return Row(name, trap.trap, task.metric, _naive(trap, task, tables, truth, hidden), honest, scheme)


def _naive(
    trap: Trap, task: Task, tables: Tables, truth: np.ndarray, hidden: tuple[np.ndarray, np.ndarray],
) -> Estimate:
    features = _all_columns(trap, task, tables)
    if trap.encode:
        known, asked = features.iloc[: len(truth)], features.iloc[len(truth):]
        features = pd.concat([_encoded_at_once(known, rows, truth, trap.encode) for rows in (known, asked)])
    folds: Folds = tuple(KFold(5, shuffle=True, random_state=0).split(truth))
    made = predictions(candidates([str(name) for name in features], trap.candidates), features, truth, folds, final=False)
    finish, judge = _finish(trap), metric(task.metric)
    return _estimate(judge, apparent(finish, judge, truth, made), truth, made, finish, hidden)


def _honest(
    trap: Trap, task: Task, tables: Tables, truth: np.ndarray, hidden: tuple[np.ndarray, np.ndarray],
) -> tuple[str, Estimate]:
    roles = survey(tables.train, tables.test, id=task.id, targets=task.targets, text=task.text).roles
    plan = design(task, tables.train, tables.test, roles, seed=0)
    kept = {name: role for name, role in roles.items() if name not in (plan.group, plan.time)}
    features = _numbers(typed(tables.train, tables.test, kept), keep=trap.encode)
    made = predictions(candidates([str(name) for name in features], trap.candidates), features, truth, plan.folds,
                       final=plan.scheme == "forward", encode=trap.encode)
    finish, judge = _finish(trap), metric(task.metric)
    cv, _ = cross_fitted(finish, judge, truth, made)
    groups = pd.factorize(tables.train[plan.group])[0] if plan.group else None
    return plan.scheme, _estimate(judge, cv, truth, made, finish, hidden, groups=groups)


def _estimate(
    judge: Metric, cv: float, truth: np.ndarray, made: Predictions, finish: type, hidden: tuple[np.ndarray, np.ndarray],
    *, groups: np.ndarray | None = None,
) -> Estimate:
    """The private score of the pipeline, and the chance in both scores, over rows or whole groups."""
    answers, private = hidden
    there = made.half >= 0
    fitted = finish(judge, made.out_of_fold[there], truth[there])
    said, given = fitted.apply(made.test)[private], answers[private]
    inside, units = cross_fitted(finish, judge, truth, made)[1][there], groups[there] if groups is not None else None
    chance = standard_error(judge, truth[there], inside, seed=0, groups=units)
    return Estimate(cv, judge.score(given, said), float(np.hypot(chance, standard_error(judge, given, said, seed=0))))


def _finish(trap: Trap) -> type:
    return Calibrated if trap.calibrate else Best


def _all_columns(trap: Trap, task: Task, tables: Tables) -> pd.DataFrame:
    """Every column of train.csv but the targets, as numbers, train rows first; the id where the trap says so."""
    with_id = trap.columns == "with the id"
    names = [name for name in tables.train if name not in task.targets and (with_id or name != task.id)]
    both = pd.concat([tables.train[names], tables.test[names]], ignore_index=True)
    return _numbers(both, keep=trap.encode)


def _numbers(features: pd.DataFrame, *, keep: str | None) -> pd.DataFrame:
    """Levels and dates as codes; the column `keep` as it is."""
    return pd.DataFrame({name: _code(values) if name != keep else values for name, values in features.items()})


def _code(values: pd.Series) -> pd.Series:
    if values.dtype.kind in "iuf":
        return values.astype(float)
    numbers = pd.to_numeric(values, errors="coerce") if values.dtype.kind != "M" else values.astype("int64")
    return numbers if numbers.notna().all() else pd.Series(pd.factorize(values, sort=True)[0], index=values.index).astype(float)


def _encoded_at_once(known: pd.DataFrame, rows: pd.DataFrame, target: np.ndarray, name: str) -> pd.DataFrame:
    """The column as mean answers over all known rows: each known row has seen its own."""
    return encoded(known, rows, target, name)[1]


def as_text(rows: Sequence[Row]) -> str:
    """The table in Markdown."""
    head = ["trap", "metric", "naive CV", "its private score", "", "honest CV", "its private score", "", "plan"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        sides = [[f"{side.cv:.3f} ± {2 * side.standard_error:.3f}", f"{side.private:.3f}", "right" if side.right else "wrong"]
                 for side in (row.naive, row.honest)]
        lines.append([row.name, row.metric, *sides[0], *sides[1], row.plan])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m tasks.traps.table", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TRAP", help="trap tasks (default: all)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="where prepared tasks lie (default: data)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    rows = [compare(name, options.data) for name in options.names or catalogue.traps()]
    print(json.dumps([asdict(row) for row in rows], indent=1) if options.json else as_text(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
