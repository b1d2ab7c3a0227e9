"""Starts the fork server inside bubblewrap, or plainly where there are no namespaces, and waits for its first word."""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sandbox import gpu, watch
from sandbox.log import clean
from sandbox.places import prefixes
from sandbox.trial import SandboxError
from sandbox.walls import Walls

HERE = Path(__file__).resolve().parent
SILENT_SECONDS = 60.0  # a server that starts and has used no processor time for so long will not
KILLED = (-9, 137)     # a server's exit code when somebody, or the kernel for want of memory, has killed it
# The kernel kills what is bound to its parent when the thread that started it ends, so one thread starts all servers.
STARTER = ThreadPoolExecutor(1, thread_name_prefix="sandbox")


class NotForkable(SandboxError):
    """The server has more than one thread after its imports: children of such a process hang."""


class Killed(SandboxError):
    """The server was killed before its first word."""


@dataclass
class Server:
    """A running server: its process, our end of its channel, and the file that its errors go to."""

    process: "subprocess.Popen[bytes]"
    channel: socket.socket
    errors: IO[bytes]
    ready: bool = False

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait(self) -> None:
        """Until it has imported all. SandboxError where it cannot."""
        if self.ready:
            return
        answer = self._first_word()
        if not answer.get("ready"):
            why = self._why(answer)
            self.close()
            raise why
        self.ready = True

    def close(self) -> None:
        """End it, and with it all that it started: of bubblewrap that is killed while it starts, its second process too, which
        does not hang on the first's life yet."""
        if self.process.returncode is None:  # not reaped, so that its number is nobody else's
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.channel.close()
        self.errors.close()

    def _first_word(self) -> dict[str, Any]:
        """What it says when it is ready; empty where it has died, or does nothing. A starved server is waited for: on a
        busy machine imports may take minutes."""
        used = -1.0
        while not select.select([self.channel], [], [], SILENT_SECONDS)[0]:
            before, used = used, watch.cpu_seconds(watch.tree(self.process.pid))
            if used <= before:
                return {}
        try:
            data = self.channel.recv(4096)
        except ConnectionError:
            return {}
        return json.loads(data) if data else {}

    def exit_code(self) -> int | None:
        """None where it lives; its end of the channel closes a moment before it is gone."""
        try:
            return self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            return None

    def _why(self, answer: dict[str, Any]) -> SandboxError:
        if answer.get("threads"):
            return NotForkable(f"the fork server has {answer['threads']} threads after its imports and must have one")
        if self.exit_code() in KILLED:
            return Killed("the fork server was killed while it started, again and again: is there memory enough?")
        self.errors.seek(0)
        said = clean(self.errors.read(4000).decode("utf-8", "replace")).strip().splitlines()
        return SandboxError(f"the fork server did not start ({said[-1] if said else 'no word from it'}): see `medalist "
                            "doctor`, which says what is missing and how to mend it")


def launch(libraries: Sequence[str], walls: Walls) -> Server:
    """A server that imports `libraries`: with an empty environment, and its arguments in a file or harmless, so that
    nothing of the host can be read back from inside."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    errors = tempfile.TemporaryFile()
    with theirs:
        try:
            process = STARTER.submit(_start, theirs.fileno(), libraries, walls, errors).result()
        except BaseException:
            ours.close()
            raise
    return Server(process, ours, errors)


def _start(channel: int, libraries: Sequence[str], walls: Walls, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
    words, passed = [sys.executable, "-I", str(HERE / "server.py")], [channel]
    if walls.namespaces:
        arguments = os.memfd_create("arguments", 0)
        os.write(arguments, b"\0".join(text.encode() for text in bubblewrap()) + b"\0")
        os.lseek(arguments, 0, 0)
        words = [shutil.which("bwrap") or "bwrap", "--args", str(arguments), "--", *words[:2], "/sandbox/server.py"]
        passed.append(arguments)
    try:
        return subprocess.Popen([*words, str(channel), json.dumps(libraries)], cwd="/",
                                env=environment(1) | gpu.server_environment() | {"HOME": "/"},
                                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, pass_fds=passed, start_new_session=True)
    finally:
        for handle in passed[1:]:
            os.close(handle)


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
    for name, value in environment(1).items():
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
    for place in prefixes():
        for parent in reversed(place.parents[:-1]):
            words += ["--perms", "0755", "--dir", str(parent)]
        words += ["--ro-bind", str(place), str(place)]
    words += ["--ro-bind", str(HERE), "/sandbox", "--dev", "/dev", *gpu.words(), "--proc", "/proc"]
    return [*words, "--bind", "/", "/host", "--remount-ro", "/"]


def environment(threads: int, *, temporary: str = "/tmp") -> dict[str, str]:
    """All that a trial's environment holds. Waiting threads sleep: spinning costs 60 times the fit on a busy machine."""
    count = str(threads)
    return {
        "PATH": "/usr/bin:/bin", "HOME": temporary, "TMPDIR": temporary, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1", "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": temporary, "XDG_CACHE_HOME": temporary, "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count,
        "MKL_NUM_THREADS": count, "NUMEXPR_MAX_THREADS": count, "LOKY_MAX_CPU_COUNT": count, "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_OFFLINE": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false", "TERM": "dumb",
    }
