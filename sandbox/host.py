"""The host's side: starts the fork server inside bubblewrap, asks it for trials, watches, kills and collects."""

import array
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock
from types import TracebackType
from typing import Any

from sandbox import collect, lockdown, watch
from sandbox.trial import Cost, Limits, SandboxError, Trial

HERE = Path(__file__).resolve().parent
POLL_SECONDS = 0.25
FIRST_UID = 200_000
START_SECONDS = 120.0
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f-\x9f]")
FAILED = 3
SLOTS: SimpleQueue[int] = SimpleQueue()  # the user ids that no trial of this process has, whichever host it runs on
for _slot in range(64):
    SLOTS.put(_slot)


class Host:
    """One fork server and the trials it was asked for. The server starts at the first use, or at `with`."""

    def __init__(self, libraries: Sequence[str]) -> None:
        """`libraries`: what the server imports before it forks."""
        self.libraries = tuple(libraries)
        self.cancelled = Event()
        self.lock = Lock()
        self.server: subprocess.Popen[bytes] | None = None
        self.channel: socket.socket | None = None
        self.ready = False

    def __enter__(self) -> "Host":
        """Starts the server; what comes first waits for it."""
        with self.lock:
            self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        self._end()

    def _end(self) -> None:
        """Kill the server, if there is one, and let go of what belongs to it."""
        if self.server is not None:
            self.server.kill()
            self.server.wait()
            self.server.errors.close()  # type: ignore[attr-defined]
        if self.channel is not None:
            self.channel.close()
        self.server, self.channel = None, None

    def cancel(self) -> None:
        self.cancelled.set()

    def run(
        self, source: str, *, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any]
    ) -> Trial:
        """See sandbox.trial.Executor.run."""
        self._start()
        begun = time.monotonic()
        with self._uid() as uid, _scratch(uid) as folder:
            self._write(folder, source, card, inputs, uid)
            output, status = self._ask(folder, inputs, limits, uid)
            try:
                return Watch(self, folder, limits, begun, output, status).trial(shape)
            finally:
                os.close(output)
                status.close()

    def _write(self, folder: Path, source: str, card: Mapping[str, Any], inputs: Mapping[str, Path], uid: int) -> None:
        shown = {**card, "assets": "/inputs/assets" if "assets" in inputs else None}
        (folder / "solution.py").write_text(source, encoding="utf-8", errors="replace")
        (folder / "card.json").write_text(json.dumps(shown))
        if os.getuid() == 0:
            for path in (folder, *folder.iterdir()):
                os.chown(path, uid, uid)

    def _ask(
        self, folder: Path, inputs: Mapping[str, Path], limits: Limits, uid: int
    ) -> tuple[int, socket.socket]:
        """Send the request; returns the end of the output pipe and of the status socket."""
        channel = self._start()
        reading, writing = os.pipe()
        status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        request = json.dumps({
            "inputs": {name: str(Path(path).resolve()) for name, path in inputs.items()}, "scratch": str(folder),
            "kept": [str(place) for place in _prefixes() if place.is_relative_to("/tmp")],
            "uid": uid, "threads": limits.threads, "temporary_bytes": min(limits.memory_bytes, limits.disk_bytes) // 2,
            "rlimits": _rlimits(limits), "rules": _rules(), "environment": _environment(limits.threads),
        }).encode()
        handles = array.array("i", [writing, theirs.fileno()])
        with self.lock:
            try:
                channel.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handles)])
            except OSError:
                pass  # the server is gone: this trial is refused, the next starts a new one
        os.close(writing)
        theirs.close()
        return reading, status

    def _begin(self) -> None:
        """Launch the server, its imports still to come."""
        self._end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        with theirs:
            try:
                self.server = _launch(theirs, self.libraries)
            except BaseException:
                ours.close()
                raise
        self.channel = ours

    def _start(self) -> socket.socket:
        """The channel to a server that has said it is ready. SandboxError where none can be had."""
        with self.lock:
            if self.server is None or self.server.poll() is not None:
                self.ready = False
                self._begin()
            assert self.channel is not None and self.server is not None
            if not self.ready:
                answer = _first_word(self.channel)
                if not answer.get("ready"):
                    self.server.kill()
                    raise SandboxError(_why(self.server, answer))
                self.ready = True
            return self.channel

    @contextmanager
    def _uid(self) -> Iterator[int]:
        """A user id that no other trial of ours has at this time (root only; else our own)."""
        slot = SLOTS.get()
        try:
            yield FIRST_UID + (os.getpid() % 10_000) * 64 + slot if os.getuid() == 0 else os.getuid()
        finally:
            SLOTS.put(slot)


