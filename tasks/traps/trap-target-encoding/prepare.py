"""Builds trap-target-encoding: a column of many levels that says nothing, until it is encoded by the target."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import splitting

ROWS, TEST, SHOPS = 5000, 2000, 1500


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: two rows of train for each shop, on average, and shops without any effect."""
    rng = np.random.default_rng(103)
    orders = pd.DataFrame(rng.normal(size=(ROWS, 5)).round(4), columns=[f"x{k}" for k in range(1, 6)])
    orders["shop"] = [f"shop {number:04d}" for number in rng.integers(SHOPS, size=ROWS)]
    drive = 0.9 * orders["x1"] + 0.6 * orders["x2"] * orders["x3"] + rng.logistic(scale=1.3, size=ROWS)
    orders["returned"] = (drive > 0.4).astype(int)
    split = splitting.random_split(orders, test_share=TEST / ROWS, seed=103, stratify="returned")
    splitting.write_competition(split, public, private, seed=103)
