"""Images read once for all trials: without labels, kept only where they are bytes, and the same as reading them anew."""

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from folders import prepared as prepared_folder
from folders import write_folder
from PIL import Image, PngImagePlugin

from agent import pictures as reading
from agent.compete import fold_inputs
from agent.kit import images, pixels, sound
from agent.pictures import Batch, Pictures
from agent.run import KIT, Options, start
from agent.vectors import shared
from agent.view import Quiet
from leaderboard.record import Record
from sandbox import Cost, Limits, Trial
from sandbox.executors.local import Local
from tasks.arrays import Arrays

LIMITS = Limits(wall_seconds=60, memory_bytes=2 << 30, disk_bytes=64 << 20)
ROLES = {"picture": "image", "clip": "image"}
SOLUTION = """
from kit import images, linear, sound

def fit_predict(train, target, predict, task):
    train, predict = images.features(train, predict, task)
    train, predict = sound.features(train, predict, task)
    return linear.regularised(train, target, predict, task)
"""
COST = Cost(1.0, 1.0, 0)


def a_folder(place: Path) -> Path:
    """Grey, deep and coloured pictures of several sizes and formats beside spectrograms; a row has neither."""
    draw, rows = np.random.default_rng(0), 90
    (place / "images").mkdir(parents=True)
    for k in range(rows):
        levels = draw.integers(0, 200, (20, 17 + k % 4, 3)) + 50 * (k % 2)
        image = Image.fromarray(levels.astype(np.uint8))
        if k % 3 == 1:
            image = image.convert("L")
        if k % 9 == 2:
            image = Image.fromarray((levels[:, :, 0] * 250).astype(np.uint16))
        image.save(place / "images" / f"p{k}.{'png' if k % 3 else 'jpg'}")
        told = PngImagePlugin.PngInfo()
        told.add_text("sound", f"{-k / 3:.2f} {k / 7:.3f}")
        heard = Image.fromarray(draw.integers(0, 256, (64, 128), dtype=np.uint8))
        heard.save(place / "images" / f"c{k}{sound.SUFFIX}", pnginfo=told)
    table = pd.DataFrame({"id": range(rows), "picture": [f"p{k}.{'png' if k % 3 else 'jpg'}" for k in range(rows)],
                          "clip": [f"c{k}{sound.SUFFIX}" for k in range(rows)], "bright": [0, 1] * (rows // 2)})
    table.loc[7, list(ROLES)] = None
    train, test = table[:60], table[60:].drop(columns="bright").reset_index(drop=True)
    return write_folder(place, train, test, test[["id"]].assign(bright=0.5), toml='assets = "images"\n')


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Arrays, SimpleNamespace]:
    """A run's data and its task."""
    place = tmp_path_factory.mktemp("pictures")
    task, _, found, arrays = prepared_folder(a_folder(place / "task"), place / "run")
    assert {name: found.roles[name] for name in ROLES} == ROLES
    return arrays, task


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FEWEST", 10)


def waiting(made: tuple[Arrays, SimpleNamespace], *, memory_bytes: int = 2 << 30) -> Pictures:
    return Pictures(made[0], tuple(ROLES), made[1].assets_folder, memory_bytes=memory_bytes, slots=2)


def card(made: tuple[Arrays, SimpleNamespace]) -> dict[str, object]:
    known = json.loads((made[0].data / "card.json").read_text())
    return {**known, "seed": 0, "threads": 1, "device": "cpu", "seconds_left": 60, "hints": []}


def read(batch: Batch, made: tuple[Arrays, SimpleNamespace], executor: Local) -> Trial:
    """As a run has it read."""
    assert not len(np.load(batch.folder / "fit.npy")) and not len(np.load(batch.folder / "target.npy"))
    inputs = {"features": batch.features, "fold": batch.folder, "kit": KIT, "assets": made[1].assets_folder}
    told = {**card(made), **batch.told, "targets": ["nothing"]}
    trial = executor.run(batch.source, inputs=inputs, limits=LIMITS, shape=batch.shape, card=told)
    assert trial.status == "ok", trial.log
    return trial


@pytest.fixture(scope="module")
def stored(made: tuple[Arrays, SimpleNamespace]) -> tuple[Path, list[np.ndarray]]:
    """The store of a run, and what a solution predicts without it and with it."""
    with pytest.MonkeyPatch.context() as patch, Local(("numpy", "pandas", "pyarrow", "sklearn")) as executor:
        patch.setattr(reading, "FEWEST", 10)
        predictions, pictures, arrays = [], waiting(made), made[0]
        for _ in range(2):
            trial = executor.run(SOLUTION, inputs=fold_inputs(made[1], arrays, KIT, 0), limits=LIMITS,
                                 shape=(arrays.predict_rows(0),), card=card(made))
            assert trial.status == "ok", trial.log
            predictions.append(trial.prediction)
            batches = [batch for batch in (pictures.next(60), pictures.next(60), pictures.next(60)) if batch]
            for batch in reversed(batches):  # the last one may come first
                facts = pictures.take(batch, read(batch, made, executor))
    assert facts == {"files": 178, "kept": ["squares-20", "squares-32", "spectrograms"], "cpu_seconds": facts["cpu_seconds"]}
    return shared(arrays.data)["prepared"], predictions


def test_a_solution_predicts_the_same_with_the_store_and_without(stored: tuple[Path, list[np.ndarray]]) -> None:
    without, with_it = stored[1]
    assert np.array_equal(without, with_it) and len(np.unique(without)) > 20


def both(made: tuple[Arrays, SimpleNamespace], stored: tuple[Path, list[np.ndarray]]) -> list[SimpleNamespace]:
    told = {**card(made), "assets": str(made[1].assets_folder), "prepared": None}
    return [SimpleNamespace(**told), SimpleNamespace(**{**told, "prepared": str(stored[0])})]


def test_what_is_looked_up_is_what_would_be_read_and_no_file_is_opened(
    made: tuple[Arrays, SimpleNamespace], stored: tuple[Path, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = pd.read_feather(made[0].data / "features.arrow")
    grey = frame[frame.picture.str.fullmatch(r"p(1|4|7|10|13)\.png")]
    anew, looked_up = both(made, stored)
    expected = [images.load(rows, anew, size=side) for rows in (frame, grey) for side in (None, 32, 48)]
    assert [each.shape[1:] for each in expected[:4]] == [(4, 20, 20), (4, 32, 32), (4, 48, 48), (2, 20, 20)]
    loud, told = sound.pictures(frame, anew, "clip")
    assert np.array_equal(images.load(frame, looked_up, size=48), expected[2])  # a side that is not there is read
    monkeypatch.setattr(pixels, "_read", lambda *_: pytest.fail("a file was opened"))
    found = [images.load(rows, looked_up, size=side) for rows in (frame, grey) for side in (None, 32)]
    for one, two in zip(found, [*expected[:2], *expected[3:5]], strict=True):
        assert one.shape == two.shape and one.dtype == two.dtype and np.array_equal(one, two)
    for one, two in zip(sound.pictures(frame, looked_up, "clip"), (loud, told), strict=True):
        assert one.dtype == two.dtype and np.array_equal(one, two)


def test_a_network_predicts_the_same_with_the_store_and_without(
    made: tuple[Arrays, SimpleNamespace], stored: tuple[Path, list[np.ndarray]],
) -> None:
    frame, fast = pd.read_feather(made[0].data / "features.arrow"), {"epochs": 1, "width": 8}
    target = pd.Series(made[0].truth)
    one, two = (images.convnet(frame[:60], target, frame[60:], task, **fast) for task in both(made, stored))
    assert np.array_equal(one, two)


def test_a_file_that_has_changed_is_read_anew(
    made: tuple[Arrays, SimpleNamespace], stored: tuple[Path, list[np.ndarray]], tmp_path: Path,
) -> None:
    _, looked_up = both(made, stored)
    for place, side in (("p3.jpg", 90), ("p1.png", 20)):
        Image.fromarray(np.full((side, side, 3), 9, dtype=np.uint8)).save(tmp_path / place)
    looked_up.assets = str(tmp_path)
    assert (pixels.squares(["p3.jpg", "p1.png", ""], looked_up, 32)[:2] == 9).all()
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        pixels.squares(["gone.png"], looked_up, 32)


def test_what_is_there_of_a_truncated_file_is_read_and_a_strange_one_is_black(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    levels = np.random.default_rng(0).integers(150, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(levels).save(tmp_path / "whole.jpg", quality=95)
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) * 3 // 4])
    (tmp_path / "strange.jpg").write_bytes(b"nothing that Pillow knows")
    task = SimpleNamespace(assets=str(tmp_path))
    found = pixels.squares(["whole.jpg", "cut.jpg", "strange.jpg"], task, 8)
    assert (found[0] > 150).all() and (found[1, :, 0] == found[0, :, 0]).all() and not found[2].any()
    assert pixels.side_of(["strange.jpg", "whole.jpg"], task) == 40
    assert "1 of 3 files are no images that can be read, 'strange.jpg' among them" in capsys.readouterr().out
    with pytest.raises(ValueError, match="12 of 12 files are no images"):
        pixels.photographs(["strange.jpg"] * 12, task, 64)


def test_a_run_that_goes_on_reads_nothing_again(
    made: tuple[Arrays, SimpleNamespace], stored: tuple[Path, list[np.ndarray]],
) -> None:
    assert waiting(made).next(60) is None and not (made[0].data / "pictures").exists()


@pytest.fixture
def fresh(tmp_path: Path) -> tuple[Arrays, SimpleNamespace]:
    task, _, _, arrays = prepared_folder(a_folder(tmp_path / "task"), tmp_path / "run")
    return arrays, task


def test_what_is_no_bytes_is_not_kept(fresh: tuple[Arrays, SimpleNamespace]) -> None:
    for wrong in (0.5, -1.0, 256.0**6, "text", None):
        pictures = waiting(fresh)
        first, second = pictures.next(60), pictures.next(60)
        assert first is not None and second is not None and pictures.next(60) is None
        good = np.zeros(second.shape)
        bad = None if wrong is None else np.full(first.shape, wrong)
        assert pictures.take(second, Trial("ok", good, COST)) is None and pictures.pending
        facts = pictures.take(first, Trial("ok" if wrong else "memory", bad, COST))
        assert facts == {"files": 178, "kept": [], "cpu_seconds": 2.0} and not pictures.pending
        assert not pictures.folder.exists() and not pictures.scratch.exists()


def test_grey_batches_stand_beside_coloured_ones(fresh: tuple[Arrays, SimpleNamespace]) -> None:
    pictures = waiting(fresh)
    grey, coloured = pictures.next(60), pictures.next(60)
    assert grey is not None and coloured is not None
    red = np.zeros(coloured.shape)
    red[:, 0] = 1.0  # the first byte: the red of a first pixel
    assert pictures.take(grey, Trial("ok", np.zeros(grey.shape), COST)) is None
    assert pictures.take(coloured, Trial("ok", red, COST)) is not None
    first, second = (np.load(pictures.folder / name / "numbers.npy") for name in ("squares-20", "squares-32"))
    assert first.shape == (179, 3, 20, 20) and first.sum() == first[coloured.rows, 0, 0, 0].sum() == len(coloured.rows)
    assert second.shape == (179, 1, 32, 32)


def test_a_store_has_its_share_of_memory_and_time(
    fresh: tuple[Arrays, SimpleNamespace], monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = 179 * (20**2 + 32**2) * 3
    assert waiting(fresh, memory_bytes=4 * small).names == ("squares-20", "squares-32")
    assert waiting(fresh, memory_bytes=4 * small - 4).names == ("squares-20",)
    assert waiting(fresh, memory_bytes=1 << 10).next(60) is None
    slow = waiting(fresh)
    batch = slow.next(60)
    assert batch is not None and batch.seconds == 30 and slow.next(30) is None
    assert slow.take(batch, Trial("ok", np.zeros(batch.shape), COST)) == {"files": 178, "kept": [], "cpu_seconds": 1.0}
    monkeypatch.setattr(reading, "FEWEST", 179)
    assert waiting(fresh).next(60) is None


@pytest.mark.parametrize("harm", ["gone", "no image"])
def test_files_that_cannot_be_read_are_left_to_the_trials(fresh: tuple[Arrays, SimpleNamespace], harm: str) -> None:
    for place in fresh[1].assets_folder.glob("p80.*" if harm == "gone" else "p*"):
        place.unlink() if harm == "gone" else place.write_bytes(b"GIF")
    assert waiting(fresh).next(60) is None


class UntilEntered(Quiet):
    """A clock that is at the deadline once an entry has come that is not the constant."""

    over = False

    def entry(self, entry: object, best: object) -> None:
        self.over = self.over or getattr(entry, "number", 0) > 0

    def clock(self) -> float:
        return time.monotonic() + (1e5 if self.over else 0.0)


def test_a_run_has_them_read_before_its_first_entry(tmp_path: Path) -> None:
    view = UntilEntered()
    outcome = start(a_folder(tmp_path / "task"), Options(budget=900.0, slots=2), runs=tmp_path / "runs", view=view,
                    started=view.clock(), clock=view.clock)
    with Record(tmp_path / "runs" / "record.db") as record:
        assert record.events(outcome.run, "pictures")[0]["kept"] == ["squares-20", "squares-32", "spectrograms"]
        assert record.entries(outcome.run)[1].status == "ok"
