"""Builds county-homicides: counties over years; all years of a test county are in test."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; rates, arrests and what else is computed from the count are dropped."""
    counties = packaged.rdataset(raw, "wooldridge/countymurders")
    counties = counties.drop(columns=["murdrate", "arrests", "arrestrate", "lpopul", "execrate", "countyfips"])
    counties = counties.rename(columns={"countyid": "county", "statefips": "state"})
    county = pd.factorize(counties["county"])[0]  # neighbours, which are alike, follow each other
    counties["county"] = 1 + np.random.default_rng(2400).permutation(county.max() + 1)[county]
    split = splitting.grouped_split(counties, "county", test_share=0.25, seed=24)
    splitting.write_competition(split, public, private, seed=24)
