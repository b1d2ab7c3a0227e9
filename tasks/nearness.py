"""Asks whether validated texts are nearer to the texts models are fitted on than the test's are.

Replies of one thread or copies of one notice fall on both sides of shuffled folds; where the test has threads of its own,
scores of the folds are too bright, and nothing in the columns says so.
"""

import numpy as np
import pandas as pd

FITTED, ASKED, LETTERS = 4000, 600, 800


def nearer(train: pd.Series, test: pd.Series, fit: np.ndarray, validate: np.ndarray, *, seed: int) -> float:
    """The chance that a validated text is nearer to its nearest fitted text than a test text is to its own, (0, 1).

    0.5 where both are alike. fit, validate: row numbers of `train`; nearness is the cosine of TF-IDF words.
    """
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(seed)
    fitted, validated, tested = (
        _words(texts.iloc[rng.permutation(rows)[:most]])
        for texts, rows, most in ((train, fit, FITTED), (train, validate, ASKED), (test, np.arange(len(test)), ASKED))
    )
    weigh = TfidfTransformer(sublinear_tf=True).fit(fitted)
    base = weigh.transform(fitted).T.tocsr()
    inside, outside = ((weigh.transform(words) @ base).max(axis=1).toarray().ravel() for words in (validated, tested))
    label = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    return float(roc_auc_score(label, np.r_[inside, outside]))


def _words(texts: pd.Series) -> object:
    from sklearn.feature_extraction.text import HashingVectorizer

    heads = texts.fillna("").astype(str).str.slice(0, LETTERS)
    return HashingVectorizer(n_features=2**18, alternate_sign=False, norm=None).transform(heads)
