"""The exported solution: alone in its folder, it writes the very submission that the run wrote."""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agent.blend import Blend
from agent.export import export
from agent.threads import Fit
from leaderboard.record import Entry
from tasks.arrays import Arrays, load_arrays
from tasks.decision import Decision
from tasks.decision_steps import Argmax
from tasks.spec import Task, load_task
from tasks.submission import write_submission
from tests.folders import prepared, write_folder

Begin = Callable[[Callable[[Path], Path]], tuple[Task, Arrays]]
KIT = Path(__file__).parent.parent / "agent" / "kit"
SOURCE = '''"""One model."""

from kit import {module}


def fit_predict(train, target, predict, task):
    return {call}
'''
CALLS = {3: "boosters.lightgbm(train, target, predict, task, rounds=20)",
         11: "linear.regularised(train, target, predict, task)"}


def mixed(n: int, first: int, rng: np.random.Generator) -> pd.DataFrame:
    """Rows with a number, a count, levels, a date and words, some missing."""
    frame = pd.DataFrame({
        "id": [f"r{i}" for i in range(first, first + n)], "size": rng.normal(size=n), "rooms": rng.integers(1, 9, n),
        "colour": rng.choice(["red", "green", "blue"], n),
        "sold": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(first, first + n), unit="D"),
        "note": [" ".join(rng.choice(["good", "bad", "old", "new", "near", "the", "shop"], 8)) for _ in range(n)]})
    frame.loc[::7, "size"] = np.nan
    frame.loc[::11, "colour"] = None
    return frame


def classes(folder: Path) -> Path:
    """Three classes to be named, graded by accuracy."""
    rng = np.random.default_rng(0)
    train, test = mixed(300, 0, rng), mixed(80, 300, rng)
    days = rng.permutation(pd.concat([train["sold"], test["sold"]]).to_numpy())
    train["sold"], test["sold"] = days[:300], days[300:]
    score = train["size"].fillna(0) + train["rooms"] / 4 + rng.normal(size=300) / 3
    labels = pd.cut(score, [-9, 0.7, 1.5, 99], labels=["low", "mid", "high"]).astype("str")
    sample = test[["id"]].sample(frac=1, random_state=0).assign(y="mid")
    return write_folder(folder, train.assign(y=labels), test, sample, toml='metric = "accuracy"\n')


def ahead(folder: Path) -> Path:
    """Prices of later days: the plan goes forward in time and ends in a final fit."""
    rng = np.random.default_rng(1)
    train, test = mixed(300, 0, rng), mixed(80, 300, rng)
    price = np.exp(train["size"].fillna(0) / 4 + train["rooms"] / 4 + rng.normal(size=300) / 9)
    return write_folder(folder, train.assign(price=price), test, test[["id"]].assign(price=1.0),
                        toml='metric = "rmsle"\ntime = "sold"\n')


def entry(number: int, folder: Path | None = None) -> Entry:
    call = CALLS[number]
    return Entry(
        run="r", number=number, source=SOURCE.format(module=call.split(".")[0], call=call), parents=(), operator="",
        hypothesis="odd | even\nlines", family="", params={"seed": number}, status="ok", score=0.5, spread=0.1,
        fold_scores=(), cost_wall_seconds=1.0, cost_cpu_seconds=1.0, peak_memory_bytes=1, at_seconds=1.0, folder=str(folder),
        log="")


def fold_prediction(arrays: Arrays, fold: int, source: str, card: dict[str, Any]) -> np.ndarray:
    """What a trial of this fold answers for the test rows."""
    features = pd.read_feather(arrays.data / "features.arrow")
    folder = arrays.data / f"fold-{fold}"
    fit, rows, target = (np.load(folder / f"{name}.npy") for name in ("fit", "predict", "target"))
    train, predict = (features.take(part).reset_index(drop=True) for part in (fit, rows))
    names: dict[str, Any] = {}
    exec(source.replace("from kit", "from agent.kit"), names)
    answer = names["fit_predict"](train, pd.Series(target, name=card["targets"][0]), predict, SimpleNamespace(**card))
    return np.asarray(answer)[len(arrays.validation_rows(fold)):]


def predicted(arrays: Arrays, numbers: Iterable[int]) -> dict[int, np.ndarray]:
    """Each entry's test predictions, as the run keeps them."""
    card = {**json.loads((arrays.data / "card.json").read_text()), "threads": 1, "device": "cpu", "seconds_left": 60.0}
    folds = [fold for fold in range(arrays.fits) if arrays.tests(fold)]
    return {number: np.mean([fold_prediction(arrays, fold, entry(number).source, {**card, "seed": number})
                             for fold in folds], axis=0) for number in numbers}


