"""The pretrained model for tables: found where its weights are, asked in the sandbox, reported, rebuilt.

Its real weights are not to be had from a package registry. What is tested with is the same network, small, with weights by lot,
in a file of the same form: all but the worth of its answers.
"""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from folders import write_folder

from agent import foundation
from agent.blend import Blend
from agent.export import export
from agent.kit import foundation as kit
from agent.run import KIT, Options, plan_only, start
from agent.view import Quiet
from leaderboard.record import Entry, Record
from tasks.arrays import load_arrays
from tasks.decision import Decision
from tasks.spec import load


class UntilAsked(Quiet):
    """A clock that is at the deadline once the pretrained model has been asked."""

    asked = False

    def entry(self, entry: Entry, best: Entry | None) -> None:
        self.asked = self.asked or entry.family == foundation.NAME

    def clock(self) -> float:
        return time.monotonic() + (10_000.0 if self.asked else 0.0)


SMALL = {"embed_dim": 16, "col_num_blocks": 1, "col_nhead": 2, "col_num_inds": 8, "row_num_blocks": 1, "row_nhead": 2,
         "row_num_cls": 2, "icl_num_blocks": 1, "icl_nhead": 2}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both files of weights."""
    import torch
    from tabicl._model.tabicl import TabICL

    folder = tmp_path_factory.mktemp("weights")
    for kind, name in foundation.FILES.items():
        torch.manual_seed(0)
        config: dict[str, Any] = {**SMALL, "max_classes": 10 if kind == kit.CLASSES else 0}
        torch.save({"config": config, "state_dict": TabICL(**config).state_dict()}, folder / name)
    return folder


def card(data: Path | None, kind: str, *, metric: str, classes: int = 0, seconds: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(kind=kind, metric=metric, roles={"size": "numeric", "colour": "categorical"}, device="cpu", threads=1,
                           seed=0, classes=list(range(classes)), targets=["y"], group=None, time=None, seconds_left=seconds,
                           prepared=None if data is None else str(data / "prepared"))


def table(n: int, *, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"size": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
                         "colour": pd.Categorical(rng.choice(["red", "green", "blue"], n))})


@pytest.mark.parametrize(("kind", "metric", "target"), [
    ("binary", "auc", lambda n: np.arange(n) % 2), ("multiclass", "log_loss", lambda n: np.arange(n) % 3),
    ("regression", "rmse", lambda n: np.linspace(5, 9, n)), ("regression", "mae", lambda n: np.linspace(5, 9, n))])
def test_answers_have_the_shape_that_is_asked_for(weights: Path, tmp_path: Path, kind: str, metric: str, target: Any) -> None:
    foundation.lay_ready(weights / foundation.FILES[foundation.NEEDED[kind]], kind, tmp_path)
    task = card(tmp_path, kind, metric=metric, classes={"binary": 2, "multiclass": 3}.get(kind, 0))
    found = kit.tabicl(table(60), pd.Series(target(60)), table(17, seed=1), task, members=2)
    assert found.shape == ((17, 3) if kind == "multiclass" else (17,)) and np.isfinite(found).all()
    if kind == "multiclass":
        assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    elif kind == "regression":
        assert 0 < found.mean() < 20  # on the target's scale


def test_many_rows_are_asked_about_in_parts_and_a_class_is_never_left_out(
    weights: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    labels = np.r_[np.zeros(300, int), np.ones(2, int)]
    asked = kit.Question(rng.normal(size=(302, 3)).astype(np.float32), rng.normal(size=(700, 3)).astype(np.float32),
                         kit.Goal("logistic", labels), weights / foundation.FILES[kit.CLASSES], "cpu", 1, 0)
    assert set(labels[asked.context(5)]) == {0, 1} and len(asked.context(5)) == 5
    monkeypatch.setattr(kit, "MOST_CELLS", 900)
    parts = kit._parts(asked.right, 100)
    assert [len(part) for part in parts] == [200, 200, 200, 100]
    context = asked.context(100)
    whole = asked.answer(context, asked.right, 1)
    assert np.concatenate([asked.answer(context, part, 1) for part in parts]) == pytest.approx(whole, abs=1e-4)


def test_little_time_means_few_rows_and_views(weights: Path) -> None:
    rng = np.random.default_rng(0)
    left = rng.normal(size=(5000, 4)).astype(np.float32)
    goal = kit.Goal("logistic", (left[:, 0] > 0).astype(int), deadline=time.monotonic() + 600)
    rich = kit.Question(left, left[:50], goal, weights / foundation.FILES[kit.CLASSES], "cpu", 1, 0)
    poor = kit.Question(left, left[:50], kit.Goal("logistic", goal.labels, deadline=time.monotonic()), rich.weights, "cpu", 1, 0)
    assert kit._affordable(rich, 8, 5000) == [8, 5000]
    members, rows = kit._affordable(poor, 8, 5000)
    assert members == 1 and rows < 200


def test_without_weights_there_is_one_clear_line_and_no_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"weights \(classifier.ckpt\) are not present"):
        kit.tabicl(table(20), pd.Series([0, 1] * 10), table(5), card(None, "binary", metric="auc", classes=2))
    monkeypatch.setenv(foundation.VARIABLE, str(tmp_path))
    assert foundation.found("binary", 2) is None


def test_weights_are_found_in_the_cache_of_the_hub(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(foundation.VARIABLE, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    assert foundation.found("binary", 2) is None
    name, place = foundation.FILES[kit.CLASSES], tmp_path / "models--jingang--TabICL"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc")
    (place / "snapshots" / "abc").mkdir(parents=True)
    (place / "snapshots" / "abc" / name).symlink_to(weights / name)
    assert foundation.found("binary", 2) == (weights / name).resolve()
    assert foundation.found("multiclass", 11) is None and foundation.found("survival", 0) is None
    assert foundation.found("regression", 0) is None  # its file is another


def test_a_run_asks_it_says_so_and_its_solution_rebuilds_the_answer(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(foundation.VARIABLE, str(weights))
    rows = table(200).assign(id=range(200))
    target = (rows["size"].fillna(0) > 0).astype(int)
    test = rows[140:].reset_index(drop=True)
    folder = write_folder(tmp_path / "task", rows[:140].assign(y=target[:140]), test, test[["id"]].assign(y=0.5))
    options = Options(budget=600.0, slots=2, without=("racing",))  # which would stop answers by lot
    assert "tabicl" in plan_only(folder, options)["portfolio"]
    view = UntilAsked()
    outcome = start(folder, options, runs=tmp_path / "runs", view=view, started=view.clock(), clock=view.clock)
    with Record(tmp_path / "runs" / "record.db") as record:
        asked = [entry for entry in record.entries(outcome.run) if entry.family == "tabicl"]
        assert [entry.status for entry in asked][:1] == ["ok"], [(entry.status, entry.log) for entry in asked]
        assert record.events(outcome.run, "weights")[0]["file"] == foundation.FILES[kit.CLASSES]
    page = (outcome.folder / "report.html").read_text()
    assert "a pretrained model for tables, TabICL, were present" in page and f"entries that asked it: {asked[0].number}" in page
    arrays = load_arrays(outcome.folder)
    place = export(outcome.folder, task=load(folder)[0], arrays=arrays, entries=asked[:1], decision=Decision(), kit=KIT,
                   blend=Blend("alone", "identity", {asked[0].number: 1.0}), seconds=20.0)
    assert "tabicl==2.2.0" in (place / "requirements.txt").read_text()
    done = subprocess.run([sys.executable, str(place / "solution.py"), "--data", str(folder), "--out", "again.csv"],
                          capture_output=True, text=True, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, check=False)
    assert done.returncode == 0, done.stderr
    again = pd.read_csv(tmp_path / "again.csv")["y"]
    assert again.to_numpy() == pytest.approx(np.load(Path(asked[0].folder) / "test.npy"), abs=1e-5)
