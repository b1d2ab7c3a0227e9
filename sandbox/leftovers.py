"""Names what a trial leaves on the host so that the next start can tell whose it is, and removes what a killed agent left."""

import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from sandbox import cgroup

PREFIX = "medalist-sandbox-"
NAME = re.compile(rf"{PREFIX}(\d+)-(\d+)-(\d+)-")
GONE = -1


@cache
def _own_prefix(pid: int) -> str:
    return f"{PREFIX}{_numbering()}-{pid}-{_born(pid)}-"


def prefix() -> str:
    """How the names of this process's trials begin: its number, the namespace where that number counts, and its birth, as
    numbers are used again."""
    return _own_prefix(os.getpid())


def _numbering() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def belongs(name: str) -> bool:
    """Is it the name of something of this process, or of nobody's any more?"""
    return name.startswith(prefix()) or _orphan(name)


def sweep() -> list[Path]:
    """Remove folders and control groups of agents that are dead; returns what was removed."""
    folders = [place for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _ours(place) and _orphan(place.name)]
    groups = [place for place in cgroup.left_over(PREFIX) if _orphan(place.name)]
    for place in folders:
        remove(place)
    for place in groups:
        cgroup.remove(place)
    return folders + groups


def remove(folder: Path) -> None:
    """Remove a trial's folder, whatever was put in it."""
    words = ["rm", "-rf", "--one-file-system", "--", str(folder)]
    if subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode:
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(folder)], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(words, stderr=subprocess.DEVNULL, check=False)


def _ours(place: Path) -> bool:
    try:
        return place.lstat().st_uid == os.getuid() and place.is_dir() and not place.is_symlink()
    except OSError:
        return False


def _orphan(name: str) -> bool:
    """Is its owner dead for certain? Owners in other namespaces cannot be seen from here."""
    found = NAME.match(name)
    if found is None or int(found[1]) != _numbering():
        return False
    born = _born(int(found[2]))
    return born is not None and born != int(found[3])


def _born(pid: int) -> int | None:
    """When a process was started, in ticks since the machine was; GONE where there is none, None where that cannot be seen."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return GONE
    except (OSError, ValueError):
        return None
