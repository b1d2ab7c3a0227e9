"""Locks on files: the kernel lets go of one when the process that holds it ends, however it ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_SECONDS = 0.05


@contextmanager
def locked(path: Path, *, seconds: float) -> Iterator[int]:
    """Hold the lock of a file, which is made where there is none; its descriptor. A child process that is given the
    descriptor holds the lock too, until it ends. Raises TimeoutError where another has held it for so long."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = time.monotonic() + seconds
        while not _taken(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > end:
                raise TimeoutError(path)
            time.sleep(LOOK_SECONDS)
        os.utime(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock now; of a file that is not there nobody does. To look is to share the lock for a
    moment, so whoever wants it is to wait for longer than that."""
    try:
        with path.open("rb") as file:
            return not _taken(file.fileno(), fcntl.LOCK_SH)
    except OSError:
        return False


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
