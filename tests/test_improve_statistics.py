"""The gate's statistics keep what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.improve import simulate
from agent.improve.statistics import (
    LOOKS,
    chance_of_success,
    confirm,
    evidence_of_harm,
    gain,
    interval,
    looks,
    share_of_error,
    sign_flip,
    smallest_effect,
    spent,
)

GAINS = st.lists(st.floats(-1, 1), min_size=12, max_size=12)


def test_of_null_campaigns_hardly_any_accepts_anything() -> None:
    assert simulate.campaigns(120, 0.0, confirmations=5)["with an acceptance"] <= 0.05 + 2 * (0.05 * 0.95 / 120) ** 0.5


def test_a_planted_gain_of_half_a_deviation_is_mostly_accepted_and_a_planted_harm_never() -> None:
    assert simulate.campaigns(150, 0.5, confirmations=1)["changes accepted"] >= 0.75
    assert simulate.campaigns_of_first(150, 0.5, confirmations=20) >= 0.75
    assert simulate.campaigns(300, -0.5, confirmations=1)["changes accepted"] == 0.0


def test_the_error_of_all_confirmations_is_that_of_the_campaign() -> None:
    shares = [share_of_error(0.05, k, 20) for k in range(1, 21)]
    assert sum(shares) == pytest.approx(0.05)
    assert shares == sorted(shares, reverse=True)
    assert share_of_error(0.05, 21, 20) == 0.0


def test_looks_spend_all_of_the_error_at_the_end_and_little_before() -> None:
    amounts = [spent(0.05, part) for part in LOOKS]
    assert amounts[-1] == 0.05 and amounts[0] < 0.001 < amounts[1] < 0.02
    assert looks(48) == (16, 32, 48)


@given(GAINS, st.randoms())
@settings(max_examples=25, deadline=None)
def test_a_tasks_gain_depends_on_no_order_of_seeds(values: list[float], random: object) -> None:
    present, candidate = np.exp(values), np.exp(np.roll(values, 1))
    order = np.random.default_rng(0).permutation(len(values))
    assert gain(present, candidate) == pytest.approx(gain(present[order], candidate[order]))
    assert gain(present, candidate) == pytest.approx(-gain(candidate, present), abs=1e-9)


@given(GAINS)
@settings(max_examples=25, deadline=None)
def test_a_larger_gain_never_makes_p_larger(values: list[float]) -> None:
    known = np.asarray(values)
    p = sign_flip(known, planned=12, alpha=0.05)[0]
    assert 0 < p <= 1
    assert sign_flip(known, planned=12, alpha=0.05) == sign_flip(known, planned=12, alpha=0.05)
    if len(looks(12)) == 3 and known.min() > 0:
        assert p < 0.02  # a draw of signs: about a hundredth where gains are alike


def test_between_looks_nothing_is_decided() -> None:
    assert confirm([1.0] * 5, ["a"] * 5, planned=48, alpha=0.05, noise=1.0).decision == "go on"


def test_what_goes_nowhere_is_stopped_early() -> None:
    values = list(np.random.default_rng(0).normal(-0.3, 1.0, 16))
    verdict = confirm(values, ["a"] * 16, planned=48, alpha=0.05, noise=1.0)
    assert (verdict.decision, verdict.tasks) == ("reject", 16) and "futile" in verdict.reason
    assert chance_of_success(np.full(16, 0.1), planned=48, alpha=0.05) == 1.0


def test_one_family_that_loses_stops_a_change_that_gains_on_the_mean() -> None:
    values, families = [0.3] * 42 + [-0.2] * 6, ["good"] * 42 + ["hurt"] * 6
    verdict = confirm(values, families, planned=48, alpha=0.05, noise=0.1)
    assert verdict.decision == "reject" and "family hurt loses" in verdict.reason
    assert confirm(values, families, planned=48, alpha=0.05, noise=0.5).decision == "accept"


def test_a_mean_that_a_few_tasks_make_is_not_enough() -> None:
    values = [1.0] * 22 + [-0.01] * 26
    verdict = confirm(values, ["a"] * 48, planned=48, alpha=0.05, noise=1.0)
    assert verdict.decision == "reject" and "of the tasks were won" in verdict.reason


def test_evidence_of_harm_passes_twenty_by_chance_once_in_twenty_at_most() -> None:
    rng = np.random.default_rng(1)
    passed = [evidence_of_harm(list(rng.random(100) < 0.5)) >= 20 for _ in range(200)]
    assert np.mean(passed) <= 0.05
    assert evidence_of_harm([True] * 12) >= 20
    assert evidence_of_harm([None] * 50) == 1.0


def test_more_tasks_tell_smaller_effects() -> None:
    assert smallest_effect(0.05, tasks=48, alpha=0.05) == pytest.approx(0.05 * 2.486 / 48**0.5, rel=1e-3)
    low, high = interval([0.1, 0.2, 0.3, 0.15])
    assert 0.1 <= low < 0.1875 < high <= 0.3
