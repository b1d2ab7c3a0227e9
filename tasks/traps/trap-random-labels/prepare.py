"""Builds trap-random-labels: there is nothing to learn."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import splitting

ROWS, TEST, COLUMNS = 1600, 1300, 400


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: the answer is a coin."""
    rng = np.random.default_rng(108)
    tosses = pd.DataFrame(rng.normal(size=(ROWS, COLUMNS)).round(2), columns=[f"f{k}" for k in range(1, COLUMNS + 1)])
    tosses["heads"] = rng.integers(2, size=ROWS)
    split = splitting.random_split(tosses, test_share=TEST / ROWS, seed=108, stratify="heads")
    splitting.write_competition(split, public, private, seed=108)
