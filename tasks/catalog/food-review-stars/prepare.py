"""Builds food-review-stars: reviews of food, split as they were published."""

from pathlib import Path

import pandas as pd

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; a text that occurs twice is kept once."""
    parts = [packaged.rdataset(raw, f"modeldata/{part}").assign(test=part == "testing_data")
             for part in ("training_data", "testing_data")]
    reviews = pd.concat(parts, ignore_index=True).drop_duplicates("review", ignore_index=True)
    reviews["great"] = (reviews.pop("score").astype(str) == "great").astype(int)
    split = splitting.chosen_split(reviews[["review", "great"]], reviews["test"], seed=33)
    splitting.write_competition(split, public, private, seed=33)
