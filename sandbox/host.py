"""The host's side: keeps a fork server, asks it for trials, and gives each one a folder, a user and a control group."""

import array
import json
import logging
import os
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock
from types import TracebackType
from typing import Any

from sandbox import cgroup, gpu, leftovers, lockdown, watch
from sandbox.guard import Guard
from sandbox.launch import Killed, Server, environment, launch
from sandbox.places import hidden, prefixes
from sandbox.trial import Limits, SandboxError, Trial
from sandbox.walls import Walls, choose

FIRST_UID = 200_000
USERS = 64
STARTS = 3              # of a server that is killed each time before it is ready
ROOM_BYTES = 512 << 20  # address space beyond the memory limit that libraries set aside and never touch
SLOTS: SimpleQueue[int] = SimpleQueue()  # the user ids that no trial of this process has, whichever host it runs on
for _slot in range(USERS):
    SLOTS.put(_slot)
NUMBERS = count()
NOTE = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """Where a trial finds things, as it sees them."""

    inputs: str
    scratch: str
    temporary: str


class Host:
    """One fork server and the trials it was asked for. The server starts at the first use, or at `with`; after the end of
    `with` no trial is taken: a thread that comes late would leave a server behind."""

    def __init__(self, libraries: Sequence[str], *, walls: Walls | None = None) -> None:
        """`libraries`: what the server imports before it forks; `walls`: those to use, else the best that hold here."""
        self.libraries, self.walls = tuple(libraries), walls
        self.lock = Lock()
        self.server: Server | None = None
        self.flight: set[Event] = set()
        self.closed = False
        self.start_cpu_seconds = 0.0

    def __enter__(self) -> "Host":
        """Starts the server; what comes first waits for it."""
        with self.lock:
            self.closed = False
            self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        with self.lock:
            self.closed = True
            if self.server is not None:
                self.server.close()
            self.server = None

    def cancel(self) -> None:
        """End the trials in flight."""
        for event in list(self.flight):
            event.set()

    def run(
        self, source: str, *, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any]
    ) -> Trial:
        """See sandbox.trial.Executor.run. A trial that never began, as the server was killed, is asked for again.
        SandboxError where no server can be had, or the host is closed."""
        cancelled = Event()
        self.flight.add(cancelled)
        try:
            for _ in range(STARTS):
                trial, lost = self._once(source, inputs, limits, shape, card, cancelled)
                if not lost or cancelled.is_set():
                    break
            return trial
        finally:
            self.flight.discard(cancelled)

    def _once(
        self, source: str, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any],
        cancelled: Event,
    ) -> tuple[Trial, bool]:
        """The trial, and whether nothing was ever heard of it."""
        server, walls = self._ready()
        if not walls.namespaces and walls.own_user and os.getuid() == 0 and (barred := hidden(map(Path, inputs.values()))):
            raise SandboxError(f"without namespaces the user of a trial cannot enter {barred[0]}: chmod o+x {barred[0]}")
        asked = time.monotonic()
        with ExitStack() as stack:
            uid, folder = stack.enter_context(_user()), stack.enter_context(_folder(walls))
            group = stack.enter_context(_group(limits))
            places = _places(folder, walls)
            _write(folder, source, _card(card, inputs, places), inputs, uid=uid if walls.own_user else None)
            gpus = card.get("device") == "cuda"
            request = _request(folder, inputs, limits, walls, places, uid=uid, counted=group is not None, gpus=gpus)
            output, status = self._ask(server, request, group)
            stack.callback(os.close, output)
            stack.enter_context(status)
            guard = Guard(folder / "scratch", limits, output=output, status=status, group=group, cancelled=cancelled,
                          asked=asked, through_keeper=not walls.namespaces)
            trial = guard.trial(shape)
            if guard.lost:
                server.exit_code()
            return trial, guard.lost

    def _ask(self, server: Server, request: bytes, group: cgroup.Group | None) -> tuple[int, socket.socket]:
        """Send the request; returns the end of the output pipe and of the status socket."""
        reading, writing = os.pipe()
        status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        joined = group.handles() if group else []
        handles = array.array("i", [writing, theirs.fileno(), *joined])
        with self.lock:
            try:
                server.channel.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handles)])
            except OSError:
                pass  # the server is gone, and the guard will hear nothing
        for handle in (writing, *joined):
            os.close(handle)
        theirs.close()
        return reading, status

    def _begin(self) -> Server:
        """Launch the server, its imports still to come."""
        if self.server is not None:
            self.server.close()
        leftovers.sweep()
        if self.walls is None:
            self.walls = choose()
            if not self.walls.namespaces:
                NOTE.warning("sandbox: %s; `medalist doctor` says how to mend it", self.walls.name)
        self.server = launch(self.libraries, self.walls)
        return self.server

    def _ready(self) -> tuple[Server, Walls]:
        """A server that has said it is ready, and its walls. One that was killed while it started is started again.
        SandboxError where none can be had."""
        with self.lock:
            if self.closed:
                raise SandboxError("the sandbox is closed: a trial came after its run had ended")
            for attempt in range(STARTS):
                server = self.server if self.server is not None and self.server.alive else self._begin()
                try:
                    if not server.ready:
                        server.wait()
                        self.start_cpu_seconds += watch.cpu_seconds(watch.tree(server.process.pid))
                    break
                except SandboxError as error:
                    self.server = None
                    if not isinstance(error, Killed) or attempt == STARTS - 1:
                        raise
            assert self.walls is not None
            return server, self.walls


