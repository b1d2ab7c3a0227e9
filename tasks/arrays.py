"""Writes a run's data folder: features without labels for the sandbox, a folder for each fold, the truth apart.

`data/` is what trials may see (docs/design.md); `private/` (mode 0700) holds the labels and the order of the rows.
Everything after this module counts train rows in the host's order, a random one: that of train.csv may tell labels.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.spec import CLASSED, Task
from tasks.tables import typed_columns
from tasks.validation import Folds, Plan, units

SMOKE_FIT, SMOKE_PREDICT = 400, 150


@dataclass(frozen=True)
class Arrays:
    """A run's rows as the host knows them. Train rows are in the host's order, test rows in that of test.csv."""

    folder: Path
    truth: np.ndarray  # (n_train,) codes of classes or numbers, (n_train, k) for several targets
    order: np.ndarray  # (n_train,) the row of the train table at each place
    folds: Folds  # (fit rows, validate rows), sorted; a fold's predictions come in the order of its validate rows
    n_test: int
    test_ids: tuple[str, ...]
    columns: tuple[str, ...]
    prediction_width: tuple[int, ...]  # () for one number a row, (k,) for k
    final: bool = False  # forward in time: the test rows are predicted by one more fit, on all train rows, alone
    units: np.ndarray | None = None  # (n_train,) codes: rows of a code (a group, a moment) are no independent draws
    test_units: np.ndarray | None = None  # (n_test,), in the order of test.csv

    @property
    def n_train(self) -> int:
        return len(self.order)

    @property
    def data(self) -> Path:
        """The folder that trials are given parts of."""
        return self.folder / "data"

    @property
    def validated(self) -> np.ndarray:
        """(n_train,) bool: rows that some fold validates."""
        mask = np.zeros(self.n_train, dtype=bool)
        for _, rows in self.folds:
            mask[rows] = True
        return mask

    @property
    def fits(self) -> int:
        """How many trials an entry needs: one a fold, and the final fit where there is one (the last)."""
        return len(self.folds) + self.final

    def validation_rows(self, fold: int) -> np.ndarray:
        """Train rows (host's order) that a fit validates, in the order in which its predictions come first."""
        return self.folds[fold][1] if fold < len(self.folds) else np.zeros(0, dtype=np.int64)

    def fit_rows(self, fold: int) -> int:
        """How many rows a fit is made on."""
        return len(self.folds[fold][0]) if fold < len(self.folds) else self.n_train

    def tests(self, fold: int) -> bool:
        """Whether a fit predicts the test rows, after its validate rows."""
        return not self.final or fold == len(self.folds)

    def predict_rows(self, fold: int) -> int:
        """How many rows a trial of a fit predicts."""
        return len(self.validation_rows(fold)) + (self.n_test if self.tests(fold) else 0)


def truth_of(task: Task, train: pd.DataFrame) -> np.ndarray:
    """Labels of rows as codes 0..k-1 (binary, multiclass, ordinal: int64) or numbers (float64), (n,) or (n, k)."""
    if task.kind in CLASSED:
        return pd.Categorical(train[task.targets[0]], categories=list(task.classes)).codes.astype(np.int64)
    values = train[list(task.targets)].to_numpy(dtype=np.float64)
    return values if len(task.targets) > 1 else values[:, 0]


def width_of(task: Task) -> tuple[int, ...]:
    """The shape of one row's prediction (docs/design.md)."""
    several = {"distribution": len(task.classes), "probabilities": len(task.targets), "values": len(task.targets)}
    return (several[task.prediction],) if task.prediction in several else ()


def write_arrays(
    task: Task, train: pd.DataFrame, test: pd.DataFrame, plan: Plan, roles: dict[str, str], folder: Path, *, seed: int,
) -> Arrays:
    """Write `folder`/data and `folder`/private; the returned Arrays can be had again from load_arrays(folder)."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(train))
    place = np.argsort(order)
    folds = tuple((np.sort(place[fit]), np.sort(place[validate])) for fit, validate in plan.folds)
    truth = truth_of(task, train)[order]
    ids = tuple(test[task.id].astype("str")) if task.id else ()
    mine, others = units(plan, train, test) or (None, None)
    arrays = Arrays(folder, truth, order, folds, len(test), ids, tuple(roles), width_of(task),
                    final=plan.scheme == "forward", units=None if mine is None else mine[order], test_units=others)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    features = typed_columns(train, test, roles, assets=task.assets_folder)
    _write_features(features, np.r_[order, np.arange(len(train), len(train) + len(test))], folder / "data" / "features.arrow")
    _write_folds(arrays, rng)
    _write_json(folder / "data" / "card.json", card(task, plan, roles))
    _write_private(arrays, plan)
    return arrays


def card(task: Task, plan: Plan, roles: dict[str, str]) -> dict[str, Any]:
    """What a solution is told of the task (docs/design.md); the runner adds seed, threads, device and seconds_left."""
    return {
        "kind": task.kind, "prediction": task.prediction, "metric": task.metric,
        "greater_is_better": task.greater_is_better, "classes": list(task.classes), "targets": list(task.targets),
        "roles": roles, "group": plan.group if plan.group in roles else None,
        "time": plan.time if plan.time in roles else None,
        "assets": str(task.assets_folder) if task.assets_folder else None,
    }


def _write_features(features: Iterable[tuple[str, pd.Series]], order: np.ndarray, path: Path) -> None:
    """The columns, their rows in this order; the schema says what pandas has to make of them."""
    columns, empty = {}, {}
    for name, values in features:
        shuffled = values.take(order)
        columns[name], empty[name] = pa.array(shuffled, from_pandas=True), shuffled.iloc[:0].reset_index(drop=True)
    known = pa.Schema.from_pandas(pd.DataFrame(empty), preserve_index=False).metadata
    write_table(pa.table(columns).replace_schema_metadata(known), path)


def write_table(table: pa.Table, path: Path) -> None:
    """One uncompressed record batch, so that a reader can map it."""
    table = table.combine_chunks()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, table.num_rows))


def _write_folds(arrays: Arrays, rng: np.random.Generator) -> None:
    tests = np.arange(arrays.n_train, arrays.n_train + arrays.n_test)
    for k, (fit, validate) in enumerate(arrays.folds):
        _write_fold(arrays.data / f"fold-{k}", arrays.truth, fit, np.r_[validate, tests] if arrays.tests(k) else validate)
    if arrays.final:
        _write_fold(arrays.data / f"fold-{len(arrays.folds)}", arrays.truth, np.arange(arrays.n_train), tests)
    fit, validate = arrays.folds[0]
    few = _sample(arrays.truth, fit, SMOKE_FIT, rng)
    _write_fold(arrays.data / "smoke", arrays.truth, few, _sample(arrays.truth, validate, SMOKE_PREDICT, rng))


def _write_fold(folder: Path, truth: np.ndarray, fit: np.ndarray, predict: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    for name, values in (("fit", fit), ("predict", predict), ("target", truth[fit])):
        np.save(folder / f"{name}.npy", values)


def _sample(truth: np.ndarray, rows: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Some of the rows, sorted; where labels are codes, one of each class first."""
    shuffled = rng.permutation(rows)
    if truth.ndim == 1 and truth.dtype.kind == "i":
        first = np.sort(np.unique(truth[shuffled], return_index=True)[1])
        shuffled = np.r_[shuffled[first], np.delete(shuffled, first)]
    return np.sort(shuffled[:size])


def _write_private(arrays: Arrays, plan: Plan) -> None:
    private = arrays.folder / "private"
    private.mkdir(mode=0o700, exist_ok=True)
    np.save(private / "truth.npy", arrays.truth)
    np.save(private / "order.npy", arrays.order)
    if arrays.units is not None and arrays.test_units is not None:
        np.save(private / "units.npy", np.r_[arrays.units, arrays.test_units])
    _write_json(private / "plan.json", plan.to_json())
    known = {"folds": len(arrays.folds), "n_test": arrays.n_test, "test_ids": arrays.test_ids,
             "columns": arrays.columns, "final": arrays.final, "prediction_width": arrays.prediction_width}
    for k, (fit, validate) in enumerate(arrays.folds):
        np.save(private / f"fit-{k}.npy", fit)
        np.save(private / f"validate-{k}.npy", validate)
    _write_json(private / "arrays.json", known)  # last: its presence says that the folder is complete


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def load_arrays(folder: Path) -> Arrays:
    """What write_arrays returned; FileNotFoundError when it did not finish."""
    private = folder / "private"
    known = json.loads((private / "arrays.json").read_text(encoding="utf-8"))
    pairs = [[private / f"{part}-{k}.npy" for part in ("fit", "validate")] for k in range(known["folds"])]
    order, stored = np.load(private / "order.npy"), private / "units.npy"
    mine, others = np.split(np.load(stored), [len(order)]) if stored.exists() else (None, None)
    return Arrays(
        folder, np.load(private / "truth.npy"), order,
        tuple((np.load(fit), np.load(validate)) for fit, validate in pairs), known["n_test"],
        tuple(known["test_ids"]), tuple(known["columns"]), tuple(known["prediction_width"]), known["final"], mine, others)


def load_plan(folder: Path) -> dict[str, Any]:
    """Plan.to_json() as write_arrays stored it."""
    return json.loads((folder / "private" / "plan.json").read_text(encoding="utf-8"))
