"""Vectors of sentences: what they mean, that they are made once and without labels, and that a run uses them."""

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from folders import prepared as prepared_folder
from folders import write_folder

from agent.kit import prepared, sentences
from agent.run import KIT, Options, start
from agent.vectors import Sentences, Vectors, shared
from agent.view import Quiet
from leaderboard.record import Record
from sandbox import Cost, Limits, Trial
from sandbox.executors.local import Local

CARD = SimpleNamespace(device="cpu", roles={"note": "text"})
GOOD = ["I love this soup, it tastes wonderful.", "A delicious cake that my family adored.", "Best tea I have ever had."]
BAD = ["The biscuits were stale and awful.", "Horrible coffee, I threw it away.", "Disgusting noodles, never again."]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = [f"{text} Order {n % 17}." for n, text in enumerate((GOOD + BAD) * 20)]
    table = pd.DataFrame({"id": range(120), "note": texts, "liked": ([1] * 3 + [0] * 3) * 20})
    train, test = table[:90], table[90:].drop(columns="liked").reset_index(drop=True)
    return write_folder(tmp_path / "task", train, test, test[["id"]].assign(liked=0.5))


def test_texts_that_mean_the_like_are_near() -> None:
    found = sentences.of(pd.Series(["A man is eating food.", "A man is eating a piece of bread.", "A cheetah is running."]), CARD)
    assert found.shape == (3, sentences.WIDTH)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-3)
    assert found[0] @ found[1] > 0.7 > 0.3 > found[0] @ found[2]


def test_a_vector_is_the_same_whatever_is_read_beside_it() -> None:
    alone = sentences.of(pd.Series(["Short."]), CARD)
    beside = sentences._read(["Short.", "A much longer text, so that the short one is padded. " * 9], "cpu")
    assert beside[0] == pytest.approx(alone[0], abs=1e-5)


def test_the_block_adds_numbers_beside_each_text() -> None:
    train = pd.DataFrame({"note": GOOD + BAD, "size": range(6)})
    predict = pd.DataFrame({"note": [GOOD[0], None], "size": [1, 2]})
    left, right = sentences.vectors(train, predict, CARD, components=4)
    assert list(left.columns) == list(right.columns) == ["note", "size", *(f"note_sense{k}" for k in range(4))]
    assert np.isfinite(right.iloc[:, 2:].to_numpy()).all()
    whole, _ = sentences.vectors(train, predict, CARD, components=0)
    assert whole.shape[1] == 2 + sentences.WIDTH


@pytest.mark.parametrize(("texts", "can"), [
    (GOOD, True), (["这个酒店很好 房间很干净 下次再来"] * 3, False), (["red", "green"], False),
    (["CC(=O)Oc1ccccc1C(=O)O"] * 3, False), ([None, None], False)])
def test_only_sentences_in_latin_letters_are_read(texts: list[str | None], can: bool) -> None:
    assert sentences.readable(pd.Series(texts, dtype=object)) is can


def test_what_the_host_has_had_made_is_looked_up_and_the_rest_is_made_once(tmp_path: Path) -> None:
    prepared.store(tmp_path, "lengths", prepared.keys_of(["b", "aa"]), np.array([[10.0], [20.0]]))
    asked: list[str] = []

    def make(values: list[str]) -> np.ndarray:
        asked.extend(values)
        return np.array([[float(len(value))] for value in values])

    card = SimpleNamespace(prepared=str(tmp_path))
    found = prepared.numbers("lengths", ["aa", "ccc", "b", "ccc"], card, make)
    assert found.ravel().tolist() == [20.0, 3.0, 10.0, 3.0]
    assert prepared.numbers("lengths", ["ccc"], card, make).tolist() == [[3.0]]
    assert asked == ["ccc"]


