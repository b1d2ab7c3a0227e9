"""Watches one trial from request to result: hears its reports, keeps its log, enforces its limits, collects its array."""

import array
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from sandbox import collect, watch
from sandbox.cgroup import Group
from sandbox.log import clean
from sandbox.trial import Cost, Limits, Trial

POLL_SECONDS = 0.25
SCAN_SECONDS = 2.0     # between two looks at what a trial has mapped, which cost milliseconds, while the disk's free space stays
FAILED = 3             # what the harness exits with when the solution raised
FLOOD = 64             # a trial may print this many times what is kept of it
NO_MORE_PROCESSES = ("can't start new thread", "BlockingIOError: [Errno 11]")
FREE_ROOM = 2 << 30    # how far the disk's free space may fall beyond the limit: others use it too


class Guard:
    """One trial. `folder`: its scratch; `output`, `status`: our ends of its pipe and of its keeper's socket; `asked`: when
    it was asked for, by time.monotonic(); `cancelled`: set by whoever wants it to end; `through_keeper`: whether only its
    keeper can end all of it, as there is no namespace that ends with its first process."""

    def __init__(
        self, folder: Path, limits: Limits, *, output: int, status: socket.socket, group: Group | None,
        cancelled: Event, asked: float, through_keeper: bool,
    ) -> None:
        self.folder, self.limits, self.group, self.through_keeper = folder, limits, group, through_keeper
        self.output, self.status, self.cancelled, self.begun = output, status, cancelled, asked
        self.handle: int | None = None
        self.pid = 0
        self.log, self.printed, self.reports = b"", 0, b""
        self.ended, self.reason = "", ""
        self.cpu, self.memory, self.next_poll, self.next_scan = 0.0, 0, 0.0, 0.0
        self.free = _free_bytes(folder)

    @property
    def lost(self) -> bool:
        """Was nothing heard of it at all, as whoever was to start it died?"""
        return self.handle is None and not self.reports

    def trial(self, shape: tuple[int, ...]) -> Trial:
        """Watch to the end, then collect."""
        open_ends: set[Any] = {self.output, self.status}
        while open_ends:
            ready, _, _ = select.select(list(open_ends), [], [], 0.05)
            for end in ready:
                if not (self._hear() if end is self.status else self._read()):
                    open_ends.discard(end)
            self._enforce()
        if self.handle is not None:
            os.close(self.handle)
        return self._judged(self._report(), shape)

    def _read(self) -> bool:
        data = os.read(self.output, 1 << 16)
        self.printed += len(data)
        self.log = (self.log + data)[-self.limits.output_bytes:]
        if self.printed > FLOOD * self.limits.output_bytes:
            self._kill("output", f"printed more than {FLOOD * self.limits.output_bytes} bytes")
        return bool(data)

    def _hear(self) -> bool:
        try:
            data, ancillary, _, _ = self.status.recvmsg(1 << 16, socket.CMSG_SPACE(4))
        except ConnectionError:
            return False
        for level, kind, packed in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self.handle = array.array("i", packed[:4])[0]
                self.pid = _pid_behind(self.handle)
        self.reports += data
        return bool(data)

    def _enforce(self) -> None:
        now, limits = time.monotonic(), self.limits
        if self.cancelled.is_set():
            self._kill("killed", "cancelled")
        if now - self.begun > limits.wall_seconds:
            self._kill("timeout", f"more than {limits.wall_seconds:.1f} s of wall clock")
        if now < self.next_poll or not self.pid:
            return
        self.next_poll = now + POLL_SECONDS
        pids = watch.tree(self.pid)
        for status, exceeded in (("memory", self._memory), ("cpu", self._processor), ("processes", self._processes),
                                 ("disk", self._disk)):
            if reason := exceeded(pids):
                self._kill(status, reason)

    def _memory(self, pids: list[int]) -> str:
        used = self.group.memory_bytes() if self.group else watch.memory_bytes(pids, limit=self.limits.memory_bytes)
        self.memory = max(self.memory, used)
        return f"more than {self.limits.memory_bytes >> 20} MiB" if used > self.limits.memory_bytes else ""

    def _processor(self, pids: list[int]) -> str:
        self.cpu = max(self.cpu, watch.cpu_seconds(pids), self.group.cpu_seconds() if self.group else 0.0)
        limit = self.limits.cpu_seconds
        return f"more than {limit:.1f} s of processor time" if limit is not None and self.cpu > limit else ""

    def _processes(self, pids: list[int]) -> str:
        count = watch.threads(pids) - 1  # the first is ours
        return f"{self.limits.processes} processes and threads or more" if count >= self.limits.processes else ""

    def _disk(self, pids: list[int]) -> str:
        limit, (held, fault) = self.limits.disk_bytes, watch.folder(self.folder)
        if fault or not self.folder.exists():
            return fault or "its folder is gone"
        fallen, now = self.free - _free_bytes(self.folder), time.monotonic()
        thorough = fallen > limit // 4 or now >= self.next_scan
        self.next_scan = now + SCAN_SECONDS if thorough else self.next_scan
        if held + watch.unlinked_bytes(pids, disk=self.folder.stat().st_dev, mapped=thorough) > limit:
            return f"more than {limit >> 20} MiB"
        if fallen > 4 * limit + FREE_ROOM:
            return f"the disk's free space fell by more than {(4 * limit + FREE_ROOM) >> 20} MiB"
        return ""

    def _kill(self, status: str, reason: str) -> None:
        """End the trial's first process, and with it all that it started; or hang up, at which the keeper does it."""
        if not self.ended:
            self.ended, self.reason = status, reason
        try:
            if self.through_keeper:
                self.status.shutdown(socket.SHUT_WR)
            elif self.handle is not None:
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        except OSError:
            pass  # it has ended

    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = {}
        for line in self.reports.splitlines():
            try:
                report |= json.loads(line)
            except ValueError:
                continue  # the keeper was killed while it wrote
        return report

    def _judged(self, report: dict[str, Any], shape: tuple[int, ...]) -> Trial:
        counted = self.group.cpu_seconds() if self.group else 0.0
        cost = Cost(time.monotonic() - self.begun, max(self.cpu, counted, report.get("cpu_seconds", 0.0)),
                    max(self.memory, report.get("memory_bytes", 0)))
        log = clean(self.log.decode("utf-8", "replace"))
        failed: Callable[[str, str], Trial] = lambda status, reason: Trial(status, None, cost, log, reason)  # noqa: E731
        if self.ended:
            return failed(self.ended, self.reason)
        if "refused" in report:
            return failed("refused", report["refused"])
        if "exit" not in report:
            return failed("refused" if self.lost else "killed", "the fork server ended")
        if reason := self._disk([]):
            return failed("disk", reason)
        if report["exit"] != 0:
            return failed(*self._cause(report["exit"], log))
        try:
            return Trial("ok", collect.result(self.folder, shape), cost, log)
        except collect.Invalid as error:
            return failed("invalid", str(error))

    def _cause(self, code: int, log: str) -> tuple[str, str]:
        """Why a trial failed: by the kernel's own account of its group first, then by what it died of."""
        last, limits = log[-2000:] if code == FAILED else "", self.limits
        if (self.group and self.group.out_of_memory()) or "MemoryError" in last:
            return "memory", f"more than {limits.memory_bytes >> 20} MiB"
        if (self.group and self.group.out_of_processes()) or any(words in last for words in NO_MORE_PROCESSES):
            return "processes", f"more than {limits.processes} processes and threads"
        if code == -signal.SIGXCPU and limits.cpu_seconds is not None:
            return "cpu", f"more than {limits.cpu_seconds:.1f} s of processor time"
        if "[Errno 28]" in last:
            return "disk", "no space left where it wrote"
        return ("error", "the solution raised") if code == FAILED else ("killed", f"ended with {code}")


def _free_bytes(folder: Path) -> int:
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize


def _pid_behind(handle: int) -> int:
    for line in Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines():
        if line.startswith("Pid:"):
            return max(0, int(line.split()[1]))
    return 0
