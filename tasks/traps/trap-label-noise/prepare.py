"""Builds trap-label-noise: few rows, many columns and a third of the answers wrong."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import splitting

ROWS, TEST, COLUMNS = 1900, 1300, 400


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: three columns of four hundred matter; a third of the answers is turned over."""
    rng = np.random.default_rng(107)
    marks = rng.normal(size=(ROWS, COLUMNS))
    clean = marks[:, 0] + marks[:, 1] - marks[:, 2] > 0
    sheets = pd.DataFrame(marks.round(2), columns=[f"q{k}" for k in range(1, COLUMNS + 1)])
    sheets["yes"] = (clean ^ (rng.random(ROWS) < 0.33)).astype(int)
    split = splitting.random_split(sheets, test_share=TEST / ROWS, seed=107, stratify="yes")
    splitting.write_competition(split, public, private, seed=107)
