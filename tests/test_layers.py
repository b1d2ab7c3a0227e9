"""The second layer: what it is shown, that a run fits one in the sandbox, and that its solution rebuilds it."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from agent.blend import Blend
from agent.compete import Game, Setting, State, compete
from agent.export import export
from agent.layers import AT, OPERATOR, due, second_layer
from agent.playbook.policy import Policy
from agent.proposers.embedded import recipe_of
from agent.solution import Block, Recipe, Solution, render
from agent.view import Quiet
from leaderboard.record import Entry, Record
from sandbox import executor
from tasks.arrays import Arrays
from tasks.decision import Decision
from tasks.metrics import metric
from tasks.spec import Task
from tasks.submission import write_submission
from tests.folders import prepared, write_folder

KIT = Path(__file__).parent.parent / "agent" / "kit"
RECIPES = [Recipe("boosters.lightgbm", (Block("encoders.levels"),), {"rounds": 15}),
           Recipe("linear.regularised", (Block("encoders.levels"),)),
           Recipe("neighbours.knn", (Block("encoders.levels"),))]
HALF = 0.6  # of a run's time: past the first mark, before the second


@dataclass
class Scripted:
    """Proposes these recipes, then nothing."""

    waiting: list[Recipe] = field(default_factory=lambda: list(RECIPES))
    seen: list[Entry] = field(default_factory=list)

    def propose(self, entries: Sequence[Entry]) -> Solution | None:
        recipe = self.waiting.pop(0) if self.waiting else None
        return None if recipe is None else Solution(render(recipe, "One model"), "portfolio", "One model", recipe.family,
                                                    recipe=recipe)

    def turn(self, entries: Sequence[Entry]) -> None:
        pass

    def wait(self, seconds: float) -> bool:
        return False

    def observe(self, entry: Entry, *, won: bool, gained: float) -> None:
        self.seen.append(entry)


def task_folder(folder: Path) -> Path:
    """Three classes by a smooth score: linear, near and boosted models each see a part of it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": np.arange(460), "a": rng.normal(size=460), "b": rng.normal(size=460),
                          "place": rng.choice(["north", "south", "east"], 460)})
    score = frame["a"] + np.sin(3 * frame["b"]) + (frame["place"] == "north") + rng.normal(size=460) / 3
    frame["y"] = pd.cut(score, [-99, -0.5, 0.8, 99], labels=["low", "mid", "high"]).astype("str")
    test = frame[380:].drop(columns="y")
    return write_folder(folder, frame[:380], test, test[["id"]].assign(high=0.3, low=0.3, mid=0.4), toml='metric = "log_loss"\n')


def run(place: Path, policy: Policy) -> tuple[Task, Arrays, State, Scripted]:
    """A run past its middle, in the real sandbox."""
    task, _, _, arrays = prepared(task_folder(place / "public"), place / "run")
    now = time.monotonic()
    span = 1000.0
    setting = Setting(task, arrays, place / "run", KIT, "r", deadline=now + (1 - HALF) * span, started=now - HALF * span,
                      policy=policy)
    proposer = Scripted()
    with executor("local") as local, Record(place / "run" / "record.db") as record:
        record.start_run("r", task=task.name, folder=str(place / "run"), budget_seconds=span, seed=0, metric=task.metric,
                         greater_is_better=task.greater_is_better, settings={})
        state = compete(setting, record=record, executor=local, proposer=proposer, view=Quiet(), clock=time.monotonic)
        assert [entry.number for entry in record.entries("r")] == [entry.number for entry in state.entries]
    return task, arrays, state, proposer


@pytest.fixture(scope="module")
def past_the_middle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Task, Arrays, State, Scripted]:
    return run(tmp_path_factory.mktemp("layers"), Policy())


def test_a_run_fits_one_upon_its_entries(past_the_middle: tuple[Task, Arrays, State, Scripted]) -> None:
    task, arrays, state, proposer = past_the_middle
    last = state.entries[-1]
    assert (last.operator, last.status, last.parents) == (OPERATOR, "ok", (1, 2, 3))
    assert last.params["upon"] == {"entries": [1, 2, 3], "link": "log"}
    assert sum(entry.operator == OPERATOR for entry in state.entries) == 1  # the next one is due later
    assert proposer.seen[-1].number == last.number
    assert recipe_of(last) is None  # nothing is bred from it: its children would not see what it saw
    assert not list(arrays.data.glob("upon-*"))
    judge, constant = metric(task.metric), state.entries[0]
    assert judge.score(arrays.truth, state.out_of_fold[last.number]) < 0.8 * (constant.score or 0.0)