def test_pieces_are_read_without_labels_and_make_what_any_trial_would(folder: Path, tmp_path: Path) -> None:
    arrays = prepared_folder(folder, tmp_path / "run")[3]
    card = json.loads((arrays.data / "card.json").read_text())
    vectors = Vectors(arrays, Sentences(), ("note",), slots=2)
    limits = Limits(wall_seconds=60, memory_bytes=2 << 30, disk_bytes=1 << 20)
    assert shared(arrays.data) == {}
    with Local(("numpy", "pandas", "pyarrow")) as executor:
        while (piece := vectors.next(1e9)) is not None:
            assert not len(np.load(piece.folder / "fit.npy")) and not len(np.load(piece.folder / "target.npy"))
            inputs = {"features": arrays.data / "features.arrow", "fold": piece.folder, "kit": KIT}
            told = {**card, **piece.told, "targets": ["nothing"], "seed": 0, "threads": 1, "device": "cpu", "seconds_left": 60}
            trial = executor.run(piece.source, inputs=inputs, limits=limits, shape=piece.shape, card=told)
            assert trial.status == "ok", trial.log
            vectors.take(piece, trial)
    assert vectors.ready and vectors.count == 102
    texts = pd.read_feather(arrays.data / "features.arrow").note
    looked_up = prepared._stored(sentences.NAME, np.unique(prepared.keys_of(texts.tolist())),
                                 SimpleNamespace(prepared=str(shared(arrays.data)["prepared"])))
    assert len(looked_up) == 102
    key = int(prepared.keys_of([texts[0]])[0])
    assert looked_up[key] == pytest.approx(sentences.of(texts[:1], CARD)[0], abs=1e-3)


def test_what_would_take_too_long_is_given_up(folder: Path, tmp_path: Path) -> None:
    arrays = prepared_folder(folder, tmp_path / "run")[3]
    vectors = Vectors(arrays, Sentences(), ("note",), slots=1)
    vectors.waiting *= 9
    piece = vectors.next(100.0)
    assert piece is not None and vectors.next(100.0) is None  # one at once, until its cost is known
    vectors.take(piece, Trial("ok", np.zeros((len(piece.rows), sentences.WIDTH)), Cost(3600.0, 3600.0, 0)))
    assert vectors.next(100.0) is None and vectors.given_up


def test_a_piece_that_fails_leaves_nothing_half_read(folder: Path, tmp_path: Path) -> None:
    arrays = prepared_folder(folder, tmp_path / "run")[3]
    vectors = Vectors(arrays, Sentences(), ("note",), slots=4)
    vectors.read, vectors.wall_seconds = 500, 1.0  # the cost is known, so two may run at once
    pieces = [piece for piece in (vectors.next(1e9), vectors.next(1e9)) if piece is not None]
    assert len(pieces) == 2 and not vectors.waiting
    vectors.take(pieces[0], Trial("error", None, Cost(1.0, 1.0, 0)))
    vectors.take(pieces[1], Trial("ok", np.zeros((len(pieces[1].rows), sentences.WIDTH)), Cost(1.0, 1.0, 0)))
    assert vectors.given_up and not vectors.ready and shared(arrays.data) == {}


class UntilRead(Quiet):
    """A view, and a clock that is at the deadline once an entry has come after the vectors."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.over = False

    def note(self, line: str) -> None:
        self.lines.append(line)

    def entry(self, entry: object, best: object) -> None:
        self.over = self.over or (bool(self.lines) and "sentences" in getattr(entry, "source", ""))

    def clock(self) -> float:
        return time.monotonic() + (1e5 if self.over else 0.0)


def test_a_run_makes_them_once_and_its_solutions_look_them_up(folder: Path, tmp_path: Path) -> None:
    view = UntilRead()
    outcome = start(folder, Options(budget=900.0, slots=2), runs=tmp_path / "runs", view=view, started=view.clock(),
                    clock=view.clock)
    assert [line.startswith("vectors of 102 sentences") for line in view.lines] == [True]
    with Record(tmp_path / "runs" / "record.db") as record:
        using = [entry for entry in record.entries(outcome.run) if "sentences.vectors" in entry.source]
        assert using and using[0].status in ("ok", "stopped")
        assert record.events(outcome.run, "vectors")[0]["ready"]
    report = (outcome.folder / "report.html").read_text(encoding="utf-8")
    assert "vectors of 102 sentences, by the pretrained all-MiniLM-L6-v2" in report
