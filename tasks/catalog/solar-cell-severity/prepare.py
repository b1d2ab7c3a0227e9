"""Builds solar-cell-severity: electroluminescence images of solar cells, a random 30% of them to be graded."""

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from PIL import Image

from tasks import packaged, splitting

SIDE_PIXELS = 64


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files and public/images: 64 x 64 grey PNG under names that say nothing."""
    (public / "images").mkdir()
    with packaged.opened(raw, "elpv-dataset") as read:
        cells = _cells(read).sample(frac=1.0, random_state=14, ignore_index=True)
        cells["image"] = [f"cell_{number:05d}.png" for number in range(len(cells))]
        for source, image in zip(cells.pop("source"), cells["image"], strict=True):
            _reduced(read(f"elpv_dataset/data/{source}")).save(public / "images" / image)
    split = splitting.random_split(cells, test_share=0.3, seed=14, stratify="severity")
    splitting.write_competition(split, public, private, seed=14)


def _cells(read: Callable[[str], bytes]) -> pd.DataFrame:
    """source (file), cell_type and severity 0..3, which is the published defect probability times three."""
    content = read("elpv_dataset/data/labels.csv")
    cells = packaged.csv(content, sep=r"\s+", names=["source", "probability", "cell_type"])
    return cells.assign(severity=(3 * cells.pop("probability")).round().astype(int))


def _reduced(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(png)) as image:
        return image.convert("L").resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BOX)
