"""Builds health-spending: persons over years; all years of a test person are in test."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import packaged, splitting


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files; parts, counts and logs of the year's spending are dropped."""
    parts = ["outpdol", "drugdol", "suppdol", "mentdol", "inpdol", "totadm", "inpmis", "mentvis", "mdvis", "notmdvis",
             "lnmeddol", "binexp"]
    years = packaged.rdataset(raw, "sampleSelection/RandHIE").drop(columns=parts).rename(columns={"zper": "person"})
    person = pd.factorize(years["person"])[0]  # whose order tells of plan and year
    years["person"] = 1 + np.random.default_rng(2500).permutation(person.max() + 1)[person]
    split = splitting.grouped_split(years, "person", test_share=0.25, seed=25)
    splitting.write_competition(split, public, private, seed=25)
