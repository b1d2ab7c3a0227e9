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
from tasks.traps.pipeline import Predictions, calibrated, cross_calibrated, encoded, predictions, score, strongest
from tasks.validation import Folds, design


@dataclass(frozen=True)
class Trap:
    """trap.toml. columns: "all" those of train.csv, or "with the id"; encode: a column encoded by the target; select: how
    many columns are chosen by the target; calibrate: whether the probabilities are."""

    trap: str
    naive_cv: str
    right: str
    columns: str = "all"
    encode: str | None = None
    select: int | None = None
    calibrate: bool = False


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


Hidden = tuple[np.ndarray, np.ndarray]  # the answers of the test rows, and which of them are private


def _naive(trap: Trap, task: Task, tables: Tables, truth: np.ndarray, hidden: Hidden) -> Estimate:
    """Encoded and chosen on all rows of train.csv, folds at random, calibrated on the rows that are scored."""
    features = _all_columns(trap, task, tables)
    known, asked = features.iloc[: len(truth)], features.iloc[len(truth):]
    if trap.encode:
        features = pd.concat([_encoded_at_once(known, rows, truth, trap.encode) for rows in (known, asked)])
    if trap.select:
        features = features[strongest(known, truth, trap.select)]
    folds: Folds = tuple(KFold(5, shuffle=True, random_state=0).split(truth))
    made = predictions(features, truth, folds, final=False)
    said = calibrated(made.out_of_fold, truth, made.out_of_fold) if trap.calibrate else made.out_of_fold
    return _estimate(trap, metric(task.metric), truth, said, made, hidden)


def _honest(trap: Trap, task: Task, tables: Tables, truth: np.ndarray, hidden: Hidden) -> tuple[str, Estimate]:
    """Columns of the survey, folds of the plan; whatever is learned from answers is learned apart from those it is scored
    on."""
    roles = survey(tables.train, tables.test, id=task.id, targets=task.targets, text=task.text).roles
    plan = design(task, tables.train, tables.test, roles, seed=0)
    kept = {name: role for name, role in roles.items() if name not in (plan.group, plan.time)}
    features = _numbers(typed(tables.train, tables.test, kept), keep=trap.encode)
    made = predictions(features, truth, plan.folds, final=plan.scheme == "forward", encode=trap.encode, select=trap.select)
    said = cross_calibrated(made, truth) if trap.calibrate else made.out_of_fold
    groups = pd.factorize(tables.train[plan.group])[0] if plan.group else None
    return plan.scheme, _estimate(trap, metric(task.metric), truth, said, made, hidden, groups=groups)


def _estimate(
    trap: Trap, judge: Metric, truth: np.ndarray, said: np.ndarray, made: Predictions, hidden: Hidden, *,
    groups: np.ndarray | None = None,
) -> Estimate:
    """The score of what was said of the train rows, that of the test rows, and the chance in both, over rows or groups."""
    there, (answers, private) = made.validated, hidden
    test = calibrated(made.out_of_fold[there], truth[there], made.test) if trap.calibrate else made.test
    units = groups[there] if groups is not None else None
    chance = standard_error(judge, truth[there], said[there], seed=0, groups=units)
    chance_there = standard_error(judge, answers[private], test[private], seed=0)
    return Estimate(score(judge, truth, said, made), judge.score(answers[private], test[private]),
                    float(np.hypot(chance, chance_there)))


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
