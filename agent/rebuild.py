"""Rebuilds a submission from a competition's public files: `python solution.py --data FOLDER [--out submission.csv]`.

medalist copies this file into a run's solution/ folder, beside all that it reads and imports (see README.md there); it
needs third-party packages only. It fits every member on every fold as the run did, and prints a line for each fit.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMEXPR_MAX_THREADS": "1",
    "LOKY_MAX_CPU_COUNT": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONHASHSEED": "0",
}  # as in the run's sandbox: sums in another order, or sets, give other numbers

if __name__ == "__main__" and any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
    os.environ.update(ENVIRONMENT)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # hashing is seeded before the first line runs
if __name__ == "__main__":
    sys.path.insert(0, str(HERE))  # before a medalist that may be installed: `tasks` is the copy beside this file

import argparse  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
from collections.abc import Mapping  # noqa: E402
from types import SimpleNamespace  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pyarrow as pa  # noqa: E402
from blend import Blend, as_columns  # noqa: E402

from tasks.arrays import truth_of  # noqa: E402
from tasks.decision_steps import Decision  # noqa: E402
from tasks.spec import Task, read_tables  # noqa: E402
from tasks.submission import write_submission  # noqa: E402
from tasks.tables import TaskError, typed  # noqa: E402

EQUAL = 1e-6  # of the range of an entry's predictions
Fit = tuple[np.ndarray, np.ndarray]  # rows to fit on, rows to predict before those of the test


def main() -> None:
    parser = argparse.ArgumentParser(description="Rebuild the submission of a medalist run from the public files.")
    parser.add_argument("--data", type=Path, required=True, help="the competition's folder with train.csv and test.csv")
    parser.add_argument("--out", type=Path, default=Path("submission.csv"), help="where to write the submission")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what networks are trained on")
    options = parser.parse_args()
    try:
        rebuild(options.data.resolve(), options.out, device=options.device)
    except TaskError as error:
        sys.exit(str(error))


def rebuild(data: Path, out: Path, *, device: str) -> None:
    """Fit, predict, blend, decide, write. TaskError where the files are not those of the run."""
    task, card, plan = _task(data), _read("card.json"), np.load(HERE / "folds.npz")
    features, truth = _rows(task, card["roles"], plan["order"], int(plan["n_test"]))
    prepared = HERE / "prepared"
    card |= {"device": device, "prepared": str(prepared) if prepared.exists() else None}
    card |= {"assets": str(task.assets_folder) if task.assets_folder else None}
    fits = [(plan[f"fit_{k}"], plan[f"validate_{k}"]) for k in range(int(plan["fits"]))]
    known = _read("blend.json")
    predictions = _members(known, fits, features, truth, card, _read("replay.json"))
    raw = Blend.from_json(known["blend"]).apply(predictions)
    write_submission(task, Decision.from_json(known["decision"]).apply(raw), out)
    print(f"wrote {out}", flush=True)


def _read(name: str) -> dict[str, Any]:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def _task(data: Path) -> Task:
    """The task as the run understood it; nothing is inferred again."""
    stored: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                              for name, value in _read("task.json").items()}
    return Task(folder=data, **stored)


def _rows(task: Task, roles: dict[str, str], order: np.ndarray, n_test: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Features of all train rows in the run's order, then of all test rows; labels of the train rows."""
    tables = read_tables(task)
    found, wanted = (len(tables.train), len(tables.test)), (len(order), n_test)
    if found != wanted:
        raise TaskError(f"{task.folder} has {found[0]} train and {found[1]} test rows; the run had {wanted[0]} and "
                        f"{wanted[1]}: give the folder of the same competition")
    features = typed(tables.train, tables.test, roles, assets=task.assets_folder)
    shuffled = features.take(np.r_[order, np.arange(len(order), len(features))])
    return _through_arrow(shuffled), truth_of(task, tables.train)[order]


