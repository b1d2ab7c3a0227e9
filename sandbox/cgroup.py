"""A control group for one trial, where this machine lets us make one: the kernel then counts memory and processes, whatever
form they take. Where it does not, the watch from outside and rlimits have to do."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
KERNEL_ROOM = 16 << 20  # for what is ours in the group: the trial's keeper and its first process


@dataclass(frozen=True)
class Group:
    """One group: `memory`, `pids` and `cpu` are folders of the kernel, the same one in version 2; no `cpu` where a kernel of
    version 1 does not count processor time."""

    memory: Path
    pids: Path
    cpu: Path | None

    @property
    def folders(self) -> list[Path]:
        return sorted({self.memory, self.pids, *([self.cpu] if self.cpu else [])})

    def handles(self) -> list[int]:
        """Open files: whoever writes 0 into all of them is in the group, and so is all that it starts."""
        return [os.open(place / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for place in self.folders]

    def cpu_seconds(self) -> float:
        """Processor time of all that was ever in the group, also of children for which nobody waited."""
        if self.cpu is None:
            return 0.0
        try:
            return int((self.cpu / "cpuacct.usage").read_text()) / 1e9
        except (OSError, ValueError):
            return _numbers(self.cpu / "cpu.stat").get("usage_usec", 0) / 1e6

    def memory_bytes(self) -> int:
        """Memory that cannot be taken back: private, shared and in-memory files, not the cache of files on disk."""
        facts = _numbers(self.memory / "memory.stat")
        return facts.get("anon", facts.get("rss", 0)) + facts.get("shmem", 0)

    def out_of_memory(self) -> bool:
        """Has the kernel killed a process of the group for want of memory?"""
        facts = _numbers(self.memory / "memory.oom_control") or _numbers(self.memory / "memory.events")
        return facts.get("oom_kill", 0) > 0

    def out_of_processes(self) -> bool:
        """Was a process or thread refused?"""
        return _numbers(self.pids / "pids.events").get("max", 0) > 0

    def close(self) -> None:
        """Remove the group; what was in it may take a moment to go."""
        for place in self.folders:
            _remove(place)


def make(name: str, *, memory_bytes: int, processes: int) -> Group | None:
    """A group of that name with these limits, or None where this user may not make one."""
    for memory, pids, cpu in _parents():
        group = Group(memory / name, pids / name, cpu / name if cpu else None)
        try:
            for place in group.folders:
                place.mkdir()
            _limit(group, memory_bytes + KERNEL_ROOM, processes)
            return group
        except OSError:
            group.close()
    return None


def left_over(prefix: str) -> Iterator[Path]:
    """Groups whose name begins so, wherever we would make one."""
    for place in {place for places in _parents() for place in places if place}:
        yield from place.glob(f"{prefix}*")


def remove(place: Path) -> None:
    """Remove a group that was left over; it stays where something still lives in it."""
    _remove(place, patience=1)


def _limit(group: Group, memory_bytes: int, processes: int) -> None:
    if group.memory == group.pids:
        (group.memory / "memory.max").write_text(str(memory_bytes))
        _try_write(group.memory / "memory.swap.max", "0")
        _try_write(group.memory / "memory.oom.group", "0")
    else:
        (group.memory / "memory.limit_in_bytes").write_text(str(memory_bytes))
        _try_write(group.memory / "memory.memsw.limit_in_bytes", str(memory_bytes))
    (group.pids / "pids.max").write_text(str(processes))


def _parents() -> list[tuple[Path, Path, Path | None]]:
    """Where a group could be made: (for memory, for processes, for processor time), best first. Version 2 allows none
    below a folder with processes of its own, so the folder above ours is tried too."""
    ours: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        ours.update({name: path.lstrip("/") for name in controllers.split(",")})
    if "memory" in ours and "pids" in ours:
        cpu = ROOT / "cpuacct" / ours["cpuacct"] if "cpuacct" in ours else None
        return [(ROOT / "memory" / ours["memory"], ROOT / "pids" / ours["pids"], place) for place in dict.fromkeys((cpu, None))]
    if "" not in ours:
        return []
    own = ROOT / ours[""]
    return [(place, place, place) for place in (own, own.parent) if place.is_relative_to(ROOT)]


def _numbers(file: Path) -> Mapping[str, int]:
    try:
        pairs = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _try_write(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError:
        pass  # this kernel does not count swap


def _remove(place: Path, *, patience: int = 50) -> None:
    for _ in range(patience):
        try:
            place.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