@contextmanager
def _user() -> Iterator[int]:
    """A user id that no other trial has at this time (root only; else our own)."""
    slot = SLOTS.get()
    try:
        yield user_id(os.getpid(), slot) if os.getuid() == 0 else os.getuid()
    finally:
        SLOTS.put(slot)


def user_id(pid: int, slot: int) -> int:
    """The id of a slot of an agent: no two agents share one, where this namespace has enough of them."""
    start, _, size = map(int, Path("/proc/self/uid_map").read_text().split()[:3])
    wanted = FIRST_UID + pid * USERS + slot
    return wanted if wanted < start + size else start + 1000 + wanted % max(1, size - 2000)


@contextmanager
def _folder(walls: Walls) -> Iterator[Path]:
    """A folder for one trial, gone afterwards whatever was put in it. Nobody else may enter it, as a trial could make
    programs there that run as its user; without namespaces root's trials, which are other users, walk through it."""
    folder = Path(tempfile.mkdtemp(dir=leftovers.own()))
    try:
        folder.chmod(0o711 if os.getuid() == 0 and not walls.namespaces else 0o700)
        yield folder
    finally:
        leftovers.remove(folder)


@contextmanager
def _group(limits: Limits) -> Iterator[cgroup.Group | None]:
    """A control group for one trial, where one can be had."""
    group = cgroup.make(f"{leftovers.own().name}-{next(NUMBERS)}", memory_bytes=limits.memory_bytes,
                        processes=limits.processes + 2)
    try:
        yield group
    finally:
        if group:
            group.close()


def _places(folder: Path, walls: Walls) -> Places:
    if walls.namespaces:
        return Places("/inputs", "/scratch", "/tmp")
    return Places(str(folder / "inputs"), str(folder / "scratch"), str(folder / "scratch" / "temporary"))


def _card(card: Mapping[str, Any], inputs: Mapping[str, Path], places: Places) -> dict[str, Any]:
    return {**card, **{name: f"{places.inputs}/{name}" if name in inputs else None for name in ("assets", "prepared")}}


