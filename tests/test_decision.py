"""Decision steps: better than doing nothing where there is something to gain, and nothing gained from noise."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.decision import (
    Decision,
    best_threshold,
    choose_decision,
    half,
    standard_error,
)
from tasks.decision_steps import Argmax, Cutpoints, LabelThresholds, Scale, Threshold, TopK
from tasks.metrics import Metric, MetricError, metric

CUTS = [-1.5, -0.5, 1.0, 2.0]


def apparent_score(judge: Metric, truth: np.ndarray, raw: np.ndarray) -> float:
    """The score with the decision chosen on the very rows that are scored: optimistic."""
    return judge.score(truth, choose_decision(judge, truth, raw).apply(raw))


def cross_fitted_score(
    judge: Metric, truth: np.ndarray, raw: np.ndarray, *, seed: int, folds: np.ndarray | None = None,
) -> tuple[float, float]:
    """The score with the decision chosen on other rows than those scored, and its standard error.

    folds: (n,) the part that each row is in; two random halves when not given. Each part is scored with the decision
    of all the others; the mean over the parts is returned.
    """
    parts = np.random.default_rng(seed).permutation(len(truth)) % 2 if folds is None else np.asarray(folds)
    found, errors = [], []
    for part in np.unique(parts):
        inside = parts == part
        submitted = choose_decision(judge, truth[~inside], raw[~inside]).apply(raw[inside])
        found.append(judge.score(truth[inside], submitted))
        errors.append(standard_error(judge, truth[inside], submitted, seed=seed))
    return float(np.mean(found)), float(np.linalg.norm(errors) / len(errors))


def rare_flags(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth and true probabilities, about one in six positive."""
    rng = np.random.default_rng(seed)
    chances = 1 / (1 + np.exp(2 - 1.5 * rng.normal(size=n)))
    return (rng.random(n) < chances).astype(np.int64), chances


def uneven_classes(n: int, classes: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth and true distributions over classes of falling shares."""
    rng = np.random.default_rng(seed)
    scores = np.exp(1.5 * rng.normal(size=(n, classes)) + np.linspace(0, -4, classes))
    shares = scores / scores.sum(axis=1, keepdims=True)
    return (shares.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1), shares


def grades(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes 0..4 and a regression's predictions of them, shrunk towards the mean."""
    rng = np.random.default_rng(seed)
    ability = rng.normal(size=n)
    codes = np.searchsorted(CUTS, ability)
    return codes, codes.mean() + 0.4 * (ability + rng.normal(size=n))


def tags(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    chances = 1 / (1 + np.exp(1.5 * rng.normal(size=(n, 4)) + np.array([0.0, 1.0, 2.0, 3.0])))
    return (rng.random((n, 4)) < chances).astype(np.int64), chances


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 30), st.sampled_from(["f1", "mcc", "balanced_accuracy", "accuracy"]))
def test_no_threshold_is_better_than_the_best(seed: int, n: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    truth, raw = np.r_[0, 1, rng.integers(0, 2, n)], np.round(rng.random(n + 2), 1)
    judge = metric(name)
    found = judge.score(truth, best_threshold(judge, truth, raw).apply(raw))
    every = [judge.score(truth, (raw >= at).astype(int)) for at in [*np.unique(raw), 2.0]]
    assert found == pytest.approx(max(every))


def test_a_threshold_lies_between_predictions_and_not_on_one() -> None:
    found = best_threshold(metric("f1"), np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.7]))
    assert found.at == pytest.approx(0.4)


