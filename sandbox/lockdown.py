"""The last lock-down before any user byte: uid, rlimits, Landlock, seccomp. Standard library only, through ctypes.

Sources: landlock(7), seccomp(2), capabilities(7), prctl(2). Numbers are those of x86_64 and aarch64.
"""

import ctypes
import os
import platform
import resource
import stat
import struct
from collections.abc import Iterable, Mapping

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
MACHINE = 0 if platform.machine() == "x86_64" else 1

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2

# --- Landlock rights, bit by bit as in linux/landlock.h
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_SYM = (1 << bit for bit in (7, 8, 9, 10, 12))
REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in (13, 14, 15))
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
KEEP = RUN | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE | REFER
TEMPORARY = KEEP | MAKE_SYM | MAKE_SOCK | MAKE_FIFO
DEVICE = READ_FILE | WRITE_FILE | IOCTL_DEV
KNOWN_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}


def check(result: int, what: str) -> int:
    """Raise OSError from errno where a system call failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def system(number: int, *arguments: object) -> int:
    """A raw system call; integers are passed as longs."""
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return check(int(libc.syscall(ctypes.c_long(number), *values)), f"system call {number}")


def prctl(option: int, value: int) -> None:
    check(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    packed = [text.encode() if text is not None else None for text in (source, target, kind)]
    check(libc.mount(*packed, ctypes.c_ulong(flags), data.encode()), f"mount {target}")


def bind(source: str, target: str, *, writable: bool = False) -> None:
    """A view of a file or folder, sub-mounts included: no set-uid programs, no devices, read-only unless said."""
    mount(source, target, None, MS_BIND | MS_REC)
    protect(target, readonly=not writable)


def protect(target: str, *, readonly: bool) -> None:
    """Add restrictions to a mount and those below it; flags that it has stay (mount_setattr(2))."""
    wanted = struct.pack("=QQQQ", (1 if readonly else 0) | 2 | 4, 0, 0, 0)
    system(442, -100, target.encode(), 0x8000, ctypes.create_string_buffer(wanted, len(wanted)), len(wanted))


def drop_privileges(uid: int) -> None:
    """Become `uid` for good: no groups, no capabilities, nothing to gain by running a program. As another user than
    root only the capabilities are dropped."""
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break
    if uid and os.getuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0), 8)
    check(libc.capset(header, ctypes.create_string_buffer(24)), "capset")
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def limit(limits: Mapping[str, int]) -> None:
    """rlimits by name, soft and hard alike."""
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def landlock_version() -> int:
    """The kernel's Landlock ABI, 0 where there is none."""
    try:
        return system(444, 0, 0, 1)
    except OSError:
        return 0


