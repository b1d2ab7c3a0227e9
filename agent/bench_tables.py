"""Generated tables known from the literature, as plain folders with answers: where a part of the agent has something to do.

The catalogue's tables suit boosters; functions of smooth numbers are where nets lead, and tens of thousands of rows are where
time is short. What is left of the target once all is known is noise that no model can beat.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification, make_friedman1, make_friedman3, make_hastie_10_2

from agent.bench_data import write_task

Table = tuple[np.ndarray, np.ndarray]  # features (n, columns) and target (n,)
TEST = 2000  # rows


@dataclass(frozen=True)
class Made:
    """How a table is made: `draw(n, seed)`, how many rows train, and what it is judged by."""

    draw: Callable[[int, int], Table]
    rows: int
    metric: str


def borehole(n: int, seed: int) -> Table:
    """Water through a borehole, in m3 a year, with 2% noise (Harper and Gupta 1983; Morris et al. 1993)."""
    rng = np.random.default_rng(seed)
    low = np.array([.05, 100, 63070, 990, 63.1, 700, 1120, 9855])
    high = np.array([.15, 50000, 115600, 1110, 116, 820, 1680, 12045])
    x = low + (high - low) * rng.random((n, 8))
    radius, influence, upper, upper_head, lower, lower_head, length, conductivity = x.T
    ratio = np.log(influence / radius)
    leak = 2 * length * upper / (ratio * radius**2 * conductivity)
    flow = 2 * np.pi * upper * (upper_head - lower_head) / (ratio * (1 + leak + upper / lower))
    return x, flow * np.exp(.02 * rng.normal(size=n))


def robot_arm(n: int, seed: int) -> Table:
    """How far the end of an arm of eight links of length 1/8 is from a point, by its angles (after Delve's kin family)."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-np.pi / 2, np.pi / 2, (n, 8))
    turned = angles.cumsum(1)
    return angles, np.hypot(np.cos(turned).sum(1) / 8 - .1, np.sin(turned).sum(1) / 8 - .1) + .02 * rng.normal(size=n)


def waveform(n: int, seed: int) -> Table:
    """Three classes, each a mixture of two of three triangles, 21 columns with noise of 1 (Breiman et al. 1984)."""
    rng = np.random.default_rng(seed)
    place = np.arange(1, 22)
    first, second, third = (np.maximum(6 - abs(place - peak), 0) for peak in (11, 15, 7))
    pairs = ((first, second), (first, third), (second, third))
    classes = rng.integers(0, 3, n)
    share = rng.random((n, 1))
    left, right = (np.array([pair[k] for pair in pairs])[classes] for k in (0, 1))
    return share * left + (1 - share) * right + rng.normal(size=(n, 21)), classes


def ringnorm(n: int, seed: int) -> Table:
    """Two normal distributions in 20 dimensions, one within the other (Breiman 1996)."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 20))
    return np.where(classes[:, None] == 0, 2 * x, x + 2 / np.sqrt(20)), classes


def clusters(n: int, seed: int) -> Table:
    """Three classes of eight clusters each in twelve columns, among 28 that tell nothing or tell it twice (Guyon 2003)."""
    return make_classification(n, 40, n_informative=12, n_redundant=8, n_classes=3, n_clusters_per_class=8, flip_y=.02,
                               random_state=seed)


TABLES: Mapping[str, Made] = {
    "borehole": Made(borehole, 2000, "rmsle"),
    "clusters": Made(clusters, 4000, "log_loss"),
    "friedman-1": Made(lambda n, seed: make_friedman1(n, 10, noise=1.0, random_state=seed), 2000, "rmse"),
    "friedman-3": Made(lambda n, seed: make_friedman3(n, noise=.1, random_state=seed), 2000, "rmse"),
    "hastie": Made(lambda n, seed: make_hastie_10_2(n, random_state=seed), 6000, "log_loss"),
    "ringnorm": Made(ringnorm, 3000, "log_loss"),
    "robot-arm": Made(robot_arm, 6000, "rmse"),
    "waveform": Made(waveform, 3000, "log_loss"),
}
MIXED: Mapping[str, tuple[int, bool]] = {"mixed-amounts": (30_000, False), "mixed-classes": (30_000, True)}
NAMES = (*TABLES, *MIXED)


def write_table(name: str, folder: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """Write the table of this name below a folder, unless it is there; the task's folder, and the file with its answers."""
    place, answers = folder / name, folder / f"{name}-answers.csv"
    if answers.exists() and (place / "task.toml").exists():
        return place, answers
    if name in MIXED:
        rows, binary = MIXED[name]
        return write_task(place, rows=rows, columns=40, seed=seed, binary=binary), answers
    made = TABLES[name]
    x, y = made.draw(made.rows + TEST, seed)
    table = pd.DataFrame(x, columns=[f"x{k}" for k in range(x.shape[1])]).round(5).rename_axis("id").assign(y=y)
    place.mkdir(parents=True, exist_ok=True)
    train, test = table[:made.rows], table[made.rows:]
    train.to_csv(place / "train.csv")
    test.drop(columns="y").to_csv(place / "test.csv")
    _sample(test[["y"]], made.metric).to_csv(place / "sample_submission.csv")
    test[["y"]].to_csv(answers)
    (place / "task.toml").write_text(f'metric = "{made.metric}"\nid = "id"\ntargets = ["y"]\n')
    return place, answers


def _sample(truth: pd.DataFrame, judged_by: str) -> pd.DataFrame:
    """What the task wants: a number, or the probability of each class where there are more than two."""
    classes = sorted(truth["y"].unique())
    if judged_by != "log_loss" or len(classes) == 2:
        return truth.assign(y=.5)
    return pd.DataFrame({label: 1 / len(classes) for label in classes}, index=truth.index)
