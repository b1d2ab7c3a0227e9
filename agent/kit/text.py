"""Reads text columns: TF-IDF of words and characters for a linear model, or a few numbers of it for any model."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy import sparse

from . import clock, columns, least_squares, linear, losses, matrix, ngrams, prepared, splits
from .columns import Frames

MOST_LETTERS = 20_000_000
LEAST_SQUARES, LOGISTIC = 250e-9, 600e-9  # seconds that the characters of a letter cost for each class, measured on four tasks


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
    return int(column.str.len().sum()) < MOST_LETTERS


def _reads_characters(train: pd.DataFrame, task: SimpleNamespace, wanted: bool, cost: float) -> bool:
    """Whether characters inside words are read too: where wanted, unless a model that takes `cost` seconds for a letter and
    class would take longer than there is time."""
    if not wanted:
        return False
    known = clock.chosen(task, "characters")
    known = clock.hinted(task, "characters") if known is None else known
    if known is None:
        letters = sum(int(train[name].str.len().sum()) for name in columns.named(train, task, "text"))
        classes = len(task.classes) if task.kind == "multiclass" else len(task.targets)
        known = letters < MOST_LETTERS and cost * letters * classes < clock.seconds_left(task)
    clock.choose("characters", bool(known))
    return bool(known)


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
    inside = _reads_characters(train, task, characters, LOGISTIC)

    def read(one: pd.Series, two: pd.Series) -> matrix.Sparse:
        a, b = tfidf(one, two, characters=inside, task=task)
        if not naive_bayes or task.kind != "binary" or not a.shape[1]:
            return a, b
        ratio = sparse.diags(_log_count_ratio(a, np.asarray(target)))
        return (a @ ratio).tocsr(), (b @ ratio).tocsr()

    left, right = _laid(train, predict, task, read)
    return linear.fit_matrix(left, right, train, target, task, strength=strength)


def ridge(
    train: pd.DataFrame,
    target: pd.Series | pd.DataFrame,
    predict: pd.DataFrame,
    task: SimpleNamespace,
    *,
    characters: bool = False,
    strength: float | None = None,
    most: int = 30_000,
) -> np.ndarray:
    """Predictions of ridge regression on the TF-IDF of single words, of names the runs of characters inside them, on one-hot
    levels and scaled numerics: the quickest text model, whatever the classes.

    characters: on all that linear_model reads of texts. strength: the penalty; None: chosen on a holdout.
    """
    inside = _reads_characters(train, task, characters, LEAST_SQUARES)

    def read(one: pd.Series, two: pd.Series) -> matrix.Sparse:
        if characters:
            return tfidf(one, two, characters=inside, most=most, task=task)
        texts = one.fillna("").astype(str).tolist()
        return _read(texts, two.fillna("").astype(str).tolist(), ngrams.quickest(texts), most, task)

    left, right = _laid(train, predict, task, read)
    if task.kind not in ("binary", "multiclass", "multilabel"):
        return linear.fit_matrix(left, right, train, target, task, strength=strength)
    held = splits.held_out(train, target, task)

    def fit(goal: losses.Goal) -> np.ndarray:
        if not left.shape[1]:
            return losses.prior(goal, len(predict))
        return least_squares.answer(left, right, goal, held, task, strength=strength)

    return losses.solve(target, task, len(predict), fit)


def _laid(
    train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace, read: Callable[[pd.Series, pd.Series], matrix.Sparse]
) -> matrix.Sparse:
    """What is read of each text, one-hot levels and scaled numerics, side by side."""
    parts = [read(train[name], predict[name]) for name in columns.named(train, task, "text")]
    parts.append(matrix.one_hot(train, predict, task))
    e, f = (sparse.csr_matrix(0.3 * part) for part in matrix.numeric(train, predict, task))
    return tuple(sparse.hstack(side, "csr") for side in zip(*parts, (e, f), strict=True))  # type: ignore[return-value]


def _log_count_ratio(a: sparse.csr_matrix, labels: np.ndarray) -> np.ndarray:
    one, zero = (np.asarray(a[np.flatnonzero(labels == label)].sum(axis=0)).ravel() + 1 for label in (1, 0))
    return np.asarray(np.log((one / one.sum()) / (zero / zero.sum())))