def kept(predictions: Mapping[int, np.ndarray], run: Path) -> list[Entry]:
    """Entries of the run, with their test.npy on disk."""
    for number, values in predictions.items():
        (run / "entries" / str(number)).mkdir(parents=True, exist_ok=True)
        np.save(run / "entries" / str(number) / "test.npy", values)
    return [entry(number, run / "entries" / str(number)) for number in predictions]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], Path]], Path]:
    """Where the public files and the planned run of a task lie, made at the first asking; not to be written to."""
    @functools.cache
    def made(make: Callable[[Path], Path]) -> Path:
        place = tmp_path_factory.mktemp(make.__name__)
        prepared(make(place / "public"), place / "run")
        return place
    return made


@pytest.fixture
def begun(once: Callable[[Callable[[Path], Path]], Path], tmp_path: Path) -> Begin:
    """Gives the test its own copy of a task, planned and written out: the task and its arrays."""
    def copied(make: Callable[[Path], Path]) -> tuple[Task, Arrays]:
        shutil.copytree(once(make), tmp_path, dirs_exist_ok=True)
        return load_task(tmp_path / "public"), load_arrays(tmp_path / "run")
    return copied


def exported(begun: Begin, make: Callable[[Path], Path], blend: Blend, decision: Decision) -> tuple[Task, Path]:
    """A finished run: its task and its folder, which holds submission.csv and solution/."""
    task, arrays = begun(make)
    predictions = predicted(arrays, blend.weights)
    submitted = decision.apply(blend.apply(predictions))
    write_submission(task, submitted, arrays.folder / "submission.csv")
    export(arrays.folder, task=task, arrays=arrays, entries=kept(predictions, arrays.folder), blend=blend, decision=decision,
           kit=KIT, seconds=20.0)
    return task, arrays.folder


