"""The registry of metrics: what each is called, which way is better, what it grades and what models should optimise."""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from tasks import scores
from tasks.evaluation_text import from_text
from tasks.scores import Undefined

__all__ = ["KINDS", "Metric", "MetricError", "Undefined", "default_metric", "from_text", "metric", "names"]

Score = Callable[[np.ndarray, np.ndarray], float]
OfTable = Callable[[np.ndarray], np.ndarray]

KINDS = {
    "binary": "auc", "multiclass": "log_loss", "regression": "rmse", "ordinal": "qwk", "multilabel": "mean_auc",
    "multiregression": "mean_rmse", "survival": "concordance",
}
"""The metric that is usual for each kind of task."""


class MetricError(ValueError):
    """A metric that does not exist, or arrays that it cannot grade; the message says what would do."""


@dataclass(frozen=True)
class Metric:
    """How submissions are graded.

    kinds: the kinds of task it fits, the usual one first.
    decision: what stands between a solution's prediction and a submission for that kind: none, threshold, argmax,
    cutpoints, label_thresholds, argmax_each or top_k. For the other kinds it follows from the shapes: see tasks/decision.py.
    loss: what models should optimise: logistic, squared, absolute, log_squared, relative, relative_squared, quantile
    or cox. best: the score of the truth.
    of_rows grades arrays; of_table grades confusion counts (..., classes, classes), many at a time, where that is all
    the metric needs of class codes.
    """

    name: str
    title: str
    greater_is_better: bool
    best: float
    decision: str
    loss: str
    kinds: tuple[str, ...]
    of_rows: Score | None = None
    of_table: OfTable | None = None
    k: int | None = None

    @property
    def labels(self) -> bool:
        """It grades labels (codes, or flags for each label), not probabilities, numbers or rankings."""
        return self.decision not in ("none", "top_k")

    @property
    def sign(self) -> float:
        """1 where greater is better, else -1: sign * score is to be maximised."""
        return 1.0 if self.greater_is_better else -1.0

    def score(self, truth: np.ndarray, prediction: np.ndarray) -> float:
        """truth: codes or numbers (n,) or (n, k); prediction: the submitted form, which is codes or flags of labels,
        probabilities (n,), distributions (n, k), values, or ranked codes (n, k) for top-k metrics.

        Raises Undefined where the metric has no value for this truth, MetricError where the arrays do not fit.
        """
        truth, prediction = np.asarray(truth), np.asarray(prediction)
        _check(self.name, truth, prediction)
        if self.of_table is not None and truth.ndim == 1:
            classes = int(max(truth.max(), prediction.max(), 1)) + 1
            return float(self.of_table(scores.confusion(truth, prediction, classes=classes)))
        if self.of_rows is None:
            raise MetricError(f"{self.name} grades class codes (n,), not a truth of shape {truth.shape}")
        return self.of_rows(truth, prediction)


def metric(name: str) -> Metric:
    """The metric of that name; map@3, ndcg@10 and pinball@0.9 carry their parameter. MetricError lists what exists."""
    return _metric(name.strip().lower())