def _through_arrow(features: pd.DataFrame) -> pd.DataFrame:
    """What a trial reads: the same dtypes and missing values as from the run's Arrow file."""
    table = pa.Table.from_pandas(features, preserve_index=False).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, table.num_rows))
    return pa.ipc.open_file(sink.getvalue()).read_all().to_pandas()


def _members(
    known: Mapping[str, Any], fits: list[Fit], features: pd.DataFrame, truth: np.ndarray, card: Mapping[str, Any],
    replay: Mapping[str, list[Any]],
) -> dict[int, np.ndarray]:
    """Each entry's prediction of the test rows: the mean over the models of its fits, which choose what they chose. An entry
    upon others is shown what these predict of all rows; they come before it."""
    seeds, threads, upon = known["seeds"], known["threads"], known["upon"]
    predictions, everywhere, begun = {}, dict[int, np.ndarray](), time.monotonic()
    for m, (number, seed) in enumerate(seeds.items()):
        answers = []
        seen, roles = features, card["roles"]
        if number in upon:
            shown = as_columns({n: everywhere[n] for n in upon[number]["entries"]}, upon[number]["link"])
            seen, roles = features.assign(**shown), {**roles, **dict.fromkeys(shown, "numeric")}
        for k, fit in enumerate(fits):
            print(f"[{m * len(fits) + k + 1}/{len(seeds) * len(fits)}] entry {number}, fit {k + 1} of {len(fits)}, "
                  f"after {time.monotonic() - begun:.1f} s", flush=True)
            mine = {**card, "roles": roles, "seed": seed, "threads": threads[number][k], "replay": replay[number][k]}
            answers.append(_predict(number, fit, seen, truth, mine))
        tested = [answer[len(before):] for (_, before), answer in zip(fits, answers, strict=True)]
        predictions[int(number)] = np.mean(tested, axis=0)
        if upon:
            everywhere[int(number)] = _everywhere(fits, answers, predictions[int(number)], len(truth))
        print(_compared(number, predictions[int(number)]), flush=True)
    return predictions


def _everywhere(fits: list[Fit], answers: list[np.ndarray], tested: np.ndarray, n_train: int) -> np.ndarray:
    """What an entry predicts of the train rows, each by the model that was not fitted on it, and of the test rows."""
    validated = np.full((n_train, *tested.shape[1:]), np.nan)
    for (_, before), answer in zip(fits, answers, strict=True):
        validated[before] = answer[: len(before)]
    return np.concatenate([validated, tested])


def _compared(number: str, prediction: np.ndarray) -> str:
    """Whether an entry predicts what it did in the run."""
    before = np.load(HERE / "predictions.npz")[f"entry_{number}"]
    apart = float(np.abs(prediction - before).max() / (np.ptp(before) or 1.0))
    if apart < EQUAL:
        return f"entry {number} predicts what it did in the run"
    return (f"entry {number} predicts otherwise than in the run, by up to {apart:.2g} of the range: its code measures "
            f"time or draws at random, or this machine calculates otherwise")


def _predict(
    number: str, fit: Fit, features: pd.DataFrame, truth: np.ndarray, card: dict[str, Any],
) -> np.ndarray:
    """One fit's prediction of its validate rows and the test's, the module new each time, as each trial had its own process."""
    rows, before = fit
    train = features.take(rows).reset_index(drop=True)
    predict = features.take(np.r_[before, np.arange(len(truth), len(features))]).reset_index(drop=True)
    sys.modules.pop(f"members.entry_{number}", None)
    module = importlib.import_module(f"members.entry_{number}")
    answer = module.fit_predict(train, _target(truth[rows], card["targets"]), predict, SimpleNamespace(**card))
    return np.asarray(answer, dtype=np.float64)


def _target(values: np.ndarray, names: list[str]) -> pd.Series | pd.DataFrame:
    return pd.DataFrame(values, columns=names) if values.ndim == 2 else pd.Series(values, name=names[0])


if __name__ == "__main__":
    main()
