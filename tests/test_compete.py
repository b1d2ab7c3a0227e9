"""The main job end to end: a folder in, a graded submission out, through the real sandbox and the real command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agent.compete import Game
from agent.run import Options, go_on, start
from agent.view import Quiet
from leaderboard.record import Entry, Record
from tasks import validation

Command = Callable[..., "subprocess.CompletedProcess[str]"]
BUDGET = 300
GOOD_ENOUGH = 1.8  # half the deviation of the target: the first model is there, a constant is not


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small regression task with a category, a date, missing values and answers kept elsewhere."""
    rng, place = np.random.default_rng(0), tmp_path_factory.mktemp("task")
    n = 600
    frame = pd.DataFrame({
        "id": [f"row-{k}" for k in range(n)], "x": rng.normal(size=n), "z": rng.normal(size=n),
        "city": rng.choice(["Oslo", "Rome", "Bern"], n),
        "day": pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d").to_numpy()[rng.permutation(n)],
    })
    frame["price"] = 3 * frame.x + frame.city.map({"Oslo": 0, "Rome": 2, "Bern": 5}) + rng.normal(size=n) * 0.3 + 20
    frame.loc[rng.random(n) < 0.1, "z"] = np.nan
    public = place / "public"
    public.mkdir()
    frame[:400].to_csv(public / "train.csv", index=False)
    frame[400:].drop(columns="price").to_csv(public / "test.csv", index=False)
    frame[400:][["id"]].assign(price=0.0).to_csv(public / "sample_submission.csv", index=False)
    frame[400:][["id", "price"]].to_csv(place / "answers.csv", index=False)
    return public


