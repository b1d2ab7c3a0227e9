"""Turns what a metric grades into the rows that a competition wants, checks such files, and reads them back."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.arrays import truth_of
from tasks.layout.rewriting import KEEP, OTHER, REWRITINGS, labels_of
from tasks.spec import CLASSED, Task, plain_labels
from tasks.tables import TaskError, as_numbers, read_table, read_text_column
from tasks.tags import flags, joined

USAGE = "Usage"


class SubmissionError(Exception):
    """A submission that a competition would refuse; the message says which columns, rows or values are wrong."""


def write_submission(task: Task, submitted: np.ndarray, path: Path) -> None:
    """Write the submission for all rows of test.csv, whole or not at all, in the order of sample_submission.csv.

    submitted, in the order of test.csv: class codes (n,) for "label"; numbers (n,) for "probability" and "value";
    (n, k) with a column for each class, target or rank for "distribution", "probabilities", "values", "top_k", "tags", "labels".
    Raises SubmissionError where its shape or its values do not fit.
    """
    rows = _rows(task)
    submitted = np.asarray(submitted)
    if len(submitted) != len(rows):
        raise SubmissionError(f"{len(submitted)} predictions for the {len(rows)} rows of test.csv")
    for name, values in zip(task.columns, _columns(task, submitted), strict=True):
        rows[name] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    _in_sample_order(task, rows).to_csv(partial, index=False)
    os.replace(partial, path)


def _rows(task: Task) -> pd.DataFrame:
    """One row for each row of test.csv, with its id where there is one."""
    if task.id:
        return _ids(task.folder / "test.csv", task.id).copy()
    sample = _sample(task.folder / "sample_submission.csv", task.columns)
    if sample is None:
        return pd.DataFrame(index=pd.RangeIndex(len(read_table(task.folder / "test.csv"))))
    return sample[[c for c in sample.columns if c not in task.columns]].copy()


@functools.lru_cache(maxsize=4)  # a run writes many submissions of the same rows
def _ids(path: Path, id: str) -> pd.DataFrame:
    return read_text_column(path, id).to_frame(id)


@functools.lru_cache(maxsize=4)
def _sample(path: Path, columns: tuple[str, ...]) -> pd.DataFrame | None:
    """The sample with its ids as they are written; None where there is no such file."""
    if not path.is_file():
        return None
    return read_table(path, as_text=[c for c in read_table(path).columns if c not in columns])


def _in_sample_order(task: Task, rows: pd.DataFrame) -> pd.DataFrame:
    sample = _sample(task.folder / "sample_submission.csv", task.columns)
    if sample is None:
        return rows
    if task.id and not rows[task.id].equals(sample[task.id]):
        rows = rows.set_index(task.id).loc[sample[task.id]].reset_index()
    return rows[[c for c in sample.columns if c in rows.columns]]


def _columns(task: Task, submitted: np.ndarray) -> list[np.ndarray]:
    """The values of each of the task's submission columns."""
    form = task.submission
    if form == "distribution" and submitted.ndim == 1 and len(task.classes) == 2:
        submitted = np.column_stack([1 - submitted, submitted])
    flat = form in ("label", "probability", "value")
    widths = {"distribution": len(task.classes), "top_k": None, "tags": len(task.targets), "labels": len(task.targets)}
    width = None if flat else widths.get(form, len(task.columns))
    if submitted.ndim != (1 if flat else 2) or (width is not None and submitted.shape[1] != width):
        wanted = "(n,)" if flat else f"(n, {width or 'k'})"
        raise SubmissionError(f"predictions of shape {submitted.shape} for a submission of {form}, which is {wanted}")
    if not np.isfinite(submitted.astype(float)).all():
        raise SubmissionError("predictions hold missing or infinite values")
    if form == "label":
        names, offers = _labels_of(task, submitted), _rewritings(task.folder)
        return [names if offers is None else _written(offers, names)]
    if form == "top_k":
        names = _labels_of(task, submitted)
        return [np.array([" ".join(row) for row in names], dtype=object)]
    if form == "tags":
        return [joined(submitted, task.mark or " ", task.tags)]
    if form == "labels":
        parts = np.split(submitted, np.cumsum([len(labels) for labels in task.labels.values()])[:-1], axis=1)
        return [np.array(labels, dtype=object)[part.argmax(axis=1)]
                for labels, part in zip(task.labels.values(), parts, strict=True)]
    if form == "distribution":
        place = {column: k for k, column in enumerate(task.class_columns)}
        return [submitted[:, place[column]] for column in task.columns]
    return [submitted] if flat else list(submitted.T)


