"""Watches a trial from outside: memory of its tree of processes, space it holds on disk."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

DEEPEST = 40
MOST_FILES = 20_000
PAGE = os.sysconf("SC_PAGE_SIZE")
HOLDS = {stat.S_IFSOCK: 416 << 10, stat.S_IFIFO: 64 << 10}  # what may wait in a socket's buffer, and in a pipe's


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
    `limit` the proportional sizes, for which the kernel walks every page. And what no size of a process shows: files
    without a name that lie in memory, shared memory that no process has touched lately, and what the kernel itself keeps
    for them: tables of pages, and sockets and pipes as if they were full."""
    hidden = unlinked_bytes(pids, disk=None) + _untouched(pids) + sum(_tables(pid) for pid in pids) + _waiting(pids)
    resident = sum(_resident(pid) for pid in pids)
    return hidden + (resident if resident + hidden <= limit else sum(_proportional(pid) for pid in pids))


def _tables(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmPTE:")), 0)
    except OSError:
        return 0


def _waiting(pids: list[int]) -> int:
    """What the sockets and pipes that the processes hold open may keep in the kernel, each counted once."""
    held: dict[tuple[int, int], int] = {}
    for pid in pids:
        for name in _open_files(pid):
            try:
                facts = os.stat(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            held[facts.st_dev, facts.st_ino] = HOLDS.get(stat.S_IFMT(facts.st_mode), 0)
    return sum(held.values())


def _untouched(pids: list[int]) -> int:
    """Shared memory without a name beyond what is resident of it: it stays when a process forgets its pages."""
    sizes: dict[str, int] = {}
    for pid in pids:
        for inode, size, resident in _shared(pid):
            sizes[inode] = max(sizes.get(inode, 0), size - resident)
    return sum(sizes.values())


def _shared(pid: int) -> Iterator[tuple[str, int, int]]:
    """(inode, size, resident bytes) of each shared mapping without a name."""
    try:
        if not any(_is_shared(line) for line in Path(f"/proc/{pid}/maps").read_bytes().splitlines()):
            return
        lines = Path(f"/proc/{pid}/smaps").read_bytes().splitlines()
    except OSError:
        return
    for place, line in enumerate(lines):
        if _is_shared(line):
            facts = dict(_field(fact) for fact in lines[place + 1: place + 4])
            yield line.split()[4].decode(), facts.get(b"Size", 0), facts.get(b"Rss", 0)


def _is_shared(line: bytes) -> bool:
    words = line.split()
    return line.endswith(b"(deleted)") and len(words) > 5 and words[1].endswith(b"s")


def _field(line: bytes) -> tuple[bytes, int]:
    name, _, value = line.partition(b":")
    return name, int(value.split()[0]) * 1024 if value.split()[:1] and value.split()[0].isdigit() else 0


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


def threads(pids: list[int]) -> int:
    """Threads of all the processes together; a process is at least one."""
    count = 0
    for pid in pids:
        try:
            count += len(os.listdir(f"/proc/{pid}/task"))
        except OSError:
            continue
    return count


def folder(place: Path) -> tuple[int, str]:
    """Space of what lies below, and what is wrong with it, else "": too deep, too full, or hidden from us."""
    total, files, waiting = 0, 0, [(str(place), 0)]
    while waiting:
        path, depth = waiting.pop()
        if depth > DEEPEST:
            return total, f"folders more than {DEEPEST} deep"
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    files += 1
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
                    if files > MOST_FILES:
                        return total, f"more than {MOST_FILES} files"
        except PermissionError:
            return total, "a folder that cannot be looked into"
        except OSError:
            continue
    return total, ""


def unlinked_bytes(pids: list[int], *, disk: int | None, mapped: bool = True) -> int:
    """What the processes hold in files without a name, which no walk over folders finds: on the device `disk`, or, where
    that is None, in files in memory (memfd). Of a file on disk that is mapped and not open, which is looked for if `mapped`,
    as far as it is mapped."""
    held: dict[tuple[int, int], int] = {}
    for pid in pids:
        if disk is not None and mapped:
            held |= {(disk, inode): end for inode, end in _mapped(pid, disk) if held.get((disk, inode), 0) < end}
    for pid in pids:
        for name in _open_files(pid):
            try:
                facts = os.stat(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            wanted = facts.st_dev == disk if disk is not None else os.major(facts.st_dev) == 0
            if facts.st_nlink == 0 and stat.S_ISREG(facts.st_mode) and wanted:
                held[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return sum(held.values())


def _mapped(pid: int, disk: int) -> Iterator[tuple[int, int]]:
    """(inode, where the mapping ends in it) of each mapped file on the disk that has no name any more."""
    device = b"%02x:%02x" % (os.major(disk), os.minor(disk))
    try:
        lines = Path(f"/proc/{pid}/maps").read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        if line.endswith(b"(deleted)") and (words := line.split())[3] == device:
            begin, end = (int(number, 16) for number in words[0].split(b"-"))
            yield int(words[4]), int(words[2], 16) + end - begin


def _open_files(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return []