def alone(*arguments: object, cwd: Path) -> str:
    """What the command printed, in a process of its own."""
    command = [sys.executable, "-m", "agent.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """One whole run, which ends by itself once it is good: where it was made, and what it printed."""
    place = tmp_path_factory.mktemp("run")
    answers = folder.parent / "answers.csv"
    printed = alone("compete", folder, "--budget", BUDGET, "--until", GOOD_ENOUGH, "--answers", answers, "--json", cwd=place)
    return place, json.loads(printed)


def test_a_run_ends_graded_and_better_than_a_constant(finished: tuple[Path, dict], folder: Path) -> None:
    _, outcome = finished
    truth = pd.read_csv(folder.parent / "answers.csv").price
    assert outcome["metric"] == "rmse" and outcome["completed"] >= 2
    assert outcome["honest"] < GOOD_ENOUGH < 0.5 * truth.std()
    assert outcome["private"] < 0.5 * truth.std()


def test_the_submission_has_the_sample_s_columns_and_ids(finished: tuple[Path, dict], folder: Path) -> None:
    made = pd.read_csv(Path(finished[1]["folder"]) / "submission.csv")
    sample = pd.read_csv(folder / "sample_submission.csv")
    assert list(made.columns) == list(sample.columns)
    assert list(made.id) == list(sample.id)
    assert np.isfinite(made.price).all()


def test_a_run_leaves_report_and_solution_and_entries(finished: tuple[Path, dict]) -> None:
    place = Path(finished[1]["folder"])
    assert "<svg" in (place / "report.html").read_text()
    assert (place / "solution" / "solution.py").exists()
    assert (place / "entries" / "1" / "solution.py").read_text().startswith('"""')


def test_no_label_of_a_predicted_row_lies_in_what_a_trial_is_given(finished: tuple[Path, dict]) -> None:
    data = Path(finished[1]["folder"]) / "data"
    truth = np.load(data.parent / "private" / "truth.npy")
    for fold in data.glob("fold-*"):
        fit, target = np.load(fold / "fit.npy"), np.load(fold / "target.npy")
        predicted = np.load(fold / "predict.npy")
        assert len(target) == len(fit)
        assert not set(fit) & set(predicted)
        assert (truth[fit] == target).all()
    names = pd.read_feather(data / "features.arrow").columns
    assert "price" not in names and "id" not in names


def test_the_record_knows_the_run(finished: tuple[Path, dict]) -> None:
    place, outcome = finished
    listed = json.loads(alone("runs", "--json", cwd=place))
    assert [row["run"] for row in listed] == [outcome["run"]]
    shown = json.loads(alone("show", "--json", cwd=place))
    assert len(shown["entries"]) == outcome["entries"]
    assert shown["entries"][0]["operator"] == "prior"


def test_a_plan_runs_nothing(folder: Path, tmp_path: Path, medalist: Command) -> None:
    plan = json.loads(medalist("compete", folder, "--plan", "--json").stdout)
    assert "5 folds" in plan["validation"][0]
    assert plan["portfolio"][0].startswith("lightgbm")
    assert not (tmp_path / "runs").exists()


def test_until_stops_before_the_budget(finished: tuple[Path, dict]) -> None:
    assert finished[1]["entries"] <= 6  # the constant, the one that is good enough, what ran beside it


class UntilEntered(Quiet):
    """A view, and a clock that is at the deadline once so many entries have been made."""

    def __init__(self, entries: int) -> None:
        self.missing = entries

    def entry(self, entry: Entry, best: Entry | None) -> None:
        self.missing -= 1

    def clock(self) -> float:
        return time.monotonic() + (10_000.0 if self.missing <= 0 else 0.0)


def test_no_slot_waits_for_a_blend(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pools, seen = [], []
    play, blend = Game.play, Game.blend

    def playing(game: Game, pool: Any) -> None:
        pools.append(pool)
        play(game, pool)

    def watched(game: Game, *, final: bool = False) -> float:
        if pools and not final:
            seen.append((len(game.state.entries), pools[0].free))
        return blend(game, final=final)

    monkeypatch.setattr(Game, "play", playing)
    monkeypatch.setattr(Game, "blend", watched)
    view = UntilEntered(4)
    start(folder, Options(budget=600.0, slots=1), runs=tmp_path / "runs", view=view, started=view.clock(), clock=view.clock)
    assert {free for entries, free in seen if entries < 4} == {0}, seen


def test_of_more_rows_than_the_time_has_room_for_a_tenth_is_validated_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(validation, "HURRY", 80)  # 48,000 rows of 600 seconds
    rng, rows = np.random.default_rng(0), 52_000
    frame = pd.DataFrame({"id": range(rows), "x": rng.normal(size=rows)})
    frame["y"] = 3 * frame.x + rng.normal(size=rows)
    place, held = tmp_path / "tall", slice(51_000, rows)
    place.mkdir()
    frame[:51_000].to_csv(place / "train.csv", index=False)
    frame[held].drop(columns="y").to_csv(place / "test.csv", index=False)
    frame[held][["id"]].assign(y=0.0).to_csv(place / "sample_submission.csv", index=False)
    frame[held][["id", "y"]].to_csv(tmp_path / "answers.csv", index=False)
    view = UntilEntered(3)
    outcome = start(place, Options(budget=600.0, slots=1, answers=tmp_path / "answers.csv"), runs=tmp_path / "runs",
                    view=view, started=view.clock(), clock=view.clock)
    assert sorted(path.name for path in (outcome.folder / "data").glob("fold-*")) == ["fold-0"]
    assert len(np.load(outcome.folder / "data" / "fold-0" / "fit.npy")) == 45_900
    assert outcome.completed == 3 and outcome.honest is not None and abs(outcome.honest - 1) < 0.1
    assert outcome.honest_standard_error is not None and 0 < outcome.honest_standard_error < 0.05
    assert outcome.private is not None and abs(outcome.private - 1) < 0.1
    assert (outcome.folder / "report.html").exists()


def test_a_killed_run_goes_on_with_nothing_lost(folder: Path, tmp_path: Path, medalist: Command) -> None:
    command = [sys.executable, "-m", "agent.cli", "compete", str(folder), "--budget", "600"]
    run = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL)
    wait_for_entries(tmp_path / "runs" / "record.db", 2)
    assert [row["status"] for row in json.loads(medalist("runs", "--json").stdout)] == ["going on"]
    refused = medalist("resume")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1) and "goes on in another process" in refused.stderr
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    before = wait_for_entries(tmp_path / "runs" / "record.db", 2)
    assert [row["status"] for row in json.loads(medalist("runs", "--json").stdout)] == ["stopped"]
    late = json.loads(medalist("resume", "--budget", 1, "--json").stdout)  # the time is over: it only ends
    assert late["entries"] == len(before)
    view = UntilEntered(1)
    outcome = go_on(late["run"], runs=tmp_path / "runs", budget=None, view=view, started=view.clock(), clock=view.clock)
    with Record(tmp_path / "runs" / "record.db") as record:
        after = record.entries(outcome.run)
    assert after[: len(before)] == before
    assert len({entry.number for entry in after}) == len(after)
    assert len(after) > len(before)
    assert np.isfinite(pd.read_csv(outcome.folder / "submission.csv").price).all()


def wait_for_entries(path: Path, count: int) -> list:
    for _ in range(3000):
        if path.exists():
            with Record(path) as record:
                entries = record.entries(record.runs()[-1].run) if record.runs() else []
            if len(entries) >= count:
                return entries
        time.sleep(0.1)
    raise AssertionError("no entries within minutes")


@pytest.mark.parametrize(("arguments", "words"), [
    (["compete", "no-such-task"], "no task 'no-such-task'"),
    (["compete", "./nowhere"], "no folder"),
    (["show"], "no record"),
    (["resume"], "no record"),
    (["prepare", "no-such-task"], "no-such-task"),
])
def test_bad_input_is_one_line_and_an_exit_code(arguments: list[str], words: str, medalist: Command) -> None:
    done = medalist(*arguments)
    assert done.returncode == 2
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_an_unknown_executor_lists_those_that_exist(folder: Path, medalist: Command) -> None:
    done = medalist("compete", folder, "--executor", "rya")
    assert done.stderr == "medalist: no executor 'rya'; there are: cold, local, ray\n"


@pytest.mark.parametrize("command", ["compete", "resume", "tasks", "prepare", "runs", "show", "doctor"])
def test_every_command_explains_itself(command: str, tmp_path: Path) -> None:
    assert "--json" in alone(command, "--help", cwd=tmp_path)
