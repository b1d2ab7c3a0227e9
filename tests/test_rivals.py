"""Rivals run in processes of their own and are graded as we are; whatever they do is counted as what it is."""

import ast
import os
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from folders import rows, write_folder
from lookalikes import prepared as lookalike

from agent import mlebench, rivals, timed
from agent.bench_rivals import interval, rival_lines, wins
from agent.output import UsageError
from agent.rival_run import RivalRun, environment, run_rival
from agent.rivals import Rival, names, rival
from tasks.spec import load_task
from tasks.submission import read_submission

FILES = sorted(path for path in Path(rivals.__file__).parent.glob("*.py") if path.stem not in ("__init__", "harness"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_every_rival_is_one_file_with_pinned_packages_that_imports_nothing_of_ours(file: Path) -> None:
    known = next(name for name in names() if name.split("-")[0] == file.stem)
    made = rival(known)
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+(\[\w+\])?==[\w.]+", pin) for pin in (*made.first, *made.packages))
    tree = ast.parse(file.read_text())
    outside = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    outside |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not outside & {"agent", "tasks", "leaderboard", "sandbox"}
    top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert not top, "libraries are imported when they are used"


def test_variants_are_names_of_their_own_and_a_wrong_name_lists_all() -> None:
    assert rival("autogluon-best").variant == "best"
    with pytest.raises(UsageError, match="no agent 'lightgmb'; there are: medalist, aide, autogluon-best"):
        rival("lightgmb")


def _folder(base: Path, kind: str) -> Path:
    """60 train rows whose label follows the number; a text column besides."""
    train, test = (rows(n, first=first, seed=first).assign(note="some words of a note here") for n, first in ((90, 0), (30, 90)))
    train["note"] += [f" number {i}" for i in range(90)]
    test["note"] += [f" number {i}" for i in range(30)]
    high = train["size"] > 0
    target = {"binary": high.astype(int), "multiclass": high.astype(int) + (train["size"] > 0.8),
              "regression": train["size"] * 3 + 0.25}[kind]
    train = train.assign(y=target)
    sample = test[["id"]].assign(y=0.5)
    if kind == "multiclass":
        sample = test[["id"]].assign(y_0=0.3, y_1=0.3, y_2=0.4)
    return write_folder(base / kind, train, test, sample)


@pytest.mark.parametrize(("name", "kind"), [("lightgbm", "multiclass"), ("lightgbm", "regression"), ("catboost", "binary")])
def test_a_rival_submits_what_the_competition_asks_for(tmp_path: Path, name: str, kind: str) -> None:
    folder, submission = _folder(tmp_path, kind), tmp_path / "out" / "submission.csv"
    run = run_rival(rival(name), folder, submission, budget=600, threads=1, seed=0, cache=tmp_path / "cache")
    assert run.status == "ok" and run.cpu_seconds > 0, run
    made = read_submission(load_task(folder), submission)
    size = pd.read_csv(folder / "test.csv")["size"]
    assert made.shape == ((30, 3) if kind == "multiclass" else (30,))
    first = 1 - made[:, 0] if kind == "multiclass" else made
    assert first[size > 0.3].mean() > first[size < -0.3].mean() + 0.2


def test_two_classes_that_are_told_apart_as_if_they_were_many_are_a_distribution(tmp_path: Path) -> None:
    folder, submission = _folder(tmp_path, "binary"), tmp_path / "submission.csv"
    (folder / "task.toml").write_text('kind = "multiclass"\nmetric = "accuracy"\n')
    run = run_rival(rival("lightgbm"), folder, submission, budget=600, threads=1, seed=0, cache=tmp_path)
    assert run.status == "ok", run
    size, made = pd.read_csv(folder / "test.csv")["size"], read_submission(load_task(folder), submission)
    assert made[size > 0.3].mean() > 0.8 > 0.2 > made[size < -0.3].mean()


def test_several_labels_and_pictures_are_given_to_a_rival_too(tmp_path: Path) -> None:
    lookalike(tmp_path / "mlebench", "leaves")
    place = mlebench.locate("leaves", mlebench_data=tmp_path / "mlebench", data=tmp_path / "data")
    submission = tmp_path / "submission.csv"
    run = run_rival(rival("lightgbm"), place.folder, submission, budget=600, threads=1, seed=0, cache=tmp_path)
    assert run.status == "ok", run
    known = mlebench.graded(place, submission)
    assert known.score is not None and known.score > 0.6


BEHAVIOURS = {
    "crash": ("raise MemoryError('no room')", "MemoryError: no room"),
    "invalid": ("return [float('nan')] * len(test)", "30 predictions are not finite"),
    "timeout": ("import time; time.sleep(600)", "killed after"),
    "overrun": ("return [0.5] * len(test)", ""),
}


@pytest.mark.parametrize("status", BEHAVIOURS)
def test_what_goes_wrong_is_counted_as_what_it_is(tmp_path: Path, status: str) -> None:
    does, reason = BEHAVIOURS[status]
    file = tmp_path / "odd.py"
    file.write_text(f"PACKAGES = ()\n\n\ndef fit_predict(train, target, test, case):\n    {does}\n")
    odd, submission = Rival("odd", file, "", (), (), whole=False), tmp_path / "submission.csv"
    run = run_rival(odd, _folder(tmp_path, "binary"), submission, budget=0.01, threads=1, seed=0, cache=tmp_path,
                    kill_after=2.0 if status == "timeout" else 600.0)
    assert run.status == status and reason in run.reason
    assert submission.exists() is (status == "overrun")


def test_a_rival_that_competes_by_itself_is_given_the_folder_and_its_file_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "whole.py"
    file.write_text("PACKAGES = ()\n\n\ndef compete(folder, submission, case):\n"
                    "    text = (folder / 'sample_submission.csv').read_text()\n"
                    "    submission.write_text(text if case.seed == 0 else 'id,y\\n1,2\\n')\n")
    folder, submission = _folder(tmp_path, "binary"), tmp_path / "submission.csv"
    runs = [run_rival(Rival("whole", file, "", (), (), whole=True), folder, submission, budget=60, threads=1, seed=seed,
                      cache=tmp_path) for seed in (0, 1)]
    assert [run.status for run in runs] == ["ok", "invalid"]
    assert "must have 30" in runs[1].reason


def test_what_pip_refuses_is_one_line_and_no_environment(tmp_path: Path) -> None:
    none = Rival("none", FILES[0], "", (), ("this package has no such name",), whole=False)
    with pytest.raises(UsageError, match=r"the environment of none cannot be made: ERROR"):
        environment(none, tmp_path)
    assert not list(tmp_path.glob("*/ready"))


def _result(task: str, agent: str, private: float | None, **more: object) -> dict:
    return {"task": task, "seed": 0, "budget": 60.0, "slots": 2, "agent": agent, "metric": "rmse", "private": private,
            "seconds": 50.0, "cpu_seconds": 20.0, "status": "ok", **more}


def test_the_page_shows_rivals_beside_us_and_how_their_runs_ended() -> None:
    results = [_result("a", "medalist", 1.0), _result("a", "lightgbm", 2.0, seconds=90.0, status="overrun"),
               _result("b", "medalist", 3.0), _result("b", "lightgbm", 2.5),
               _result("c", "medalist", 1.0), _result("c", "lightgbm", None, status="crash")]
    assert wins(results, "lightgbm") == (2.0, 3)
    low, high = interval(2, 3)
    assert 0.2 < low < 0.21 and 0.93 < high < 0.95  # Wilson, by hand
    text = "\n".join(rival_lines(results))
    assert "| a | rmse ↓ | **1** | 2 |" in text and "| b | rmse ↓ | 3 | **2.5** |" in text
    assert "| lightgbm | 2 of 3 | 21% to 94% | 1 | 1 | 0 | 1 | 0 |" in text
    assert rival_lines([_result("a", "medalist", 1.0)]) == []


def test_rivals_are_compared_with_runs_of_ours_on_fewer_processors_where_there_are_no_others() -> None:
    results = [_result("a", "medalist", 1.0), _result("a", "medalist", 9.0, slots=1), _result("a", "lightgbm", 2.0),
               _result("b", "medalist", 3.0, slots=1), _result("b", "medalist", 1.0, slots=4), _result("b", "lightgbm", 2.5)]
    text = "\n".join(rival_lines(results))
    assert "| a | rmse ↓ | **1** | 2 |" in text and "| b | rmse ↓ | 3 | **2.5** |" in text
    assert "On fewer processors than the rivals, since more were not run, we had: b." in text and "| 1 of 2 |" in text


def test_a_run_says_what_the_benchmark_keeps() -> None:
    from agent.rival_run import result

    assert result(RivalRun("crash", 1.23456, 0.5, "why")) == {
        "status": "crash", "seconds": 1.235, "cpu_seconds": 0.5, "reason": "why"}


def test_what_runs_is_killed_when_the_benchmark_is_stopped_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timed, "_stopped", threading.Event())
    command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(timed.timed, command, out=tmp_path / "out", kill_after=600.0, apart=True)
        while not (tmp_path / "out").exists() or not (tmp_path / "out").read_text():
            time.sleep(0.01)
        timed.stop()
        with pytest.raises(timed.Stopped):
            running.result()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "out").read_text()), 0)