def landlock(rules: Iterable[tuple[str, int]]) -> None:
    """Files: only what the rules say. No TCP, no signals and no abstract sockets to outside, where the kernel can."""
    version = landlock_version()
    if version < 1:
        return
    known = KNOWN_RIGHTS.get(version, (1 << 16) - 1)
    fields = struct.pack("QQQ", known, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    fields = fields[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = system(444, ctypes.create_string_buffer(fields, len(fields)), len(fields), 0)
    for path, rights in rules:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= FILE_RIGHTS
        system(445, ruleset, 1, ctypes.create_string_buffer(struct.pack("=Qi", rights & known, handle), 12), 0)
        os.close(handle)
    system(446, ruleset, 0)
    os.close(ruleset)


# --- seccomp: denied system calls as (x86_64, aarch64); None where the machine has none
DENIED: Mapping[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "setns": (308, 268), "unshare": (272, 97), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "memfd_secret": (447, 447), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "iopl": (172, None), "ioperm": (173, None),
    "modify_ldt": (154, None), "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "acct": (163, 89),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161),
    "setdomainname": (171, 162), "mknod": (133, None), "mknodat": (259, 33), "move_pages": (279, 239),
    "migrate_pages": (256, 238), "statmount": (457, 457), "listmount": (458, 458), "open_tree_attr": (467, 467),
    "lsm_set_self_attr": (460, 460), "uselib": (134, None), "_sysctl": (156, None), "sysfs": (139, None),
    "ustat": (136, None), "nfsservctl": (180, 42), "vhangup": (153, 58), "lookup_dcookie": (212, 18),
    # the kernel counts these for the whole machine or the whole user: a trial could use up everybody's
    "io_setup": (206, 0), "io_submit": (209, 2), "inotify_init": (253, None), "inotify_init1": (294, 26),
    # who has read which file lately: a line from one trial to another
    "cachestat": (451, 451),
}
# These pretend to succeed. A lock on an input, or pages of it thrown out of memory, would tell another trial something at
# once and without noise, and no two trials share a file that they could spoil for each other; sync writes for everybody.
QUIET: Mapping[str, tuple[int | None, int | None]] = {
    "flock": (73, 32), "fadvise64": (221, 223), "sync": (162, 81), "syncfs": (306, 267),
}
# Without namespaces nothing else stands between a trial and the host's sockets, its shared memory and its other processes.
DENIED_STRICTLY: Mapping[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242), "sendmmsg": (307, 269), "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "shmdt": (67, 197), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180),
    "mq_unlink": (241, 181), "ioprio_set": (251, 30),
}
# Landlock has no right for these; they pretend to succeed, so that copying a file with its times goes on working.
PRETENDED: Mapping[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "setxattrat": (463, 463),
    "removexattrat": (466, 466), "file_setattr": (469, 469),
}
# Calls that take a process number first and may then only name the caller (0): limits, priority, processors, scheduler.
ONLY_ITSELF = ((302, 261), (203, 122), (144, 119), (142, 118), (314, 274))
CLONE, CLONE3, SOCKET, SOCKETPAIR, IOCTL = (56, 220), (435, 435), (41, 198), (53, 199), (16, 29)
PERSONALITY, SETPRIORITY, MEMFD_CREATE, FCNTL, PREADV2 = (135, 92), (141, 140), (319, 279), (72, 25), (327, 286)
LOCKS = (6, 7, 37, 38)  # of a process or an open file, tried or waited for: F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
OWNERS = (8, 10, 15)    # whom the kernel signals about a file: F_SETOWN, F_SETSIG, F_SETOWN_EX
NOTICES = (1024, 1026, 1031)  # F_SETLEASE, F_NOTIFY; F_SETPIPE_SZ: memory that no watch sees
NO_WAITING = 8          # RWF_NOWAIT: whether it lies in memory
ARCHITECTURE = (0xC000003E, 0xC00000B7)
NAMESPACE_FLAGS = 0x7E020000
LAST_KNOWN = 469
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, ENOSYS, EOPNOTSUPP, EAFNOSUPPORT = 1, 38, 95, 97
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN, MASK = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54


def seccomp(*, strict: bool = False, memfd: bool = True) -> None:
    """Load the filter for this process and all it starts. strict: as needed without namespaces; memfd: whether files in
    memory may be made, which only a control group can count."""
    program = b"".join(struct.pack("HBBI", *step) for step in filter_steps(strict=strict, memfd=memfd))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    system((317, 277)[MACHINE], 1, 0, ctypes.create_string_buffer(header, len(header)))


Step = tuple[int, int, int, int]


def filter_steps(*, strict: bool, memfd: bool) -> list[Step]:
    """The classic BPF program as (code, jump if true, jump if false, value)."""
    steps: list[Step] = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, ARCHITECTURE[MACHINE]), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    if MACHINE == 0:
        steps += [(AT_LEAST, 0, 1, 0x40000000), (RETURN, 0, 0, FAIL | ENOSYS)]
    steps += [(AT_LEAST, 0, 1, LAST_KNOWN + 1), (RETURN, 0, 0, FAIL | ENOSYS)]
    steps += _answered([*DENIED.values(), *(DENIED_STRICTLY.values() if strict else ())], FAIL | EPERM)
    steps += _answered([*QUIET.values(), *(PRETENDED.values() if strict else ())], FAIL)
    steps += _answered([CLONE3, *(() if memfd else (MEMFD_CREATE,))], FAIL | ENOSYS)  # libc falls back to clone
    steps += _guarded(CLONE[MACHINE], [(LOAD, 0, 0, 16), (ANY_BIT, 0, 1, NAMESPACE_FLAGS), (RETURN, 0, 0, FAIL | EPERM)])
    steps += _guarded(IOCTL[MACHINE], [
        (LOAD, 0, 0, 24), (EQUAL, 1, 0, 0x5412), (EQUAL, 0, 1, 0x541C), (RETURN, 0, 0, FAIL | EPERM),
    ])
    steps += _guarded(PERSONALITY[MACHINE], [
        (LOAD, 0, 0, 16), (EQUAL, 2, 0, 0), (EQUAL, 1, 0, 0xFFFFFFFF), (RETURN, 0, 0, FAIL | EPERM),
    ])
    steps += _guarded(FCNTL[MACHINE], [(LOAD, 0, 0, 24), *_values(LOCKS, FAIL), *_values((*OWNERS, *NOTICES), FAIL | EPERM)])
    steps += _guarded(PREADV2[MACHINE], [(LOAD, 0, 0, 56), (ANY_BIT, 0, 1, NO_WAITING), (RETURN, 0, 0, FAIL | EOPNOTSUPP)])
    steps += _alone() if strict else _sockets()
    return [*steps, (RETURN, 0, 0, ALLOW)]


