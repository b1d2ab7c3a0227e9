"""Builds trap-leaked-column: a column that is filled in after the answer is known, and so is empty in test."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import splitting

ROWS, TEST = 4000, 2000


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: six honest columns and one from after the fact."""
    rng = np.random.default_rng(101)
    claims = pd.DataFrame(rng.normal(size=(ROWS, 6)).round(4), columns=[f"x{k}" for k in range(1, 7)])
    drive = claims["x1"] - 0.7 * claims["x2"] + 0.5 * claims["x3"] * claims["x4"] + rng.logistic(scale=1.2, size=ROWS)
    claims["paid"] = (drive > 0).astype(int)
    claims["days_to_transfer"] = np.where(claims["paid"] == 1, rng.gamma(2.0, 6.0, ROWS), rng.gamma(2.0, 2.0, ROWS)).round(1)
    train, test = splitting.random_split(claims, test_share=TEST / ROWS, seed=101, stratify="paid")
    splitting.write_competition((train, test.assign(days_to_transfer=np.nan)), public, private, seed=101)
