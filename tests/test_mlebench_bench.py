"""`medalist compete mlebench:ID` and `medalist bench --mlebench`, as a user runs them."""

import json
from pathlib import Path

import pandas as pd
import pytest
from lookalikes import M, prepared

from agent.cli import main


def _words(base: Path, *more: str) -> list[str]:
    return [*more, "--data", str(base / "data"), "--runs", str(base / "runs"), "--mlebench-data", str(base / "mlebench")]


def test_the_agent_competes_in_images_in_archives_and_knows_its_grade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    prepared(tmp_path / "mlebench", "cats")
    assert main(_words(tmp_path, "compete", "mlebench:cats", "--budget", "120", "--until", "0.5", "--slots", "1", "--json")) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["task"] == "cats" and outcome["private"] < 0.6
    submission = pd.read_csv(Path(outcome["folder"]) / "submission.csv")
    assert list(submission.columns) == ["id", "label"] and list(submission["id"]) == list(range(1, M + 1))


def test_a_split_runs_once_is_reported_and_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    prepared(tmp_path / "mlebench", "loans")
    words = _words(tmp_path, "bench", "--mlebench", "--agent", "lightgbm", "--ids", "loans", "leaf-classification",
                   "--seeds", "2", "--budget", "600", "--slots", "1", "--json", "--out", str(tmp_path / "out"))
    assert main(words) == 0
    shown = capsys.readouterr()
    figures = json.loads(shown.out)
    assert figures["seeds"] == 2 and figures["competitions"] == 2
    assert figures["valid_submission_percentage"] == {"mean": 50.0, "standard_error": 0.0}
    assert "leaf-classification is not prepared: mlebench prepare -c leaf-classification --data-dir" in shown.err
    one = json.loads((tmp_path / "out" / "seed-1_grading_report.json").read_text())
    assert [known["competition_id"] for known in one["competition_reports"]] == ["loans"]
    assert all(Path(known["submission_path"]).is_file() for known in one["competition_reports"])
    handed = [json.loads(line) for line in (tmp_path / "out" / "submission.jsonl").read_text().splitlines()]
    assert len(handed) == 2 and all(Path(one["submission_path"]).is_absolute() for one in handed)
    (tmp_path / "out" / "reports" / "loans-seed-1.json").unlink()  # as if it had been stopped there
    kept = (tmp_path / "out" / "reports" / "loans-seed-0.json").stat().st_mtime_ns
    assert main(words) == 0
    again = capsys.readouterr().err
    assert "loans seed 1: " in again and "loans seed 0" not in again
    assert (tmp_path / "out" / "reports" / "loans-seed-0.json").stat().st_mtime_ns == kept


def test_what_is_not_prepared_is_listed_with_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_words(tmp_path, "bench", "--mlebench", "--split", "all", "--list", "--json")) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 75 and not any(row["prepared"] for row in rows)
    assert rows[0]["prepare"] == f"mlebench prepare -c {rows[0]['id']} --data-dir {tmp_path / 'mlebench'}"
    for words in (["bench", "--mlebench", "--split", "low"], ["compete", "mlebench:leaf-classification"]):
        assert main(_words(tmp_path, *words)) == 2
        assert "mlebench prepare -c " in capsys.readouterr().err
    assert main(_words(tmp_path, "bench", "--mlebench", "--split", "lite")) == 2
    assert "no split 'lite'; there are: low, medium, high, all" in capsys.readouterr().err
