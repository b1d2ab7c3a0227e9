"""Trap tasks: generated, complete, silent about what they are, and estimated honestly where a naive estimate is fooled."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tasks import catalogue
from tasks.metrics import metric
from tasks.spec import load
from tasks.tables import survey
from tasks.traps import table


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize("name", catalogue.traps())
def test_a_trap_is_a_complete_task_of_the_family_trap(name: str, data: Path) -> None:
    spec = catalogue.facts(name)
    assert (spec["family"], spec["packages"]) == ("trap", [])
    built = catalogue.prepare(name, data, data / "cache")
    task, tables = load(built / "public")
    assert set(task.targets) <= set(tables.train) and not set(task.targets) & set(tables.test)
    assert 1_500 <= len(tables.train) + len(tables.test) <= 10_000
    assert not (data / "cache").exists()


@pytest.mark.parametrize("name", catalogue.traps())
def test_a_trap_says_what_goes_wrong_where_no_competitor_reads_it(name: str, data: Path) -> None:
    trap = table.trap_of(name)
    assert trap.naive_cv and trap.right
    public = catalogue.prepare(name, data, data / "cache") / "public"
    assert sorted(path.name for path in public.iterdir()) == [
        "description.md", "sample_submission.csv", "task.toml", "test.csv", "train.csv"]
    told = "".join(path.read_text(encoding="utf-8") for path in public.glob("*.md"))
    assert trap.naive_cv not in told and trap.right not in told


def test_traps_are_in_no_list_of_tasks() -> None:
    assert len(catalogue.traps()) >= 8
    assert not set(catalogue.traps()) & set(catalogue.names())


def test_the_same_seed_gives_the_same_trap(data: Path, tmp_path: Path) -> None:
    first, second = (catalogue.prepare("trap-shift", folder, folder / "cache") for folder in (data, tmp_path))
    assert (first / "public" / "train.csv").read_bytes() == (second / "public" / "train.csv").read_bytes()


@pytest.mark.parametrize("name", catalogue.traps())
def test_the_honest_estimate_is_right_where_the_naive_one_is_wrong(name: str, data: Path) -> None:
    row, sign = table.compare(name, data), metric(catalogue.facts(name)["metric"]).sign
    assert not row.naive.right
    assert sign * row.naive.cv > sign * row.naive.private
    assert row.honest.right


def test_a_column_that_test_leaves_empty_is_no_feature(data: Path) -> None:
    _, tables = load(catalogue.prepare("trap-leaked-column", data, data / "cache") / "public")
    found = survey(tables.train, tables.test, id="id", targets=["paid"])
    assert found.dropped["days_to_transfer"] == "every value is missing in test.csv"
    turned = survey(tables.test.assign(paid=0), tables.train, id="id", targets=["paid"])
    assert turned.dropped["days_to_transfer"] == "every value is missing in train.csv"


def test_the_table_is_printed_as_text_and_as_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert table.main(["trap-sorted-ids", "--data", str(data)]) == 0
    assert "| trap-sorted-ids | auc |" in capsys.readouterr().out
    assert table.main(["trap-sorted-ids", "--data", str(data), "--json"]) == 0
    assert pd.DataFrame(json.loads(capsys.readouterr().out))["name"].tolist() == ["trap-sorted-ids"]
