"""The metrics: equal to scikit-learn's, best at the truth, blind to the order of rows; names, errors, descriptions."""

import re
import time

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.metrics import KINDS, METRICS, Metric, MetricError, Undefined, default_metric, from_text, metric
from tasks.spec import PREDICTIONS

ALL = [*METRICS, "map@3", "ndcg@10", "pinball@0.9", "fbeta@2"]
RNG = np.random.default_rng(0)
N = 400
FLAGS = (RNG.random(N) < 0.3).astype(np.int64)
CHANCES = np.round(RNG.random(N) * 0.6 + FLAGS * 0.3, 2)  # with ties
CODES = RNG.integers(0, 5, N)
GIVEN = np.where(RNG.random(N) < 0.5, CODES, RNG.integers(0, 5, N))
SHARES = RNG.dirichlet(np.ones(5), N)
AMOUNTS = RNG.lognormal(size=N)
GUESSES = AMOUNTS + RNG.normal(size=N)
MANY = (RNG.random((N, 4)) < 0.4).astype(np.int64)
MANY_GIVEN = np.where(RNG.random((N, 4)) < 0.8, MANY, 1 - MANY)
MANY_CHANCES = np.round(RNG.random((N, 4)) + MANY * 0.3, 2) / 1.3
SEVERAL = RNG.lognormal(size=(N, 3))
SEVERAL_GUESSES = np.abs(SEVERAL + RNG.normal(size=(N, 3)))


def truth_for(judge: Metric, kind: str, rng: np.random.Generator, n: int) -> np.ndarray:
    """A truth with every class, of the shape that the kind has."""
    if kind in ("binary", "multiclass", "ordinal"):
        classes = 2 if kind == "binary" else 4
        return rng.permutation(np.r_[np.arange(classes), rng.integers(0, classes, n - classes)])
    if kind == "multilabel":
        return np.vstack([np.eye(3, dtype=np.int64), rng.integers(0, 2, (n - 3, 3))])
    if kind == "survival":
        return np.column_stack([rng.permutation(n) + 1.0, np.r_[1, rng.integers(0, 2, n - 1)]])
    return rng.lognormal(size=(n, 3) if kind == "multiregression" else n)


def said_truly(judge: Metric, kind: str, truth: np.ndarray) -> np.ndarray:
    """The truth in the form that is submitted."""
    if kind == "survival":
        return -truth[:, 0]
    if judge.decision == "top_k":
        return np.column_stack([truth, (truth + 1) % 4, (truth + 2) % 4])
    if not judge.labels and kind == "multiclass":
        return np.eye(4)[truth]
    return truth