def _labels_of(task: Task, codes: np.ndarray) -> np.ndarray:
    known = np.array(task.classes, dtype=object)
    codes = np.rint(codes.astype(float)).astype(np.int64)
    if task.kind == "ordinal":
        codes = codes.clip(0, len(known) - 1)
    if codes.size and (codes.min() < 0 or codes.max() >= len(known)):
        raise SubmissionError(f"class codes {codes.min()} to {codes.max()}, but the last class is {len(known) - 1}")
    return known[codes]


@functools.lru_cache(maxsize=4)
def _rewritings(folder: Path) -> pd.DataFrame | None:
    """What each label means for each row of test.csv, where labels stand for texts (tasks/layout/rewriting.py)."""
    path = folder / REWRITINGS
    return pd.read_csv(path, dtype=str, keep_default_na=False) if path.is_file() else None


def _written(offers: pd.DataFrame, labels: np.ndarray) -> np.ndarray:
    """The text of each label; what no offer is (other, or one that a row lacks) stays as it is."""
    texts = np.array(offers[KEEP], dtype=object)
    for name in offers.columns[1:]:
        chosen = (labels == name) & (offers[name] != "").to_numpy()
        texts[chosen] = offers[name].to_numpy()[chosen]
    return texts


def check_submission(task: Task, path: Path) -> None:
    """Raises SubmissionError with one line when the file is not what sample_submission.csv (or test.csv) asks for."""
    read_submission(task, path)


def read_submission(task: Task, path: Path) -> np.ndarray:
    """A submission as it was given to write_submission, same form and order; SubmissionError where it is not valid."""
    rows = _aligned(task, path, task.columns)
    if task.submission == "label":
        return _codes(task, rows[task.columns[0]], path)
    if task.submission == "top_k":
        return _ranked(task, rows[task.columns[0]], path)
    if task.submission in ("tags", "labels"):
        return _flags(task, rows, path)
    columns = task.class_columns if task.submission == "distribution" else task.columns
    values = np.column_stack([_numbers(rows[c], path) for c in columns])
    if task.submission == "distribution" and task.kind == "binary":
        return values[:, 1]
    return values[:, 0] if task.submission in ("probability", "value") else values


