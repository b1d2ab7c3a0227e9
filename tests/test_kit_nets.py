"""Checks the kit's networks, image tools and time features on tiny data: shapes, hard cases, limits, no leakage."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agent.kit import calendar, images, nets

torch = pytest.importorskip("torch")

KINDS = ("binary", "multiclass", "multilabel", "regression", "multiregression", "ordinal", "survival")
FAST = {
    nets.mlp: {"epochs": 2, "width": 16, "members": 2},
    nets.tabm: {"epochs": 2, "width": 16, "members": 3},
    images.convnet: {"epochs": 2, "width": 8},
}
MODELS = list(FAST)
METRICS = {"binary": "auc", "regression": "rmsle", "ordinal": "quadratic_weighted_kappa", "survival": "c_index"}

PREDICTIONS = {
    "binary": "probability", "multiclass": "distribution", "multilabel": "probabilities", "multiregression": "values",
}


def a_card(kind: str = "binary", **changes: Any) -> SimpleNamespace:
    classes = {"binary": ["no", "yes"], "multiclass": ["a", "b", "c"], "ordinal": ["1", "2", "3"]}.get(kind, [])
    metric = METRICS.get(kind, "log_loss" if kind.startswith("multic") else "rmse")
    card = {
        "kind": kind, "prediction": PREDICTIONS.get(kind, "value"), "metric": metric, "classes": classes,
        "targets": ["y"], "roles": {"note": "text"}, "group": None,
        "time": None, "seed": 0, "threads": 1, "device": "cpu", "seconds_left": 60.0, "assets": None,
    }
    return SimpleNamespace(**{**card, **changes})


def a_frame(n: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    levels = [f"v{i}" for i in range(15)]
    return pd.DataFrame({
        "x": random.normal(size=n),
        "gaps": np.where(random.random(n) < 0.3, np.nan, random.exponential(size=n)),
        "small": pd.Categorical(random.choice(["r", "g", "b"], n), ["r", "g", "b"]),
        "large": pd.Categorical(random.choice(levels, n), levels),
        "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 9000, n), unit="h"),
        "note": pd.Series(["words"] * n),
    })


def a_target(frame: pd.DataFrame, kind: str) -> pd.Series | pd.DataFrame:
    x = frame["x"].to_numpy()
    if kind in ("multilabel", "multiregression"):
        both = np.column_stack([x > 0, x > 1] if kind == "multilabel" else [x, -2 * x])
        return pd.DataFrame(both.astype(int) if kind == "multilabel" else both, columns=["p", "q"])
    if kind == "survival":
        return pd.DataFrame({"duration": np.exp(-x), "event": np.arange(len(x)) % 3 > 0}).astype(float)
    if kind == "regression":
        return pd.Series(np.exp(x))
    return pd.Series(np.digitize(x, [0] if kind == "binary" else [-0.5, 0.5]))


def a_picture_folder(folder: Path, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Grey 8 x 8 pictures with a bright left or right half."""
    image = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(0)
    label = np.arange(n) % 2
    for i in range(n):
        pixels = random.integers(0, 60, (8, 8))
        pixels[:, 4 * label[i] : 4 * label[i] + 4] += 150
        image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    return pd.DataFrame({"picture": [f"{i}.png" for i in range(n)]}), label


def expected_shape(kind: str, n: int) -> tuple[int, ...]:
    return {"multiclass": (n, 3), "multilabel": (n, 2), "multiregression": (n, 2)}.get(kind, (n,))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", [nets.mlp, nets.tabm])
def test_a_table_model_answers_in_the_shape_of_its_kind(model: Callable[..., np.ndarray], kind: str) -> None:
    train, predict = a_frame(90), a_frame(40, seed=1)
    answer = model(train, a_target(train, kind), predict, a_card(kind), **FAST[model])
    assert answer.shape == expected_shape(kind, 40)
    assert np.isfinite(answer).all()
    if kind == "multiclass":
        np.testing.assert_allclose(answer.sum(axis=1), 1)
    if kind in ("binary", "multiclass", "multilabel"):
        assert answer.min() >= 0 and answer.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_convnet_answers_in_the_shape_of_its_kind(tmp_path: Path, kind: str) -> None:
    frame, _ = a_picture_folder(tmp_path, 60)
    card = a_card(kind, roles={"picture": "image"}, assets=str(tmp_path))
    answer = images.convnet(frame[:40], a_target(a_frame(40), kind), frame[40:], card, **FAST[images.convnet])
    assert answer.shape == expected_shape(kind, 20)
    assert np.isfinite(answer).all()


