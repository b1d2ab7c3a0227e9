"""Finds the images and sounds that belong to rows and lays them out under neutral names, sounds as spectrograms.

Neutral names matter: trials see the names of files, and some competitions write the label into them.
"""

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from tasks.layout.gather import MEDIA, SOUNDS, Found, place
from tasks.layout.sound import SUFFIX, spectrogram

ASSETS = "assets"
MATCHED = 0.95
FEWEST = 2  # files of a class, where labels are in names


def of_side(found: Sequence[Found], side: str) -> list[Found]:
    """Media in folders named after a side ("train", "train_images", "jpeg/test"); all media where none is."""
    media = [known for known in found if known.suffix in MEDIA]
    mine = [known for known in media if any(part.startswith(side) for part in known.parts)]
    return mine or media


def by_name(media: Sequence[Found]) -> dict[str, Found]:
    """Media by file name and by its stem; in folders of several, the first by path."""
    names: dict[str, Found] = {}
    for known in media:
        for name in (known.stem, known.stem + known.suffix, known.name.rsplit("/", 1)[-1]):
            names.setdefault(name, known)
    return names


def column_of(frame: pd.DataFrame, names: Mapping[str, Found]) -> str | None:
    """The column whose values name media."""
    known = [c for c in frame.columns if len(frame) and frame[c].isin(names.keys()).mean() >= MATCHED]
    return next(iter(known), None)


def lay_out(names: pd.Series, media: Mapping[str, Found], into: Path, side: str) -> pd.Series:
    """Files of the named media below `into`/assets/`side`; returns their paths below assets, "" where there is none."""
    folder = into / ASSETS / side
    folder.mkdir(parents=True, exist_ok=True)
    placed: dict[str, str] = {}
    work: list[tuple[Found, Path]] = []
    for name in (name for name in dict.fromkeys(names) if name in media):
        known = media[name]
        target = folder / f"file-{len(placed):07d}{SUFFIX if known.suffix in SOUNDS else known.suffix}"
        work.append((known, target))
        placed[name] = f"{side}/{target.name}"
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # transforms of sounds run outside of Python's lock
        list(pool.map(lambda pair: _place(*pair), work))
    return names.map(lambda name: placed.get(name, "")).astype("str")


def _place(known: Found, target: Path) -> None:
    if known.suffix in SOUNDS:
        spectrogram(known.path, target)
        return
    place(known.path, target)


def labels_in_names(media: Sequence[Found], *, classes: int) -> list[str] | None:
    """A label for each file from its folder below train, the word it begins with or the word it ends with.

    classes: how many there must be, 0 where any number from 2 will do. None where nothing gives labels.
    """
    for reading in (_folder, _first_word, _last_word):
        labels = [reading(known) for known in media]
        counts = pd.Series(labels).value_counts()
        fitting = len(counts) == classes if classes else 2 <= len(counts) <= max(2, len(media) // 10)
        if media and fitting and "" not in counts and counts.min() >= FEWEST:
            return labels
    return None


def _folder(known: Found) -> str:
    inner = known.name.split("/")[:-1]
    return inner[-1] if len(inner) > 1 and not inner[-1].lower().startswith(("train", "test")) else ""


def _first_word(known: Found) -> str:
    found = re.match(r"([A-Za-z]+)[._\- ]", known.stem)
    return found[1] if found else ""


def _last_word(known: Found) -> str:
    found = re.search(r"[._\- ]([A-Za-z0-9]+)$", known.stem)
    return found[1] if found else ""
