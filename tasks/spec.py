"""The Task: what a competition folder asks for, stated in its task.toml or inferred from its files."""

import difflib
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks import metrics, tags
from tasks.tables import TaskError, as_numbers, encoding_of, read_table, spread_lists, with_exact_text

PREDICTIONS = {
    "binary": "probability", "multiclass": "distribution", "multilabel": "probabilities", "regression": "value",
    "multiregression": "values", "ordinal": "value", "survival": "value",
}
SUBMISSIONS = ("probability", "label", "value", "distribution", "probabilities", "values", "top_k", "tags", "labels")
CLASSED = ("binary", "multiclass", "ordinal")
KEYS = ("title", "source", "licence", "family", "metric", "kind", "id", "targets", "submission", "group", "time",
        "assets", "text", "packages")
MEANS = {"auc": "mean_auc", "log_loss": "mean_log_loss", "rmse": "mean_rmse", "rmsle": "mean_rmsle"}
MOST_CLASSES = 20  # integers with more values than this are numbers unless task.toml says otherwise
Settings = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A competition. `folder` holds the public files; `inferred` says in sentences what task.toml did not."""

    name: str
    folder: Path
    title: str
    source: str
    licence: str
    family: str
    metric: str
    kind: str
    id: str | None
    targets: tuple[str, ...]
    submission: str
    columns: tuple[str, ...]  # of the submission, without the id
    group: str | None = None
    time: str | None = None
    assets: str | None = None
    text: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    inferred: tuple[str, ...] = ()
    mark: str | None = None  # between the tags of one column, where each tag is a target (tasks/tags.py)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the submission's column, in the order of the targets (submission "tags")."""
        return tuple(target.removeprefix(f"{self.columns[0]}=") for target in self.targets)

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """For each submission column its classes, in the order of the targets (submission "labels")."""
        return {column: tuple(target.removeprefix(f"{column}=") for target in self.targets if target.startswith(f"{column}="))
                for column in self.columns}

    @property
    def prediction(self) -> str:
        """What a solution returns for this kind: see docs/design.md."""
        return PREDICTIONS[self.kind]

    @property
    def greater_is_better(self) -> bool:
        return metrics.metric(self.metric).greater_is_better

    @property
    def assets_folder(self) -> Path | None:
        return self.folder / self.assets if self.assets else None

    @property
    def class_columns(self) -> tuple[str, ...]:
        """The submission column of each class, in the order of `classes` (submission "distribution")."""
        found = match_classes(self.columns, self.classes)
        if found is None:
            raise TaskError(f"sample_submission.csv has the columns {_list(self.columns)}; "
                            f"the classes are {_list(self.classes)}")
        return found


@dataclass(frozen=True)
class Tables:
    """A task's rows (RangeIndex): ids and labels of classes are text, other targets float; there may be no sample."""

    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame | None


def load_task(folder: Path) -> Task:
    """The task of a folder with train.csv, test.csv; better with sample_submission.csv, description.md, task.toml.

    Raises TaskError with one line that says what is wrong and how to state what could not be inferred.
    """
    return load(folder)[0]


def load(folder: Path) -> tuple[Task, Tables]:
    """`load_task` and `read_tables` in one reading of the files."""
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise TaskError(f"no folder {folder}: give a catalogue name or a folder with train.csv and test.csv")
    stated, raw = _stated(folder), _read(folder)
    raw, list_notes = _spread(raw, stated.get("text", []))
    notes = _laid_out(folder) + list_notes
    notes += [f"{name} is not UTF-8: read as {encoding}" for name, encoding in _odd_encodings(folder)]
    id, id_notes = _id(stated, raw)
    targets, columns, target_notes = _targets(stated, raw, id)
    exact = _exact(folder, raw, id, targets, columns)
    mark, tag_notes = _mark(folder, stated, exact, targets, columns)
    if mark is not None:
        exact, targets = _with_flags(exact, targets[0], columns[0], mark)
    several = _are_classes(folder, stated, exact, targets)
    if several:
        exact, targets = _with_classes(exact, columns)
        tag_notes = [f"{_list(columns)} hold classes: each class is a target"]
    exact, row_notes = _checked_rows(exact, id, targets)
    task, kind_notes = _task(folder, stated, exact, id, targets, columns, mark, several=several)
    target_notes += tag_notes
    notes += id_notes + target_notes + row_notes + kind_notes
    return replace(task, inferred=tuple(notes)), _typed(task, exact)


