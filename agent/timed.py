"""Runs a command to its end or kills it, and says what it took: wall clock, processor time, when a file was first there."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.05
_stopped = threading.Event()


class Stopped(Exception):
    """The command was killed because `stop` was called."""


def stop() -> None:
    """Kill every command that runs here, and those that are yet to begin: by hand, from another thread."""
    _stopped.set()


@dataclass(frozen=True)
class Timed:
    """code: exit code, None where it was killed. cpu_seconds: of the process and of all below it that were waited for.
    first_seconds: when the file that was looked for was first there, None where it never was."""

    code: int | None
    seconds: float
    cpu_seconds: float
    first_seconds: float | None = None


def timed(
    command: Sequence[str], *, out: Path, errors: Path | None = None, kill_after: float, look_for: Path | None = None,
    folder: Path | None = None, environment: Mapping[str, str] | None = None, apart: bool = False,
) -> Timed:
    """out, errors: files for what it prints (both in `out` where there is no other). folder: where it runs. apart: in a
    session of its own, of which nothing is left running. Raises Stopped after `stop`."""
    started = time.monotonic()
    with out.open("wb") as printed, (errors or out).open("ab") as complained:
        process = subprocess.Popen(command, stdout=printed, stderr=complained if errors else printed, stdin=subprocess.DEVNULL,
                                   cwd=folder, env=None if environment is None else dict(environment), start_new_session=apart)
    killed, first = False, None
    ended, status, used = os.wait4(process.pid, os.WNOHANG)
    while not ended:
        seconds = time.monotonic() - started
        if first is None and look_for is not None and look_for.exists():
            first = seconds
        if not killed and (seconds > kill_after or _stopped.is_set()):
            _kill(process.pid, apart)
            killed = True
        time.sleep(POLL_SECONDS)
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if apart:
        _kill(process.pid, apart)  # what it left running
    if _stopped.is_set():
        raise Stopped
    if first is None and look_for is not None and look_for.exists():
        first = seconds
    return Timed(None if killed else process.returncode, seconds, used.ru_utime + used.ru_stime, first)


def _kill(pid: int, session: bool) -> None:
    try:
        (os.killpg if session else os.kill)(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
