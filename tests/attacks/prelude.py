"""What every file of attacks begins with: a solution that tries each attack in a process of its own and returns one number
an attack, 1.0 where it got through.

The same files run in the sandbox, where every attack must fail, and as a plain process, where it must succeed: an attack
that could never work proves nothing.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import pickle
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
ATTACKS: dict[str, Callable[[Any], bool]] = {}
ALONE: dict[str, Callable[[Any], bool]] = {}
PATIENCE_SECONDS = 20.0


def attack(function: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """One of many that share a trial."""
    ATTACKS[function.__name__] = function
    return function


def alone(function: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """One that needs a trial of its own, as it ends it or is judged by what it leaves."""
    ALONE[function.__name__] = function
    return function


def fit_predict(train: Any, target: Any, predict: Any, task: Any) -> np.ndarray:
    if task.only:
        return np.full(1, float(ALONE[task.only](task)))
    return np.array([float(succeeds(function, task)) for function in ATTACKS.values()])


def succeeds(function: Callable[[Any], bool], task: Any) -> bool:
    """Whether the attack got through, tried in a child so that it cannot spoil the next."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            code = 0 if function(task) else 1
        except BaseException as error:
            print(function.__name__, type(error).__name__, error, flush=True)
            code = 2
        os._exit(code)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def call(number: int, *arguments: Any) -> int:
    """A raw system call: its result, or minus the error's number."""
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = int(LIBC.syscall(ctypes.c_long(number), *values))
    return -ctypes.get_errno() if result < 0 else result


def passed(result: int) -> bool:
    """Did a call get past all permissions, whatever the kernel then said of its arguments?"""
    return result >= 0 or -result not in (errno.EPERM, errno.ENOSYS, errno.EACCES, errno.EAFNOSUPPORT)


def processes() -> list[Path]:
    return [place for place in Path("/proc").iterdir() if place.name.isdigit()]


def readable(file: Path) -> bool:
    try:
        with open(file, "rb") as opened:
            return opened.read(1) is not None
    except OSError:
        return False


def opens_for_writing(file: Path) -> bool:
    """Whether a file can be opened to be changed; nothing is written."""
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_APPEND))
        return True
    except OSError:
        return False


def makes(file: Path) -> bool:
    """Whether a new file can be made; it is removed again."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        file.unlink()
        return True
    except OSError:
        return False


def works(action: Callable[[], Any]) -> bool:
    try:
        action()
        return True
    except OSError:
        return False


def files(place: str) -> list[Path]:
    """All that can be read below, the interpreter, its packages and the system's programs aside: they are many."""
    found, passed_by = [], {os.path.realpath(known) for known in (sys.prefix, sys.base_prefix, "/usr", "/proc", "/sys")}
    for folder, below, names in os.walk(place):
        below[:] = [name for name in below if os.path.realpath(os.path.join(folder, name)) not in passed_by]
        found += [Path(folder, name) for name in names if os.path.isfile(Path(folder, name))]
    return [file for file in found if readable(file)]
