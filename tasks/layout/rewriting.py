"""Lays out competitions that want texts rewritten (token to token) as a choice between ways to write each.

What is offered for a text: to keep it, and its commonest rewritings among the train rows. The label says which is right,
`other` where none is. For a train row its own occurrence is not counted, or the choice would look easier than it is.
tasks/submission.py turns choices into texts and back by rewritings.csv, one row for each row of test.csv.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

KEEP, OTHER = "keep", "other"
OFFERS = ("first", "second")
TRAIN_ROWS = 400_000
KEPT = 0.5          # of the train rows must stay as they are, or it is no rewriting
REWRITINGS = "rewritings.csv"


@dataclass(frozen=True)
class Rewriting:
    """Rows of choices: train with the label, test with the id, and what each choice means for the test rows."""

    train: pd.DataFrame
    test: pd.DataFrame
    rewritings: pd.DataFrame


def rewrite(train: pd.DataFrame, test: pd.DataFrame | None, sample: pd.DataFrame) -> Rewriting | None:
    """The choices that a sample with the columns (id, text) asks for; None where it does not ask for rewritten texts."""
    if test is None or sample.shape[1] != 2 or len(sample) != len(test) or sample.columns[1] not in train.columns:
        return None
    id, after = sample.columns
    befores = [c for c in train.columns if c in test.columns and (train[c] == train[after]).mean() >= KEPT]
    if not befores or train[after].nunique() < 3 or not (sample[after] == test[befores[0]]).mean() >= KEPT:
        return None
    before = befores[0]
    counts = train.groupby([before, after]).size().rename("rows").reset_index()
    drawn = np.sort(np.random.default_rng(0).permutation(len(train))[:TRAIN_ROWS])
    shown, offers = _choices(train[before], counts, own=train[after], rows=drawn)
    labels = labels_of(offers, train[after].iloc[drawn].reset_index(drop=True))
    asked, rewritings = _choices(test[before], counts, own=None, rows=np.arange(len(test)))
    return Rewriting(shown.assign(**{after: labels}), asked.assign(**{id: sample[id].to_numpy()}), rewritings)


def labels_of(offers: pd.DataFrame, texts: pd.Series) -> pd.Series:
    """Which offer each text is (the first that fits), `other` where it is none. Columns of offers: keep, first, second."""
    labels = pd.Series(OTHER, index=texts.index)
    for name in reversed(offers.columns):
        fits = (offers[name].to_numpy() == texts.to_numpy()) & ((offers[name].to_numpy() != "") | (name == KEEP))
        labels[fits] = name
    return labels


def _choices(
    texts: pd.Series, counts: pd.DataFrame, *, own: pd.Series | None, rows: np.ndarray,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features of the given rows, and what is offered for them. `own`: what each row itself adds to the counts."""
    before = str(texts.name)
    after = next(c for c in counts.columns if c not in (before, "rows"))
    best = counts.sort_values("rows", ascending=False).groupby(before).head(len(OFFERS) + 2)
    part = pd.DataFrame({"row": np.arange(len(rows)), before: texts.iloc[rows].to_numpy()})
    offered = part.merge(best, on=before)
    if own is not None:
        mine = offered[after].to_numpy() == own.iloc[rows].to_numpy()[offered["row"]]
        offered["rows"] -= mine
    offered = offered[offered["rows"] > 0].sort_values(["row", "rows"], ascending=[True, False], kind="stable")
    kept = offered[offered[after] == offered[before]].set_index("row")["rows"].reindex(part["row"]).fillna(0).to_numpy()
    changed = offered[offered[after] != offered[before]]
    changed = changed.assign(place=changed.groupby("row").cumcount())
    offers, features = pd.DataFrame({KEEP: part[before]}), _around(texts, rows).assign(times_kept=kept)
    for place, name in enumerate(OFFERS):
        one = changed[changed["place"] == place].set_index("row")
        offers[name] = one[after].reindex(part["row"]).fillna("").to_numpy()
        features[f"times_{name}"] = one["rows"].reindex(part["row"]).fillna(0).to_numpy()
    return features, offers


def _around(texts: pd.Series, rows: np.ndarray) -> pd.DataFrame:
    """The text, its neighbours, its length and what it consists of."""
    all_texts = texts.to_numpy(dtype=object)
    padded = np.concatenate([[""], all_texts, [""]])
    one = pd.Series(all_texts[rows], dtype="str")
    return pd.DataFrame({
        "text": one, "text_before": padded[rows], "text_after": padded[rows + 2], "length": one.str.len(),
        "digits": one.str.count(r"\d"), "capitals": one.str.count(r"[A-ZА-ЯЁ]"), "marks": one.str.count(r"[^\w\s]"),
    })
