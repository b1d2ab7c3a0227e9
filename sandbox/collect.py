"""Reads a trial's result from a folder that hostile code could write: one regular file, no unpickling, all of it checked."""

import io
import os
import stat
from math import prod
from pathlib import Path

import numpy as np

HEADER = 4096
STRING_BYTES = 4 * 1024


class Invalid(Exception):
    """The result is not an array of the right kind; the message says how."""


def result(folder: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The array in `folder`/result.npy: finite float64 or fixed-width text, of exactly `shape`. Raises Invalid."""
    try:
        handle = os.open(folder / "result.npy", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Invalid(f"no result that can be opened ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Invalid("the result is not a plain file of its own")
    with os.fdopen(handle, "rb") as file:
        return _checked(_parsed(_bytes(file, shape)), shape)


def _bytes(file: io.BufferedReader, shape: tuple[int, ...]) -> bytes:
    facts = os.fstat(file.fileno())
    most = HEADER + max(1, prod(shape)) * STRING_BYTES
    if facts.st_nlink != 1:
        raise Invalid("the result is not a plain file of its own")
    if facts.st_size > most:
        raise Invalid(f"the result has {facts.st_size} bytes, more than any array of shape {shape}")
    if facts.st_blocks * 512 + HEADER < facts.st_size:
        raise Invalid("the result is a sparse file")
    return file.read(facts.st_size)


def _parsed(data: bytes) -> np.ndarray:
    try:
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # whatever NumPy says of hostile bytes is about those bytes
        raise Invalid(f"the result is not a NumPy array ({type(error).__name__})") from error


def _checked(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape != shape:
        raise Invalid(f"the result has shape {array.shape}, expected {shape}")
    if array.dtype.kind == "U":
        return _readable(array)
    if array.dtype != np.float64:
        raise Invalid(f"the result has dtype {array.dtype}, expected numbers or text")
    if not np.isfinite(array).all():
        raise Invalid(f"the result has {int((~np.isfinite(array)).sum())} values that are not finite")
    return array


def _readable(text: np.ndarray) -> np.ndarray:
    """Text of letters that there are, none of which commands a terminal: 32 bits a letter can be anything."""
    codes = np.ascontiguousarray(text.astype(text.dtype.newbyteorder("="))).view(np.uint32)
    controls = ((codes > 0) & (codes < 32)) | ((codes > 126) & (codes < 160))
    if (controls | ((codes > 0xD7FF) & (codes < 0xE000)) | (codes > 0x10FFFF)).any():
        raise Invalid("the result has text with control characters, or with letters that do not exist")
    return text
