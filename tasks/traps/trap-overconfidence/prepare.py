"""Builds trap-overconfidence: few rows, much noise and a metric that makes confident mistakes dear."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import splitting

ROWS, TEST, COLUMNS = 1600, 1300, 300


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: the best probabilities there are lie between 0.2 and 0.8."""
    rng = np.random.default_rng(106)
    signs = rng.normal(size=(ROWS, COLUMNS))
    odds = (0.8 * signs[:, 0] - 0.5 * signs[:, 1]).clip(-1.4, 1.4)
    days = pd.DataFrame(signs.round(2), columns=[f"s{k}" for k in range(1, COLUMNS + 1)])
    days["rain"] = (rng.random(ROWS) < 1 / (1 + np.exp(-odds))).astype(int)
    split = splitting.random_split(days, test_share=TEST / ROWS, seed=106, stratify="rain")
    splitting.write_competition(split, public, private, seed=106)
