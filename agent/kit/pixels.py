"""Reads files of images as pixels: looks up what the host has had read once for all trials of a run, reads the rest.

A file is known by its path and its size, so what was read of another one is not taken for it. Pillow is imported when a
function needs it.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from . import prepared

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 64           # pixels a side that a network on one or two CPU threads can afford
BANDS, FRAMES = 64, 128
SPECTROGRAMS = "spectrograms"
SUFFIX = ".spectrogram.png"  # of the pictures that are sounds
HEARD = BANDS * FRAMES + 16  # bytes of a spectrogram and of the two numbers that go with it
UNREADABLE = "are no images that can be read"
STRANGE = 10           # files that are no images, if all are: then they are something else
BYTES = 6              # that travel as one number: each such number is exact as a double


def squares(paths: Sequence[object], task: SimpleNamespace, side: int) -> np.ndarray:
    """The images scaled to a square, uint8 (n, c, side, side): one channel where all are grey, else three. A missing path
    is all zeros. Raises FileNotFoundError where a path names no file below the card's assets."""
    name = name_of(side)
    known = _looked_up(name, paths, task)
    images = _shaped(name, _read(paths, task, [name])[name]) if known is None else known
    return np.ascontiguousarray(images[:, :1]) if is_grey(images) else images


def spectrograms(paths: Sequence[object], task: SimpleNamespace) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of sounds as they are, uint8 (n, BANDS, FRAMES), and what stands in their text `sound`, (n, 2); zeros for
    what is no such picture."""
    known = _looked_up(SPECTROGRAMS, paths, task)
    heard = _read(paths, task, [SPECTROGRAMS])[SPECTROGRAMS] if known is None else known
    told = np.ascontiguousarray(heard[:, BANDS * FRAMES :]).view(np.float64)
    return heard[:, : BANDS * FRAMES].reshape(-1, BANDS, FRAMES), told


def photographs(paths: Sequence[object], task: SimpleNamespace, side: int) -> np.ndarray:
    """The images in colour, scaled to a square by cubic interpolation, uint8 (n, 3, side, side), for networks that learned from
    such. A missing path is all zeros. They are always read from their files."""
    from PIL import Image

    found = np.zeros((len(paths), 3, side, side), dtype=np.uint8)
    for row, image in _opened(paths, task):
        square = _colour(image).resize((side, side), Image.Resampling.BICUBIC)
        found[row] = np.asarray(square).transpose(2, 0, 1)
    return found


def side_of(paths: Iterable[object], task: SimpleNamespace) -> int:
    """The commonest longer side among the first images, at least 8 and at most 64."""
    sides = [max(image.size) for _, image in _opened(list(paths), task)]
    return int(np.clip(np.median(sides), 8, LARGEST)) if sides else 32


def is_path(path: object) -> bool:
    return isinstance(path, str) and path != ""


def is_grey(images: np.ndarray) -> bool:
    """Whether all channels of all images (n, c, side, side) are the same."""
    return all((part == part[:, :1]).all() for part in np.array_split(images, max(1, len(images) // 256)))


def keys(paths: Sequence[object], task: SimpleNamespace) -> list[str]:
    """What each file is known by; a missing one by nothing."""
    return [f"{path} {_file(path, task).stat().st_size}" if is_path(path) else "" for path in paths]


def name_of(side: int) -> str:
    """The name of what `squares` looks up."""
    return f"squares-{side}"


def bytes_of(name: str) -> int:
    """That one file takes as what the name says."""
    return HEARD if name == SPECTROGRAMS else 3 * _side(name) ** 2


def packed(paths: Sequence[object], task: SimpleNamespace, names: Sequence[str]) -> np.ndarray:
    """The files as all that the names say, a row of whole numbers each, (n, `width`) float64: a trial may return it."""
    parts = _read(paths, task, names)
    size = sum(map(bytes_of, names))
    rows = np.zeros((len(paths), width(names) * BYTES), dtype=np.uint8)
    np.concatenate([parts[name] for name in names], axis=1, out=rows[:, :size])
    numbers = np.zeros((len(paths), width(names), 8), dtype=np.uint8)
    numbers[:, :, :BYTES] = rows.reshape(len(paths), -1, BYTES)
    return numbers.view("<u8")[:, :, 0].astype(np.float64)


def unpacked(numbers: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """What was packed, by name, as `prepared.rows` gives it; whoever packed it: ValueError where that is not bytes."""
    if numbers.dtype != np.float64 or not ((numbers >= 0) & (numbers < 256.0**BYTES) & (numbers == np.floor(numbers))).all():
        raise ValueError(f"whole numbers of {BYTES} bytes are expected")
    rows = numbers.astype("<u8").view(np.uint8).reshape(*numbers.shape, 8)[:, :, :BYTES].reshape(len(numbers), -1)
    ends = np.cumsum([bytes_of(name) for name in names])
    return {name: _shaped(name, part) for name, part in zip(names, np.split(rows, ends, axis=1), strict=False)}


def width(names: Sequence[str]) -> int:
    """Numbers that one file takes when it is packed."""
    return -(-sum(map(bytes_of, names)) // BYTES)


def _side(name: str) -> int:
    return int(name.rpartition("-")[2])


def _shaped(name: str, rows: np.ndarray) -> np.ndarray:
    return rows if name == SPECTROGRAMS else rows.reshape(len(rows), 3, _side(name), _side(name))


def _looked_up(name: str, paths: Sequence[object], task: SimpleNamespace) -> np.ndarray | None:
    return prepared.rows(name, keys(paths, task), task) if prepared.has(name, task) else None


def _read(paths: Sequence[object], task: SimpleNamespace, names: Sequence[str]) -> dict[str, np.ndarray]:
    """For each name the bytes (n, `bytes_of`) of the files, each of which is opened once."""
    found = {name: np.zeros((len(paths), bytes_of(name)), dtype=np.uint8) for name in names}
    heard = [str(path).endswith(SUFFIX) for path in paths]
    for row, image in _opened([path if heard[row] or names != [SPECTROGRAMS] else "" for row, path in enumerate(paths)], task):
        squares = [name for name in names if name != SPECTROGRAMS]
        colour = _colour(image) if squares else image
        for name in squares:
            found[name][row] = _scaled(colour, _side(name))
        if heard[row] and SPECTROGRAMS in names:
            found[SPECTROGRAMS][row] = _heard(image)
    return found


def _opened(paths: Sequence[object], task: SimpleNamespace) -> Iterator[tuple[int, "Image.Image"]]:
    """The row and the image of each path. What there is of a truncated file is taken; a file that is no image is said and left
    out. ValueError where that is true of all, and of ten or more."""
    from PIL import Image, ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = True
    given, strange = 0, []
    for row, path in enumerate(paths):
        if not is_path(path):
            continue
        given += 1
        with open(_file(path, task), "rb") as file:
            try:
                image = Image.open(file)
                image.load()
            except Exception:  # whatever Pillow says of strange bytes is about those bytes
                strange.append(path)
                continue
        yield row, image
    if strange:
        said = f"{len(strange)} of {given} files {UNREADABLE}, {strange[0]!r} among them"
        if len(strange) == given >= STRANGE:
            raise ValueError(said)
        print(said)


def _colour(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    deep = image.mode.startswith("I") or image.mode == "F"
    return (Image.fromarray(_eight_bits(np.asarray(image))) if deep else image).convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    top = 65535 if values.max(initial=0) > 255 else 255
    return (values.astype(float) * (255 / top)).clip(0, 255).astype(np.uint8)


def _scaled(colour: "Image.Image", side: int) -> np.ndarray:
    """Channel by channel, (3 * side * side,)."""
    from PIL import Image

    square = colour if colour.size == (side, side) else colour.resize((side, side), Image.Resampling.BOX)
    return np.asarray(square).transpose(2, 0, 1).ravel()


def _heard(image: "Image.Image") -> np.ndarray:
    """Its bytes, and those of the two numbers that stand in its text."""
    told = np.array([float(number) for number in str(image.info.get("sound", "0 0")).split()])
    return np.concatenate([np.asarray(image).ravel(), told.view(np.uint8)])


def _file(path: object, task: SimpleNamespace) -> Path:
    if task.assets is None:
        raise FileNotFoundError(f"image {path!r} given, but the card has no assets folder; set its assets")
    file = Path(task.assets) / str(path)
    if not file.is_file():
        raise FileNotFoundError(f"no image {path!r} below {task.assets}; the column must hold paths below assets")
    return file
