"""The feature tables of the reference competitors, made from a task's typed columns with no cleverness at all."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tasks.spec import Task
from tasks.tables import CJK

SIDE = 16      # images become SIDE x SIDE grey pixels
TERMS = 1000   # TF-IDF columns of a text for tree models
SINGLE = 1.5   # words of a text on average, below which its characters are read
WORDS = r"(?u)\b\w+\b"


def mixed(features: pd.DataFrame, roles: dict[str, str], task: Task) -> pd.DataFrame:
    """Numbers as they are, dates as their parts, images as pixels, levels and texts as strings.

    A column's name starts with its role: names of the task's own may hold anything.
    """
    made: dict[str, pd.Series] = {}
    for place, (name, role) in enumerate(roles.items()):
        values = features[name]
        if role == "categorical":
            made[f"categorical {place}"] = values.astype(object).where(values.notna(), "missing").astype("str")
        elif role == "text" and task.kind in ("binary", "multiclass", "multilabel"):
            made[f"text {place}"] = _spaced(values)
        elif role != "text":
            made |= _numbers(values, role, place, task)
    return _never_empty(pd.DataFrame(made, index=features.index))


def coded(features: pd.DataFrame, roles: dict[str, str], task: Task) -> pd.DataFrame:
    """Numbers only, for tree models: levels as codes (NaN when missing), texts as TF-IDF of their commonest words."""
    made: dict[str, pd.Series] = {}
    for place, (name, role) in enumerate(roles.items()):
        values = features[name]
        if role == "categorical":
            codes = values.cat.codes
            made[f"categorical {place}"] = codes.astype(float).where(codes >= 0)
        elif role == "text":
            texts = _spaced(values)
            terms = _tfidf(texts, TERMS).fit_transform(texts).astype(np.float32).toarray()
            made |= {f"text {place}.{k}": pd.Series(column, index=features.index) for k, column in enumerate(terms.T)}
        else:
            made |= _numbers(values, role, place, task)
    return pd.DataFrame(made, index=features.index)


def encode_linear(train: pd.DataFrame) -> ColumnTransformer:
    """One-hot levels (rare ones together), TF-IDF of words and pairs of words, standardised numbers without gaps."""
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    levels = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=3, max_categories=2000)
    steps: list[tuple[str, Any, Any]] = [(c, _tfidf(train[c], 20_000, pairs=True), c)
                                        for c in columns_of(train, "text")]
    steps.append(("levels", levels, columns_of(train, "categorical")))
    steps.append(("numbers", numbers, columns_of(train, "numeric", "datetime", "image")))
    return ColumnTransformer([step for step in steps if step[2]])


def columns_of(frame: pd.DataFrame, *roles: str) -> list[str]:
    """The columns that were made from a task's columns of these roles."""
    return [name for name in map(str, frame.columns) if name.startswith(roles)]


def _tfidf(texts: pd.Series, terms: int, *, pairs: bool = False) -> TfidfVectorizer:
    """Of words; where texts are hardly more than one, which none of the test's rows needs to share, of runs of characters."""
    if np.mean([len(re.findall(WORDS, text)) for text in texts]) < SINGLE:
        return TfidfVectorizer(max_features=terms, sublinear_tf=True, analyzer="char_wb", ngram_range=(1, 2 + pairs))
    return TfidfVectorizer(max_features=terms, sublinear_tf=True, token_pattern=WORDS, ngram_range=(1, 1 + pairs))


def _spaced(text: pd.Series) -> pd.Series:
    """Text with a space around each character of a script that is written without any."""
    return text.str.replace(CJK, lambda found: f" {found.group()} ", regex=True)


def _numbers(values: pd.Series, role: str, place: int, task: Task) -> dict[str, pd.Series]:
    if role == "numeric":
        return {f"numeric {place}": values.astype(float)}
    if role == "datetime":
        parts = {part: getattr(values.dt, part) for part in ("year", "month", "day", "dayofweek", "hour")}
        return {f"datetime {place} {part}": numbers.astype(float) for part, numbers in parts.items()}
    folder = task.assets_folder
    assert folder is not None, "an image column needs its assets folder"
    pixels = np.stack([_pixels(folder / path) for path in values])
    return {f"image {place}.{k}": pd.Series(column, index=values.index) for k, column in enumerate(pixels.T)}


def _pixels(path: Path) -> np.ndarray:
    if not path.is_file():
        return np.full(SIDE * SIDE, np.nan)
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((SIDE, SIDE)), dtype=float).ravel()


def _never_empty(frame: pd.DataFrame) -> pd.DataFrame:
    """A constant column where nothing else is left, as for a regression on texts alone."""
    return frame if frame.shape[1] else frame.assign(**{"numeric 0": 0.0})
