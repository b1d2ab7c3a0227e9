"""Tries each mechanism that the sandbox stands on, and says how to mend what does not hold. It trusts no versions."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from sandbox import lockdown
from sandbox.host import _prefixes

SECONDS = 20


@dataclass(frozen=True)
class Check:
    """One mechanism: whether it holds here, what was seen, and what to do where it does not (else empty)."""

    name: str
    holds: bool
    found: str
    mend: str = ""


def diagnose() -> list[Check]:
    """Every mechanism, tried now."""
    return [_bubblewrap(), _namespaces(), _private_proc(), _landlock(), _seccomp(), _interpreter(), _trial_users()]


def _bubblewrap() -> Check:
    program = shutil.which("bwrap")
    return Check("bubblewrap", program is not None, program or "not found",
                 "" if program else "apt-get install bubblewrap (as root)")


def _namespaces() -> Check:
    holds, said = _tried("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
    return Check("namespaces", holds, said, "" if holds else
                 "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000; on "
                 "Ubuntu 24.04 also kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for bwrap; "
                 "in Docker run with --security-opt seccomp=unconfined --cap-add SYS_ADMIN")


def _private_proc() -> Check:
    holds, said = _tried("--unshare-pid", "--proc", "/proc")
    return Check("private /proc", holds, said, "" if holds else
                 "the container hides parts of /proc: run it with --security-opt systempaths=unconfined")


def _tried(*options: str) -> tuple[bool, str]:
    program = shutil.which("bwrap")
    if program is None:
        return False, "bubblewrap is missing"
    user = [] if os.getuid() == 0 else ["--unshare-user"]
    command = [program, *user, *options, "--ro-bind", "/", "/", "--dev", "/dev", "true"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, "tried" if done.returncode == 0 else (done.stderr.strip() or "failed").splitlines()[-1]


def _landlock() -> Check:
    version = lockdown.landlock_version()
    return Check("Landlock", version >= 1, f"version {version}" if version else "not in this kernel",
                 "" if version else "boot a kernel from 5.13 on with lsm=...,landlock: until then one wall is missing")


def _seccomp() -> Check:
    holds = _in_a_child(_loads_the_filter)
    return Check("seccomp", holds, "tried" if holds else "the filter was refused",
                 "" if holds else "use a kernel with CONFIG_SECCOMP_FILTER")


def _loads_the_filter() -> None:
    lockdown.prctl(lockdown.PR_SET_NO_NEW_PRIVS, 1)
    lockdown.seccomp()


def _in_a_child(action: Callable[[], None]) -> bool:
    """Whether `action` raises nothing in a process of its own, as it cannot be undone in this one."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; from sandbox import doctor; doctor.{action.__name__}()"
    done = subprocess.run([sys.executable, "-I", "-c", code], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=SECONDS * 3)
    return done.returncode == 0


def _interpreter() -> Check:
    hidden = [str(place) for place in _prefixes() if place.stat().st_mode & 0o005 != 0o005]
    return Check("interpreter readable by trials", not hidden, ", ".join(hidden) or sys.prefix,
                 f"chmod o+rx {' '.join(hidden)}" if hidden else "")


def _trial_users() -> Check:
    if os.getuid() != 0:
        return Check("own user for each trial", True, "not root: a user namespace instead")
    return Check("own user for each trial", True, "root: user ids from 200000 on")