@pytest.mark.parametrize("name", ["mcc", "f1"])
def test_a_threshold_of_few_rows_does_better_on_new_rows_than_the_best_on_them(name: str) -> None:
    judge, chosen, best = metric(name), [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        odds = rng.normal(-2.5, 1.5, 20_300)
        raw = 1 / (1 + np.exp(-odds))
        truth = (rng.random(len(raw)) < raw).astype(int)
        for found, decision in ((chosen, choose_decision), (best, best_threshold)):
            found.append(judge.score(truth[300:], decision(judge, truth[:300], raw[:300]).apply(raw[300:])))
    assert np.mean(chosen) > np.mean(best) + 0.005


def test_a_threshold_knows_predictions_that_are_too_sure_or_shifted() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 20_000)
    truth = (rng.random(len(odds)) < 1 / (1 + np.exp(-odds))).astype(int)
    said = 1 / (1 + np.exp(-(3 * odds + 2)))  # true odds of 1 are said to be exp(2)
    found = choose_decision(metric("accuracy"), truth[:2000], said[:2000])
    assert isinstance(found, Threshold) and np.log(found.at / (1 - found.at)) == pytest.approx(2, abs=0.8)


@pytest.mark.parametrize("n", [300, 20_000])
@pytest.mark.parametrize("name", ["f1", "balanced_accuracy"])
def test_a_threshold_beats_one_half_on_new_rows(name: str, n: int) -> None:
    judge, (truth, raw), (new_truth, new_raw) = metric(name), rare_flags(n), rare_flags(20_000, seed=1)
    found = choose_decision(judge, truth, raw)
    assert judge.score(new_truth, found.apply(new_raw)) > judge.score(new_truth, (new_raw >= 0.5).astype(int)) + 0.02


@pytest.mark.parametrize("n", [400, 20_000])
def test_cut_points_beat_rounding_on_new_rows(n: int) -> None:
    judge, (truth, raw), (new_truth, new_raw) = metric("qwk"), grades(n), grades(20_000, seed=1)
    found = choose_decision(judge, truth, raw)
    assert isinstance(found, Cutpoints)
    rounded = judge.score(new_truth, np.rint(new_raw).clip(0, 4).astype(int))
    assert judge.score(new_truth, found.apply(new_raw)) > rounded + 0.03


def test_an_ordinal_task_may_be_graded_by_accuracy() -> None:
    judge, (truth, raw) = metric("accuracy"), grades(5_000)
    biased = raw + 0.4
    honest, _ = cross_fitted_score(judge, truth, biased, seed=0)
    assert honest > judge.score(truth, np.rint(biased).clip(0, 4).astype(int)) + 0.05


def test_cuts_ascend_and_reach_every_class() -> None:
    truth, raw = grades(3_000)
    found = choose_decision(metric("qwk"), truth, raw)
    assert isinstance(found, Cutpoints) and list(found.cuts) == sorted(found.cuts)
    assert set(found.apply(np.linspace(-9, 9, 1000))) == {0, 1, 2, 3, 4}


def test_many_ordered_classes_get_cuts_by_their_shares() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 90, 3_000)
    raw = 45 + 0.3 * (truth - 45) + rng.normal(size=3_000)
    assert apparent_score(metric("qwk"), truth, raw) > 0.9


@pytest.mark.parametrize("name", ["f1_macro", "balanced_accuracy"])
def test_class_weights_help_rare_classes_on_new_rows(name: str) -> None:
    judge, (truth, raw), (new_truth, new_raw) = metric(name), uneven_classes(4_000), uneven_classes(20_000, seed=1)
    found = choose_decision(judge, truth, raw)
    assert judge.score(new_truth, found.apply(new_raw)) > judge.score(new_truth, new_raw.argmax(axis=1)) + 0.02


def test_accuracy_keeps_the_plain_argmax_of_true_probabilities() -> None:
    plain = [choose_decision(metric("accuracy"), *uneven_classes(4_000, seed=seed)) == Argmax() for seed in range(8)]
    assert sum(plain) >= 6  # of 25 samples it is 22


@pytest.mark.parametrize("name", ["f1_macro", "f1_micro", "f1_samples", "dice"])
def test_thresholds_for_labels_beat_one_half_on_new_rows(name: str) -> None:  # at best by 0.017 to 0.096
    judge, (truth, raw), (new_truth, new_raw) = metric(name), tags(2_000), tags(10_000, seed=1)
    found = choose_decision(judge, truth, raw)
    assert isinstance(found, LabelThresholds)
    assert judge.score(new_truth, found.apply(new_raw)) > judge.score(new_truth, new_raw >= 0.5) + 0.01


