"""Builds storm-wind-speed: six-hourly tracks of storms; a quarter of the storms, whole, are test."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import packaged, splitting

# Each is a function of the wind.
ENCODE_THE_WIND = ["status", "category", "tropicalstorm_force_diameter", "hurricane_force_diameter"]


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; a storm's name gives way to a number drawn at random."""
    fixes = packaged.rdataset(raw, "dplyr/storms").drop(columns=ENCODE_THE_WIND)
    fixes.insert(0, "storm", _storm_numbers(fixes))
    split = splitting.grouped_split(fixes.drop(columns="name"), "storm", test_share=0.25, seed=8)
    splitting.write_competition(split, public, private, seed=8)


def _storm_numbers(fixes: pd.DataFrame) -> np.ndarray:
    """One number a storm, drawn at random. Names return every few years; a storm that outlives December keeps its season's.

    Drawn from another seed than the split, which would else undo the drawing and take the first storms for the test."""
    december = fixes[fixes["month"] == 12]
    running = set(zip(december["name"], december["year"], strict=True))
    keys = zip(fixes["name"], fixes["year"], fixes["month"], strict=True)
    seasons = [year - ((month == 1) and (name, year - 1) in running) for name, year, month in keys]
    storms = pd.factorize(fixes["name"] + pd.Series(seasons, index=fixes.index).astype(str))[0]
    return np.random.default_rng(1975).permutation(storms.max() + 1)[storms]
