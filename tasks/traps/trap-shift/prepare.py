"""Builds trap-shift: what drives the answer changes from month to month, and the test is later than the training."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import splitting

DAYS, A_DAY, TEST_FROM = 400, 12, "2023-11-01"


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: each day has a level of its own, and the weights of the sensors drift."""
    rng = np.random.default_rng(104)
    day = np.repeat(np.arange(DAYS), A_DAY)
    sensors = rng.normal(size=(len(day), 4))
    level = rng.normal(scale=2.0, size=DAYS)[day]
    weights = np.array([1.0, -0.5, 0.0, 0.4]) + np.outer(day / DAYS, [-1.0, 0.4, 0.8, 0.0])
    wear = 20 + level + (sensors * weights).sum(axis=1) + rng.normal(scale=0.5, size=len(day))
    shifts = pd.DataFrame({"date": (pd.Timestamp("2023-01-01") + pd.to_timedelta(day, unit="D")).strftime("%Y-%m-%d")})
    shifts[[f"sensor_{k}" for k in range(1, 5)]] = sensors.round(4)
    split = splitting.time_split(shifts.assign(wear=wear.round(3)), "date", test_from=TEST_FROM, seed=104)
    splitting.write_competition(split, public, private, seed=104)
