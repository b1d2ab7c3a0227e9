"""Builds film-genre-tags: films with at least one genre, a random quarter of them to be tagged."""

from pathlib import Path

from tasks import packaged, splitting

GENRES = ["Action", "Animation", "Comedy", "Drama", "Documentary", "Romance", "Short"]
SHARES_OF_VOTES = [f"r{mark}" for mark in range(1, 11)]


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: one row a (title, year), without the ten columns of vote shares."""
    films = packaged.rdataset(raw, "ggplot2movies/movies").drop(columns=SHARES_OF_VOTES)
    tagged = films[films[GENRES].sum(axis=1) > 0].drop_duplicates(["title", "year"])
    split = splitting.random_split(tagged, test_share=0.25, seed=6)
    splitting.write_competition(split, public, private, seed=6)
