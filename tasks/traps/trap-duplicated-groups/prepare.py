"""Builds trap-duplicated-groups: eight nearly equal rows a patient with one answer; the test has other patients."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasks import splitting

PATIENTS, VISITS = 500, 8


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files: measurements that are a patient's own, and an answer that hardly depends on them."""
    rng = np.random.default_rng(105)
    body = rng.normal(size=(PATIENTS, 8))
    ill = (0.5 * body[:, 0] - 0.4 * body[:, 1] + rng.logistic(size=PATIENTS) > 0).astype(int)
    patient = np.repeat(np.arange(PATIENTS), VISITS)
    visits = pd.DataFrame(body[patient] + rng.normal(scale=0.03, size=(len(patient), 8)), columns=[f"m{k}" for k in range(1, 9)])
    visits = visits.round(4).assign(patient=rng.permutation(PATIENTS)[patient], ill=ill[patient])
    split = splitting.grouped_split(visits, "patient", test_share=0.4, seed=105)
    splitting.write_competition(split, public, private, seed=105)
