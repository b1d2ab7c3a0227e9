"""Tries each mechanism that the sandbox stands on, a trial included, and says how to mend what does not hold. It trusts no
versions."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import cgroup, gpu, leftovers, lockdown, walls
from sandbox.places import hidden, prefixes
from sandbox.trial import Limits, SandboxError

NAMESPACES = """on Debian and most others, as root: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000
on Ubuntu from 24.04 on, as root:
printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile bwrap /usr/bin/bwrap flags=(unconfined) { userns, }\\n' \
> /etc/apparmor.d/bwrap && apparmor_parser -r /etc/apparmor.d/bwrap
in Docker: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt \
systempaths=unconfined --cap-add SYS_ADMIN ..."""
MEND_ABOVE = "mend what stands above"
PROC = "in Docker: docker run --security-opt systempaths=unconfined ... (the container hides parts of /proc)"


@dataclass(frozen=True)
class Check:
    """One mechanism: what it is for, whether it holds here, what was seen, and, where it does not, what to do (else empty):
    lines, commands among them. `needed`: whether trials cannot run without it."""

    name: str
    purpose: str
    holds: bool
    found: str
    mend: str = ""
    needed: bool = False


def diagnose(libraries: Sequence[str]) -> list[Check]:
    """Every mechanism, tried now; the last two say what trials get, and how one went that was forked from a server with
    these libraries."""
    tries: tuple[Callable[[], Check], ...] = (
        _bubblewrap, _namespaces, _private_proc, _landlock, _seccomp, _strict_seccomp, _trial_users, _keeper, _control_groups,
        _interpreter, _room, _gpu, _verdict, lambda: _trial(libraries),
    )
    return [attempt() for attempt in tries]


def _bubblewrap() -> Check:
    program = shutil.which("bwrap")
    return Check("bubblewrap", "the program that makes namespaces", program is not None,
                 program or "not found", "" if program else "as root: apt-get install bubblewrap")


def _namespaces() -> Check:
    holds, said = walls.tried("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
    return Check("namespaces", "no file, process or network of this machine is there for a trial", holds, said,
                 "" if holds else NAMESPACES)


def _private_proc() -> Check:
    holds, said = walls.tried("--unshare-pid", "--proc", "/proc")
    return Check("private /proc", "a trial sees its own processes only", holds, said, "" if holds else PROC)


def _landlock() -> Check:
    version = lockdown.landlock_version()
    holds, said = walls.in_a_child("lockdown.prctl(38, 1)", "lockdown.landlock([])") if version else (False, "not in this kernel")
    good = holds and version >= walls.OWN_LANDLOCK
    return Check("Landlock", "files that a trial was not given are refused once more", good,
                 f"version {version}, tried" if holds else said, "" if good else
                 f"boot a kernel from 6.12 on (Landlock {walls.OWN_LANDLOCK}) with lsm=landlock,... on its command line")


def _seccomp() -> Check:
    return _filter("seccomp", "system calls that a fit does not need are refused", "False")


def _strict_seccomp() -> Check:
    return _filter("strict seccomp", "the longer list, for where there are no namespaces", "True")


def _filter(name: str, purpose: str, strict: str) -> Check:
    holds, said = walls.in_a_child("lockdown.prctl(38, 1)", f"lockdown.seccomp(strict={strict})")
    return Check(name, purpose, holds, said, "" if holds else "use a kernel with CONFIG_SECCOMP_FILTER")


def _trial_users() -> Check:
    purpose = "no two trials are the same user"
    if os.getuid() != 0:
        return Check("own users", purpose, True, "not root: a user namespace each instead")
    holds, said = walls.in_a_child("lockdown.drop_privileges(65533)")
    return Check("own users", purpose, holds, said, "" if holds else
                 "in Docker: docker run --cap-add SETUID --cap-add SETGID ... (this root may not become another user)")


def _keeper() -> Check:
    holds, said = walls.in_a_child("lockdown.prctl(lockdown.PR_SET_CHILD_SUBREAPER, 1)", *walls.KEEPING)
    return Check("keeper", "all that a trial has started is found, counted and ended with it", holds, said, "" if holds else
                 "use a kernel from 5.3 on, with CONFIG_PROC_CHILDREN")


def _control_groups() -> Check:
    group = cgroup.make(f"{leftovers.own().name}-doctor{secrets.token_hex(3)}", memory_bytes=64 << 20, processes=16)
    purpose = "the kernel counts a trial's memory, processes and processor time, else they are counted by looking"
    if group is None:
        return Check("control groups", purpose, False, "none may be made",
                     "systemd-run --user --scope -p Delegate=yes medalist ... (or be root)")
    group.close()
    return Check("control groups", purpose, True, f"tried below {group.memory.parent}")


def _interpreter() -> Check:
    closed = [place for place in prefixes() if place.stat().st_mode & 0o005 != 0o005]
    barred = closed or (hidden(prefixes()) if not walls.namespaces()[0] and os.getuid() == 0 else [])
    said = " ".join(map(str, barred))
    return Check("interpreter", "a trial's user may run Python and its packages", not barred,
                 f"closed to others: {said}" if barred else sys.prefix, f"chmod o+x {said}" if barred else "")


def _room() -> Check:
    left = sorted({place.name for place in leftovers.sweep()})
    return Check("leftovers", "what killed agents left is removed", True, f"removed {', '.join(left)}" if left else "none")


def _gpu() -> Check:
    found, cards, purpose = gpu.nodes(), gpu.cards_on_the_bus(), "trials that ask for one see its nodes and libraries"
    if closed := gpu.closed(found):
        return Check("GPU", purpose, False, f"trials may not open {', '.join(closed)}",
                     f"as root: chmod a+rw {' '.join(closed)}\n"
                     "for good: options nvidia NVreg_DeviceFileMode=0666 in /etc/modprobe.d")
    if cards and not found:
        return Check("GPU", purpose, False, f"{cards} of NVIDIA's cards, but no /dev/nvidia0 that is shown to us",
                     "unset CUDA_VISIBLE_DEVICES where it hides them\ninstall the driver (Debian: apt-get install nvidia-driver)"
                     "\nin Docker: docker run --gpus all ...")
    return Check("GPU", purpose, True, f"there are {', '.join(found)}" if found else "no card here: trials use processors")


def _verdict() -> Check:
    purpose = "which walls stand around trials here"
    try:
        chosen = walls.choose()
    except SandboxError as error:
        return Check("walls", purpose, False, str(error).partition(". `medalist")[0],
                     "mend namespaces (best), or what the fallback lacks", needed=True)
    return Check("walls", purpose, True, chosen.name, needed=True)


def _trial(libraries: Sequence[str]) -> Check:
    from sandbox import bench
    from sandbox.host import Host
    from sandbox.launch import NotForkable

    purpose, limits = "one trial, forked from a server that has the libraries", Limits(120, 1 << 30, 64 << 20)
    try:
        with tempfile.TemporaryDirectory() as name, Host(libraries) as host:
            Path(name).chmod(0o755)
            trial = host.run(bench.EMPTY, inputs=bench.data(Path(name)), limits=limits, shape=(1,), card=bench.CARD)
    except NotForkable as error:
        return Check("a trial", purpose, False, str(error), "trials start cold here, some seconds later each")
    except SandboxError as error:
        return Check("a trial", purpose, False, str(error).partition(". `medalist")[0], MEND_ABOVE, needed=True)
    if trial.status != "ok":
        return Check("a trial", purpose, False, f"{trial.status}: {trial.reason or trial.log}", MEND_ABOVE, needed=True)
    return Check("a trial", purpose, True, f"started and gave its result in {trial.cost.wall_seconds:.2f} s", needed=True)
