"""The small pipeline that the table of traps uses twice: plain LightGBM on folds, with or without an encoded group.

Nothing here is the agent's: it shows what the choice of folds, columns and rows to score on does to an estimate.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from tasks.metrics import Metric
from tasks.validation import Folds

Finish = Any  # fitted on predictions (n, candidates) and truth (n,); maps such predictions to (n,)


@dataclass(frozen=True)
class Predictions:
    """What the candidates say. out_of_fold: (n_train, candidates), NaN where no fold validates; test: (n_test, candidates);
    half: (n_train,) 0 or 1, by whole folds, -1 where no fold validates."""

    out_of_fold: np.ndarray
    test: np.ndarray
    half: np.ndarray


@dataclass(frozen=True)
class Candidate:
    """A LightGBM on some of the columns."""

    columns: tuple[str, ...]
    leaves: int = 15
    rounds: int = 80
    seed: int = 0


def candidates(columns: list[str], count: int) -> list[Candidate]:
    """One on all columns, or `count` on a few of them each, with leaves and rounds at random."""
    if count == 1:
        return [Candidate(tuple(columns))]
    rng = np.random.default_rng(0)
    size = max(2, len(columns) // 10)
    return [Candidate(tuple(sorted(rng.permutation(columns)[:size])), int(rng.integers(2, 6)), int(rng.integers(5, 25)), seed)
            for seed in range(count)]


def predictions(
    chosen: list[Candidate], features: pd.DataFrame, truth: np.ndarray, folds: Folds, *, final: bool, encode: str | None = None,
) -> Predictions:
    """features: train rows, then test rows. `encode` names a column that each fit encodes by its own rows' answers.
    `final`: the test is predicted by one more fit on all train rows, not by the mean over the folds."""
    n = len(truth)
    out_of_fold, half = np.full((n, len(chosen)), np.nan), np.full(n, -1)
    tests = np.arange(n, len(features))
    made = np.zeros((len(tests), len(chosen)))
    for k, (fit, validate) in enumerate(folds):
        found = _fit_predict(chosen, features, truth, fit, np.r_[validate, tests], encode)
        out_of_fold[validate], half[validate] = found[: len(validate)], k % 2
        made += found[len(validate):] / len(folds)
    test = _fit_predict(chosen, features, truth, np.arange(n), tests, encode) if final else made
    return Predictions(out_of_fold, test, half)


def _fit_predict(
    chosen: list[Candidate], features: pd.DataFrame, truth: np.ndarray, fit: np.ndarray, rows: np.ndarray, encode: str | None,
) -> np.ndarray:
    import lightgbm

    known, asked = features.iloc[fit], features.iloc[rows]
    if encode:
        known, asked = encoded(known, asked, truth[fit], encode)
    columns = []
    for one in chosen:
        settings = {"objective": "binary" if truth.dtype.kind == "i" else "regression", "num_leaves": one.leaves,
                    "learning_rate": 0.08, "num_threads": 1, "verbosity": -1, "seed": one.seed, "deterministic": True}
        names = list(one.columns)
        data = lightgbm.Dataset(known[names], truth[fit], params={"verbosity": -1})
        columns.append(lightgbm.train(settings, data, num_boost_round=one.rounds).predict(asked[names], num_threads=1))
    return np.column_stack(columns)


def encoded(
    known: pd.DataFrame, asked: pd.DataFrame, target: np.ndarray, name: str, *, inner: int = 5,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The column as mean answers: of `asked` rows from all known rows, of `known` rows from the other inner folds."""
    fold = np.random.default_rng(0).integers(inner, size=len(known))
    means = np.full(len(known), target.mean())
    for k in range(inner):
        means[fold == k] = _means(known[name][fold != k], target[fold != k], known[name][fold == k])
    return known.assign(**{name: means}), asked.assign(**{name: _means(known[name], target, asked[name])})


def _means(levels: pd.Series, target: np.ndarray, wanted: pd.Series) -> np.ndarray:
    by_level = pd.Series(target, dtype=float).groupby(levels.astype("str").to_numpy()).mean()
    return wanted.astype("str").map(by_level).fillna(target.mean()).to_numpy()


class Best:
    """The candidate with the best score."""

    def __init__(self, judge: Metric, raw: np.ndarray, truth: np.ndarray) -> None:
        self.place = int(np.argmax([judge.sign * judge.score(truth, column) for column in raw.T]))

    def apply(self, raw: np.ndarray) -> np.ndarray:
        return raw[:, self.place]


class Calibrated:
    """The candidate that is best after its isotonic curve, and that curve."""

    def __init__(self, judge: Metric, raw: np.ndarray, truth: np.ndarray) -> None:
        curves = [IsotonicRegression(y_min=0.02, y_max=0.98, out_of_bounds="clip").fit(column, truth) for column in raw.T]
        said = np.column_stack([curve.predict(column) for curve, column in zip(curves, raw.T, strict=True)])
        self.place = Best(judge, said, truth).place
        self.curve = curves[self.place]

    def apply(self, raw: np.ndarray) -> np.ndarray:
        return self.curve.predict(raw[:, self.place])


def apparent(finish: type, judge: Metric, truth: np.ndarray, made: Predictions) -> float:
    """The score on the very rows that the finish was chosen by."""
    rows = made.half >= 0
    raw = made.out_of_fold[rows]
    return judge.score(truth[rows], finish(judge, raw, truth[rows]).apply(raw))


def cross_fitted(finish: type, judge: Metric, truth: np.ndarray, made: Predictions) -> tuple[float, np.ndarray]:
    """Chosen on one half of the folds and scored on the other, both ways: the mean, and what was predicted (NaN elsewhere).
    The halves are scored apart: two choices need not be on one scale."""
    said, scores = np.full(len(truth), np.nan), []
    halves = [0, 1] if len(set(made.half) - {-1}) > 1 else [0]
    for half in halves:
        there = made.half == half
        chosen_by = made.half == 1 - half if len(halves) > 1 else there
        fitted = finish(judge, made.out_of_fold[chosen_by], truth[chosen_by])
        said[there] = fitted.apply(made.out_of_fold[there])
        scores.append(judge.score(truth[there], said[there]))
    return float(np.mean(scores)), said
