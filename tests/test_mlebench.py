"""MLE-bench's ids, its rule of medals and its reports."""

import json
import math
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lookalikes import prepared as lay_out

from leaderboard.mlebench import MleBenchError, competition, handed_out, ids
from leaderboard.mlebench.medals import Thresholds, read_leaderboard, thresholds
from leaderboard.mlebench.report import published, report, totals, write_reports

TEAMS = (9, 10, 99, 100, 249, 250, 999, 1000, 5000)
FIELDS = ["competition_id", "score", "gold_threshold", "silver_threshold", "bronze_threshold", "median_threshold",
          "any_medal", "gold_medal", "silver_medal", "bronze_medal", "above_median", "submission_exists",
          "valid_submission", "is_lower_better", "created_at", "submission_path"]


def test_all_75_competitions_are_known_by_split() -> None:
    assert [len(ids(split)) for split in ("low", "medium", "high", "all")] == [22, 38, 15, 75]
    assert len(set(ids())) == 75


def _positions(teams: int) -> tuple[int, int, int]:
    """The rule as MLE-bench writes it: floats, truncated."""
    if teams < 100:
        return max(1, int(teams * 0.1)), max(1, int(teams * 0.2)), max(1, int(teams * 0.4))
    if teams < 250:
        return 10, max(1, int(teams * 0.2)), max(1, int(teams * 0.4))
    if teams < 1000:
        return 10 + int(teams * 0.002), 50, 100
    return 10 + int(teams * 0.002), max(1, int(teams * 0.05)), max(1, int(teams * 0.1))


@pytest.mark.parametrize("teams", TEAMS)
@given(data=st.data(), lower=st.booleans())
def test_thresholds_are_the_scores_at_the_truncated_positions(teams: int, data: st.DataObject, lower: bool) -> None:
    levels = data.draw(st.lists(st.integers(0, 60), min_size=2, max_size=12, unique=True))
    cuts = sorted(levels, reverse=not lower)
    scores = [cuts[i * len(cuts) // teams] / 7 if teams >= len(cuts) else cuts[i] / 7 for i in range(teams)]
    found = thresholds(scores)
    assert found.lower_is_better is (scores[0] < scores[-1])
    assert (found.gold, found.silver, found.bronze) == tuple(scores[place - 1] for place in _positions(teams))
    ordered = sorted(scores)
    assert found.median == (ordered[(teams - 1) // 2] + ordered[teams // 2]) / 2
    worth = {"gold": 0, "silver": 1, "bronze": 2, None: 3}
    won = [worth[found.medal(score)] for score in scores]
    assert won == sorted(won), "a better place never has a worse medal"
    assert all(found.medal(score) == "gold" for score in scores if score == found.gold), "ties win the medal"
    assert not found.above_median(found.median)
    step = -1e-9 if lower and found.lower_is_better else 1e-9
    assert found.above_median(found.median + step)
    assert found.medal(None) is None and not found.above_median(None)


@given(st.integers(1, 9000))
def test_positions_by_whole_numbers_are_those_by_floats(teams: int) -> None:
    found = thresholds([float(n) for n in range(1, teams + 1)])
    assert (found.gold, found.silver, found.bronze) == _positions(teams)


def test_a_report_has_mle_benchs_fields_and_rounds_like_it(tmp_path: Path) -> None:
    submission = tmp_path / "submission.csv"
    submission.write_text("id,y\n")
    marks = Thresholds(0.9, 0.8, 0.7, 0.5, lower_is_better=False)
    known = report("x", submission, 0.7999961, marks, lower_is_better=False)
    assert list(known.to_json()) == FIELDS
    assert known.score == 0.8 and known.silver_medal and known.any_medal and not known.gold_medal
    assert datetime.fromisoformat(known.created_at)
    missing = report("x", tmp_path / "none.csv", None, marks, lower_is_better=False)
    assert not (missing.submission_exists or missing.valid_submission or missing.any_medal or missing.above_median)


def test_reports_are_summed_and_published_as_mean_and_error_over_seeds(tmp_path: Path) -> None:
    submission = tmp_path / "submission.csv"
    submission.write_text("id,y\n")
    marks = Thresholds(0.9, 0.8, 0.7, 0.5, lower_is_better=False)
    seeds = {seed: [report(id, submission, score, marks, lower_is_better=False) for id, score in pairs] for seed, pairs in {
        0: [("a", 0.95), ("b", 0.4)], 1: [("a", 0.75), ("b", 0.85)], 2: [("a", 0.1), ("b", None)]}.items()}
    figures = published(seeds, ["a", "b", "never-run"])
    shares = [100 / 3, 200 / 3, 0.0]
    assert figures["any_medal_percentage"]["mean"] == pytest.approx(sum(shares) / 3)
    spread = math.sqrt(sum((s - sum(shares) / 3) ** 2 for s in shares) / 2)
    assert figures["any_medal_percentage"]["standard_error"] == pytest.approx(spread / math.sqrt(3))
    write_reports(seeds, ["a", "b"], tmp_path / "out")
    one = json.loads((tmp_path / "out" / "seed-1_grading_report.json").read_text())
    assert one["total_runs"] == 2 and one["total_medals"] == 2 and one["total_silver_medals"] == 1
    assert list(one) == list(totals(seeds[1]))
    lines = [json.loads(line) for line in (tmp_path / "out" / "submission.jsonl").read_text().splitlines()]
    assert len(lines) == 6 and lines[0] == {"competition_id": "a", "submission_path": str(submission)}


def test_what_is_not_there_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MleBenchError, match=r"did you mean 'leaf-classification'"):
        competition("leaf-clasification", tmp_path)
    with pytest.raises(MleBenchError, match=r"not prepared in .*: run `mlebench prepare -c leaf-classification --data-dir"):
        handed_out("leaf-classification", tmp_path)
    lay_out(tmp_path, "loans")
    assert handed_out("loans", tmp_path).leaderboard == tmp_path / "loans" / "leaderboard.csv"
    (tmp_path / "loans" / "leaderboard.csv").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(MleBenchError, match=r"Git LFS pointer"):
        read_leaderboard(tmp_path / "loans" / "leaderboard.csv")
