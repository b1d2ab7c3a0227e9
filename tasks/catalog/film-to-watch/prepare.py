"""Builds film-to-watch: pairs of people and films, watched or not; the last watched of each person are test."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import packaged, splitting

FILMS = 2000
COLUMNS = {"userId": "user", "movieId": "film"}


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: watched pairs of the films most rated, and as many that were not, by person."""
    ratings = packaged.rdataset(raw, "dslabs/movielens").rename(columns=COLUMNS).dropna(subset=["title", "year"])
    films = ratings["film"].value_counts(sort=True).head(FILMS).index
    ratings = ratings[ratings["film"].isin(films)].sort_values(["user", "timestamp"], kind="stable")
    pairs = pd.concat([_pairs(rows, np.sort(films), seed=54) for _, rows in ratings.groupby("user")], ignore_index=True)
    facts = ratings.drop_duplicates("film")[["film", "title", "year", "genres"]]
    pairs = pairs.merge(facts.astype({"year": int}), on="film")
    split = splitting.chosen_split(pairs.drop(columns="late"), pairs["late"], seed=54)
    splitting.write_competition(split, public, private, seed=54)


def _pairs(rows: pd.DataFrame, films: np.ndarray, *, seed: int) -> pd.DataFrame:
    """One person's watched films in the order of time and as many others; the last fifth of both is late."""
    user, watched = int(rows["user"].iloc[0]), rows["film"].drop_duplicates().to_numpy()
    others = np.setdiff1d(films, watched)
    size = min(len(watched), len(others))
    unseen = np.random.default_rng([seed, user]).choice(others, size=size, replace=False)
    late = np.arange(size) >= round(0.8 * size)
    return pd.DataFrame({"user": user, "film": np.r_[watched[:size], unseen], "late": np.r_[late, late],
                         "watched": np.repeat([1, 0], size)})