class Watch:
    """One trial from request to result."""

    def __init__(
        self, host: Host, folder: Path, limits: Limits, begun: float, output: int, status: socket.socket
    ) -> None:
        self.host, self.folder, self.limits, self.begun = host, folder, limits, begun
        self.output, self.status = output, status
        self.handle: int | None = None
        self.pid = 0
        self.log, self.printed = b"", 0
        self.reports = b""
        self.ended, self.reason = "", ""
        self.cpu, self.memory, self.next_poll = 0.0, 0, 0.0

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
        return self._judge(shape)

    def _read(self) -> bool:
        data = os.read(self.output, 1 << 16)
        self.printed += len(data)
        self.log = (self.log + data)[-self.limits.output_bytes:]
        if self.printed > 64 * self.limits.output_bytes:
            self._kill("output", f"printed more than {64 * self.limits.output_bytes} bytes")
        return bool(data)

    def _hear(self) -> bool:
        data, ancillary, _, _ = self.status.recvmsg(1 << 16, socket.CMSG_SPACE(4))
        for level, kind, packed in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self.handle = array.array("i", packed[:4])[0]
                self.pid = _pid_behind(self.handle)
        self.reports += data
        return bool(data)

    def _enforce(self) -> None:
        now = time.monotonic()
        if self.host.cancelled.is_set():
            self._kill("killed", "cancelled")
        if now - self.begun > self.limits.wall_seconds:
            self._kill("timeout", f"more than {self.limits.wall_seconds:.1f} s of wall clock")
        if now < self.next_poll or not self.pid:
            return
        self.next_poll = now + POLL_SECONDS
        pids = watch.tree(self.pid)
        unmapped = watch.unlinked_bytes(pids, disk=self.folder.stat().st_dev)
        self.memory = max(self.memory, watch.memory_bytes(pids, limit=self.limits.memory_bytes) + unmapped.memory)
        self.cpu = max(self.cpu, watch.cpu_seconds(pids))
        if self.memory > self.limits.memory_bytes:
            self._kill("memory", f"more than {self.limits.memory_bytes >> 20} MiB")
        if self.limits.cpu_seconds is not None and self.cpu > self.limits.cpu_seconds:
            self._kill("cpu", f"more than {self.limits.cpu_seconds:.1f} s of processor time")
        if watch.disk_bytes(self.folder) + unmapped.disk > self.limits.disk_bytes:
            self._kill("disk", f"more than {self.limits.disk_bytes >> 20} MiB, or too many files")

    def _kill(self, status: str, reason: str) -> None:
        """End the trial's first process, and with it all that it started."""
        if not self.ended:
            self.ended, self.reason = status, reason
        if self.handle is not None:
            try:
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _judge(self, shape: tuple[int, ...]) -> Trial:
        report: dict[str, Any] = {}
        for line in self.reports.splitlines():
            report |= json.loads(line)
        cost = Cost(time.monotonic() - self.begun, max(self.cpu, report.get("cpu_seconds", 0.0)),
                    max(self.memory, report.get("memory_bytes", 0)))
        log = clean(self.log.decode("utf-8", "replace"))
        if self.ended:
            return Trial(self.ended, None, cost, log, self.reason)
        if "refused" in report or "exit" not in report:
            return Trial("refused", None, cost, log, report.get("refused", "the fork server ended"))
        if report["exit"] == FAILED:
            return Trial("memory" if "MemoryError" in log[-2000:] else "error", None, cost, log, "the solution raised")
        if report["exit"] != 0:
            return Trial("killed", None, cost, log, f"ended with {report['exit']}")
        try:
            return Trial("ok", collect.result(self.folder, shape), cost, log)
        except collect.Invalid as error:
            return Trial("invalid", None, cost, log, str(error))


def clean(text: str) -> str:
    """Without escape sequences and control characters."""
    return ESCAPES.sub("", text)


def _pid_behind(handle: int) -> int:
    for line in Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines():
        if line.startswith("Pid:"):
            return max(0, int(line.split()[1]))
    return 0


@contextmanager
def _scratch(uid: int) -> Iterator[Path]:
    """A folder of the trial's own, gone afterwards whatever was put in it."""
    folder = Path(tempfile.mkdtemp(prefix="medalist-trial-")).resolve()
    try:
        yield folder
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", str(folder)], stderr=subprocess.DEVNULL, check=False) if uid else None
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=False)


def _launch(theirs: socket.socket, libraries: Sequence[str]) -> "subprocess.Popen[bytes]":
    """bubblewrap with an empty environment and its arguments in a file: neither can be read back from inside."""
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError("bubblewrap is not installed: run `apt-get install bubblewrap` (as root), then try again")
    arguments = os.memfd_create("arguments", 0)
    os.write(arguments, b"\0".join(text.encode() for text in bubblewrap()) + b"\0")
    os.lseek(arguments, 0, 0)
    errors = tempfile.TemporaryFile()
    command = [program, "--args", str(arguments), "--", sys.executable, "-I", "/sandbox/server.py",
               str(theirs.fileno()), json.dumps(libraries)]
    try:
        server = subprocess.Popen(command, env={"LANG": "C.UTF-8"}, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                  pass_fds=[arguments, theirs.fileno()], cwd="/", start_new_session=True)
    finally:
        os.close(arguments)
    server.errors = errors  # type: ignore[attr-defined]
    return server


