"""Counts of runs in texts: made once and without labels, kept only where they are counts, and the same as counting anew."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from folders import prepared as prepared_folder
from folders import write_folder
from scipy import sparse

from agent import counts as counting
from agent.compete import fold_inputs
from agent.counts import Counts
from agent.kit import ngrams, prepared, text
from agent.run import KIT
from sandbox import Cost, Limits, Trial
from sandbox.executors.local import Local
from tasks.arrays import Arrays

LIMITS = Limits(wall_seconds=60, memory_bytes=2 << 30, disk_bytes=64 << 20)
WORDS = ("tea", "soup", "Cake", "stale", "don't", "again", "naïve", "3", "茶", "--")
ATTACK = """
import numpy as np
from pathlib import Path

def fit_predict(train, target, predict, task):
    place, done = Path(task.prepared), 0
    for path in [place, *place.rglob("*")]:
        tries = (lambda: (path / "new").mkdir(), lambda: path.rename(path.with_name("moved")), lambda: path.chmod(0o777),
                 lambda: path.open("r+b").write(b"x"), lambda: np.load(path, mmap_mode="r+").fill(7), path.unlink)
        for one in tries:
            try:
                one()
                done += 1
            except (OSError, ValueError):
                pass
    return np.full(len(predict), float(done))
"""


@pytest.fixture
def arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """A run of two columns of short texts, few enough that a count is quick, and counted all the same."""
    monkeypatch.setattr(counting, "FEWEST", 100)
    draw = np.random.default_rng(0)
    lines = [[" ".join(draw.choice(WORDS, draw.integers(0, 9))) + f" note {k} of them" for k in range(80)] for _ in range(2)]
    table = pd.DataFrame({"id": range(120), "first": lines[0] + lines[0][:40], "second": lines[1] + lines[1][:40],
                          "liked": [0, 1] * 60})  # a third of the texts stand there twice
    train, test = table[:90], table[90:].drop(columns="liked").reset_index(drop=True)
    return prepared_folder(write_folder(tmp_path / "task", train, test, test[["id"]].assign(liked=0.5)), tmp_path / "run")[3]


def counted(arrays: Arrays, executor: Local) -> Counts:
    counts, card = Counts(arrays, ("first", "second"), memory_bytes=2 << 30), json.loads((arrays.data / "card.json").read_text())
    while (reading := counts.next()) is not None:
        assert not len(np.load(reading.folder / "fit.npy")) and not len(np.load(reading.folder / "target.npy"))
        inputs = {"features": arrays.data / "features.arrow", "fold": reading.folder, "kit": KIT}
        told = {**card, **reading.told, "targets": ["nothing"], "seed": 0, "threads": 1, "device": "cpu", "seconds_left": 60}
        trial = executor.run(reading.source, inputs=inputs, limits=LIMITS, shape=reading.shape, card=told)
        assert trial.status == "ok", trial.log
        assert counts.take(reading, trial)
    return counts


def test_trials_look_counts_up_that_they_cannot_write_and_find_the_same(arrays: Arrays) -> None:
    (arrays.data / "prepared" / ".word-pairs").mkdir(parents=True)  # what a kill in the middle of writing leaves
    with Local(("numpy", "pandas", "pyarrow")) as executor:
        counts = counted(arrays, executor)
        before = {path: path.read_bytes() for path in counts.folder.rglob("*.npy")}
        inputs, card = fold_inputs(arrays_task(), arrays, KIT, 0), {"targets": ["liked"]}
        trial = executor.run(ATTACK, inputs=inputs, limits=LIMITS, shape=(arrays.predict_rows(0),), card=card)
    assert trial.status == "ok" and not trial.prediction.any(), trial.log  # type: ignore[union-attr]
    assert {path: path.read_bytes() for path in counts.folder.rglob("*.npy")} == before
    assert sorted(path.name for path in counts.folder.iterdir()) == ["inside-words", "word-pairs"]
    table, told = pd.read_feather(arrays.data / "features.arrow"), SimpleNamespace(prepared=str(counts.folder))
    for name in ("first", "second"):
        assert prepared.counts("word-pairs", table[name].tolist(), told) is not None
        looked_up, anew = (text.tfidf(table[name][:80], table[name][80:], task=task) for task in (told, None))
        for one, two in zip(looked_up, anew, strict=True):
            assert all((getattr(one, part) == getattr(two, part)).all() for part in ("data", "indices", "indptr"))
    assert prepared.counts("word-pairs", ["never seen"], told) is None
    assert Counts(arrays, ("first", "second"), memory_bytes=2 << 30).next() is None  # a run that goes on counts nothing again


def arrays_task() -> SimpleNamespace:
    return SimpleNamespace(assets_folder=None)


def test_what_is_no_matrix_of_counts_is_not_kept(arrays: Arrays) -> None:
    matrix = sparse.csr_matrix(np.array([[0, 2, 1], [0, 0, 0], [70_000, 0, 3]]))
    good = ngrams.packed(matrix, 12)
    assert (ngrams.unpacked(good, 3) != matrix.minimum(65_535)).nnz == 0
    with pytest.raises(ValueError, match="more than 7"):
        ngrams.packed(matrix, 7)
    for place, value in ((0, 3), (0, 99), (0, -1), (1, -2), (1, 2.5), (4, 0.5), (4, -65_536), (4, 2.0**52), (4, 65_536.0)):
        bad = good.copy()
        bad[place] = value
        with pytest.raises(ValueError, match=r"rows do not|whole numbers"):
            ngrams.unpacked(bad, 3)
    counts = Counts(arrays, ("first",), memory_bytes=2 << 30)
    reading = counts.next()
    assert reading is not None
    assert not counts.take(reading, Trial("ok", np.full(reading.room, 3.0), Cost(1.0, 1.0, 0)))
    assert not counts.take(reading, Trial("memory", None, Cost(1.0, 1.0, 0))) and not counts.folder.exists()
    assert all(other.room <= 12_500 for other in Counts(arrays, ("first",), memory_bytes=400_000).waiting)


def test_few_letters_are_not_worth_counting_once(arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert Counts(arrays, ("first", "second"), memory_bytes=2 << 30).next() is None
