"""Reads columns of sequences (DNA, proteins, boards, moves): how often each letter stands in one, and which stands where."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from . import columns
from .columns import Frames

LOOKED_AT = 2000
SHORTEST, LONGEST = 8, 2000  # letters, as a rule
MOST_LETTERS = 30  # different ones in all of a column: names and codes have more, or are shorter
MOST_PLACES = 256  # up to which each place is a column
ALIKE = 0.98
FEW_DIGITS = 0.05  # of the letters: codes and checksums have more


def features(train: pd.DataFrame, predict: pd.DataFrame, task: SimpleNamespace) -> Frames:
    """Adds, for columns of sequences, `<name>_length`, `<name>_count_<letter>` for each letter, and, where nearly all are of
    one length, `<name>_at<k>`: the letter at each place as a level. Sequences that are levels give way, as hardly one comes
    twice; texts stay."""
    left: dict[str, object] = {}
    right: dict[str, object] = {}
    names = sequence_columns(train, task)
    for name in names:
        both = np.concatenate(columns.level_names(train[name], predict[name]))
        codes, different = pd.factorize(pd.Series(both))
        texts = [text[:LONGEST] for text in different]
        made = _counts(texts, name, int(codes[: len(train)].max()) + 1) | _places(texts, name)
        for label, values in made.items():
            whole = values[codes] if isinstance(values, np.ndarray) else values.take(codes)
            left[label], right[label] = whole[: len(train)], whole[len(train):]
    gone = [name for name in names if name in columns.named(train, task, "categorical")]
    return columns.beside(train.drop(columns=gone), left), columns.beside(predict.drop(columns=gone), right)


def sequence_columns(train: pd.DataFrame, task: SimpleNamespace) -> list[str]:
    """Columns whose values are long words over few letters, most of them different; the one that rows are grouped by is none."""
    group = getattr(task, "group", None)
    return [name for name in columns.named(train, task, "text", "categorical") if name != group and _is_sequence(train[name])]


def _is_sequence(column: pd.Series) -> bool:
    if not columns.is_spelled(column):
        return False
    some = column.iloc[:: max(1, len(column) // LOOKED_AT)].dropna().astype(str)
    if len(some) < 20 or some.nunique() < len(some) / 2 or not SHORTEST <= some.str.len().median() <= LONGEST:
        return False
    one_word, digits = ~some.str.contains(r"\s", regex=True), some.str.count(r"\d").sum() / some.str.len().sum()
    return bool(one_word.mean() >= ALIKE and digits < FEW_DIGITS) and 2 <= len(set("".join(some))) <= MOST_LETTERS


def _counts(texts: list[str], name: str, known: int) -> dict[str, np.ndarray]:
    """Length and counts (n,) of the letters that the first `known` texts, those of train, have."""
    letters = sorted(set("".join(texts[:known])))[: 2 * MOST_LETTERS]
    counts = {f"{name}_count_{letter}": np.array([text.count(letter) for text in texts], dtype=float) for letter in letters}
    return {f"{name}_length": np.array([len(text) for text in texts], dtype=float)} | counts


def _places(texts: list[str], name: str) -> dict[str, pd.Categorical]:
    sizes = pd.Series([len(text) for text in texts])
    size = int(sizes.mode()[0])
    if size > MOST_PLACES or (sizes == size).mean() < ALIKE:
        return {}
    padded = np.array([list(text[:size].ljust(size)) for text in texts])
    return {f"{name}_at{place}": pd.Categorical(padded[:, place]) for place in range(size) if len(set(padded[:, place])) > 1}
