"""The small pipeline that the table of traps uses twice: a plain LightGBM on folds, what it needs learned inside them.

Nothing here is the agent's: it shows what the choice of folds, columns and rows to score on does to an estimate.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from tasks.metrics import Metric
from tasks.validation import Folds

SETTINGS = {"num_leaves": 15, "learning_rate": 0.08, "num_threads": 1, "verbosity": -1, "seed": 0, "deterministic": True}
ROUNDS = 80


@dataclass(frozen=True)
class Predictions:
    """out_of_fold: (n_train,), NaN where no fold validates; test: (n_test,); half: (n_train,) 0 or 1, by whole folds, -1
    where no fold validates."""

    out_of_fold: np.ndarray
    test: np.ndarray
    half: np.ndarray

    @property
    def validated(self) -> np.ndarray:
        """(n_train,) bool."""
        return self.half >= 0


def predictions(
    features: pd.DataFrame, truth: np.ndarray, folds: Folds, *, final: bool, encode: str | None = None,
    select: int | None = None,
) -> Predictions:
    """features: train rows, then test rows. Each fit encodes the column `encode` and chooses its `select` columns by its
    own rows alone. `final`: the test is predicted by one more fit on all train rows, not by the mean over the folds."""
    n = len(truth)
    out_of_fold, half = np.full(n, np.nan), np.full(n, -1)
    tests = np.arange(n, len(features))
    mean = np.zeros(len(tests))
    for k, (fit, validate) in enumerate(folds):
        found = _fit_predict(features, truth, fit, np.r_[validate, tests], encode, select)
        out_of_fold[validate], half[validate] = found[: len(validate)], k % 2
        mean += found[len(validate):] / len(folds)
    test = _fit_predict(features, truth, np.arange(n), tests, encode, select) if final else mean
    return Predictions(out_of_fold, test, half)


def _fit_predict(
    features: pd.DataFrame, truth: np.ndarray, fit: np.ndarray, rows: np.ndarray, encode: str | None, select: int | None,
) -> np.ndarray:
    import lightgbm

    known, asked = features.iloc[fit], features.iloc[rows]
    if encode:
        known, asked = encoded(known, asked, truth[fit], encode)
    names = strongest(known, truth[fit], select) if select else list(known.columns)
    objective = "binary" if truth.dtype.kind == "i" else "regression"
    data = lightgbm.Dataset(known[names].to_numpy(), truth[fit], params={"verbosity": -1})
    model = lightgbm.train({**SETTINGS, "objective": objective}, data, num_boost_round=ROUNDS)
    return np.asarray(model.predict(asked[names].to_numpy(), num_threads=1))


def strongest(features: pd.DataFrame, target: np.ndarray, count: int) -> list[str]:
    """The columns that correlate most with the target."""
    values = features.to_numpy(dtype=float)
    centred = values - values.mean(axis=0)
    strength = np.abs((target - target.mean()) @ centred) / np.sqrt((centred**2).sum(axis=0) + 1e-12)
    return [str(features.columns[k]) for k in np.sort(np.argsort(-strength)[:count])]


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


def calibrated(said: np.ndarray, truth: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Probabilities through the logistic curve that fits `said` to the truth (Platt)."""
    curve = LogisticRegression().fit(_log_odds(said), truth)
    return curve.predict_proba(_log_odds(asked))[:, 1]


def _log_odds(probability: np.ndarray) -> np.ndarray:
    inside = probability.clip(1e-3, 1 - 1e-3)
    return np.log(inside / (1 - inside))[:, None]


def cross_calibrated(made: Predictions, truth: np.ndarray) -> np.ndarray:
    """(n_train,) out-of-fold probabilities, each half of the folds calibrated on the other."""
    said = made.out_of_fold.copy()
    for half in (0, 1):
        here, there = made.half == half, made.half == 1 - half
        said[here] = calibrated(made.out_of_fold[there], truth[there], made.out_of_fold[here])
    return said


def score(judge: Metric, truth: np.ndarray, said: np.ndarray, made: Predictions) -> float:
    """The score over the rows that some fold validates."""
    return judge.score(truth[made.validated], said[made.validated])
