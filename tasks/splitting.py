"""Splits a table into train and test and writes the two sides of a competition: public files and private answers.

Rows are shuffled before ids are given, so that neither an id nor the order of rows says anything about the answer.
"""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Split = tuple[pd.DataFrame, pd.DataFrame]
PUBLIC_SHARE = 0.3


def random_split(frame: pd.DataFrame, *, test_share: float, seed: int, stratify: str | None = None) -> Split:
    """Shuffled (train, test) with `test_share` of the rows in test, of each class where `stratify` names a column."""
    shuffled = _shuffled(frame, seed)
    in_test = _first_share(shuffled, test_share, by=stratify)
    train, test = shuffled[~in_test], shuffled[in_test]
    if stratify is None:
        return train, test
    # the class that fills its share last would be alone in the last test rows and lack in the first train rows
    return _shuffled(train, seed, keep_index=True), _shuffled(test, seed, keep_index=True)


def grouped_split(frame: pd.DataFrame, group: str, *, test_share: float, seed: int) -> Split:
    """Shuffled (train, test) that share no value of the column `group`; `test_share` of the groups are in test."""
    shuffled = _shuffled(frame, seed)
    groups = np.sort(frame[group].unique())
    chosen = np.random.default_rng(seed).permutation(groups)[: round(test_share * len(groups))]
    in_test = shuffled[group].isin(chosen)
    return shuffled[~in_test], shuffled[in_test]


def chosen_split(frame: pd.DataFrame, in_test: pd.Series, *, seed: int) -> Split:
    """Shuffled (train, test) where `in_test` says which rows of the frame are test rows, as days of a month."""
    shuffled = _shuffled(frame, seed, keep_index=True)
    late = in_test.loc[shuffled.index]
    return shuffled[~late].reset_index(drop=True), shuffled[late].reset_index(drop=True)


def time_split(frame: pd.DataFrame, time: str, *, test_from: str, seed: int) -> Split:
    """(train, test) in the order of the column `time` (ISO text), test from `test_from` on; ties in random order."""
    ordered = _shuffled(frame, seed).sort_values(time, kind="stable", ignore_index=True)
    in_test = ordered[time] >= test_from
    return ordered[~in_test], ordered[in_test]


def write_competition(split: Split, public: Path, private: Path, *, seed: int) -> None:
    """Write public/train.csv, test.csv, sample_submission.csv and private/answers.csv for the split as ordered.

    public/task.toml names the id, the targets and the submission format. answers.csv holds id, targets and Usage:
    Public for about 30% of the test rows (of each class, where there are classes), Private for the rest.
    """
    spec = tomllib.loads((public / "task.toml").read_text(encoding="utf-8"))
    targets = list(spec["targets"])
    train, test = with_ids(split, id_column=spec["id"])
    features = [column for column in train.columns if column not in targets]
    _write(train[features + targets], public / "train.csv")
    _write(test[features], public / "test.csv")
    _write(sample_submission(train, test, spec), public / "sample_submission.csv")
    answers = test[[spec["id"], *targets]].assign(Usage=usage(split[1], spec, seed=seed).to_numpy())
    _write(answers, private / "answers.csv")
    (private / "answers.csv").chmod(0o600)


def with_ids(split: Split, *, id_column: str) -> Split:
    """The split with whole-number ids as first column: train 0..n-1, test from n on, in row order."""
    train, test = (side.reset_index(drop=True) for side in split)
    train.insert(0, id_column, np.arange(len(train)))
    test.insert(0, id_column, np.arange(len(train), len(train) + len(test)))
    return train, test


def sample_submission(train: pd.DataFrame, test: pd.DataFrame, spec: dict[str, Any]) -> pd.DataFrame:
    """A valid submission that knows nothing: even odds, the most frequent labels, the train median, or equal risks."""
    form, targets = spec["submission"], spec["targets"]
    sample = test[[spec["id"]]].copy()
    if spec["kind"] == "survival":
        return sample.assign(risk=0.0)
    if form == "top_k":
        places = int(spec["metric"].partition("@")[2])
        return sample.assign(**{targets[0]: " ".join(train[targets[0]].value_counts().index[:places])})
    if form == "distribution":
        classes = sorted(train[targets[0]].unique())
        return sample.assign(**{str(label): 1 / len(classes) for label in classes})
    if form in ("probability", "probabilities"):
        return sample.assign(**dict.fromkeys(targets, 0.5))
    if form == "label":
        return sample.assign(**{target: train[target].mode().iloc[0] for target in targets})
    return sample.assign(**{target: train[target].median() for target in targets})


def usage(test: pd.DataFrame, spec: dict[str, Any], *, seed: int) -> pd.Series:
    """Public or Private for each test row, whatever the order of the rows: their index decides."""
    by = spec["targets"][0] if spec["kind"] in ("binary", "multiclass", "ordinal") else None
    is_public = _first_share(_shuffled(test.sort_index(), seed, keep_index=True), PUBLIC_SHARE, by=by)
    return is_public.map({True: "Public", False: "Private"}).reindex(test.index)


def _shuffled(frame: pd.DataFrame, seed: int, *, keep_index: bool = False) -> pd.DataFrame:
    return frame.sample(frac=1.0, random_state=seed, ignore_index=not keep_index)


def _first_share(frame: pd.DataFrame, share: float, *, by: str | None) -> pd.Series:
    """True for the first `share` of the rows: of all, or of each class of the column `by`."""
    classes = frame[by] if by else pd.Series(0, index=frame.index)
    grouped = frame.groupby(classes)
    size = grouped[frame.columns[0]].transform("size")
    return grouped.cumcount() < (share * size).round()


def _write(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")
