"""Builds jigsaw-pieces: eight photographs sawn into squares that do not touch, a random 40% of each to be put back."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

from tasks import packaged, splitting

SIDE, GAP = 20, 4
PUZZLES = {  # label: the member below skimage/data, and by how much it is reduced
    "astronaut": ("astronaut.png", 1), "brick": ("brick.png", 1), "cameraman": ("camera.png", 1), "cat": ("chelsea.png", 1),
    "coffee": ("coffee.png", 1), "grass": ("grass.png", 1), "gravel": ("gravel.png", 1),
    "stars": ("hubble_deep_field.jpg", 2),
}  # fmt: skip


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files and public/images, under names that say nothing."""
    rng = np.random.default_rng(57)
    with packaged.opened(raw, "scikit-image") as read:
        pieces = [(label, piece) for label in PUZZLES for piece in _sawn(_photograph(read, label))]
    (public / "images").mkdir()
    rows = []
    for number, place in enumerate(rng.permutation(len(pieces))):
        label, piece = pieces[place]
        name = f"piece_{number:05d}.png"
        Image.fromarray(_photographed(piece, rng)).save(public / "images" / name)
        rows.append({"image": name, "puzzle": label})
    split = splitting.random_split(pd.DataFrame(rows), test_share=0.4, seed=57, stratify="puzzle")
    splitting.write_competition(split, public, private, seed=57)


def _photograph(read: Callable[[str], bytes], label: str) -> np.ndarray:
    """The grey photograph (h, w), 0 to 255: colours would tell the puzzles apart at a glance."""
    member, reduced = PUZZLES[label]
    with Image.open(io.BytesIO(read(f"skimage/data/{member}"))) as image:
        return np.asarray(image.convert("L").reduce(reduced), dtype=float)


def _sawn(photograph: np.ndarray) -> Iterator[np.ndarray]:
    """All (SIDE, SIDE) squares of a grid; between them GAP pixels are lost, so that no two rows show the same place."""
    height, width = photograph.shape
    for top in range(0, height - SIDE + 1, SIDE + GAP):
        for left in range(0, width - SIDE + 1, SIDE + GAP):
            yield photograph[top : top + SIDE, left : left + SIDE]


def _photographed(piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The piece as a careless camera sees it: turned by quarters, maybe mirrored, other light and contrast, blur, noise."""
    turned = np.rot90(piece, rng.integers(4))
    seen = turned[:, ::-1] if rng.random() < 0.5 else turned
    seen = gaussian_filter(seen, rng.uniform(0.3, 1.1), mode="nearest")
    seen = seen.mean() + rng.uniform(0.5, 1.5) * (seen - seen.mean()) + rng.uniform(-50, 50)
    return (seen + rng.normal(0, 5, size=seen.shape)).clip(0, 255).astype(np.uint8)