@pytest.mark.parametrize("model", [nets.mlp, nets.tabm])
def test_equal_seeds_give_equal_answers(model: Callable[..., np.ndarray]) -> None:
    train, predict = a_frame(80), a_frame(20, seed=1)
    first, again, other = (
        model(train, a_target(train, "binary"), predict, a_card(seed=seed), **FAST[model]) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression", "survival"])
def test_the_mlp_learns_a_simple_rule(kind: str) -> None:
    train, predict = a_frame(400), a_frame(200, seed=1)
    answer = nets.mlp(train, a_target(train, kind), predict, a_card(kind), epochs=15, width=32, members=3)
    score = answer @ np.arange(3) if kind == "multiclass" else answer
    assert pd.Series(score).corr(predict["x"], method="spearman") > 0.8


@pytest.mark.parametrize("model", [nets.mlp, nets.tabm])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_hard_tables_are_answered(model: Callable[..., np.ndarray], kind: str) -> None:
    train, predict = a_frame(30), a_frame(1, seed=1)
    for frame in (train, predict):
        frame["constant"], frame["nothing"] = 1.0, np.nan
        frame["endless"] = np.where(np.arange(len(frame)) % 2, np.inf, -1e300)
        frame["minute"] = np.arange(len(frame)) * 1e-310  # divided by their spread they are endless
        frame["whole"] = pd.array([None, *range(len(frame) - 1)], dtype="Int64")
        frame["blank"] = pd.Categorical([None] * len(frame), ["a"])
    absent = a_target(train, kind).clip(upper=1)  # the last class never appears
    answer = model(train, absent, predict, a_card(kind), **FAST[model])
    assert answer.shape == expected_shape(kind, 1)
    assert np.isfinite(answer).all()


@pytest.mark.parametrize("model", [nets.mlp, nets.tabm])
def test_a_table_without_a_usable_column_is_answered(model: Callable[..., np.ndarray]) -> None:
    train = a_frame(30)
    answer = model(train[["note"]], a_target(train, "binary"), train[["note"]], a_card(), **FAST[model])
    assert np.isfinite(answer).all()


def test_unseen_levels_share_the_code_of_missing_ones() -> None:
    levels = [f"v{i}" for i in range(20)]
    train = pd.DataFrame({"c": pd.Categorical(levels[:19] * 4, levels)})
    predict = pd.DataFrame({"c": pd.Categorical(["v19", None, "v0"], levels)})
    data = nets.tables(train, predict)
    assert data.codes[1][:2].ravel().tolist() == [0, 0] and data.codes[1][2, 0] > 0
    assert data.levels == [20]


@pytest.mark.parametrize("seconds", [60.0, 1.0])
@pytest.mark.parametrize("model", [nets.mlp, nets.tabm])
def test_a_replay_repeats_how_time_passed(
    model: Callable[..., np.ndarray], seconds: float, capsys: pytest.CaptureFixture[str],
) -> None:
    train, predict = a_frame(300), a_frame(20, seed=1)
    options = {"epochs": 30 if seconds < 60 else 3, "width": 16, "members": 2}
    first = model(train, a_target(train, "binary"), predict, a_card(seconds_left=seconds), **options)
    _, line = capsys.readouterr().out.splitlines()[-1].split("choice ticks=")
    ticks = json.loads(line)
    assert len(ticks) > 20 or seconds == 60
    again = model(train, a_target(train, "binary"), predict, a_card(replay=[["ticks", ticks]]), **options)
    np.testing.assert_allclose(first, again, rtol=0, atol=1e-9)


def test_members_are_as_many_as_time_has_steps_for(capsys: pytest.CaptureFixture[str]) -> None:
    from agent.kit.packed import PackedMLP

    def network(count: int) -> PackedMLP:
        return PackedMLP(count, 3, [], 1, width=64, depth=2, dropout=0.0, activation="mish", periodic=False)

    def loss(net: PackedMLP) -> torch.Tensor:
        return net(torch.ones(net.members, 512, 3), torch.zeros(net.members, 512, 0, dtype=torch.int64)).square().mean()

    assert nets.affordable(network, loss, 2, 6, 0.0) == 2 and nets.affordable(network, loss, 2, 6, 1e3) == 6
    train, predict = a_frame(300), a_frame(20, seed=1)
    target, options = a_target(train, "binary"), {"epochs": 4, "width": 16}
    for model, left, count in ((nets.mlp, 1e4, 8), (nets.mlp, 0.0, 1), (nets.tabm, 1e4, 16), (nets.tabm, 0.0, 4)):
        model(train, target, predict, a_card(seconds_left=left), **options)
        made = [line for line in capsys.readouterr().out.splitlines() if line.startswith("choice members=")]
        assert made == [f"choice members={count}"]


def test_members_of_another_fold_and_of_a_fit_that_is_repeated_are_taken_over(capsys: pytest.CaptureFixture[str]) -> None:
    train, predict = a_frame(300), a_frame(20, seed=1)
    target, options = a_target(train, "binary"), {"epochs": 4, "width": 16}
    first = nets.mlp(train, target, predict, a_card(hints=[["members", 3], ["ticks", []]]), **options)
    made = [line.removeprefix("choice ").split("=") for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in made] == ["members", "ticks"] and made[0][1] == "3"
    replay = [[name, json.loads(value)] for name, value in made]
    np.testing.assert_allclose(first, nets.mlp(train, target, predict, a_card(replay=replay), **options), rtol=0, atol=1e-9)
    assert "choice members=3" in capsys.readouterr().out


def test_training_stops_when_the_clock_says_so() -> None:
    from agent.kit.heads import head_of
    from agent.kit.packed import PackedMLP
    from agent.kit.training import Plan, fit

    ticks = iter(range(10_000))
    target = a_target(a_frame(64), "binary")
    head = head_of(target, a_card())
    net = PackedMLP(2, 3, [], 1, width=4, depth=1, dropout=0.0, activation="mish", periodic=False)
    inputs = (torch.randn(64, 3), torch.zeros(64, 0, dtype=torch.int64))
    plan = Plan(epochs=1000, batch=16, lr=0.01, weight_decay=0.0, seconds=40)
    held = [np.arange(8), np.arange(8, 16)]
    done = fit(net, inputs, torch.as_tensor(head.encoded), held, head, plan, seed=0, clock=lambda: float(next(ticks)))
    assert 2 <= done <= 10
    assert next(ticks) < 50


def test_no_time_left_still_answers() -> None:
    train = a_frame(60)
    answer = nets.mlp(train, a_target(train, "binary"), train, a_card(seconds_left=0.0), members=2)
    assert np.isfinite(answer).all()


def test_groups_stay_whole_in_a_holdout() -> None:
    train = a_frame(120).assign(g=pd.Categorical([f"g{i // 6}" for i in range(120)]))
    for rows in nets.holdouts(train, a_target(train, "binary"), a_card(group="g"), 4):
        outside = np.setdiff1d(np.arange(120), rows)
        assert len(rows) and not set(train["g"].iloc[rows]) & set(train["g"].iloc[outside])


def test_pictures_load_as_they_are(tmp_path: Path) -> None:
    frame, label = a_picture_folder(tmp_path, 6)
    pixels = images.load(frame, a_card(roles={"picture": "image"}, assets=str(tmp_path)))
    assert pixels.shape == (6, 1, 8, 8) and pixels.dtype == np.uint8
    assert ((pixels[:, 0, :, 4:].mean(axis=(1, 2)) > 100) == label).all()


def test_a_missing_picture_says_which() -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        images.load(pd.DataFrame({"p": ["gone.png"]}), a_card(roles={"p": "image"}, assets="nowhere"), size=8)


def test_picture_features_are_numbers_beside_the_path(tmp_path: Path) -> None:
    frame, _ = a_picture_folder(tmp_path, 30)
    train, predict = images.features(frame[:20], frame[20:], a_card(roles={"picture": "image"}, assets=str(tmp_path)))
    new = [name for name in train.columns if name.startswith("image_")]
    assert len(new) > 100 and list(predict.columns) == list(train.columns)
    assert np.isfinite(train[new].to_numpy()).all() and np.isfinite(predict[new].to_numpy()).all()


def a_table_of_pixels(n: int) -> pd.DataFrame:
    """Blurred spots on 8 x 8 pixels, one column a pixel, in a shuffled order of columns."""
    random = np.random.default_rng(0)
    x, y = random.uniform(1, 6, (2, n, 1, 1))
    place = np.arange(8)
    pixels = 16 * np.exp(-((place[:, None] - y) ** 2 + (place - x) ** 2) / 4)
    frame = pd.DataFrame(pixels.reshape(n, 64).round(), columns=[f"pixel{i}" for i in range(64)])
    return frame[random.permutation(frame.columns)]


def test_a_table_of_pixels_is_seen_as_pictures_and_fitted() -> None:
    frame, card = a_table_of_pixels(120), a_card("regression", metric="rmse")
    assert images.grid(frame, card) == [f"pixel{i}" for i in range(64)]
    answer = images.convnet(frame[:100], a_target(a_frame(100), "regression"), frame[100:], card, epochs=1, width=8)
    assert answer.shape == (20,) and np.isfinite(answer).all()


def test_numbered_columns_without_neighbours_are_no_pictures() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).random((200, 64)), columns=[f"v{i}" for i in range(64)])
    assert images.grid(frame, a_card()) == []
    assert images.grid(a_frame(20), a_card()) == []
    assert images.features(frame, frame, a_card())[0] is frame


