"""Ends a tree of processes that no namespace holds together. Standard library only: the fork server imports it."""

import os
import signal
import time

ROUNDS = 1000


def children(pid: int) -> list[int]:
    """The processes that a process has started and those that came to it."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        pass
    return found


def tree() -> list[int]:
    """All descendants of this process."""
    found, waiting = [], children(os.getpid())
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children(pid)
    return found


def end_all(payload: int, uid: int | None) -> int:
    """Kill and wait for all descendants; returns the payload's exit code as a byte. uid: a user whose processes are all
    the trial's: those die in one blow. Else they are stopped first, so that none can start another unseen."""
    code = 247
    for _ in range(ROUNDS):
        if uid is not None:
            _kill_all_of(uid)
        else:
            _stop_until_none_is_new()
        for pid in tree():
            _send(pid, signal.SIGKILL)
        ended, left = _waited(payload)
        code = ended if ended is not None else code
        if not left:
            break
        time.sleep(0.002)
    return code


def threads_of(uid: int) -> int:
    """How many threads all processes of a user have, as RLIMIT_NPROC counts them."""
    count = 0
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return count


def _kill_all_of(uid: int) -> None:
    killer = os.fork()
    if killer == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(killer, 0)


def _stop_until_none_is_new() -> None:
    stopped: set[int] = set()
    while new := set(tree()) - stopped:
        for pid in new:
            _send(pid, signal.SIGSTOP)
        stopped |= new


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def _waited(payload: int) -> tuple[int | None, bool]:
    """The payload's exit code, if it has one now, and whether any descendant is left."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code, False
        if pid == 0:
            return code, True
        if pid == payload:
            code = os.waitstatus_to_exitcode(status) & 0xFF
