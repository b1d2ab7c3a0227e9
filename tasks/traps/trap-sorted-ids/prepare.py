"""Builds trap-sorted-ids: train is sorted by a noisy copy of the answer, so that its ids tell it; test is not."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import splitting

ROWS, TEST = 4000, 2000


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: ids follow the order of the rows, and the order of train follows the answer."""
    rng = np.random.default_rng(102)
    bids = pd.DataFrame(rng.normal(size=(ROWS, 6)).round(4), columns=[f"x{k}" for k in range(1, 7)])
    drive = bids["x1"] + 0.6 * np.abs(bids["x2"]) - 0.5 * bids["x3"] + rng.logistic(scale=1.2, size=ROWS)
    bids["won"] = (drive > drive.median()).astype(int)
    train, test = splitting.random_split(bids, test_share=TEST / ROWS, seed=102, stratify="won")
    order = np.argsort(train["won"].to_numpy() + rng.normal(scale=0.3, size=len(train)))
    splitting.write_competition((train.iloc[order], test), public, private, seed=102)