def test_mirroring_is_refused_where_it_changes_the_label(tmp_path: Path) -> None:
    frame, label = a_picture_folder(tmp_path, 80)
    card = a_card(roles={"picture": "image"}, assets=str(tmp_path))
    pixels = images.load(frame, card)
    assert images.flips(pixels, pd.Series(label), card) == [2]
    assert images.flips(pixels.transpose(0, 1, 3, 2), pd.Series(label), card) == [3]


def a_series(n: int) -> tuple[pd.DataFrame, pd.Series]:
    """Two shops by the hour: a level, a wave of the day and a rise."""
    when = pd.Series(np.repeat(pd.date_range("2024-01-01", periods=n // 2, freq="h"), 2))
    shop = np.tile([0, 1], n // 2)
    value = 10 * shop + 3 * np.sin(2 * np.pi * when.dt.hour / 24) + 0.01 * np.arange(n)
    return pd.DataFrame({"when": when, "shop": pd.Categorical(np.array(["a", "b"])[shop])}), pd.Series(value)


def test_calendar_parts_that_vary_are_added() -> None:
    frame, _ = a_series(400)
    train, predict = calendar.features(frame[:300], frame[300:], a_card("regression", time="when"))
    assert {"when_hour", "when_weekday", "when_elapsed", "when_hour_sin"} <= set(train.columns)
    assert "when_year" not in train.columns and list(predict.columns) == list(train.columns)
    assert train["when_elapsed"].min() == 0


def test_lags_carry_season_and_series_past_the_end() -> None:
    frame, value = a_series(1000)
    card = a_card("regression", metric="rmse", time="when")
    _, predict = calendar.lags(frame[:800], value[:800], frame[800:], card)
    assert predict["lag_shop_hour_mean"].corr(value[800:]) > 0.95
    assert predict["lag_shop_hour_recent"].notna().all()


def test_a_row_never_sees_labels_of_its_own_stretch() -> None:
    frame, value = a_series(1000)
    card, train = a_card("regression", metric="rmse", time="when"), frame[:800]
    number = calendar.stretches_of(*(calendar.columns.numbers(f["when"]) for f in (train, frame[800:]))).train
    before, _ = calendar.lags(train, value[:800], frame[800:], card)
    for stretch in (0, number.max()):
        changed = value[:800].where(number != stretch, -1e6)
        after, _ = calendar.lags(train, changed, frame[800:], card)
        pd.testing.assert_frame_equal(before[number == stretch], after[number == stretch])


def test_a_trend_lets_a_model_extrapolate() -> None:
    frame, value = a_series(1000)
    value = value + 0.05 * np.arange(1000)
    card = a_card("regression", metric="rmse", time="when")
    numbers, _ = calendar.features(frame, frame, card)
    plain, trended = (
        model(numbers[:800], value[:800], numbers[800:], card, **options)
        for model, options in ((_mean_model, {}), (calendar.trended, {"model": "baselines.prior"}))
    )
    truth = value[800:].to_numpy()
    assert np.abs(trended - truth).mean() < 0.5 * np.abs(plain - truth).mean()


def _mean_model(train: Any, target: pd.Series, predict: pd.DataFrame, task: Any) -> np.ndarray:
    return np.full(len(predict), target.mean())


@pytest.mark.parametrize(("step", "hints", "width"), [(0.01, [], 32), (0.3, [], 16), (2.0, [], 8), (2.0, [["width", 16]], 16)])
def test_a_net_is_as_wide_as_its_time_allows_or_as_on_another_fold(
    step: float, hints: list[list[object]], width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    """A step of 16 images; 640 images at 64 a step and 60 epochs are 600 steps, of which 400 are enough."""
    monkeypatch.setattr(images, "_seconds_of_a_step", lambda *_: step / 4)
    some = np.zeros((700, 1, 8, 8), dtype=np.uint8)
    card = a_card(hints=[list(hint) for hint in hints])
    assert images._width(some, 3, 64, 600, 60.0, torch.device("cpu"), card) == width
    assert capsys.readouterr().out == f"choice width={width}\n"


def test_a_step_is_timed_on_a_few_images() -> None:
    assert images._seconds_of_a_step(np.zeros((4, 1, 8, 8), dtype=np.uint8), 3, 8) > 0
