"""When a submission is worth one of the day's, and which two count in the end: figures, without any Kaggle."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.finals import better_of_two, choose, public_weight, stated_share
from agent.spending import MARK, Stake, Unspent, keep, noise_of_gain, spent_today, worth
from leaderboard.kaggle import Submission
from leaderboard.record import Run
from leaderboard.submissions import Calibration, Sent
from tasks.metrics import metric

RMSE = metric("rmse")
ROWS = 800
RNG = np.random.default_rng(7)
TRUTH = RNG.normal(size=ROWS)
ERROR = RNG.normal(size=ROWS)
OTHER = RNG.normal(size=ROWS)


def stake(answers: np.ndarray, honest: float) -> Stake:
    run = Run("run-1", "task", "folder", 60.0, 0, "rmse", False, {}, "2026-01-01", "finished", None)
    return Stake(run, b"id,y\n" + b"1,2\n" * 100, "ab" * 32, honest, honest, 0.02, answers, TRUTH)


def sent(folder: Path, answers: np.ndarray, honest: float, *, ref: int, public: float | None = None) -> Sent:
    file = keep(stake(answers, honest), folder / str(ref))
    return Sent("run-1", "task", "task", f"{MARK}run-1/{ref}", f"2026-01-0{ref}", str(file), "", honest, honest, 0.02, False,
                ref=ref, status="COMPLETE", public=public)


def listed(description: str, status: str = "COMPLETE") -> Submission:
    return Submission(1, "2026-01-01T00:00:00", "submission.csv", description, status, "", None, None)


def test_the_first_submission_is_worth_it() -> None:
    assert worth(stake(TRUTH + ERROR, 1.0), None, RMSE)


def test_a_gain_within_its_noise_is_not_worth_a_submission(tmp_path: Path) -> None:
    last = sent(tmp_path, TRUTH + ERROR, 1.0, ref=1)
    with pytest.raises(Unspent, match=r"a gain of 0\.00100 within its noise"):
        worth(stake(TRUTH + 0.9 * ERROR + 0.4 * OTHER, 0.999), last, RMSE)


def test_a_gain_beyond_its_noise_is_worth_one(tmp_path: Path) -> None:
    last = sent(tmp_path, TRUTH + ERROR, 1.0, ref=1)
    assert "beyond its noise" in worth(stake(TRUTH + 0.9 * ERROR, 0.9), last, RMSE)


def test_a_loss_is_never_worth_one(tmp_path: Path) -> None:
    with pytest.raises(Unspent):
        worth(stake(TRUTH + ERROR, 1.1), sent(tmp_path, TRUTH + ERROR, 1.0, ref=1), RMSE)


def test_what_is_hard_for_both_is_no_noise_between_them(tmp_path: Path) -> None:
    last = sent(tmp_path, TRUTH + ERROR, 1.0, ref=1)
    alike, unlike = stake(TRUTH + 0.98 * ERROR, 0.98), stake(TRUTH + OTHER, 0.98)
    assert noise_of_gain(alike, last, RMSE) < 0.2 * noise_of_gain(unlike, last, RMSE)


def test_other_rows_are_compared_by_the_estimate_s_own_error(tmp_path: Path) -> None:
    last = sent(tmp_path, TRUTH + ERROR, 1.0, ref=1)
    other = replace(stake(TRUTH[:500], 0.9), truth=TRUTH[:500])
    assert noise_of_gain(other, last, RMSE) == other.standard_error


def test_only_our_counted_submissions_of_today_are_counted() -> None:
    known = [listed(f"{MARK}a/1"), listed("by hand"), listed(f"{MARK}a/2", "ERROR"), listed(f"{MARK}a/3"), listed(f"{MARK}old/4")]
    assert spent_today(known, 3) == 2
    assert spent_today(known, 0) == 0


def test_the_expected_better_of_two_is_what_drawing_them_gives() -> None:
    draws = np.random.default_rng(0).normal(0.0, 0.3, 200_000)
    assert better_of_two(1.0, 1.1, 0.3) == pytest.approx((1.1 + np.maximum(0, draws - 0.1)).mean(), abs=0.003)
    assert better_of_two(1.0, 2.0, 0.0) == 2.0


def test_two_that_err_apart_are_chosen_before_two_alike(tmp_path: Path) -> None:
    best = sent(tmp_path, TRUTH + ERROR, 1.000, ref=1, public=1.000)
    twin = sent(tmp_path, TRUTH + 1.001 * ERROR, 1.001, ref=2, public=1.001)
    apart = sent(tmp_path, TRUTH + 1.002 * OTHER, 1.002, ref=3, public=1.002)
    choice = choose([best, twin, apart], [], RMSE, public_share=0.3)
    assert [known.sent.ref for known in choice.chosen] == [1, 3]
    assert any("errs on other rows" in line for line in choice.why)


def test_a_lucky_public_score_is_not_chosen_and_that_is_explained(tmp_path: Path) -> None:
    lucky = sent(tmp_path, TRUTH + 1.2 * ERROR, 1.2, ref=1, public=0.97)
    others = [sent(tmp_path, TRUTH + (1 + k / 1000) * ERROR, 1 + k / 1000, ref=2 + k, public=1.01) for k in range(2)]
    choice = choose([lucky, *others], [], RMSE, public_share=0.3)
    assert [known.sent.ref for known in choice.chosen] == [2, 3]
    assert any("submission 1 has the best public score" in line for line in choice.why)


@pytest.mark.parametrize(("follows", "expected"), [("public", 0.9), ("honest", 0.1)])
def test_the_record_teaches_how_much_a_public_score_weighs(follows: str, expected: float) -> None:
    rng, rows = np.random.default_rng(1), []
    for _ in range(60):
        pair = {"honest": float(rng.normal()), "public": float(rng.normal())}
        rows.append(Calibration("old", "run", 1, "rmse", pair["honest"], pair["honest"], 0.5, pair["public"], pair[follows]))
    weight, why = public_weight(rows, 0.5)
    assert abs(weight - expected) < 0.1
    assert "60 submissions" in why
    assert public_weight([replace(row, private=None) for row in rows], 0.25)[0] == 0.25


def test_the_public_share_is_read_from_the_pages() -> None:
    assert stated_share("This leaderboard is calculated with approximately 20% of the test data.") == 0.2
    assert stated_share("Prizes: 50% to the winner.") == 0.3