def _first_word(channel: socket.socket) -> dict[str, Any]:
    channel.settimeout(START_SECONDS)
    try:
        data = channel.recv(4096)
    except TimeoutError:
        return {}
    finally:
        channel.settimeout(None)
    return json.loads(data) if data else {}


def _why(server: Any, answer: Mapping[str, Any]) -> str:
    if answer.get("threads"):
        return f"the fork server has {answer['threads']} threads after its imports and must have one"
    server.errors.seek(0)
    said = clean(server.errors.read(4000).decode("utf-8", "replace")).strip().splitlines()
    return (f"no sandbox can be made here ({said[-1] if said else 'no word from bubblewrap'}): see `medalist doctor`, "
            "which says what is missing and how to mend it")


def bubblewrap() -> list[str]:
    """bubblewrap's arguments: what the fork server sees. The host's files lie under /host until a trial's own mounts
    are made; no trial sees them."""
    root = os.getuid() == 0
    words = [] if root else ["--unshare-user"]
    words += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
              "--die-with-parent", "--hostname", "sandbox", "--cap-drop", "ALL"]
    for name in ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", *(("DAC_OVERRIDE",) if root else ())):
        words += ["--cap-add", f"CAP_{name}"]
    words += ["--clearenv"]
    for name, value in _environment(1).items():
        words += ["--setenv", name, value]
    words += ["--perms", "1777", "--size", str(16 << 20), "--tmpfs", "/tmp"]  # the server's own; trials mount over it
    for folder in ("/inputs", "/scratch", "/host"):
        words += ["--perms", "0755", "--dir", folder]
    words += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib64", "lib32"):
        place = Path("/") / name
        if place.is_symlink():
            words += ["--symlink", os.readlink(place), str(place)]
        elif place.is_dir():
            words += ["--ro-bind", str(place), str(place)]
    words += ["--perms", "0755", "--dir", "/etc"]
    for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "alternatives"):
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for place in _prefixes():
        for parent in reversed(place.parents[:-1]):
            words += ["--perms", "0755", "--dir", str(parent)]
        words += ["--ro-bind", str(place), str(place)]
    words += ["--ro-bind", str(HERE), "/sandbox", "--dev", "/dev", "--proc", "/proc"]
    return [*words, "--bind", "/", "/host", "--remount-ro", "/"]


def _prefixes() -> list[Path]:
    """Where the interpreter and its packages are: those folders, never the home they may lie in."""
    found = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix)} | {Path(sys.prefix)}
    return sorted(place for place in found if not place.is_relative_to("/usr"))


def _rules() -> list[tuple[str, int]]:
    """Landlock: what a trial may read, run and write, by path inside the sandbox."""
    readable = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", *map(str, _prefixes())]
    rules = [(place, lockdown.RUN) for place in readable]
    rules += [(place, lockdown.READ) for place in ("/inputs", "/proc", "/sys/devices/system/cpu")]
    rules += [(place, lockdown.TEMPORARY) for place in ("/tmp", "/dev/shm")] + [("/scratch", lockdown.KEEP)]
    rules += [(f"/dev/{name}", lockdown.DEVICE) for name in ("null", "zero", "full")]
    return rules + [(f"/dev/{name}", lockdown.READ_FILE) for name in ("random", "urandom")]


def _rlimits(limits: Limits) -> dict[str, int]:
    chosen = {"CORE": 0, "NOFILE": 1024, "MEMLOCK": 8 << 20, "MSGQUEUE": 0, "RTPRIO": 0, "NICE": 0,
              "NPROC": limits.processes, "FSIZE": limits.disk_bytes, "DATA": limits.memory_bytes + (2 << 30)}
    if limits.cpu_seconds is not None:
        chosen["CPU"] = int(limits.cpu_seconds) + 2
    return chosen


def _environment(threads: int) -> dict[str, str]:
    """All that a trial's environment holds. Waiting threads sleep: spinning costs 60 times the fit on a busy machine."""
    count = str(threads)
    return {
        "PATH": "/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1", "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": "/tmp", "XDG_CACHE_HOME": "/tmp", "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count,
        "MKL_NUM_THREADS": count, "NUMEXPR_MAX_THREADS": count, "LOKY_MAX_CPU_COUNT": count, "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_OFFLINE": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false", "TERM": "dumb",
    }
