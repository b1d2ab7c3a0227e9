"""Gives each agent a folder for its trials, locked for as long as it lives, and removes what a killed agent left.

The kernel lets go of a lock when its holder dies, whichever container that was in; numbers of processes mean nothing there.
"""

import atexit
import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sandbox import cgroup

PREFIX = "medalist-trials-"
NOBODYS_SECONDS = 600.0  # a control group whose agent's folder is not to be seen from here is removed when it is that old


def own() -> Path:
    """This process's folder, which only it and root's trials may enter; gone when the process ends well."""
    return _made(os.getpid(), tempfile.gettempdir())


@cache
def _made(pid: int, place: str) -> Path:
    """The lock lives as long as this process: its descriptor is never closed."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place)).resolve()
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # waits for whoever took it for a dead one's, and removes it now
        except OSError:
            pass  # a file system without locks: nobody will sweep it
        if folder.exists():
            folder.chmod(0o711 if os.getuid() == 0 else 0o700)
            atexit.register(_leave, pid, folder)
            return folder
        os.close(handle)


def _leave(pid: int, folder: Path) -> None:
    if os.getpid() == pid:  # and not in a fork of it
        remove(folder)


def sweep() -> list[Path]:
    """Remove folders and control groups of agents that are dead; returns what was removed."""
    removed: list[Path] = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        with _claimed(folder) as orphan:
            if orphan:
                removed += [folder, *_groups(folder.name)]
                remove(folder)
    nobodys = [place for place in cgroup.left_over(PREFIX) if _is_nobodys(place)]
    for place in [*removed, *nobodys]:
        if place.is_relative_to(cgroup.ROOT):
            cgroup.remove(place)
    return removed + nobodys


@contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    """Whether a folder is this user's and its agent is dead; nobody else can claim it meanwhile."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        yield os.fstat(handle).st_uid == os.getuid() and _locked(handle)
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


def _groups(agent: str) -> list[Path]:
    return list(cgroup.left_over(f"{agent}-"))


def _is_nobodys(group: Path) -> bool:
    agent = Path(tempfile.gettempdir(), group.name.rpartition("-")[0])
    try:
        return not agent.exists() and time.time() - group.stat().st_mtime > NOBODYS_SECONDS
    except OSError:
        return False


def remove(folder: Path) -> None:
    """Remove a trial's folder, whatever was put in it."""
    words = ["rm", "-rf", "--one-file-system", "--", str(folder)]
    if subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode:
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(folder)], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(words, stderr=subprocess.DEVNULL, check=False)