def test_a_policy_may_do_without(tmp_path: Path) -> None:
    _, _, state, _ = run(tmp_path, Policy(layers=False))
    assert [entry.operator for entry in state.entries[1:]] == ["portfolio"] * 3


def test_its_solution_rebuilds_it_with_the_entries_below(
    past_the_middle: tuple[Task, Arrays, State, Scripted], tmp_path: Path,
) -> None:
    task, arrays, state, _ = past_the_middle
    last = state.entries[-1].number
    blend = Blend("best single", "identity", {last: 1.0})
    write_submission(task, blend.apply({last: state.test[last]}), tmp_path / "submission.csv")
    with pytest.raises(ValueError, match=r"weighs entries \[1, 2, 3\]"):
        export(arrays.folder, task=task, arrays=arrays, entries=[state.entries[-1]], blend=blend, decision=Decision(), kit=KIT,
               seconds=20.0)
    place = export(arrays.folder, task=task, arrays=arrays, entries=state.entries, blend=blend, decision=Decision(), kit=KIT,
                   seconds=20.0)
    done = subprocess.run([sys.executable, place / "solution.py", "--data", task.folder, "--out", "again.csv"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("predicts what it did in the run") == 4
    before, after = (pd.read_csv(tmp_path / name) for name in ("submission.csv", "again.csv"))
    pd.testing.assert_frame_equal(before, after)


def test_it_is_shown_predictions_and_no_more(past_the_middle: tuple[Task, Arrays, State, Scripted]) -> None:
    task, arrays, state, _ = past_the_middle
    judge = metric(task.metric)
    first = state.entries[:4]
    made = second_layer(0, arrays, first, state.out_of_fold, state.test, judge=judge, kind=task.kind, seed=7)
    assert made is not None and made.upon is not None
    seen = pa.ipc.open_file(made.upon.file).read_all()
    assert seen.column_names == [*pd.read_feather(arrays.data / "features.arrow").columns, *made.upon.columns]
    assert made.upon.columns == tuple(f"entry {number}, {k}" for number in (1, 2, 3) for k in range(3))
    shown = np.exp(seen["entry 2, 1"].to_numpy())
    np.testing.assert_allclose(shown, np.concatenate([state.out_of_fold[2], state.test[2]])[:, 1].clip(1e-6), rtol=1e-9)
    made.upon.file.unlink()
    by_a_model = [replace(entry, params={**entry.params, "recipe": None}) if entry.number == 3 else entry for entry in first]
    assert second_layer(0, arrays, by_a_model, state.out_of_fold, state.test, judge=judge, kind=task.kind, seed=7) is None
    assert second_layer(0, arrays, first, state.out_of_fold, state.test, judge=judge, kind=task.kind, seed=7,
                        foreign=["encoders.levels"]) is None  # as if a playbook had brought the block


def test_when_one_is_due() -> None:
    assert not due(0, AT[0] - 0.01)
    assert due(0, AT[0])
    assert not due(1, AT[0])
    assert due(1, AT[1])
    assert not due(len(AT), 1.0)


def test_one_that_cannot_end_in_time_is_written_once(past_the_middle: tuple[Task, Arrays, State, Scripted]) -> None:
    task, arrays, state, _ = past_the_middle
    now = time.monotonic()
    setting = Setting(task, arrays, arrays.folder, KIT, "late", deadline=now + 1e-3, started=now - 1.0)
    slow = [replace(entry, cost_wall_seconds=500.0) for entry in state.entries[:4]]
    with executor("local") as local, Record(arrays.folder / "late.db") as record:
        game = Game(setting, record, local, Scripted([]), Quiet(), time.monotonic,
                    State(slow, state.out_of_fold, state.test, state.fold_scores))
        for tried in (1, 2, 3, 3):
            assert game.next_job() is None
            assert game.layers == tried
    assert not list(arrays.data.glob("upon-*"))