def run_alone(solution: Path, data: Path, elsewhere: Path) -> "subprocess.CompletedProcess[str]":
    """The exported driver in a process of its own, with no help from this project."""
    elsewhere.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([sys.executable, str(solution / "solution.py"), "--data", str(data), "--out", "again.csv"],
                          cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("make", "blend", "decision", "fits"), [
    (classes, Blend("linear stack", "log", {3: 0.7, 11: 0.45}), Argmax((1.0, 0.8, 1.3)), 5),
    (ahead, Blend("hill climbing", "log1p", {11: 0.25, 3: 0.75}, bias=0.01), Decision(), 1),
])
def test_a_solution_alone_rebuilds_the_submission(
    tmp_path: Path, begun: Begin, make: Callable[[Path], Path], blend: Blend, decision: Decision, fits: int,
) -> None:
    task, run = exported(begun, make, blend, decision)
    solution = (run / "solution").rename(tmp_path / "moved")
    with (solution / "tasks" / "__init__.py").open("a") as mark:
        mark.write("\nprint('tasks of', __file__)\n")
    done = run_alone(solution, task.folder, tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert f"tasks of {solution / 'tasks' / '__init__.py'}" in done.stdout
    assert f"[{2 * fits}/{2 * fits}] entry {list(blend.weights)[-1]}, fit {fits} of {fits}, after " in done.stdout
    assert done.stdout.count("predicts what it did in the run") == 2
    before, after = pd.read_csv(run / "submission.csv"), pd.read_csv(tmp_path / "elsewhere" / "again.csv")
    assert before.iloc[:, 1].nunique() > 1
    pd.testing.assert_frame_equal(before, after, rtol=0, atol=1e-6)


def test_choices_are_read_from_each_folds_part_of_the_log(begun: Begin) -> None:
    task, arrays = begun(classes)
    log = ("choice lost=1\n--- fold 4: ok \nchoice trees=30\nchatter\nchoice strength=[0.5,0.0]\n"
           "--- fold 1: ok \nchoice broken=[1,\nchoice deep=" + "[" * 2000 + "]" * 2000 + "\n"
           'choice odd={"a":"\\ud800"}\n--- fold 0: ok \nlearned\n')
    replay = json.loads((logged(task, arrays, CALLS[3], log) / "replay.json").read_text())
    assert replay == {"3": [[], [["odd", {"a": "\ud800"}]], [], [], [["trees", 30], ["strength", [0.5, 0.0]]]]}


def test_a_member_is_rebuilt_with_the_choices_and_the_threads_of_the_run(tmp_path: Path, begun: Begin) -> None:
    task, arrays = begun(ahead)
    found = 'choice splits={"min_samples_leaf":5,"max_features":0.5}\nchoice trees=20\n'
    log = "".join(f"--- fold {fold}: ok \n{found}" for fold in range(arrays.fits))
    call = "forests.random_forest(train, target, predict, task) if print('threads', task.threads) is None else None"
    fits = [Fit(fold, 2 if fold == arrays.fits - 1 else 1, False, 300, 1.0, 1.0) for fold in range(arrays.fits)]
    solution = logged(task, arrays, call, log, fits)
    done = run_alone(solution, task.folder, tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert found in done.stdout and "threads 2\n" in done.stdout and "threads 1\n" not in done.stdout


def logged(task: Task, arrays: Arrays, call: str, log: str, fits: Iterable[Fit] = ()) -> Path:
    """The solution/ of a run whose one member makes this call, printed this log and was fitted so."""
    member = kept({3: np.ones(80)}, arrays.folder)[0]
    (Path(member.folder) / "log.txt").write_text(log, encoding="utf-8")
    source = SOURCE.format(module=call.split(".")[0], call=call)
    params = {**member.params, "fits": [fit.to_json() for fit in fits]}
    return export(arrays.folder, task=task, arrays=arrays, entries=[replace(member, source=source, params=params)],
                  kit=KIT, seconds=20.0, blend=Blend("best single", "identity", {3: 1.0}), decision=Decision())


def test_a_solution_holds_what_it_needs_and_replaces_an_older_one(tmp_path: Path, begun: Begin) -> None:
    _, run = exported(begun, ahead, Blend("best single", "identity", {11: 1.0}), Decision())
    (run / "solution" / "stale.txt").touch()
    arrays = load_arrays(run)
    task = replace(load_task(tmp_path / "public"), title="A | title")
    place = export(run, task=task, arrays=arrays, entries=kept({3: np.ones(80), 11: np.ones(80)}, run), kit=KIT, seconds=20.0,
                   blend=Blend("best single", "identity", {3: 1.0}), decision=Decision())
    names = {path.name for path in place.rglob("*")}
    assert place == run / "solution"
    assert {"solution.py", "blend.py", "folds.npz", "card.json", "task.json", "blend.json", "entry_3.py", "boosters.py",
            "replay.json", "spec.py", "submission.py", "arrays.py", "decision_steps.py"} <= names
    assert not names & {"stale.txt", "entry_11.py", "catalogue.py", "__pycache__", ".mypy_cache"}
    assert not [path.name for path in run.iterdir() if path.name.startswith(".")]
    assert str(tmp_path.parent) not in "".join(path.read_text() for path in place.rglob("*.json"))
    assert "| members/entry_3.py | 1.0000 | 0.5 | odd \\| even lines |" in (place / "README.md").read_text()
    required = [line.split("==")[0] for line in (place / "requirements.txt").read_text().splitlines()]
    assert {"lightgbm", "numpy", "pandas", "pyarrow", "scikit-learn"} <= set(required)
    assert not {"torch", "jinja2", "rich"} & set(required)


def test_a_weighted_entry_that_is_not_given_is_an_error(begun: Begin) -> None:
    task, arrays = begun(classes)
    with pytest.raises(ValueError, match=r"weighs entries \[7\], and only \[3\]"):
        export(arrays.folder, task=task, arrays=arrays, entries=[entry(3)], blend=Blend("", "identity", {7: 1.0}),
               decision=Decision(), kit=KIT, seconds=1.0)
    assert not (arrays.folder / "solution").exists()


def test_the_wrong_data_is_one_line(tmp_path: Path, begun: Begin) -> None:
    _, run = exported(begun, ahead, Blend("best single", "identity", {11: 1.0}), Decision())
    table = pd.read_csv(tmp_path / "public" / "train.csv")
    table.iloc[:-5].to_csv(tmp_path / "public" / "train.csv", index=False)
    done = run_alone(run / "solution", tmp_path / "public", tmp_path / "elsewhere")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "has 295 train and 80 test rows; the run had 300 and 80" in done.stderr


def test_a_member_that_predicts_otherwise_is_named(tmp_path: Path, begun: Begin) -> None:
    task, run = exported(begun, ahead, Blend("best single", "identity", {11: 1.0}), Decision())
    np.savez(run / "solution" / "predictions.npz", entry_11=np.linspace(0, 1, 80))
    done = run_alone(run / "solution", task.folder, tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert "entry 11 predicts otherwise than in the run, by up to " in done.stdout