def read_answers(task: Task, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The private answers in the order of test.csv: truth as in Arrays.truth, and "Public" or "Private" for each row.

    Every row is Private where the file has no Usage column. Raises SubmissionError where ids or labels do not fit.
    """
    rows = _aligned(task, path, task.columns if task.submission in ("tags", "labels") else task.targets)
    private = pd.Series("Private", index=rows.index)
    usage = rows.get(USAGE, private).astype("str").to_numpy(dtype=object)
    if task.kind in CLASSED:
        return _codes(task, rows[task.targets[0]], path), usage
    if task.submission in ("tags", "labels"):
        return _flags(task, rows, path).astype(np.float64), usage
    numbers = pd.DataFrame({target: _numbers(rows[target], path) for target in task.targets})
    return truth_of(task, numbers), usage


def _aligned(task: Task, path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The file's rows in the order of test.csv, its columns and ids checked."""
    labels = task.submission in ("tags", "labels") or (
        task.kind in CLASSED and (task.submission in ("label", "top_k") or columns is task.targets))
    exact = columns if labels else ()
    try:
        rows = read_table(path, as_text=[c for c in (task.id, *exact) if c])
    except TaskError as error:
        raise SubmissionError(str(error)) from error
    wanted = [c for c in (task.id, *columns) if c]
    lacking = [c for c in wanted if c not in rows.columns]
    strange = [c for c in rows.columns if c not in wanted] if columns is task.columns and task.id else []
    if lacking or strange:
        raise SubmissionError(f"{path.name} has the columns {list(rows.columns)[:8]} and must have {wanted[:8]}")
    expected = _rows(task)
    if len(rows) != len(expected):
        raise SubmissionError(f"{path.name} has {len(rows)} rows and must have {len(expected)}")
    return _by_id(rows, expected[task.id], task.id, path) if task.id else rows


def _by_id(rows: pd.DataFrame, ids: pd.Series, id: str, path: Path) -> pd.DataFrame:
    if not rows[id].is_unique:
        raise SubmissionError(f"{path.name} has an id more than once: {rows[id][rows[id].duplicated()].iloc[0]!r}")
    if rows[id].equals(ids):
        return rows
    place = pd.Index(rows[id]).get_indexer(pd.Index(ids))
    if (place < 0).any():
        missing = ids[place < 0]
        raise SubmissionError(f"{path.name} lacks {len(missing)} ids of test.csv, e.g. {missing.iloc[0]!r}")
    return rows.iloc[place].reset_index(drop=True)


def _numbers(values: pd.Series, path: Path) -> np.ndarray:
    numbers = as_numbers(values)
    bad = values[numbers.isna()]
    if len(bad):
        raise SubmissionError(f"{path.name} has {len(bad)} values of {values.name!r} that are no finite number, "
                              f"the first in row {bad.index[0] + 1} of the test: {bad.iloc[0]!r}")
    return numbers.to_numpy()


def _codes(task: Task, values: pd.Series, path: Path) -> np.ndarray:
    offers = _rewritings(task.folder)
    if offers is not None:  # a text that no offer knows is `other`, whichever it is
        values = labels_of(offers, values.astype("str").fillna(""))
    if values.isna().any():
        raise SubmissionError(f"{path.name} has {int(values.isna().sum())} rows without {values.name!r}")
    text = plain_labels(values)
    known = list(task.classes)
    if offers is not None:  # what no train row was is a class that only answers have
        known += sorted({*offers.columns, OTHER} - set(known))
    codes = pd.Index(known, dtype="str").get_indexer(pd.Index(text, dtype="str"))
    if (codes < 0).any():
        strange = text[codes < 0].iloc[0]
        raise SubmissionError(f"{path.name} has the label {strange!r}, which is none of {list(task.classes)[:6]}")
    return codes.astype(np.int64)


def _flags(task: Task, rows: pd.DataFrame, path: Path) -> np.ndarray:
    """(n, k) int64 flags of the task's tags, or of the classes of its columns."""
    if task.submission == "tags":
        found, strange = flags(rows[task.columns[0]], task.mark or " ", task.tags)
        if strange:
            raise SubmissionError(f"{path.name} has the label {strange[0]!r}, which is none of {list(task.tags)[:6]}")
        return found
    parts = []
    for column, known in task.labels.items():
        text = plain_labels(rows[column])
        codes = pd.Index(known, dtype="str").get_indexer(pd.Index(text, dtype="str"))
        if (codes < 0).any():
            raise SubmissionError(f"{path.name} has the {column} {text[codes < 0].iloc[0]!r}, which is none of {list(known)[:6]}")
        parts.append(np.eye(len(known), dtype=np.int64)[codes])
    return np.concatenate(parts, axis=1)


def _ranked(task: Task, values: pd.Series, path: Path) -> np.ndarray:
    """(n, k) codes, the best first; rows with fewer labels are filled with -1."""
    known = {label: code for code, label in enumerate(task.classes)}
    rows = [str(value).split() for value in values]
    strange = next((label for row in rows for label in row if label not in known), None)
    if strange is not None:
        raise SubmissionError(f"{path.name} has the label {strange!r}, which is none of {list(task.classes)[:6]}")
    ranked = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int64)
    for i, row in enumerate(rows):
        ranked[i, : len(row)] = [known[label] for label in row]
    return ranked
