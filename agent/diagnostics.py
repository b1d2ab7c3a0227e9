"""What the out-of-fold predictions look like beside the truth, drawn as it suits the kind of task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from sklearn.metrics import roc_auc_score, roc_curve

from agent.charts import Axes, bars, matrix, short, spanned, tidy

POINTS = 5000       # rows looked at: a sample of them where there are more
MOST_CLASSES = 30   # shown in a confusion matrix: the most frequent
MOST_LABELS = 40
MOST_TARGETS = 6
FIFTHS = ("lowest", "second", "third", "fourth", "highest")


@dataclass(frozen=True)
class Figure:
    """A chart with its heading, a sentence below, and names of the colours it uses as (class, name)."""

    title: str
    chart: Markup
    note: str = ""
    legend: tuple[tuple[str, str], ...] = ()


def diagnose(
    kind: str, truth: np.ndarray, raw: np.ndarray, *, classes: Sequence[str], targets: Sequence[str], ordered: bool,
) -> list[Figure]:
    """truth: (n,) or (n, k); raw: out-of-fold predictions in raw form, (n,) or (n, k), finite where used.

    ordered: raw holds positions in an order and no probabilities, so that there is nothing to calibrate.
    Raises ValueError where the rows of the two differ in number.
    """
    if len(truth) != len(raw):
        raise ValueError(f"{len(truth)} rows of truth, {len(raw)} of predictions: give both for the validated rows")
    truth, raw = sampled(truth, raw)
    if len(truth) < 2:
        return []
    draw: dict[str, Callable[[], list[Figure]]] = {
        "binary": lambda: _binary(truth, raw, classes, ordered),
        "multiclass": lambda: _confusion(truth, raw.argmax(axis=1), classes, "the likeliest class"),
        "ordinal": lambda: _confusion(truth, _rounded(raw, classes), classes, "the prediction, rounded"),
        "regression": lambda: _regression(truth, raw),
        "multiregression": lambda: _targets(truth, raw, targets),
        "multilabel": lambda: _labels(truth, raw, targets),
        "survival": lambda: _survival(truth, raw),
    }
    return draw[kind]()


def sampled(truth: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most POINTS rows of both, with finite predictions."""
    rows = np.arange(len(truth))
    if len(rows) > POINTS:
        rows = np.random.default_rng(0).choice(rows, POINTS, replace=False)
    good = np.isfinite(raw[rows].reshape(len(rows), -1)).all(axis=1)
    return truth[rows][good], raw[rows][good]


# --- classes

def _binary(truth: np.ndarray, raw: np.ndarray, classes: Sequence[str], ordered: bool) -> list[Figure]:
    names = tuple(short(name) for name in classes) if len(classes) == 2 else ("0", "1")
    figures = [] if len(np.unique(truth)) < 2 else [_roc(truth, raw)]
    if not ordered:
        figures.append(_calibration(truth, raw))
    return [*figures, _by_class(truth, raw, names, ordered)]


def _roc(truth: np.ndarray, raw: np.ndarray) -> Figure:
    false, true, _ = roc_curve(truth, raw)
    keep = np.unique(np.linspace(0, len(false) - 1, 200).astype(int))
    axes = Axes((0.0, 1.0), (0.0, 1.0), "false positive rate", "true positive rate")
    chart = axes.draw(axes.line([0, 1], [0, 1], "faint"), axes.line(false[keep], true[keep], "c0"), title="ROC curve")
    return Figure("ROC curve", chart, f"AUC {tidy(float(roc_auc_score(truth, raw)))} on these rows")


def _calibration(truth: np.ndarray, raw: np.ndarray) -> Figure:
    """Mean prediction against observed share, in tenths of the rows."""
    order = np.argsort(raw, kind="stable")
    tenths = [part for part in np.array_split(order, min(10, len(order))) if len(part)]
    said = np.array([raw[part].mean() for part in tenths])
    seen = np.array([truth[part].mean() for part in tenths])
    error = np.array([np.sqrt(max(p * (1 - p), 0.0) / len(part)) for p, part in zip(seen, tenths, strict=True)])
    top = min(1.0, float(max(said.max(), (seen + error).max())) * 1.1) or 1.0
    axes = Axes((0.0, top), (0.0, top), "predicted probability", "observed share")
    bands = [axes.line([s, s], [max(0.0, p - 2 * e), p + 2 * e], "c0 thin")
             for s, p, e in zip(said, seen, error, strict=True)]
    chart = axes.draw(axes.line([0, top], [0, top], "faint"), *bands, axes.line(said, seen, "c0"),
                      axes.dots(said, seen, "c0"), title="Calibration")
    gap = float(np.abs(said - seen).mean())
    return Figure("Calibration", chart, f"tenths of the rows, ± 2 standard errors; mean gap {tidy(gap, 3)}")