def read_tables(task: Task) -> Tables:
    """The rows of a task that is known already (rows without a target are left out of train)."""
    raw = _spread(_read(task.folder), task.text)[0]
    if task.mark is not None:
        (target,), columns, _ = _targets(_stated(task.folder), raw, task.id)
        exact = _with_flags(_exact(task.folder, raw, task.id, [target], columns), target, columns[0], task.mark, task.tags)[0]
        return _typed(task, exact)
    if task.submission == "labels":
        exact = _exact(task.folder, raw, task.id, task.columns, task.columns)
        return _typed(task, _checked_rows(_with_classes(exact, task.columns, task.labels)[0], task.id, task.targets)[0])
    exact = _exact(task.folder, raw, task.id, task.targets, task.columns)
    return _typed(task, _checked_rows(exact, task.id, task.targets)[0])


def _laid_out(folder: Path) -> list[str]:
    """What was done to the files before (tasks/layout), in sentences."""
    path = folder / "layout.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def _stated(folder: Path) -> Settings:
    """What task.toml says, its keys and types checked."""
    path = folder / "task.toml"
    if not path.is_file():
        return {}
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TaskError(f"task.toml is not valid TOML: {error}") from error
    for key, value in stated.items():
        _check_setting(key, value)
    for key in ("targets", "text"):
        if isinstance(stated.get(key), str):
            stated[key] = [stated[key]]
    return stated


def _check_setting(key: str, value: Any) -> None:
    if key not in KEYS:
        raise TaskError(f"task.toml has an unknown key {key!r}{_nearest(key, KEYS)}; there are: {', '.join(KEYS)}")
    lists = {"targets", "text", "packages"}
    strings = isinstance(value, list) and all(isinstance(v, str) for v in value)
    good = isinstance(value, str) or (key in lists and strings)
    if not good:
        raise TaskError(f"task.toml: {key} = {value!r} must be {'a list of strings' if key in lists else 'a string'}")
    choices = {"kind": tuple(PREDICTIONS), "submission": SUBMISSIONS}.get(key)
    if choices and value not in choices:
        raise TaskError(f"task.toml: no {key} {value!r}{_nearest(value, choices)}; there are: {', '.join(choices)}")


