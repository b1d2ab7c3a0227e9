"""Generates competitions of any size with columns of mixed types, for measurements: numbers, codes, levels, dates, text."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

MISSING = 0.05  # of the values of every third column
WORDS = ("old", "new", "big", "small", "red", "blue", "round", "flat", "warm", "cold", "north", "south", "early", "late",
         "plain", "rich")
TOML = 'metric = "{metric}"\nid = "id"\ntargets = ["y"]\n'


def write_task(folder: Path, *, rows: int, columns: int = 100, seed: int = 0, binary: bool = True) -> Path:
    """A folder as Kaggle would hand it out: `rows` train rows and a tenth of that for the test; the answers lie beside it.

    Of ten columns, six are floats, one whole numbers, two levels (five to a few thousand), one a date; the last is text.
    The target depends on a few of each. Returns the folder.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    tests = rows // 10
    table, signal = _features(rows + tests, columns, rng)
    noisy = signal + rng.normal(size=len(signal)) * signal.std()
    answers = pa.array(noisy > np.median(noisy)).cast(pa.int8()) if binary else pa.array(noisy)
    ids = pa.array(np.arange(rows + tests))
    csv.write_csv(table.slice(0, rows).add_column(0, "id", ids[:rows]).append_column("y", answers[:rows]), folder / "train.csv")
    csv.write_csv(table.slice(rows).add_column(0, "id", ids[rows:]), folder / "test.csv")
    zeros = pa.array(np.zeros(tests))
    csv.write_csv(pa.table({"id": ids[rows:], "y": zeros}), folder / "sample_submission.csv")
    csv.write_csv(pa.table({"id": ids[rows:], "y": answers[rows:]}), folder.parent / f"{folder.name}-answers.csv")
    (folder / "task.toml").write_text(TOML.format(metric="auc" if binary else "rmse"))
    return folder


def _features(n: int, columns: int, rng: np.random.Generator) -> tuple[pa.Table, np.ndarray]:
    """The feature table, and what the target is made of (n,)."""
    made: dict[str, pa.Array] = {}
    signal = np.zeros(n)
    for k in range(columns):
        kind = "text" if k == columns - 1 else "fffifflfdl"[k % 10]
        values, effect = _column(kind, k, n, rng)
        signal += effect / (1 + k // 10)
        if k % 3 == 2:
            values = pc.if_else(pa.array(rng.random(n) < MISSING), pa.scalar(None, values.type), values)
        made[f"{kind}{k}"] = values
    return pa.table(made), signal


def _column(kind: str, k: int, n: int, rng: np.random.Generator) -> tuple[pa.Array, np.ndarray]:
    """One column and its effect on the target (n,)."""
    if kind == "f":
        values = rng.normal(size=n).round(4)
        return pa.array(values), np.sin(2 * values) if k % 4 else values
    if kind == "i":
        counts = rng.poisson(5, n)
        return pa.array(counts), np.log1p(counts)
    if kind == "l":
        levels = 5 * (1 + k) ** 2 % 4000 + 5
        codes = (levels * rng.random(n) ** 2).astype(np.int64)
        names = pa.array([f"level {code}" for code in range(levels)])
        return names.take(pa.array(codes)), rng.normal(size=levels)[codes]
    if kind == "d":
        days = rng.integers(0, 3000, n)
        dates = pa.array((np.datetime64("2015-01-01") + days).astype("datetime64[D]"))
        return dates.cast(pa.string()), np.cos(days / 58)
    return _text(n, rng)


def _text(n: int, rng: np.random.Generator) -> tuple[pa.Array, np.ndarray]:
    words = pa.array(WORDS)
    codes = rng.integers(0, len(WORDS), (6, n))
    return pc.binary_join_element_wise(*(words.take(pa.array(row)) for row in codes), " "), (codes == 0).sum(0).astype(float)
