"""Reads text columns: TF-IDF of words and characters for a linear model, or a few numbers of it for any model."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy import sparse

from . import columns, linear, losses, matrix, ngrams, prepared, splits
from .columns import Frames

SHARPNESS = 8.0  # of the soft-max over ridge scores, which shrink towards the classes' shares


def tfidf(
    train: pd.Series, predict: pd.Series, *, characters: bool = True, most: int = 60_000, task: SimpleNamespace | None = None
) -> matrix.Sparse:
    """TF-IDF of words and word pairs and, with `characters`, of character runs; fitted on the train rows.

    Text of scripts that write no spaces (Chinese, Japanese, Thai, ...) is read by characters only. With `task`, runs that the
    host has had counted are looked up.
    """
    left, right = train.fillna("").astype(str).tolist(), predict.fillna("").astype(str).tolist()
    parts = [_read(left, right, reader, most, task) for reader in ngrams.readers(left)
             if characters or reader != ngrams.INSIDE]
    return sparse.hstack([a for a, _ in parts], "csr"), sparse.hstack([b for _, b in parts], "csr")


def _read(
    left: list[str], right: list[str], reader: str, most: int, task: SimpleNamespace | None = None
) -> matrix.Sparse:
    """TF-IDF of what a reader counts. Runs of few train rows are left out, then all but the `most` frequent."""
    from sklearn.feature_extraction.text import TfidfTransformer

    n, fewest = len(left), 2 if len(left) < 10_000 else 4
    counts = prepared.counts(reader, [*left, *right], task)
    counts = ngrams.READERS[reader]([*left, *right], fewest) if counts is None else counts
    kept = np.flatnonzero(np.bincount(counts[:n].indices, minlength=counts.shape[1]) >= fewest)
    if len(kept) > most:
        often = np.asarray(counts[:n].sum(axis=0)).ravel()[kept]
        kept = np.sort(kept[np.argsort(-often, kind="stable")[:most]])
    found = counts[:, kept].astype(np.float32)
    if len(kept):
        found = TfidfTransformer(sublinear_tf=True).fit(found[:n]).transform(found, copy=False)
    return found[:n], found[n:]


def reduce(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    components: int = 24,
    scores: bool = True,
    characters: bool = True,
    folds: int = 5,
) -> Frames:
    """Replaces each text column by numbers: lengths, SVD of its TF-IDF, cross-fitted ridge scores of the target."""
    names = columns.named(train, task, "text")
    number = splits.fold_numbers(train, target, task, folds)
    left: dict[str, np.ndarray] = {}
    right: dict[str, np.ndarray] = {}
    for name in names:
        lengths = _lengths(train[name]), _lengths(predict[name])
        a, b = tfidf(train[name], predict[name], characters=characters and _affordable(train[name]), task=task)
        found = [lengths, *_components(a, b, components, task.seed)]
        if scores and a.shape[1]:
            found.append(_scores(a, b, losses.target_columns(target, task), number))
        left |= {f"{name}_{part}": values for one, _ in found for part, values in one.items()}
        right |= {f"{name}_{part}": values for _, two in found for part, values in two.items()}
    return columns.beside(train.drop(columns=names), left), columns.beside(predict.drop(columns=names), right)


def _affordable(column: pd.Series) -> bool:
    return int(column.str.len().sum()) < 20_000_000


def _lengths(column: pd.Series) -> dict[str, np.ndarray]:
    text = column.fillna("").astype(str).str
    size = text.len().to_numpy(float)
    counts = {"digits": r"\d", "capitals": r"[A-Z]", "marks": r"[!?]", "lines": r"\n"}
    shares = {part: text.count(pattern).to_numpy(float) / np.maximum(size, 1) for part, pattern in counts.items()}
    words = text.count(r"\S+").to_numpy(float)
    return {"characters": size, "words": words, "word_length": size / np.maximum(words, 1)} | shares


def _components(a: sparse.csr_matrix, b: sparse.csr_matrix, count: int, seed: int) -> list[tuple[dict, dict]]:
    from sklearn.decomposition import TruncatedSVD

    count = min(count, a.shape[1] - 1, a.shape[0] - 1)
    if count < 1:
        return []
    turn = TruncatedSVD(count, random_state=seed).fit(a)
    parts = (turn.transform(part) for part in (a, b))
    return [tuple({f"svd{k}": part[:, k].astype(float) for k in range(count)} for part in parts)]  # type: ignore[list-item]


def _scores(a: sparse.csr_matrix, b: sparse.csr_matrix, wanted: np.ndarray, number: np.ndarray) -> tuple[dict, dict]:
    left = np.zeros(wanted.shape)
    for fold in np.unique(number):
        held = number == fold
        if not held.all():
            left[held] = _ridge(a[np.flatnonzero(~held)], wanted[~held], a[np.flatnonzero(held)])
    right = _ridge(a, wanted, b)
    return {f"score{j}": left[:, j] for j in range(wanted.shape[1])}, {
        f"score{j}": right[:, j] for j in range(wanted.shape[1])
    }


def _ridge(a: sparse.csr_matrix, wanted: np.ndarray, shown: sparse.csr_matrix) -> np.ndarray:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1.0, solver="sparse_cg", tol=1e-3, max_iter=100).fit(a, wanted)
    return np.asarray(model.predict(shown), dtype=float).reshape(shown.shape[0], -1)


def linear_model(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    strength: float | None = None,
    characters: bool = True,
    naive_bayes: bool = False,
) -> np.ndarray:
    """Predictions of ridge or logistic regression on the TF-IDF of all text, one-hot levels and scaled numerics.

    naive_bayes scales the text by its log-count ratios first (Wang and Manning 2012; binary targets only).
    """
    names = columns.named(train, task, "text")
    read = [tfidf(train[name], predict[name], characters=characters and _affordable(train[name]), task=task) for name in names]
    a = sparse.hstack([sparse.csr_matrix((len(train), 0)), *(one for one, _ in read)], "csr")
    b = sparse.hstack([sparse.csr_matrix((len(predict), 0)), *(two for _, two in read)], "csr")
    if naive_bayes and task.kind == "binary" and a.shape[1]:
        ratio = sparse.diags(_log_count_ratio(a, np.asarray(target)))
        a, b = (a @ ratio).tocsr(), (b @ ratio).tocsr()
    c, d = matrix.one_hot(train, predict, task)
    e, f = (sparse.csr_matrix(0.3 * part) for part in matrix.numeric(train, predict, task))
    left, right = sparse.hstack([a, c, e], "csr"), sparse.hstack([b, d, f], "csr")
    return linear.fit_matrix(left, right, train, target, task, strength=strength)


def ridge(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    strength: float = 1.0,
    most: int = 30_000,
) -> np.ndarray:
    """Predictions of ridge regression on the TF-IDF of single words, of names the runs of characters inside them: the
    quickest text model, whatever the classes.

    Classes are fitted as indicators side by side and made shares by a soft-max.
    """
    from sklearn.linear_model import Ridge

    parts = [(sparse.csr_matrix((len(train), 0)), sparse.csr_matrix((len(predict), 0)))]
    for name in columns.named(train, task, "text"):
        one, two = (frame[name].fillna("").astype(str).tolist() for frame in (train, predict))
        parts.append(_read(one, two, ngrams.quickest(one), most, task))
    left, right = (sparse.hstack([pair[side] for pair in parts], "csr") for side in (0, 1))

    def fit(goal: losses.Goal) -> np.ndarray:
        if not left.shape[1]:
            return losses.prior(goal, len(predict))
        labels = np.eye(goal.classes)[goal.labels.astype(int)] if goal.loss == "softmax" else goal.labels
        raw = Ridge(strength, solver="sparse_cg", tol=1e-3, random_state=task.seed).fit(left, labels).predict(right)
        if goal.loss == "softmax":
            shares = np.exp(SHARPNESS * (raw - raw.max(axis=1, keepdims=True)))
            return np.asarray(shares / shares.sum(axis=1, keepdims=True))
        return np.clip(raw, 1e-3, 1 - 1e-3) if goal.loss == "logistic" else np.asarray(raw)

    return losses.solve(target, task, len(predict), fit)


def _log_count_ratio(a: sparse.csr_matrix, labels: np.ndarray) -> np.ndarray:
    one, zero = (np.asarray(a[np.flatnonzero(labels == label)].sum(axis=0)).ravel() + 1 for label in (1, 0))
    return np.asarray(np.log((one / one.sum()) / (zero / zero.sum())))
