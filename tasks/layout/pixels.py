"""Lays out image-to-image competitions as rows of pixels: what lies around a pixel of the given image, and its wanted value.

The ids of the sample are <image>_<row>_<column>, counted from 1. Train images lie in one folder, what they should become
in another, under the same names. Values are grey from 0 to 1.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from tasks.layout.gather import Found
from tasks.tables import IMAGE_SUFFIXES

TRAIN_PIXELS = 400_000
PIXEL = r"(.+)_(\d+)_(\d+)"
RANKS = 31          # pixels a side over which the paper behind the writing is sought


def sides(found: Sequence[Found], sample: pd.DataFrame) -> tuple[list[Found], list[Found], list[Found]] | None:
    """The given train images, what they should become (in the same order) and the test images; None where it is not so."""
    if sample.shape[1] != 2 or not sample.iloc[:200, 0].str.fullmatch(PIXEL).all():
        return None
    folders: dict[str, dict[str, Found]] = {}
    for known in (f for f in found if f.suffix in IMAGE_SUFFIXES and f.parts):
        folders.setdefault(known.parts[-1], {})[known.stem] = known
    wanted = {re.fullmatch(PIXEL, id)[1] for id in sample.iloc[:, 0].iloc[::97]}  # type: ignore[index]
    test = next((images for name, images in folders.items() if "test" in name and wanted <= images.keys()), None)
    trains = sorted((name for name in folders if "train" in name), key=len)
    pairs = [(a, b) for a in trains for b in trains if a != b and folders[a].keys() == folders[b].keys() and len(a) < len(b)]
    if test is None or not pairs:
        return None
    given, clean = (folders[name] for name in pairs[0])
    return [given[s] for s in sorted(given)], [clean[s] for s in sorted(given)], [test[s] for s in sorted(test)]


def write(
    given: Sequence[Found], clean: Sequence[Found], test: Sequence[Found], sample: pd.DataFrame, into: Path,
) -> None:
    """Write train.csv (a sample of the pixels of every image) and test.csv (every pixel that is asked for)."""
    id, value = sample.columns
    rng, each = np.random.default_rng(0), max(1, TRAIN_PIXELS // len(given))
    tables = []
    for picture, wanted in zip(given, clean, strict=True):
        rows, target = around(_grey(picture.path)), _grey(wanted.path)
        drawn = np.sort(rng.choice(target.size, size=min(each, target.size), replace=False))
        ids = _ids(picture.stem, target.shape)
        columns = {name: column[drawn] for name, column in rows.items()}
        tables.append({id: ids[drawn], "image": np.full(len(drawn), picture.stem), **columns, value: target.ravel()[drawn]})
    _write_csv(tables, into / "train.csv")
    asked = set(sample[id])
    _write_csv((_asked(picture, id, asked) for picture in test), into / "test.csv")


def _asked(picture: Found, id: str, asked: set[str]) -> dict[str, np.ndarray]:
    image = _grey(picture.path)
    ids = _ids(picture.stem, image.shape)
    mine = np.array([name in asked for name in ids], dtype=bool)
    columns = {name: column[mine] for name, column in around(image).items()}
    return {id: ids[mine], **columns}


def around(image: np.ndarray) -> dict[str, np.ndarray]:
    """What is known of each pixel (h * w,) of a grey image (h, w): itself, its neighbours, the paper behind it."""
    from scipy import ndimage

    paper = ndimage.percentile_filter(image[::2, ::2], 80, size=RANKS // 2)
    wide = np.repeat(np.repeat(paper, 2, axis=0), 2, axis=1)[: image.shape[0], : image.shape[1]]
    made = {"pixel": image, "paper": wide, "ink": wide - image, "smooth": ndimage.gaussian_filter(image, 1.0),
            "blurred": ndimage.gaussian_filter(image, 3.0), "least": ndimage.minimum_filter(image, 5),
            "most": ndimage.maximum_filter(image, 5), "median": ndimage.median_filter(image, 3)}
    padded = np.pad(image, 1, mode="edge")
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        made[f"beside {down} {right}"] = padded[1 + down:1 + down + image.shape[0], 1 + right:1 + right + image.shape[1]]
    return {name: values.ravel().round(4).astype(np.float32) for name, values in made.items()}


def _grey(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("L"), dtype=np.float32) / 255


def _ids(stem: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.array([f"{stem}_{row + 1}_{column + 1}" for row in range(shape[0]) for column in range(shape[1])])


def _write_csv(tables: Iterable[dict[str, np.ndarray]], path: Path) -> None:
    writer = None
    for columns in tables:
        table = pa.table(columns)
        writer = writer or arrow_csv.CSVWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None, "sides() gives at least one image"
    writer.close()