def _write(folder: Path, source: str, card: Mapping[str, Any], inputs: Mapping[str, Path], *, uid: int | None) -> None:
    """The trial's own folder, and links to its inputs for when they cannot be mounted."""
    scratch, shown = folder / "scratch", folder / "inputs"
    for place in (scratch, scratch / "temporary", shown, shown / "lib"):
        place.mkdir(mode=0o755)
    for name, path in inputs.items():
        (shown / ("lib/kit" if name == "kit" else name)).symlink_to(Path(path).resolve())
    (scratch / "solution.py").write_text(source, encoding="utf-8", errors="replace")
    (scratch / "card.json").write_text(json.dumps(card))
    for place in (scratch, *scratch.iterdir()):
        if uid is not None and os.getuid() == 0:
            os.chown(place, uid, uid)
    scratch.chmod(0o700)


def _request(
    folder: Path, inputs: Mapping[str, Path], limits: Limits, walls: Walls, places: Places, *, uid: int, counted: bool,
    gpus: bool,
) -> bytes:
    given = {name: str(Path(path).resolve()) for name, path in inputs.items()}
    return json.dumps({
        "inputs": given, "folder": str(folder), "walls": asdict(walls), "places": asdict(places), "uid": uid,
        "kept": [str(place) for place in prefixes() if place.is_relative_to("/tmp")], "threads": limits.threads,
        "temporary_bytes": min(limits.memory_bytes, limits.disk_bytes) // 2, "memory_bytes": limits.memory_bytes,
        "rlimits": _rlimits(limits, gpus=gpus), "rules": _rules(list(given.values()), walls, places, gpus=gpus),
        "memfd": counted, "processes": limits.processes,
        "environment": {**environment(limits.threads, temporary=places.temporary), **gpu.environment(shown=gpus)},
    }).encode()


def _rules(inputs: list[str], walls: Walls, places: Places, *, gpus: bool) -> list[tuple[str, int]]:
    """Landlock: what a trial may read, run and write, by path as it sees it."""
    readable = ["/usr", "/lib", "/lib64", "/bin", "/sbin", *map(str, prefixes())]
    rules = [(place, lockdown.RUN) for place in readable]
    rules += [(place, lockdown.READ) for place in ("/sys/devices/system/cpu", places.inputs)]
    rules += [(places.scratch, lockdown.KEEP)]
    rules += [(f"/dev/{name}", lockdown.DEVICE) for name in ("null", "zero", "full")]
    rules += [(f"/dev/{name}", lockdown.READ_FILE) for name in ("random", "urandom")]
    if walls.namespaces:
        rules += [("/etc", lockdown.RUN), ("/proc", lockdown.READ)]
        rules += [(place, lockdown.TEMPORARY) for place in ("/tmp", "/dev/shm")]
    else:
        rules += [(place, lockdown.READ) for place in inputs]
        rules += [(f"/etc/{name}", lockdown.READ) for name in ("ld.so.cache", "localtime", "alternatives")]
        rules += [(f"/proc/{name}", lockdown.READ) for name in ("cpuinfo", "meminfo", "stat", "filesystems")]
        rules += [(f"/proc/self/{name}", lockdown.READ) for name in ("status", "stat", "statm", "maps", "smaps", "fd")]
        rules += [(places.temporary, lockdown.TEMPORARY)]
    return rules + (gpu.rules(private_proc=walls.namespaces) if gpus else [])


def _rlimits(limits: Limits, *, gpus: bool) -> dict[str, int]:
    """rlimits; DATA counts from what the server has already, NPROC from what this user runs where he is not alone. CUDA
    maps more address space than any machine has memory."""
    chosen = {"CORE": 0, "NOFILE": 1024, "MEMLOCK": 8 << 20, "MSGQUEUE": 0, "RTPRIO": 0, "NICE": 0,
              "NPROC": limits.processes, "FSIZE": limits.disk_bytes + (16 << 20)}
    if not gpus:
        chosen["DATA"] = limits.memory_bytes + ROOM_BYTES
    if limits.cpu_seconds is not None:
        chosen["CPU"] = int(limits.cpu_seconds) + 2
    return chosen