def said_wrongly(judge: Metric, kind: str, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Something of the same form that has little to do with the truth."""
    true = said_truly(judge, kind, truth)
    if judge.labels or judge.decision == "top_k":
        return rng.permuted(true, axis=0)
    return rng.dirichlet(np.ones(4), len(truth)) if kind == "multiclass" else rng.random(true.shape)


CASES = [(name, kind) for name in ALL for kind in metric(name).kinds]


@pytest.mark.parametrize(("name", "truth", "given", "expected"), [
    ("auc", FLAGS, CHANCES, reference.roc_auc_score(FLAGS, CHANCES)),
    ("log_loss", FLAGS, CHANCES, reference.log_loss(FLAGS, CHANCES)),
    ("log_loss", CODES, SHARES, reference.log_loss(CODES, SHARES)),
    ("accuracy", CODES, GIVEN, reference.accuracy_score(CODES, GIVEN)),
    ("balanced_accuracy", CODES, GIVEN, reference.balanced_accuracy_score(CODES, GIVEN)),
    ("f1", FLAGS, CHANCES > 0.5, reference.f1_score(FLAGS, CHANCES > 0.5)),
    ("f1_macro", CODES, GIVEN, reference.f1_score(CODES, GIVEN, average="macro")),
    ("f1_micro", CODES, GIVEN, reference.f1_score(CODES, GIVEN, average="micro")),
    ("f1_macro", MANY, MANY_GIVEN, reference.f1_score(MANY, MANY_GIVEN, average="macro")),
    ("f1_micro", MANY, MANY_GIVEN, reference.f1_score(MANY, MANY_GIVEN, average="micro")),
    ("f1_samples", MANY, MANY_GIVEN, reference.f1_score(MANY, MANY_GIVEN, average="samples", zero_division=1.0)),
    ("mcc", CODES, GIVEN, reference.matthews_corrcoef(CODES, GIVEN)),
    ("mcc", FLAGS, CHANCES > 0.5, reference.matthews_corrcoef(FLAGS, CHANCES > 0.5)),
    ("qwk", CODES, GIVEN, reference.cohen_kappa_score(CODES, GIVEN, weights="quadratic")),
    ("rmse", AMOUNTS, GUESSES, reference.root_mean_squared_error(AMOUNTS, GUESSES)),
    ("rmsle", AMOUNTS, GUESSES, reference.root_mean_squared_log_error(AMOUNTS, GUESSES.clip(0))),
    ("mae", AMOUNTS, GUESSES, reference.mean_absolute_error(AMOUNTS, GUESSES)),
    ("mape", AMOUNTS, GUESSES, reference.mean_absolute_percentage_error(AMOUNTS, GUESSES)),
    ("r2", AMOUNTS, GUESSES, reference.r2_score(AMOUNTS, GUESSES)),
    ("pinball@0.9", AMOUNTS, GUESSES, reference.mean_pinball_loss(AMOUNTS, GUESSES, alpha=0.9)),
    ("average_precision", FLAGS, CHANCES, reference.average_precision_score(FLAGS, CHANCES)),
    ("brier", FLAGS, CHANCES, reference.brier_score_loss(FLAGS, CHANCES)),
    ("kappa", CODES, GIVEN, reference.cohen_kappa_score(CODES, GIVEN)),
    ("fbeta@2", FLAGS, CHANCES > 0.5, reference.fbeta_score(FLAGS, CHANCES > 0.5, beta=2)),
    ("fbeta@0.5", FLAGS, CHANCES > 0.5, reference.fbeta_score(FLAGS, CHANCES > 0.5, beta=0.5)),
    ("mse", AMOUNTS, GUESSES, reference.mean_squared_error(AMOUNTS, GUESSES)),
    ("msle", AMOUNTS, GUESSES, reference.mean_squared_log_error(AMOUNTS, GUESSES.clip(0))),
    ("medae", AMOUNTS, GUESSES, reference.median_absolute_error(AMOUNTS, GUESSES)),
    ("pearson", AMOUNTS, GUESSES, stats.pearsonr(AMOUNTS, GUESSES).statistic),
    ("spearman", AMOUNTS, np.round(GUESSES), stats.spearmanr(AMOUNTS, np.round(GUESSES)).statistic),
    ("gini", FLAGS, CHANCES, 2 * reference.roc_auc_score(FLAGS, CHANCES) - 1),
    ("mean_auc", MANY, MANY_CHANCES, reference.roc_auc_score(MANY, MANY_CHANCES)),
    ("mean_auc", CODES, SHARES, reference.roc_auc_score(CODES, SHARES, multi_class="ovr")),
    ("mean_log_loss", MANY, MANY_CHANCES,
     np.mean([reference.log_loss(MANY[:, j], MANY_CHANCES[:, j]) for j in range(4)])),
    ("mean_rmse", SEVERAL, SEVERAL_GUESSES, reference.root_mean_squared_error(SEVERAL, SEVERAL_GUESSES)),
    ("mean_rmsle", SEVERAL, SEVERAL_GUESSES, reference.root_mean_squared_log_error(SEVERAL, SEVERAL_GUESSES)),
])
def test_it_is_what_scikit_learn_says(name: str, truth: np.ndarray, given: np.ndarray, expected: float) -> None:
    assert metric(name).score(truth, given) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("name", "truth", "given", "expected"), [
    ("map@3", [0, 1, 2, 3], [[0, 1, 2], [2, 1, 0], [0, 1, 2], [0, 1, 2]], (1 + 1 / 2 + 1 / 3 + 0) / 4),
    ("map@3", [0, 1], [[0, 1, 2, 1], [2, 0, 3, 1]], 1 / 2),
    ("map@5", [0, 1], [[1, 0], [1, -1]], 3 / 4),
    ("ndcg@2", [0, 1, 2], [[0, 1], [0, 1], [0, 1]], (1 + 1 / np.log2(3)) / 3),
    ("rmsle", [0.0, 0.0], [-5.0, np.e - 1], np.sqrt(1 / 2)),
    ("mape", [0.0, 2.0, 4.0], [9.0, 1.0, 5.0], (0.5 + 0.25) / 2),
    ("rmspe", [0.0, 2.0, 4.0], [9.0, 1.0, 5.0], np.sqrt((0.25 + 0.0625) / 2)),
    ("smape", [0.0, 1.0, 0.0], [0.0, 3.0, 2.0], (0 + 100 + 200) / 3),
    ("log_loss", [1, 0], [0.0, 0.0], -np.log(1e-15) / 2),
    ("log_loss", [0, 1], [[2.0, 2.0], [1.0, 3.0]], -np.log(0.5 * 0.75) / 2),
    ("dice", [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]], [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], 1.5 / 3),
    ("gini", [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], -1.0),
    ("gini", [1.0, 2.0, 3.0], [5.0, 5.0, 5.0], 0.0),
    ("qwk", [0, 2, 2, 0], [0, 2, 0, 2], 0.0),
    ("qwk", [0, 2], [1, 1], 0.0),
    ("mcc", [0, 1], [1, 1], 0.0),
    ("average_precision", [1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1], 1 / 2 + 2 / 3 / 2),
    ("pearson", [1.0, 2.0], [3.0, 3.0], 0.0),
    ("f1_macro", [[1, 0], [1, 0]], [[1, 0], [0, 0]], 2 / 3),
    ("concordance", [[1, 1], [2, 0], [3, 1]], [3.0, 2.0, 1.0], 1.0),
    ("concordance", [[1, 1], [1, 0], [1, 1]], [2.0, 1.0, 2.0], 1.0),
    ("concordance", [[1, 1], [2, 1]], [1.0, 1.0], 0.5),
])
def test_it_is_what_a_pencil_says(name: str, truth: list, given: list, expected: float) -> None:
    assert metric(name).score(np.array(truth), np.array(given)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_concordance_is_what_counting_pairs_says(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    duration, event, risk = rng.integers(0, 8, n), rng.integers(0, 2, n), rng.integers(0, 5, n)
    later = (duration > duration[:, None]) | ((duration == duration[:, None]) & (event == 0))
    pairs = later & (event == 1)[:, None]
    right = (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
    truth = np.column_stack([duration, event])
    if pairs.any():
        assert metric("concordance").score(truth, risk) == pytest.approx((right * pairs).sum() / pairs.sum())
    else:
        with pytest.raises(Undefined):
            metric("concordance").score(truth, risk)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.1 + 1e-17, 0.5, 0.5 + 1e-12, 1.0])), min_size=2))
def test_the_fast_auc_is_scikit_learns_whatever_the_ties(rows: list[tuple[bool, float]]) -> None:
    truth, given = np.array([row[0] for row in rows]).astype(int), np.array([row[1] for row in rows])
    if truth.min() != truth.max():
        assert metric("auc").score(truth, given) == pytest.approx(reference.roc_auc_score(truth, given))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_truth_scores_best_and_nothing_better(name: str, kind: str) -> None:
    judge = metric(name)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = truth_for(judge, kind, rng, 30)
        best = judge.score(truth, said_truly(judge, kind, truth))
        assert best == pytest.approx(judge.best, abs=1e-12)
        assert judge.sign * judge.score(truth, said_wrongly(judge, kind, truth, rng)) < judge.sign * best


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_order_of_rows_does_not_matter(name: str, kind: str) -> None:
    judge, rng = metric(name), np.random.default_rng(1)
    truth = truth_for(judge, kind, rng, 60)
    given, order = said_wrongly(judge, kind, truth, rng), rng.permutation(60)
    if not judge.labels and judge.decision != "top_k":
        given = np.round(given, 1) + 0.05  # ties
    assert judge.score(truth[order], given[order]) == pytest.approx(judge.score(truth, given), rel=1e-12)


@pytest.mark.parametrize(("name", "truth"), [
    ("auc", np.ones(5, int)), ("f1", np.zeros(5, int)), ("mcc", np.ones(5, int)), ("qwk", np.full(5, 2)),
    ("kappa", np.full(5, 2)), ("average_precision", np.zeros(5, int)), ("fbeta@2", np.zeros(5, int)),
    ("pearson", np.full(5, 2.0)), ("spearman", np.full(5, 2.0)), ("msle", np.full(5, -2.0)),
    ("r2", np.full(5, 2.0)), ("gini", np.full(5, 2.0)), ("mape", np.zeros(5)), ("rmspe", np.zeros(5)),
    ("rmsle", np.full(5, -2.0)), ("mean_auc", np.zeros((5, 2), int)), ("concordance", np.ones((5, 2))),
])
def test_a_metric_without_a_value_says_so(name: str, truth: np.ndarray) -> None:
    given = np.zeros((5, 2)) if name == "mean_auc" else np.array([0, 1, 0, 1, 0])
    with pytest.raises(Undefined, match="need"):
        metric(name).score(truth, given)


def test_mean_auc_is_over_the_columns_that_have_both_classes() -> None:
    truth = np.array([[0, 0, 1], [1, 0, 1], [0, 0, 1]])
    assert metric("mean_auc").score(truth, np.array([[0.1, 0, 0], [0.9, 1, 0], [0.2, 0, 1]])) == 1.0


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MetricError, match="3 predictions for 2 rows"):
        metric("rmse").score(np.zeros(2), np.zeros(3))
    with pytest.raises(MetricError, match="missing or infinite"):
        metric("auc").score(np.array([0, 1]), np.array([0.1, np.nan]))
    with pytest.raises(Undefined, match="no rows"):
        metric("rmse").score(np.zeros(0), np.zeros(0))
    with pytest.raises(MetricError, match="class codes"):
        metric("qwk").score(np.zeros((2, 2)), np.zeros((2, 2)))


@pytest.mark.parametrize(("name", "line"), [
    ("aucc", "no metric 'aucc' .did you mean 'auc'.*there are: auc, .*pinball@q, fbeta@b"), ("rsmle", "did you mean 'rmsle'"),
    ("map", "map@3"), ("ndcg@0", "ndcg@3"), ("pinball@1.5", "pinball@0.9"), ("mpa@3", "did you mean 'map'"),
    ("fbeta@0", "fbeta@2"), ("fbeta@", "fbeta@2"), ("fbeta@.", "fbeta@2"),
])
def test_an_unknown_name_is_answered_with_what_exists(name: str, line: str) -> None:
    with pytest.raises(MetricError, match=line):
        metric(name)


def test_a_name_may_carry_its_parameter() -> None:
    assert [metric(name).name for name in ("MAP@3 ", "ndcg@10", "pinball@.9")] == ["map@3", "ndcg@10", "pinball@0.9"]
    assert (metric("map@12").k, metric("auc").k) == (12, None)


@pytest.mark.parametrize("name", ALL)
def test_direction_and_best_agree(name: str) -> None:
    judge = metric(name)
    assert judge.best == (1.0 if judge.greater_is_better else 0.0)
    assert judge.labels == (judge.decision in ("threshold", "argmax", "cutpoints", "label_thresholds", "argmax_each"))
    assert set(judge.kinds) <= set(KINDS)


def test_every_kind_has_a_metric_that_fits_it() -> None:
    assert set(KINDS) == set(PREDICTIONS)
    assert all(kind in metric(default_metric(kind)).kinds for kind in KINDS)
    with pytest.raises(MetricError, match=r"no kind 'binari'.*multiclass"):
        default_metric("binari")


@pytest.mark.parametrize("name", ["auc", "rmse", "log_loss"])
def test_hill_climbing_may_ask_hundreds_of_times(name: str) -> None:
    rng = np.random.default_rng(0)
    truth, given = rng.integers(0, 2, 100_000), rng.random(100_000)
    started = time.process_time()
    for _ in range(5):
        metric(name).score(truth, given)
    assert (time.process_time() - started) / 5 < 0.1  # 10 ms for AUC on a quiet machine, scikit-learn 120


def test_concordance_grades_20000_rows_at_once() -> None:
    rng = np.random.default_rng(0)
    truth = np.column_stack([rng.exponential(size=20_000), rng.integers(0, 2, 20_000)])
    started = time.process_time()
    assert metric("concordance").score(truth, rng.random(20_000)) == pytest.approx(0.5, abs=0.02)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(("text", "name"), [
    ("Submissions are evaluated on area under the ROC curve between the predicted probability and the target.", "auc"),
    ("We use the Area Under the Receiver Operating Characteristic Curve (ROC AUC).", "auc"),
    ("Scores are the **Root Mean Squared Logarithmic Error** (RMSLE) of the forecasts.", "rmsle"),
    ("Entries are judged by Root-Mean-Squared-Error (RMSE) between the logarithm of the prediction and of the price.",
     "rmsle"),
    ("The root mean square error decides.", "rmse"),
    ("Evaluated by the mean squared error (MSE).", "mse"),
    ("The RMSE, the root of the mean squared error.", "rmse"),
    ("Mean squared logarithmic error.", "msle"),
    ("The average precision score between the predicted probability and the observed target.", "average_precision"),
    ("Submissions are scored by the area under the precision-recall curve.", "average_precision"),
    ("Evaluated by the Brier score.", "brier"),
    ("Cohen's kappa of the predicted classes.", "kappa"),
    ("The F2 score, which weighs recall higher.", "fbeta@2"),
    ("An F0.5 score.", "fbeta@0.5"),
    ("Pearson correlation coefficient between the predicted and actual similarity scores.", "pearson"),
    ("Spearman's rank correlation.", "spearman"),
    ("The median absolute error.", "medae"),
    ("Graded with the quadratic weighted kappa, which measures agreement of two raters.", "qwk"),
    ("Submissions are evaluated according to Mean Average Precision @ 3 (MAP@3).", "map@3"),
    ("The metric is MAP@12.", "map@12"),
    ("Ranking quality is measured by NDCG@10.", "ndcg@10"),
    ("The mean column-wise ROC AUC: the average of the individual AUCs of each label.", "mean_auc"),
    ("Evaluated with the macro-averaged one-vs-rest area under the ROC curve.", "mean_auc"),
    ("Scored with F1.", "f1"),
    ("The macro F1-score. F1 is the harmonic mean of precision and recall.", "f1_macro"),
    ("The micro-averaged F1 of all tags.", "f1_micro"),
    ("The mean F1 score, averaged over rows.", "f1_samples"),
    ("We compute the log loss.", "log_loss"),
    ("Evaluated using the multi-class logarithmic loss.", "log_loss"),
    ("The mean column-wise log loss.", "mean_log_loss"),
    ("Forecasts are compared by SMAPE.", "smape"),
    ("The mean absolute percentage error (MAPE), lower is better.", "mape"),
    ("The Mean Absolute Error (MAE).", "mae"),
    ("Root Mean Square Percentage Error; days without sales are ignored.", "rmspe"),
    ("The mean column-wise root mean squared error (MCRMSE).", "mean_rmse"),
    ("Mean columnwise root mean squared logarithmic error.", "mean_rmsle"),
    ("Your score is the percentage of passengers you correctly predict. This is known as accuracy.", "accuracy"),
    ("The balanced accuracy.", "balanced_accuracy"),
    ("Matthews correlation coefficient (MCC)", "mcc"),
    ("The coefficient of determination, also written R².", "r2"),
    ("Scored by the normalized Gini coefficient.", "gini"),
    ("Harrell's concordance index (C-index) of the risk scores.", "concordance"),
    ("The mean Dice coefficient of the masks.", "dice"),
    ("Pinball loss at the 0.9 quantile.", "pinball@0.9"),
    ("Data quality and accuracy vary between stations. Submissions are scored on MAE.", "mae"),
    ("Evaluated by RMSE. Ties are broken with the higher R2.", "rmse"),
    ("Either accuracy or AUC will be used.", None),
    ("The weighted F1 score.", None),
    ("Mean average precision over IoU thresholds.", None),
    ("The area under the precision-recall curve.", "average_precision"),
    ("The best story wins, as our jury maps it.", None),
    ("", None),
])
def test_a_description_names_the_metric(text: str, name: str | None) -> None:
    assert from_text(text) == name


def test_a_description_may_be_wrapped_and_shouted() -> None:
    text = "## Evaluation\nSUBMISSIONS ARE\nSCORED ON THE ROOT MEAN\nSQUARED LOG ERROR."
    assert from_text(text) == from_text(re.sub(r"\s+", " ", text)) == "rmsle"
