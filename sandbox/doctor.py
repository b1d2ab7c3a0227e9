"""Tries each mechanism that the sandbox stands on, and says how to mend what does not hold. It trusts no versions."""

import os
import secrets
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from sandbox import cgroup, gpu, leftovers, lockdown, walls
from sandbox.places import hidden, prefixes
from sandbox.trial import SandboxError

PROFILE = ("sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000; on Ubuntu from 24.04 on also an "
           "AppArmor profile: write 'abi <abi/4.0>, include <tunables/global> profile bwrap /usr/bin/bwrap "
           "flags=(unconfined) { userns, }' to /etc/apparmor.d/bwrap and run `apparmor_parser -r /etc/apparmor.d/bwrap`; "
           "in Docker run with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN")


@dataclass(frozen=True)
class Check:
    """One mechanism: whether it holds here, what was seen, and what to do where it does not (else empty)."""

    name: str
    holds: bool
    found: str
    mend: str = ""


def diagnose() -> list[Check]:
    """Every mechanism, tried now; the last line says what trials get."""
    tries: tuple[Callable[[], Check], ...] = (
        _bubblewrap, _namespaces, _private_proc, _landlock, _seccomp, _strict_seccomp, _trial_users, _handles, _control_groups,
        _interpreter, _room, _gpu, _verdict,
    )
    return [attempt() for attempt in tries]


def _bubblewrap() -> Check:
    program = shutil.which("bwrap")
    return Check("bubblewrap", program is not None, program or "not found",
                 "" if program else "apt-get install bubblewrap (as root)")


def _namespaces() -> Check:
    holds, said = walls.tried("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
    return Check("namespaces", holds, said, "" if holds else PROFILE)


def _private_proc() -> Check:
    holds, said = walls.tried("--unshare-pid", "--proc", "/proc")
    return Check("private /proc", holds, said, "" if holds else
                 "the container hides parts of /proc: run it with --security-opt systempaths=unconfined")


def _landlock() -> Check:
    version = lockdown.landlock_version()
    holds, said = walls.in_a_child("lockdown.prctl(38, 1)", "lockdown.landlock([])") if version else (False, "not in this kernel")
    good = holds and version >= walls.OWN_LANDLOCK
    return Check("Landlock", good, f"version {version}, tried" if holds else said, "" if good else
                 f"boot a kernel with Landlock {walls.OWN_LANDLOCK} (6.12) and lsm=landlock,... on its command line: until "
                 "then one wall is missing, or lower")


def _seccomp() -> Check:
    return _filter("seccomp", "False")


def _strict_seccomp() -> Check:
    return _filter("seccomp without namespaces", "True")


def _filter(name: str, strict: str) -> Check:
    holds, said = walls.in_a_child("lockdown.prctl(38, 1)", f"lockdown.seccomp(strict={strict})")
    return Check(name, holds, said, "" if holds else "use a kernel with CONFIG_SECCOMP_FILTER")


def _trial_users() -> Check:
    if os.getuid() != 0:
        return Check("own user for each trial", True, "not root: a user namespace each instead")
    holds, said = walls.in_a_child("lockdown.drop_privileges(65533)")
    return Check("own user for each trial", holds, said, "" if holds else
                 "this container's root may not become another user: run it with --cap-add SETUID --cap-add SETGID")


def _handles() -> Check:
    try:
        os.close(os.pidfd_open(os.getpid()))
        return Check("process handles", True, "tried")
    except OSError as error:
        return Check("process handles", False, str(error), "use a kernel from 5.3 on")


def _control_groups() -> Check:
    group = cgroup.make(f"{leftovers.own().name}-doctor{secrets.token_hex(3)}", memory_bytes=64 << 20, processes=16)
    if group is None:
        return Check("control groups", False, "none may be made: memory and processes are counted by looking instead",
                     "systemd-run --user --scope -p Delegate=yes medalist ... (or be root)")
    group.close()
    return Check("control groups", True, f"tried below {group.memory.parent}")


def _interpreter() -> Check:
    closed = [place for place in prefixes() if place.stat().st_mode & 0o005 != 0o005]
    barred = closed or (hidden(prefixes()) if not walls.namespaces()[0] and os.getuid() == 0 else [])
    said = " ".join(map(str, barred))
    return Check("interpreter readable by trials", not barred, said or sys.prefix, f"chmod o+x {said}" if barred else "")


def _room() -> Check:
    left = [place.name for place in leftovers.sweep()]
    return Check("nothing left behind", True, f"removed what killed agents left: {', '.join(left)}" if left else "looked")


def _gpu() -> Check:
    found, cards = gpu.nodes(), gpu.cards_on_the_bus()
    if closed := gpu.closed(found):
        return Check("GPU", False, f"trials may not open {', '.join(closed)}",
                     f"chmod a+rw {' '.join(closed)}, or for good: options nvidia NVreg_DeviceFileMode=0666 in /etc/modprobe.d")
    if cards and not found:
        return Check("GPU", False, f"{cards} of NVIDIA's cards, but no /dev/nvidia0 that is shown to us",
                     "unset CUDA_VISIBLE_DEVICES where it hides them; install NVIDIA's driver (Debian: apt-get install "
                     "nvidia-driver); in Docker run with --gpus all")
    return Check("GPU", True, f"shown to trials that ask for it: {', '.join(found)}" if found else "none here")


def _verdict() -> Check:
    try:
        chosen = walls.choose()
    except SandboxError as error:
        return Check("trials get", False, str(error), "mend one of the two: namespaces, or Landlock with seccomp")
    return Check("trials get", True, chosen.name)
