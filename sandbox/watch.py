"""Watches a trial from outside: memory of its tree of processes, space it holds on disk."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

DEEPEST = 40
MOST_FILES = 20_000
PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(pid: int) -> list[int]:
    """The process and all its descendants, by the kernel's own lists of children."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        try:
            for thread in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{thread}/children") as file:
                    waiting += [int(child) for child in file.read().split()]
        except OSError:
            continue
    return found


def memory_bytes(pids: list[int], *, limit: int) -> int:
    """Memory of the processes: resident sizes (cheap, shared pages counted for each), and only where those exceed
    `limit` the proportional sizes, for which the kernel walks every page."""
    resident = sum(_resident(pid) for pid in pids)
    return resident if resident <= limit else sum(_proportional(pid) for pid in pids)


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:")), 0)
    except OSError:
        return 0


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of the living processes and of the children they have waited for."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(value) for value in fields[11:15])
        except (OSError, ValueError):
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def disk_bytes(folder: Path) -> int:
    """Space of what lies under `folder`; huge where a tree is too deep or too full."""
    total, files, waiting = 0, 0, [(str(folder), 0)]
    while waiting:
        place, depth = waiting.pop()
        if depth > DEEPEST:
            return 1 << 62
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    files += 1
                    if files > MOST_FILES:
                        return 1 << 62
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
        except OSError:
            continue
    return total


class Unlinked(NamedTuple):
    """Bytes in files without a name: no walk over folders finds them, and no size of a process counts a memfd."""

    memory: int
    disk: int


def unlinked_bytes(pids: list[int], *, disk: int) -> Unlinked:
    """What the processes hold open without a name: on the device `disk`; and elsewhere, which is memory."""
    held: dict[tuple[int, int], int] = {}
    for pid in pids:
        for name in _open_files(pid):
            try:
                facts = os.stat(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            if facts.st_nlink == 0 and stat.S_ISREG(facts.st_mode):
                held[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    on_disk = sum(size for (device, _), size in held.items() if device == disk)
    return Unlinked(sum(held.values()) - on_disk, on_disk)


def _open_files(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return []