def test_top_k_is_the_likeliest_classes_best_first() -> None:
    raw = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]])
    assert choose_decision(metric("map@2"), np.array([0, 1]), raw).apply(raw).tolist() == [[1, 2], [0, 1]]
    assert TopK(5).apply(raw).shape == (2, 3)


@pytest.mark.parametrize("name", ["auc", "rmse", "log_loss", "mean_auc", "concordance"])
def test_probabilities_and_values_are_submitted_as_they_are(name: str) -> None:
    raw = np.array([0.25, 0.75])
    assert choose_decision(metric(name), np.array([0, 1]), raw).apply(raw) is raw


@pytest.mark.parametrize(("name", "least"), [("rmspe", 0.05), ("mape", 0.01)])
def test_a_factor_lowers_relative_errors_on_new_rows(name: str, least: float) -> None:
    rng = np.random.default_rng(0)
    raw = np.exp(rng.normal(5, 1, size=6000))
    truth = raw * np.exp(0.4 * rng.normal(size=6000))
    judge, (fitted, new) = metric(name), (slice(0, 1000), slice(1000, None))
    submitted = choose_decision(judge, truth[fitted], raw[fitted]).apply(raw[new])
    assert judge.score(truth[new], submitted) < judge.score(truth[new], raw[new]) - least


@pytest.mark.parametrize("name", ["rmspe", "mape"])
def test_numbers_that_fit_get_no_factor(name: str) -> None:
    raw = np.exp(np.random.default_rng(0).normal(5, 1, size=2000))
    assert choose_decision(metric(name), raw, raw).apply(raw) == pytest.approx(raw, rel=1e-3)


@pytest.mark.parametrize("name", ["accuracy", "mcc", "balanced_accuracy"])
def test_random_labels_gain_nothing_when_cross_fitted(name: str) -> None:
    rng, judge, honest = np.random.default_rng(0), metric(name), []
    for seed in range(30):
        truth = rng.permutation(np.repeat([0, 1], 150))
        honest.append(cross_fitted_score(judge, truth, rng.random(300), seed=seed)[0])
    chance = 0.0 if name == "mcc" else 0.5
    assert np.mean(honest) < chance + 3 * np.std(honest) / np.sqrt(len(honest))
    assert np.mean(honest) > chance - 0.05


def test_random_grades_gain_nothing_when_cross_fitted_but_seem_to() -> None:
    rng, honest, apparent = np.random.default_rng(0), [], []
    for seed in range(15):
        truth, raw = rng.integers(0, 5, 200), rng.random(200) * 4
        honest.append(cross_fitted_score(metric("qwk"), truth, raw, seed=seed)[0])
        apparent.append(apparent_score(metric("qwk"), truth, raw))
    assert abs(np.mean(honest)) < 3 * np.std(honest) / np.sqrt(len(honest)) + 0.01
    assert np.mean(apparent) > np.mean(honest)


def test_folds_decide_which_rows_a_decision_may_see() -> None:
    truth, raw = rare_flags(600)
    folds = np.arange(600) % 5
    assert cross_fitted_score(metric("f1"), truth, raw, seed=0, folds=folds)[0] == pytest.approx(np.mean([
        metric("f1").score(truth[folds == k], choose_decision(metric("f1"), truth[folds != k], raw[folds != k])
                           .apply(raw[folds == k])) for k in range(5)]))


@pytest.mark.parametrize(("n", "name"), [(1_000, "rmse"), (40_000, "rmse"), (1_000, "auc")])
def test_the_standard_error_is_the_spread_over_new_samples(n: int, name: str) -> None:
    rng, judge = np.random.default_rng(0), metric(name)

    def sample() -> tuple[np.ndarray, np.ndarray]:
        truth = rng.integers(0, 2, n)
        return truth, truth + rng.normal(size=n)

    spread = np.std([judge.score(*sample()) for _ in range(100)])
    found = np.mean([standard_error(judge, *sample(), seed=seed) for seed in range(10)])
    assert found == pytest.approx(spread, rel=0.25)