def _by_class(truth: np.ndarray, raw: np.ndarray, names: Sequence[str], ordered: bool) -> Figure:
    edges = np.linspace(*spanned(raw, room=0.0), 31)
    shares = [np.histogram(raw[truth == label], edges)[0] / max(1, (truth == label).sum()) for label in (0, 1)]
    what = "position in the order (a blend of ranks)" if ordered else "predicted probability"
    axes = Axes((float(edges[0]), float(edges[-1])), (0.0, 1.05 * max(float(s.max()) for s in shares) or 1.0), what,
                "share of the class")
    chart = axes.draw(axes.columns(edges, shares[0], "c0 soft"), axes.columns(edges, shares[1], "c1 soft"),
                      title="Predictions by class")
    return Figure("Predictions by class", chart, legend=(("c0", names[0]), ("c1", names[1])))


def _rounded(raw: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    return np.clip(np.rint(raw), 0, max(1, len(classes)) - 1).astype(int)


def _confusion(truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str], what: str) -> list[Figure]:
    truth = truth.astype(int)
    count = max(len(classes), int(truth.max()) + 1, int(predicted.max()) + 1)
    names = [*map(str, classes), *map(str, range(len(classes), count))]
    table = np.bincount(truth * count + predicted, minlength=count * count).reshape(count, count)
    kept = np.sort(np.argsort(-table.sum(axis=1), kind="stable")[:MOST_CLASSES])
    note = f"{np.trace(table) / table.sum():.1%} on the diagonal"
    note += f"; the {len(kept)} most frequent of {count} classes" if count > len(kept) else ""
    kept_names = [names[index] for index in kept]
    recall = np.diag(table)[kept] / np.maximum(table.sum(axis=1)[kept], 1)
    return [
        Figure("Confusion matrix", matrix(table[np.ix_(kept, kept)], kept_names, "Confusion matrix"),
               f"rows: the truth; columns: {what}; colour: share of the row; {note}"),
        Figure("Recall by class", bars(kept_names, recall.tolist(), [f"{value:.0%}" for value in recall],
                                       "Recall by class")),
    ]


def _labels(truth: np.ndarray, raw: np.ndarray, targets: Sequence[str]) -> list[Figure]:
    both = [label for label in range(truth.shape[1]) if 0 < truth[:, label].mean() < 1]
    scores = {label: float(roc_auc_score(truth[:, label], raw[:, label])) for label in both}
    ranked = sorted(scores, key=scores.__getitem__, reverse=True)
    kept = ranked[:MOST_LABELS]
    names = [f"{short(targets[label], 20)} ({truth[:, label].mean():.1%})" for label in kept]
    left = truth.shape[1] - len(kept)
    note = f"in brackets: how often the label is set; mean {tidy(float(np.mean(list(scores.values()) or [np.nan])))}"
    note += f"; {left} labels are not shown" if left else ""
    chart = bars(names, [scores[label] for label in kept], [f"{scores[label]:.3f}" for label in kept], "AUC by label",
                 low=min([0.5, *scores.values()]))
    return [Figure("AUC by label", chart, note)]


# --- numbers

def _regression(truth: np.ndarray, raw: np.ndarray, name: str = "") -> list[Figure]:
    head = f"{short(name)}: " if name else ""
    return [_density(truth, raw, f"{head}predicted and true"), _residuals(truth, raw, f"{head}residuals")]