def _answered(calls: Iterable[tuple[int | None, int | None]], answer: int) -> list[Step]:
    return _values(sorted({number for pair in calls if (number := pair[MACHINE]) is not None}), answer)


def _values(values: Iterable[int], answer: int) -> list[Step]:
    """This answer where what was loaded is one of the values."""
    return [step for value in values for step in ((EQUAL, 0, 1, value), (RETURN, 0, 0, answer))]


def _sockets() -> list[Step]:
    """Sockets of this machine and of the internet only (both end in the trial's own empty network), and no raw ones."""
    return _guarded(SOCKET[MACHINE], [
        (LOAD, 0, 0, 16), (EQUAL, 3, 0, 1), (EQUAL, 2, 0, 2), (EQUAL, 1, 0, 10), (RETURN, 0, 0, FAIL | EAFNOSUPPORT),
        (LOAD, 0, 0, 24), (MASK, 0, 0, 0xF), (EQUAL, 0, 1, 3), (RETURN, 0, 0, FAIL | EPERM),
    ])


def _alone() -> list[Step]:
    """Pairs of connected sockets only: a datagram one could send to any socket file. And nothing done to others."""
    steps = _guarded(SOCKETPAIR[MACHINE], [
        (LOAD, 0, 0, 16), (EQUAL, 1, 0, 1), (RETURN, 0, 0, FAIL | EAFNOSUPPORT),
        (LOAD, 0, 0, 24), (MASK, 0, 0, 0xF), (EQUAL, 2, 0, 1), (EQUAL, 1, 0, 5), (RETURN, 0, 0, FAIL | EPERM),
    ])
    for call in ONLY_ITSELF:
        steps += _guarded(call[MACHINE], [(LOAD, 0, 0, 16), (EQUAL, 1, 0, 0), (RETURN, 0, 0, FAIL | EPERM)])
    return steps + _guarded(SETPRIORITY[MACHINE], [
        (LOAD, 0, 0, 16), (EQUAL, 1, 0, 0), (RETURN, 0, 0, FAIL | EPERM),
        (LOAD, 0, 0, 24), (EQUAL, 1, 0, 0), (RETURN, 0, 0, FAIL | EPERM),
    ])


def _guarded(number: int, body: list[Step]) -> list[Step]:
    """Run `body` for one system call; what it does not refuse is allowed."""
    return [(EQUAL, 0, len(body) + 1, number), *body, (RETURN, 0, 0, ALLOW)]