def test_groups_that_stand_together_make_the_error_larger() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 25)
    truth, submitted = np.zeros(1_000), rng.lognormal(size=40)[groups]
    alone = standard_error(metric("mae"), truth, submitted, seed=0)
    assert standard_error(metric("mae"), truth, submitted, seed=0, groups=groups) > 3 * alone


def test_an_error_without_samples_that_have_a_score_is_not_a_number() -> None:
    assert np.isnan(standard_error(metric("auc"), np.zeros(5, int), np.zeros(5), seed=0))


@pytest.mark.parametrize("made", [
    Decision(), Threshold(0.3), Argmax(), Argmax((1.0, 0.5)), Cutpoints((0.5, 1.5)), LabelThresholds((0.1, 0.2)),
    TopK(3), Scale(0.9)])
def test_a_decision_reads_back_what_was_written(made: Decision) -> None:
    assert Decision.from_json(json.loads(json.dumps(made.to_json(), allow_nan=False))) == made


@pytest.mark.parametrize(("name", "arrays"), [
    ("f1", rare_flags(500)), ("f1_macro", uneven_classes(500)), ("qwk", grades(500)), ("f1_samples", tags(500))])
def test_a_chosen_decision_is_plain_json(name: str, arrays: tuple[np.ndarray, np.ndarray]) -> None:
    found = choose_decision(metric(name), *arrays)
    assert Decision.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found
    assert found == choose_decision(metric(name), *arrays)


@pytest.mark.parametrize("name", ["f1", "mcc", "qwk", "f1_macro"])
def test_a_constant_prediction_gets_a_decision(name: str) -> None:
    classes = 3 if name in ("qwk", "f1_macro") else 2
    truth = np.arange(60) % classes
    raw = np.full((60, 3), 1 / 3) if name == "f1_macro" else np.full(60, 0.4)
    assert np.isfinite(metric(name).score(truth, choose_decision(metric(name), truth, raw).apply(raw)))


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "f1_macro"])
def test_a_few_rows_are_enough(name: str, n: int) -> None:
    for truth, raw in (rare_flags(n), uneven_classes(n), grades(n)):
        assert len(choose_decision(metric(name), truth, raw).apply(raw)) == n


@pytest.mark.parametrize("positives", [0, 1, 2, 3])
@pytest.mark.parametrize("name", ["f1", "mcc", "balanced_accuracy"])
def test_next_to_no_positive_rows_get_a_decision(name: str, positives: int) -> None:
    truth = (np.arange(50) < positives).astype(int)
    assert set(choose_decision(metric(name), truth, np.linspace(0, 1, 50)).apply(np.linspace(0, 1, 50))) <= {0, 1}


def test_halves_share_every_class() -> None:
    truth = np.r_[np.zeros(95, int), np.ones(5, int)]
    left = half(truth, seed=3)
    assert left.sum() == 50
    assert truth[left].sum() in (2, 3)


def test_what_cannot_be_decided_is_an_error() -> None:
    with pytest.raises(MetricError, match="flags"):
        choose_decision(metric("f1_samples"), np.arange(50) % 2, np.linspace(0, 1, 50))


@pytest.mark.parametrize(("name", "arrays", "seconds"), [
    ("f1", rare_flags(70_000), 1.0), ("qwk", grades(70_000), 1.5), ("f1_macro", uneven_classes(70_000, 20), 2.5),
    ("f1_samples", tags(70_000), 2.5)])
def test_70000_rows_take_a_second_or_two(
    name: str, arrays: tuple[np.ndarray, np.ndarray], seconds: float,
) -> None:
    started = time.process_time()
    choose_decision(metric(name), *arrays)
    assert time.process_time() - started < seconds
