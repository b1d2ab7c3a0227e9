"""Opens a submitted file: plain CSV, or one CSV in a .zip or .gz. What unpacks to more than is allowed is refused while
it is being read, whatever sizes the archive states."""

import gzip
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

CHUNK = 1 << 20


class Packed(Protocol):
    """What gives bytes as they are unpacked."""

    def read(self, size: int, /) -> bytes: ...


class Unreadable(Exception):
    """A file that holds no submission; the message is for whoever submitted it."""


def unpack(submitted: Path, into: Path, *, largest: int) -> Path:
    """The CSV file inside `submitted`, or `submitted` itself. Writes into the folder `into`, at most `largest` bytes."""
    with submitted.open("rb") as file:
        head = file.read(4)
    try:
        if head == b"PK\x03\x04":
            return _unzip(submitted, into / "submission.csv", largest)
        if head[:2] == b"\x1f\x8b":
            with gzip.open(submitted) as packed:
                return _copy(packed, into / "submission.csv", largest)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise Unreadable("ERROR: The submitted archive cannot be read") from error
    if submitted.stat().st_size > largest:
        raise Unreadable(f"ERROR: The submission is larger than {largest} bytes")
    return submitted


def _unzip(submitted: Path, target: Path, largest: int) -> Path:
    with zipfile.ZipFile(submitted) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise Unreadable(f"ERROR: The submitted archive must hold one file; it holds {len(members)}")
        with archive.open(members[0]) as packed:  # its name is never used as a path
            return _copy(packed, target, largest)


def _copy(packed: Packed, target: Path, largest: int) -> Path:
    written = 0
    with target.open("wb") as file:
        while chunk := packed.read(CHUNK):
            written += len(chunk)
            if written > largest:
                raise Unreadable(f"ERROR: The submission unpacks to more than {largest} bytes")
            file.write(chunk)
    return target