def _nearest(word: str, choices: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _read(folder: Path) -> Tables:
    for name in ("train.csv", "test.csv"):
        if not (folder / name).is_file():
            there = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
            raise TaskError(f"no {name} in {folder} (it holds: {there})")
    sample = folder / "sample_submission.csv"
    return Tables(read_table(folder / "train.csv"), read_table(folder / "test.csv"),
                  read_table(sample) if sample.is_file() else None)


def _spread(raw: Tables, text: Sequence[str]) -> tuple[Tables, list[str]]:
    """Columns of lists of numbers, but those of `text`, as a column for each number, and what was done, in sentences."""
    train, test, notes = raw.train, raw.test, list[str]()
    for name in [column for column in train.columns if column in test.columns and column not in text]:
        if (spread := spread_lists(name, train[name], test[name])) is None:
            continue
        if not set(spread[0].columns) & set(train.columns):
            notes.append(f"{name} holds lists of numbers: read as {spread[0].shape[1]} columns")
            train, test = (pd.concat([side.drop(columns=name), new], axis=1)
                           for side, new in zip((train, test), spread, strict=True))
    return Tables(train, test, raw.sample), notes


def _exact(
    folder: Path, raw: Tables, id: str | None, targets: Sequence[str], columns: Sequence[str],
) -> Tables:
    """Ids and labels as the exact text of the files."""
    ids = [id] if id else []
    sample, path = raw.sample, folder / "sample_submission.csv"
    sample = None if sample is None else with_exact_text(sample, path, [*ids, *columns])
    return Tables(with_exact_text(raw.train, folder / "train.csv", [*ids, *targets]),
                  with_exact_text(raw.test, folder / "test.csv", ids), sample)


def _mark(
    folder: Path, stated: Settings, exact: Tables, targets: Sequence[str], columns: Sequence[str],
) -> tuple[str | None, list[str]]:
    """What stands between the tags of the target, where its labels are lists of tags and so is what the sample asks for."""
    if len(targets) > 1 or len(columns) > 1 or stated.get("kind", "multilabel") != "multilabel":
        return None, []
    metric = _metric(folder, stated, several=False)[0]
    judge = metrics.metric(_of_lists(metric)) if metric else None
    if stated.get("submission", "tags") != "tags" or (judge and "multilabel" not in judge.kinds):
        return None, []
    sure = "kind" in stated or "submission" in stated or bool(judge and judge.kinds[0] == "multilabel")
    mark = tags.mark_of(exact.train[targets[0]], sure=sure)
    return mark, [f"{targets[0]} holds lists of labels, with {mark!r} between them: each label is a target"] if mark else []


def _are_classes(folder: Path, stated: Settings, exact: Tables, targets: Sequence[str]) -> bool:
    """Whether several targets hold a class each, at least one of them named by words, and accuracy is asked for or nothing."""
    if len(targets) < 2 or stated.get("kind", "multilabel") != "multilabel" or stated.get("submission", "labels") != "labels":
        return False
    train = exact.train[list(targets)]
    words = any(as_numbers(train[target].dropna()).isna().any() for target in targets)
    few = all(train[target].nunique() <= max(MOST_CLASSES, len(train) // 50) for target in targets)
    return words and few and _metric(folder, stated, several=False)[0] in (None, "accuracy", "mean_accuracy")


def _with_classes(
    exact: Tables, columns: Sequence[str], known: dict[str, tuple[str, ...]] | None = None,
) -> tuple[Tables, tuple[str, ...]]:
    """The tables with a column of 0 and 1 for each class of each column in place of these, and the new columns' names. Rows that
    lack one of the classes have no flags known."""
    train, flags = exact.train, dict[str, pd.Series]()
    whole = train[list(columns)].notna().all(axis=1)
    for column in columns:
        values = plain_labels(train[column])
        for label in known[column] if known else _labels(values):
            flags[f"{column}={label}"] = (values == label).astype("float64").where(whole)
    train = pd.concat([train.drop(columns=list(columns)), pd.DataFrame(flags)], axis=1)
    return Tables(train, exact.test, exact.sample), tuple(flags)


def _of_lists(metric: str) -> str:
    """What a metric of labels means where labels are lists."""
    head, at, parameter = metric.partition("@")
    return {"f1": "f1_samples", "fbeta": "fbeta_samples"}.get(head, head) + at + parameter


def _with_flags(
    exact: Tables, target: str, column: str, mark: str, known: Sequence[str] | None = None,
) -> tuple[Tables, tuple[str, ...]]:
    """The tables with a column of 0 and 1 for each tag in place of the target, and these columns' names."""
    values = exact.train[target]
    names = known or sorted({tag for listed in tags.split(values, mark) for tag in listed})
    targets = tuple(f"{column}={tag}" for tag in names)
    flags = pd.DataFrame(tags.flags(values, mark, names)[0], columns=list(targets))
    return Tables(pd.concat([exact.train.drop(columns=target), flags], axis=1), exact.test, exact.sample), targets


def _odd_encodings(folder: Path) -> list[tuple[str, str]]:
    names = [n for n in ("train.csv", "test.csv", "sample_submission.csv") if (folder / n).is_file()]
    found = [(name, encoding_of(folder / name)) for name in names]
    return [(name, encoding) for name, encoding in found if not encoding.startswith("utf-8")]


def _id(stated: Settings, raw: Tables) -> tuple[str | None, list[str]]:
    """The id column: stated, else shared by sample and test, else named like one."""
    if "id" in stated:
        _require("id", stated["id"], raw.test, "test.csv")
        return stated["id"], []
    if raw.sample is None:
        named = [c for c in raw.test.columns if re.fullmatch(r"(?i)(row_?)?id|.*_id|.*[a-z]I[dD]", c)]
        unique = [c for c in named if c in raw.train and raw.test[c].is_unique and raw.train[c].is_unique]
        return _first(unique, "the id is {!r}: unique and named like one")
    shared = [c for c in raw.sample.columns if c in raw.test.columns]
    if len(shared) > 1 and len(shared) == raw.test.shape[1] and len(raw.sample) == len(raw.test):
        return None, ["no id column: sample_submission.csv repeats the rows of test.csv"]
    unique = [c for c in shared if raw.test[c].is_unique and raw.sample[c].is_unique]
    if shared and not unique:
        raise TaskError(_duplicates("test.csv", raw.test[shared[0]], shared[0]))
    return _first(unique, "the id is {!r}: in sample_submission.csv and in test.csv")


def _first(names: list[str], sentence: str) -> tuple[str | None, list[str]]:
    if not names:
        return None, ["no id column: rows of the submission are in the order of test.csv"]
    return names[0], [sentence.format(names[0])]


def _duplicates(file: str, ids: pd.Series, id: str) -> str:
    twice = ids[ids.duplicated()]
    if twice.empty:
        return f"sample_submission.csv has an id of column {id!r} more than once"
    return f"{file} has {len(twice)} duplicate ids in column {id!r}, e.g. {str(twice.iloc[0])!r}; an id must be unique"


def _require(key: str, name: str, frame: pd.DataFrame, file: str) -> None:
    if name not in frame.columns:
        near = _nearest(name, [str(c) for c in frame.columns])
        raise TaskError(f"task.toml: {key} = {name!r} is not a column of {file}{near}")


def _targets(stated: Settings, raw: Tables, id: str | None) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Target columns, submission columns, and how they were found."""
    asked = _asked(raw, id)
    if "targets" in stated:
        for name in stated["targets"]:
            _require("targets", name, raw.train, "train.csv")
        return tuple(stated["targets"]), asked or tuple(stated["targets"]), []
    absent = [c for c in raw.train.columns if c not in raw.test.columns]
    if not asked:
        return _only(absent)
    spelled = {c.lower(): c for c in raw.train.columns}
    found = [spelled[c.lower()] for c in asked if c.lower() in spelled]
    if len(found) == len(asked):
        return tuple(found), asked, [f"the target is {_list(found)}: in sample_submission.csv and not in test.csv"]
    return _classes_as_columns(raw, absent, asked)


def _asked(raw: Tables, id: str | None) -> tuple[str, ...]:
    """Columns of the sample that are to be predicted; a row number that test.csv lacks counts as an id."""
    if raw.sample is None:
        return ()
    columns = [c for c in raw.sample.columns if c != id and c not in raw.test.columns]
    if id is None and len(columns) > 1 and columns[0] not in raw.train and raw.sample[columns[0]].is_unique:
        columns = columns[1:]
    if not columns:
        raise TaskError("sample_submission.csv has no column that test.csv lacks: state targets = [...] in task.toml")
    return tuple(columns)


def _only(absent: list[str]) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    if len(absent) != 1:
        what = f"has several columns that test.csv lacks, {_list(absent)}" if absent else "has none that test.csv lacks"
        raise TaskError(f"no sample_submission.csv, and train.csv {what}: state targets = [\"...\"] in task.toml")
    return (absent[0],), (absent[0],), [f"the target is {absent[0]!r}: in train.csv and not in test.csv"]


def _classes_as_columns(
    raw: Tables, absent: list[str], asked: tuple[str, ...],
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """A sample with a column for each class (their names, perhaps with a prefix) of a column that test.csv lacks."""
    fitting = [c for c in absent if len(asked) > 1 and match_classes(asked, _labels(raw.train[c])) is not None]
    if not fitting and len(absent) == 1 and len(asked) == 1:
        fitting = absent
    if len(fitting) == 1:
        return (fitting[0],), asked, [f"the target is {fitting[0]!r}: in train.csv and not in test.csv"]
    missing = _list([c for c in asked if c not in raw.train.columns][:6])
    raise TaskError(f"the target is missing: sample_submission.csv asks for {missing}, which train.csv has neither as "
                    f"columns nor as the classes of one column; state targets = [\"...\"] in task.toml")


def match_classes(columns: Sequence[str], labels: Sequence[str]) -> tuple[str, ...] | None:
    """For each label the column that names it, exactly or after a prefix that all share; None where they differ."""
    for bare in (list(columns), _without_prefix(columns)):
        for fold in (str, str.lower):
            names = {fold(b).strip(): c for b, c in zip(bare, columns, strict=True)}
            keys = [fold(label).strip() for label in labels]
            if len(names) == len(columns) == len(keys) and set(names) == set(keys):
                return tuple(names[key] for key in keys)
    return None


def _without_prefix(columns: Sequence[str]) -> list[str]:
    heads = {re.split(r"(?<=[_\- ])", c, maxsplit=1)[0] for c in columns}
    split = [re.fullmatch(r"([A-Za-z]+?[_\- ]?)(.+)", c) for c in columns]
    if len(heads) == 1:
        return [c.removeprefix(next(iter(heads))) for c in columns]
    word = {re.sub(r"[-\d.]+$", "", c) for c in columns}
    return [c.removeprefix(next(iter(word))) for c in columns] if len(word) == 1 and all(split) else list(columns)


def _labels(values: pd.Series) -> tuple[str, ...]:
    """Class labels as text in their order: by number when all are numbers, else sorted."""
    labels = [str(v) for v in pd.unique(values.dropna())]
    numbers = as_numbers(pd.Series(labels, dtype="str"))
    if numbers.notna().all():
        return tuple(label for _, label in sorted(zip(numbers, labels, strict=True)))
    return tuple(sorted(labels))


def plain_labels(values: pd.Series) -> pd.Series:
    """Labels as text; where all are whole numbers, without a point ("1.0" -> "1")."""
    text = values.astype("str")
    known = pd.Series(pd.unique(text.dropna()), dtype="str")
    numbers = pd.to_numeric(known, errors="coerce")
    if not known.str.contains(".", regex=False).any() or numbers.isna().any() or (numbers % 1 != 0).any():
        return text
    return text.map(dict(zip(known, numbers.astype("int64").astype("str"), strict=True))).astype("str")


def _list(names: Sequence[str]) -> str:
    return ", ".join(repr(n) for n in names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _checked_rows(exact: Tables, id: str | None, targets: Sequence[str]) -> tuple[Tables, list[str]]:
    """Ids that are unique and the same in test and sample; train rows that have every target."""
    if id is not None:
        _check_ids(exact, id)
    elif exact.sample is not None and len(exact.sample) != len(exact.test):
        raise TaskError(f"sample_submission.csv has {len(exact.sample)} rows and test.csv {len(exact.test)}, and they "
                        f"share no id column")
    known = exact.train[list(targets)].notna().all(axis=1)
    if not known.any():
        raise TaskError(f"train.csv has no row with a value of {_list(targets)}")
    lost = int((~known).sum())
    if not lost:
        return exact, []
    train = exact.train[known].reset_index(drop=True)
    return Tables(train, exact.test, exact.sample), [f"{lost} train rows without a target are left out"]


def _check_ids(exact: Tables, id: str) -> None:
    ids = exact.test[id]
    if ids.isna().any():
        raise TaskError(f"test.csv has {int(ids.isna().sum())} rows without an id in column {id!r}")
    if not ids.is_unique:
        raise TaskError(_duplicates("test.csv", ids, id))
    if exact.sample is None:
        return
    if id not in exact.sample.columns:
        raise TaskError(f"sample_submission.csv has no id column {id!r}; it has {_list(list(exact.sample.columns))}")
    if not exact.sample[id].is_unique:
        raise TaskError(_duplicates("sample_submission.csv", exact.sample[id], id))
    if exact.sample[id].equals(ids):
        return
    strange, left = set(exact.sample[id]) - set(ids), set(ids) - set(exact.sample[id])
    if strange or left:
        example = min(strange or left, key=str)
        raise TaskError(f"the ids of sample_submission.csv and test.csv differ ({len(strange)} only in the sample, "
                        f"{len(left)} only in the test, e.g. {example!r}); state id in task.toml if it is not {id!r}")


def _task(
    folder: Path, stated: Settings, exact: Tables, id: str | None, targets: tuple[str, ...], columns: tuple[str, ...],
    mark: str | None = None, *, several: bool = False,
) -> tuple[Task, list[str]]:
    _check_constant(exact.train, targets)
    metric, notes = _metric(folder, stated, several=len(targets) > 1)
    if mark is not None:
        metric = _of_lists(metric or "f1")
    if several:
        metric = "mean_accuracy"
    kind, kind_note = _kind(stated, exact, targets, columns, metric)
    lists = "tags" if mark is not None else "labels" if several else ""
    submission, form_note = (lists, "") if lists else _submission(stated, exact, targets, columns, kind, metric)
    if metric is None:
        labelled = kind in ("binary", "multiclass") and submission == "label"
        metric = "accuracy" if labelled else metrics.default_metric(kind)
        notes.append(f"the metric is {metric}: nothing names one, and it is usual for {kind} targets")
    classes = _labels(plain_labels(exact.train[targets[0]])) if kind in CLASSED else ()
    for key in ("group", "time"):
        if key in stated:
            _require(key, stated[key], exact.train, "train.csv")
    name = folder.parent.name if folder.name == "public" else folder.name
    title = stated.get("title") or _heading(folder) or name
    task = Task(
        name, folder, title, stated.get("source", ""), stated.get("licence", ""), stated.get("family", ""), metric,
        kind, id, targets, submission, columns, stated.get("group"), stated.get("time"), _assets(folder, stated),
        tuple(stated.get("text", ())), classes, mark=mark,
    )
    if submission == "distribution" and exact.sample is None:
        task = replace(task, columns=classes)
    if kind == "survival" and exact.sample is None:
        task = replace(task, columns=("risk",))
    if submission == "distribution":
        _ = task.class_columns  # raises where the columns are not the classes
    return task, notes + [note for note in (kind_note, form_note) if note]


def _check_constant(train: pd.DataFrame, targets: Sequence[str]) -> None:
    constant = [t for t in targets if train[t].nunique() < 2]
    if len(constant) == len(targets):
        value = train[constant[0]].iloc[0]
        raise TaskError(f"the target {constant[0]!r} is constant: all {len(train)} train rows have {value!r}")


def _heading(folder: Path) -> str:
    return next((line.lstrip("# ").strip() for line in _description(folder).splitlines() if line.startswith("#")), "")


def _description(folder: Path) -> str:
    path = folder / "description.md"
    return path.read_text(encoding=encoding_of(path)) if path.is_file() else ""


def _metric(folder: Path, stated: Settings, *, several: bool) -> tuple[str | None, list[str]]:
    if "metric" in stated:
        try:
            metrics.metric(stated["metric"])
        except metrics.MetricError as error:
            raise TaskError(f"task.toml: {error}") from error
        return stated["metric"], []
    text = _description(folder)
    section = re.search(r"(?ims)^#+[^\n]*(?:evaluation|metric)[^\n]*\n(.*?)(?=^#|\Z)", text)
    found = metrics.from_text(section.group(1)) if section else None
    found = found or metrics.from_text(text)
    found = MEANS.get(found, found) if found and several else found
    return found, [f"the metric is {found}: description.md names it"] if found else []


def _kind(
    stated: Settings, exact: Tables, targets: tuple[str, ...], columns: tuple[str, ...], metric: str | None,
) -> tuple[str, str]:
    kinds = metrics.metric(metric).kinds if metric else tuple(PREDICTIONS)
    if "kind" in stated:
        _check_kind(stated["kind"], exact.train, targets, kinds, metric)
        return stated["kind"], ""
    if len(targets) > 1:
        return _kind_of_many(exact.train, targets, kinds)
    values = exact.train[targets[0]]
    kind, why = _kind_of_one(values, exact.sample, columns)
    if kind not in kinds:
        kind, why = _kind_for(kinds, values, kind, str(metric)), f"{metric} asks for it"
    return kind, f"the kind is {kind}: {why}"


def _kind_of_one(values: pd.Series, sample: pd.DataFrame | None, columns: Sequence[str]) -> tuple[str, str]:
    numbers, levels = as_numbers(values), values.nunique()
    if levels == 2:
        return "binary", "the target has two values"
    if len(columns) > 1:
        return "multiclass", "the sample has a column for each class"
    if numbers.notna().mean() < 0.95:
        if levels > max(MOST_CLASSES, len(values) / 2):
            raise TaskError(f"the target {values.name!r} has {levels} different texts in {len(values)} rows: neither "
                            f"classes nor numbers; state kind and targets in task.toml")
        return "multiclass", f"the target has {levels} labels"
    whole = bool((numbers.dropna() % 1 == 0).all())
    given = as_numbers(sample[columns[0]]).dropna() if sample is not None else numbers.dropna()
    if whole and levels <= MOST_CLASSES and bool((given % 1 == 0).all()):
        return "multiclass", f"the target has {levels} whole values (state kind if they are amounts)"
    return "regression", "the target is a number"


def _kind_of_many(train: pd.DataFrame, targets: Sequence[str], kinds: Sequence[str]) -> tuple[str, str]:
    numbers = pd.DataFrame({t: as_numbers(train[t]) for t in targets})
    if numbers.isna().any(axis=None):
        bad = numbers.columns[numbers.isna().any()][0]
        raise TaskError(f"the target {bad!r} is one of {len(targets)} and not numeric: state targets in task.toml")
    flags = bool(numbers.isin([0, 1]).all(axis=None))
    kind = "multilabel" if flags and "multilabel" in kinds else "multiregression"
    if kind not in kinds:
        raise TaskError(f"there are {len(targets)} target columns, and the metric grades {', '.join(kinds)}: "
                        f"state metric, kind and targets in task.toml")
    return kind, f"the kind is {kind}: {len(targets)} target columns{' of 0 and 1' if flags else ''}"


def _kind_for(kinds: Sequence[str], values: pd.Series, looks: str, metric: str) -> str:
    """The kind that the metric can grade and the target's values allow."""
    numbers = as_numbers(values)
    numeric = bool(numbers.notna().all())
    classes = looks in CLASSED or (numeric and bool((numbers % 1 == 0).all()) and values.nunique() <= 1000)
    allowed = {"binary": values.nunique() == 2, "multiclass": classes, "ordinal": classes, "regression": numeric}
    fitting = [k for k in ("ordinal", "multiclass", "binary", "regression") if k in kinds and allowed[k]]
    if not fitting:
        raise TaskError(f"{metric} grades {', '.join(kinds)} and the target {values.name!r} looks {looks}: "
                        f"state metric, kind and targets in task.toml")
    return fitting[0]


def _check_kind(
    kind: str, train: pd.DataFrame, targets: Sequence[str], kinds: Sequence[str], metric: str | None,
) -> None:
    if kind not in kinds:
        raise TaskError(f"task.toml: kind {kind!r}, but {metric} grades {', '.join(kinds)}")
    several = kind in ("multilabel", "multiregression", "survival")
    if several != (len(targets) > 1) or (kind == "survival" and len(targets) != 2):
        plain = "several targets" if several else "one target"
        needs = "two targets, duration and event" if kind == "survival" else plain
        raise TaskError(f"task.toml: kind {kind!r} needs {needs}; there are: {_list(targets)}")
    if kind == "binary" and train[targets[0]].nunique() != 2:
        raise TaskError(f"task.toml: kind 'binary', but {targets[0]!r} has {train[targets[0]].nunique()} values")
    if kind in CLASSED:
        return
    for target in targets:
        bad = train[target][as_numbers(train[target]).isna()]
        if len(bad):
            raise TaskError(f"the target {target!r} must be numeric for {kind}; {len(bad)} rows are not, "
                            f"e.g. {bad.iloc[0]!r}")


def _submission(
    stated: Settings, exact: Tables, targets: tuple[str, ...], columns: tuple[str, ...], kind: str, metric: str | None,
) -> tuple[str, str]:
    judge = metrics.metric(metric) if metric else None
    if "submission" in stated:
        _check_form(stated["submission"], kind, judge)
        return stated["submission"], ""
    fixed = {"regression": "value", "survival": "value", "multilabel": "probabilities", "multiregression": "values"}
    if kind in fixed:
        return fixed[kind], ""
    if len(columns) > 1:
        return "distribution", "the submission is a probability for each class"
    if kind == "ordinal":
        return "label", ""
    if judge and judge.decision == "top_k":
        return "top_k", f"the submission is labels, the likeliest first: {metric} grades it"
    if exact.sample is None:
        form = "label" if judge and judge.labels else PREDICTIONS[kind]
        return form, f"the submission is a {form}: there is no sample_submission.csv"
    form, why = _form_of_sample(exact.sample[columns[0]].dropna(), _labels(exact.train[targets[0]]), kind)
    if judge and (form == "label") != judge.labels:
        form, why = "label" if judge.labels else PREDICTIONS[kind], f"{metric} grades it"
    return form, f"the submission is a {form}: {why}"


def _check_form(form: str, kind: str, judge: metrics.Metric | None) -> None:
    """A stated form that the metric cannot grade is an error."""
    if kind not in CLASSED or kind == "ordinal" or judge is None:
        several = ("label", "value") if kind == "ordinal" else SUBMISSIONS
        fitting = several if kind in CLASSED else (PREDICTIONS[kind],)
    elif judge.decision == "top_k":
        fitting = ("top_k",)
    else:
        numbers = ("probability", "distribution") if kind == "binary" else ("distribution",)
        fitting = ("label",) if judge.labels else numbers
    if form not in fitting:
        asks = f"kind {kind!r} and metric {judge.name!r}" if judge else f"kind {kind!r}"
        raise TaskError(f"task.toml: submission {form!r} does not fit {asks}; what fits: {', '.join(fitting)}")


def _form_of_sample(values: pd.Series, labels: Sequence[str], kind: str) -> tuple[str, str]:
    known = set(labels) | {str(v) for v in plain_labels(pd.Series(labels, dtype="str"))}
    if plain_labels(values).isin(known).all():
        return "label", "the sample holds labels"
    words = [str(value).split() for value in values]
    if max(map(len, words), default=0) > 1 and all(word in known for row in words for word in row):
        return "top_k", "the sample holds several labels a row"
    numbers = as_numbers(values)
    if len(labels) == 2 and numbers.between(0, 1).all():
        return "probability", "the sample holds numbers between 0 and 1"
    if kind == "multiclass" and values.nunique() == 1:
        return "label", f"what the sample holds, {values.iloc[0]!r}, is no label and stands for one"
    raise TaskError(f"sample_submission.csv holds {values.iloc[0]!r}, which is no label of {_list(labels)}: state "
                    f"submission in task.toml")


def _assets(folder: Path, stated: Settings) -> str | None:
    if "assets" in stated:
        if not (folder / stated["assets"]).is_dir():
            raise TaskError(f"task.toml: assets = {stated['assets']!r} is not a folder of {folder}")
        return stated["assets"]
    found = [name for name in ("assets", "images") if (folder / name).is_dir()]
    both = (folder / "train").is_dir() and (folder / "test").is_dir()
    return found[0] if found else "." if both else None


def _typed(task: Task, exact: Tables) -> Tables:
    """Labels of classes as plain text, other targets as float64."""
    train = exact.train.copy()
    for target in task.targets:
        column = train[target]
        train[target] = plain_labels(column) if task.kind in CLASSED else _numbers(column)
    return Tables(train, exact.test, exact.sample)


def _numbers(column: pd.Series) -> pd.Series:
    numbers = as_numbers(column)
    bad = column[numbers.isna()]
    if len(bad):
        raise TaskError(f"the target {column.name!r} has {len(bad)} values that are no finite number, "
                        f"e.g. {bad.iloc[0]!r}")
    return numbers.astype(np.float64)