@lru_cache(maxsize=256)
def _metric(name: str) -> Metric:
    if name in METRICS:
        return METRICS[name]
    family, at, parameter = name.partition("@")
    if family in FAMILIES:
        return FAMILIES[family](name, parameter)
    near = difflib.get_close_matches(family if at else name, [*METRICS, *FAMILIES], n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise MetricError(f"no metric {name!r}{hint}; there are: {', '.join(names())}")


def names() -> list[str]:
    """All names, those with a parameter as map@k, ndcg@k, pinball@q, fbeta@b, fbeta_samples@b."""
    return [*METRICS, "map@k", "ndcg@k", "pinball@q", "fbeta@b", "fbeta_samples@b"]


def default_metric(kind: str) -> str:
    """The name of the usual metric for a kind of task."""
    if kind not in KINDS:
        raise MetricError(f"no kind {kind!r}; there are: {', '.join(KINDS)}")
    return KINDS[kind]


def _check(name: str, truth: np.ndarray, prediction: np.ndarray) -> None:
    if len(truth) != len(prediction):
        raise MetricError(f"{name}: {len(prediction)} predictions for {len(truth)} rows")
    if not len(truth):
        raise Undefined(f"{name} of no rows")
    if not np.isfinite(prediction).all():
        raise MetricError(f"{name}: predictions hold missing or infinite values")


def _of_numbers(name: str, title: str, loss: str, of_rows: Score, *, kind: str = "regression") -> Metric:
    """A metric of errors, 0 for the truth."""
    return Metric(name, title, False, 0.0, "none", loss, (kind,), of_rows)


def _of_order(name: str, title: str, of_rows: Score, *kinds: str, loss: str = "logistic") -> Metric:
    """A metric of the order of the predictions, 1 for the truth."""
    return Metric(name, title, True, 1.0, "none", loss, kinds, of_rows)


def _of_labels(
    name: str, title: str, decision: str, *kinds: str, of_table: OfTable | None = None, of_rows: Score | None = None,
    loss: str = "logistic",
) -> Metric:
    """A metric of labels, 1 for the truth."""
    return Metric(name, title, True, 1.0, decision, loss, kinds, of_rows, of_table)


def _top_k(name: str, parameter: str, title: str, formula: Callable[..., float]) -> Metric:
    if not re.fullmatch(r"[1-9]\d{0,3}", parameter):
        raise MetricError(f"metric {name!r} needs the number of places, as in {name.partition('@')[0]}@3")
    k = int(parameter)
    return Metric(name, f"{title} at {k}", True, 1.0, "top_k", "logistic", ("multiclass",), partial(formula, k=k), k=k)


def _pinball(name: str, parameter: str) -> Metric:
    if not re.fullmatch(r"0?\.\d{1,6}", parameter) or float(parameter) == 0:
        raise MetricError(f"metric {name!r} needs a quantile between 0 and 1, as in pinball@0.9")
    made = _of_numbers(name, f"Pinball loss of the {float(parameter):g} quantile", "quantile",
                       partial(scores.pinball, quantile=float(parameter)))
    return replace(made, name=f"pinball@{float(parameter):g}")


def _fbeta(name: str, parameter: str) -> Metric:
    if not re.fullmatch(r"\d{0,2}(?:\.\d{1,3})?", parameter) or not parameter.strip(".") or float(parameter) == 0:
        raise MetricError(f"metric {name!r} needs what recall counts beside precision, as in fbeta@2")
    beta = float(parameter)
    return _of_labels(f"fbeta@{beta:g}", f"F{beta:g} score", "threshold", "binary", of_table=partial(scores.fbeta, beta=beta))


def _fbeta_samples(name: str, parameter: str) -> Metric:
    one_row = _fbeta(name, parameter)  # says what is wrong with the parameter
    beta = float(parameter)
    return _of_labels(f"fbeta_samples@{beta:g}", f"{one_row.title} averaged over rows", "label_thresholds", "multilabel",
                      of_rows=partial(scores.sample_fbeta, beta=beta))


FAMILIES: dict[str, Callable[[str, str], Metric]] = {
    "map": lambda name, k: _top_k(name, k, "Mean average precision", scores.reciprocal_rank),
    "ndcg": lambda name, k: _top_k(name, k, "Normalised discounted cumulative gain", scores.discounted_gain),
    "pinball": _pinball,
    "fbeta": _fbeta,
    "fbeta_samples": _fbeta_samples,
}

METRICS: dict[str, Metric] = {made.name: made for made in (
    _of_order("auc", "Area under the ROC curve", scores.auc, "binary"),
    _of_order("mean_auc", "Mean column-wise area under the ROC curve", scores.mean_auc, "multilabel", "multiclass"),
    _of_order("average_precision", "Average precision, the area under the precision-recall curve", scores.average_precision,
              "binary"),
    _of_order("gini", "Normalised Gini coefficient", scores.gini, "regression", "binary", loss="squared"),
    _of_order("concordance", "Concordance index", scores.concordance, "survival", loss="cox"),
    Metric("log_loss", "Logarithmic loss", False, 0.0, "none", "logistic", ("binary", "multiclass"), scores.log_loss),
    Metric("brier", "Brier score", False, 0.0, "none", "logistic", ("binary",), scores.brier),
    Metric("mean_log_loss", "Mean column-wise logarithmic loss", False, 0.0, "none", "logistic", ("multilabel",),
           scores.mean_log_loss),
    _of_labels("accuracy", "Accuracy", "argmax", "multiclass", "binary", "ordinal", of_table=scores.accuracy),
    _of_labels("balanced_accuracy", "Balanced accuracy", "argmax", "multiclass", "binary", "ordinal",
               of_table=scores.balanced_accuracy),
    _of_labels("f1", "F1 score", "threshold", "binary", of_table=scores.f1),
    _of_labels("f1_macro", "Macro-averaged F1 score", "argmax", "multiclass", "binary", "multilabel",
               of_table=scores.f1_macro, of_rows=scores.f1_macro_of_columns),
    _of_labels("f1_micro", "Micro-averaged F1 score", "argmax", "multiclass", "multilabel",
               of_table=scores.accuracy, of_rows=scores.f1_micro_of_columns),
    _of_labels("f1_samples", "F1 score averaged over rows", "label_thresholds", "multilabel",
               of_rows=scores.sample_f1),
    _of_labels("jaccard", "Jaccard index averaged over rows", "label_thresholds", "multilabel",
               of_rows=scores.sample_jaccard),
    _of_labels("mean_accuracy", "Mean column-wise accuracy", "argmax_each", "multilabel", of_rows=scores.shared_of_true),
    _of_labels("dice", "Dice coefficient averaged over rows", "label_thresholds", "multilabel", "binary",
               of_table=scores.f1, of_rows=scores.sample_f1),
    _of_labels("mcc", "Matthews correlation coefficient", "threshold", "binary", "multiclass", of_table=scores.mcc),
    _of_labels("kappa", "Cohen's kappa", "argmax", "multiclass", "binary", of_table=scores.kappa),
    _of_labels("qwk", "Quadratic weighted kappa", "cutpoints", "ordinal", of_table=scores.qwk, loss="squared"),
    _of_numbers("rmse", "Root mean squared error", "squared", scores.rmse),
    _of_numbers("mse", "Mean squared error", "squared", scores.mse),
    _of_numbers("msle", "Mean squared logarithmic error", "log_squared", scores.msle),
    _of_numbers("medae", "Median absolute error", "absolute", scores.medae),
    _of_numbers("rmsle", "Root mean squared logarithmic error", "log_squared", scores.rmsle),
    _of_numbers("mae", "Mean absolute error", "absolute", scores.mae),
    _of_numbers("mape", "Mean absolute percentage error, as a fraction", "relative", scores.mape),
    _of_numbers("smape", "Symmetric mean absolute percentage error, 0 to 200", "relative", scores.smape),
    _of_numbers("rmspe", "Root mean squared percentage error, as a fraction", "relative_squared", scores.rmspe),
    _of_order("pearson", "Pearson correlation", scores.pearson, "regression", loss="squared"),
    _of_order("spearman", "Spearman rank correlation", scores.spearman, "regression", loss="squared"),
    Metric("r2", "Coefficient of determination", True, 1.0, "none", "squared", ("regression",), scores.r2),
    _of_numbers("mean_rmse", "Mean column-wise RMSE", "squared", scores.mean_rmse, kind="multiregression"),
    _of_numbers("mean_rmsle", "Mean column-wise RMSLE", "log_squared", scores.mean_rmsle, kind="multiregression"),
)}
