"""Which walls stand around a trial, decided by trying them: namespaces first, Landlock with a strict filter where there are
none, and a refusal where neither holds."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace

from sandbox import lockdown
from sandbox.places import hidden, prefixes
from sandbox.trial import SandboxError

SECONDS = 20
FEWEST_LANDLOCK = 3  # before it, files could be emptied
KEEPING = ("import os; os.pidfd_open(os.getpid())", "open('/proc/self/task/%d/children' % os.getpid()).read()")
OWN_LANDLOCK = 6     # before it, a trial could signal the processes of the user that it shares


@dataclass(frozen=True)
class Walls:
    """The layers around a trial. `filter`: which seccomp program ("", "usual" or "strict")."""

    name: str
    namespaces: bool = True
    landlock: bool = True
    filter: str = "usual"
    limits: bool = True
    own_user: bool = True


NAMESPACES = Walls("namespaces")
FALLBACK = Walls("fallback", namespaces=False, filter="strict")
NONE = Walls("none", namespaces=False, landlock=False, filter="", own_user=False)


def choose() -> Walls:
    """The best walls that hold on this machine. SandboxError, in one line, where none do."""
    holds, why = namespaces()
    if holds:
        return NAMESPACES
    holds, also = fallback()
    if holds:
        return replace(FALLBACK, name=f"fallback, for want of namespaces ({why})")
    raise SandboxError(
        f"no sandbox can be made here: namespaces: {why}; without them: {also}. `medalist doctor` says how to mend it; "
        "--unsafe-no-sandbox runs generated code with all rights of yours")


def namespaces() -> tuple[bool, str]:
    """Whether bubblewrap makes all namespaces here, a private /proc included, and what it said."""
    return tried("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--proc", "/proc")


def tried(*options: str) -> tuple[bool, str]:
    """Whether bubblewrap runs a program with these options, and its last word."""
    program = shutil.which("bwrap")
    if program is None:
        return False, "bubblewrap is not installed (`apt-get install bubblewrap` as root)"
    user = [] if os.getuid() == 0 else ["--unshare-user"]
    command = [program, *user, "--ro-bind", "/", "/", "--dev", "/dev", *options, "/bin/true"]
    try:
        done = subprocess.run(command, env={"LANG": "C.UTF-8"}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, "tried" if done.returncode == 0 else (done.stderr.strip() or "failed").splitlines()[-1]


def fallback() -> tuple[bool, str]:
    """Whether Landlock, the strict filter and, as root, a user of its own hold here, and what is missing."""
    needed = FEWEST_LANDLOCK if os.getuid() == 0 else OWN_LANDLOCK
    version = lockdown.landlock_version()
    if version < needed:
        return False, f"Landlock has version {version} in this kernel and must have {needed}"
    barred = hidden(prefixes()) if os.getuid() == 0 else []
    if barred:
        return False, f"the user of a trial could not enter {barred[0]}, where Python is (chmod o+x {barred[0]})"
    holds, why = in_a_child("lockdown.prctl(lockdown.PR_SET_CHILD_SUBREAPER, 1)", *KEEPING)
    if not holds:
        return False, f"nobody could keep a trial's processes together ({why})"
    holds, why = in_a_child("lockdown.drop_privileges(65533)", "lockdown.landlock([])", "lockdown.seccomp(strict=True)")
    return holds, "tried" if holds else f"Landlock, seccomp or another user is refused ({why})"


def in_a_child(*actions: str) -> tuple[bool, str]:
    """Whether these statements raise nothing in a process of their own, as they cannot be undone in this one."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; from sandbox import lockdown; {'; '.join(actions)}"
    try:
        done = subprocess.run([sys.executable, "-I", "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=SECONDS * 3)
    except subprocess.TimeoutExpired as error:
        return False, str(error)
    return done.returncode == 0, (done.stderr.strip() or "tried").splitlines()[-1]