def _density(truth: np.ndarray, raw: np.ndarray, title: str) -> Figure:
    """A density of true against predicted, within the middle 99% of both."""
    both = np.concatenate([truth, raw])
    low, high = spanned(np.quantile(both, [0.005, 0.995]), room=0.02)
    counts, x_edges, y_edges = np.histogram2d(raw, truth, bins=36, range=[[low, high], [low, high]])
    axes = Axes((low, high), (low, high), "predicted", "true")
    chart = axes.draw(axes.cells(x_edges, y_edges, counts, "c0"), axes.line([low, high], [low, high], "faint"),
                      title=title)
    spread = float(np.var(truth))
    fit = 1 - float(np.mean((truth - raw) ** 2)) / spread if spread else float("nan")
    return Figure(title[0].upper() + title[1:], chart, f"middle 99% of both; R² {tidy(fit, 3)}, mean error "
                                                       f"{tidy(float(np.mean(raw - truth)))}")


def _residuals(truth: np.ndarray, raw: np.ndarray, title: str) -> Figure:
    """Quantiles of true minus predicted, in tenths of the prediction."""
    tenths = [part for part in np.array_split(np.argsort(raw, kind="stable"), min(10, len(raw))) if len(part)]
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    quantiles = np.array([np.quantile(truth[part] - raw[part], levels) for part in tenths])
    centres = np.arange(len(tenths), dtype=float)
    axes = Axes((-0.5, len(tenths) - 0.5), spanned(quantiles, [0.0]), "tenth of the prediction, low to high",
                "true - predicted", x_names=tuple(str(k + 1) for k in range(len(tenths))))
    spans = [axes.line([x, x], [q[0], q[4]], "c0 thin") + axes.line([x, x], [q[1], q[3]], "c0 thick")
             for x, q in zip(centres, quantiles, strict=True)]
    chart = axes.draw(axes.line([-0.5, len(tenths) - 0.5], [0, 0], "faint"), *spans,
                      axes.dots(centres, quantiles[:, 2], "c1"), title=title)
    return Figure(title[0].upper() + title[1:], chart, "dot: median; thick: middle half; thin: middle 90%")


def _targets(truth: np.ndarray, raw: np.ndarray, targets: Sequence[str]) -> list[Figure]:
    shown = range(min(MOST_TARGETS, truth.shape[1]))
    return [_density(truth[:, k], raw[:, k], f"{short(targets[k])}: predicted and true") for k in shown]


# --- survival

def _survival(truth: np.ndarray, raw: np.ndarray) -> list[Figure]:
    duration, event = truth[:, 0], truth[:, 1]
    fifths = [part for part in np.array_split(np.argsort(raw, kind="stable"), 5) if len(part)]
    names = [f"{FIFTHS[k]} risk ({len(part)} rows)" for k, part in enumerate(fifths)]
    rates = [float(event[part].sum() / max(duration[part].sum(), 1e-12)) for part in fifths]
    shown = [f"{tidy(rate, 3)} ({event[part].mean():.0%})" for rate, part in zip(rates, fifths, strict=True)]
    chart = bars(names, rates, shown, "Event rate by fifth of predicted risk")
    until = float(np.quantile(duration, 0.98)) or 1.0
    axes = Axes((0.0, until), (0.0, 1.0), "duration", "share without the event")
    lines = [axes.steps(*_kaplan_meier(duration[part], event[part], until), f"c{k}") for k, part in enumerate(fifths)]
    legend = tuple((f"c{k}", f"{FIFTHS[k]} risk") for k in range(len(fifths)))
    return [
        Figure("Event rate by fifth of predicted risk", chart, "events per unit of time (share of rows with event)"),
        Figure("Survival by fifth of predicted risk", axes.draw(*lines, title="Kaplan-Meier curves"),
               "Kaplan-Meier estimates; a good risk score keeps them apart and in order", legend),
    ]


def _kaplan_meier(duration: np.ndarray, event: np.ndarray, until: float) -> tuple[list[float], list[float]]:
    """Times and the share that is without the event after each (Kaplan and Meier 1958), at most 100 up to `until`."""
    times, index = np.unique(duration, return_inverse=True)
    ended = np.bincount(index, weights=event, minlength=len(times))
    at_risk = np.cumsum(np.bincount(index, minlength=len(times))[::-1])[::-1]
    share = np.cumprod(1 - ended / at_risk)
    shown = max(1, int((times <= until).sum()))
    keep = np.unique(np.linspace(0, shown - 1, 100).astype(int))
    return [0.0, *times[keep].tolist()], [1.0, *share[keep].tolist()]
