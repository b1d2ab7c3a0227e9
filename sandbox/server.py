"""The fork server: starts inside bubblewrap (or plainly, where there are no namespaces) with an empty environment, imports
the libraries and uses none of them, and forks one child a trial into walls of its own. Only trusted code runs here; a child
is locked down before user bytes.

Requests come as datagrams on the socket whose number is argv[1]: JSON, with the child's output and status pipes attached.
Reports on the status pipe: {"pid": ...} travels as a pidfd; {"exit", "cpu_seconds", "memory_bytes"} when all is over.
"""

import array
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import keeper
import lockdown

sys.path.pop(0)
HOST = "/host"
MOST_FILES = 4096  # no descriptor of the server has a number as large


def main() -> None:
    lockdown.prctl(lockdown.PR_SET_PDEATHSIG, signal.SIGKILL)
    channel = socket.socket(fileno=int(sys.argv[1]))
    for name in json.loads(sys.argv[2]):
        importlib.import_module(name)
    pools = _thread_pools()
    threads = len(os.listdir("/proc/self/task"))
    channel.send(json.dumps({"ready": threads == 1, "threads": threads}).encode())
    if threads != 1:
        sys.exit(1)
    gc.collect()
    gc.freeze()
    while True:
        readable, _, _ = select.select([channel], [], [], 1.0)
        _reap()
        if readable:
            request, files = _receive(channel)
            if not request:
                os._exit(0)  # the host is gone; taking an interpreter with all libraries down in order takes its time
            _start(request, files, channel, pools)


def _thread_pools() -> Any:
    """The loaded libraries' thread pools, found once before any fork."""
    try:
        import threadpoolctl
    except ImportError:
        return None
    return threadpoolctl.ThreadpoolController()


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, ancillary, _, _ = channel.recvmsg(1 << 20, socket.CMSG_SPACE(32))
    files = array.array("i")
    for level, kind, packed in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.frombytes(packed[: len(packed) - len(packed) % 4])
    return (json.loads(data) if data else {}), list(files)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _start(request: dict[str, Any], files: list[int], channel: socket.socket, pools: Any) -> None:
    """Fork the trial's keeper. It reports on the status socket; the server only closes its copies."""
    if os.fork() == 0:
        channel.close()
        try:
            _keeper(request, files[0], files[1], files[2:], pools)
        except BaseException as error:
            _refuse(files[1], error)
        os._exit(0)
    for file in files:
        os.close(file)


def _refuse(status: int, error: BaseException) -> None:
    _tell(status, {"refused": f"{type(error).__name__}: {error}"})


def _tell(status: int, report: dict[str, Any]) -> None:
    try:
        os.write(status, json.dumps(report).encode() + b"\n")
    except OSError:
        pass  # the host is gone


def _keeper(request: dict[str, Any], output: int, status: int, groups: list[int], pools: Any) -> None:
    """Parent of the trial's first process: builds its walls, waits, reports the exit and the cost of the tree."""
    os.setsid()
    for group in groups:
        os.write(group, b"0")  # this process, and with it all that it starts
        os.close(group)
    _plug(output)
    code = _in_namespaces(request, status, pools) if request["walls"]["namespaces"] else _in_the_open(request, status, pools)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = {"exit": code if code < 192 else code - 256, "cpu_seconds": used.ru_utime + used.ru_stime,
              "memory_bytes": used.ru_maxrss * 1024}
    _tell(status, report)


def _in_namespaces(request: dict[str, Any], status: int, pools: Any) -> int:
    """The trial in namespaces of its own: its exit code. They end, with all that is in them, with its first process."""
    lockdown.prctl(lockdown.PR_SET_PDEATHSIG, signal.SIGKILL)
    spaces = lockdown.NEW_NS | lockdown.NEW_PID | lockdown.NEW_NET | lockdown.NEW_IPC | lockdown.NEW_UTS
    if os.getuid() != 0:
        _own_user_namespace()
    lockdown.check(lockdown.libc.unshare(spaces), "unshare")
    _mounts(request)
    first = os.fork()
    if first == 0:
        try:
            _first_process(request, status, pools)
        except BaseException as error:
            _refuse(status, error)
        os._exit(98)
    _send_handle(status, first)
    os.close(1)
    os.close(2)
    _, code = os.waitpid(first, 0)
    return os.waitstatus_to_exitcode(code) & 0xFF


def _own_user_namespace() -> None:
    """The kernel counts an ordinary user's processes by user namespace: with one of its own a trial cannot use up the
    others' number."""
    uid, gid = os.getuid(), os.getgid()
    lockdown.check(lockdown.libc.unshare(lockdown.NEW_USER), "unshare a user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _in_the_open(request: dict[str, Any], status: int, pools: Any) -> int:
    """The trial without namespaces: its exit code. Its orphans come to this process, which ends them all when it ends,
    when the host hangs up, and so when the host dies."""
    lockdown.prctl(lockdown.PR_SET_CHILD_SUBREAPER, 1)
    me = os.getpid()
    payload = os.fork()
    if payload == 0:
        lockdown.prctl(lockdown.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.closerange(3, MOST_FILES)
        _payload(request, pools, alone=False)
    _send_handle(status, me)
    os.close(1)
    os.close(2)
    handle = os.pidfd_open(payload)
    while True:
        ready, _, _ = select.select([handle, status], [], [], 0.2)
        _reap_orphans(payload)
        if ready:
            break
    return keeper.end_all(payload, request["uid"] if request["walls"]["own_user"] and os.getuid() == 0 else None)


def _reap_orphans(payload: int) -> None:
    """Wait for those that came to us, but not for the payload itself: its exit code is still wanted."""
    for pid in keeper.children(os.getpid()):
        if pid != payload:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue


def _plug(output: int) -> None:
    """Standard input from nothing, output and errors into the pipe."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


def _send_handle(status: int, pid: int) -> None:
    """A pidfd of the process at the head of the trial: the host watches and kills through it, never by a number."""
    handle = os.pidfd_open(pid)
    with socket.socket(fileno=os.dup(status)) as pipe:
        pipe.sendmsg([b"{}\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [handle]))])
    os.close(handle)


def _mounts(request: dict[str, Any]) -> None:
    """Private scratch, /tmp and /dev/shm; the inputs, read-only; then the host's files are gone."""
    lockdown.mount("none", "/", None, lockdown.MS_REC | lockdown.MS_PRIVATE)
    safe = lockdown.MS_NOSUID | lockdown.MS_NODEV
    for folder in ("/tmp", "/dev/shm"):
        lockdown.mount("tmpfs", folder, "tmpfs", safe, f"mode=1777,size={request['temporary_bytes']},nr_inodes=20000")
    for place in request["kept"]:
        _show(HOST + place, place)
    lockdown.mount("tmpfs", "/inputs", "tmpfs", safe, "mode=755,size=1m,nr_inodes=200")
    for name, source in request["inputs"].items():
        _show(HOST + source, "/inputs/lib/kit" if name == "kit" else f"/inputs/{name}")
    lockdown.protect("/inputs", readonly=True)
    lockdown.bind(HOST + request["folder"] + "/scratch", "/scratch", writable=True)


def _show(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, mode=0o755)
    else:
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o444))
    lockdown.bind(source, target)


def _leave_the_host() -> None:
    """Without the host's files: detached, or covered for good where the kernel has locked that mount, as it does in the
    second user namespace that bubblewrap makes for an ordinary user. A trial has no privilege to uncover it."""
    if lockdown.libc.umount2(HOST.encode(), lockdown.MNT_DETACH) < 0:
        lockdown.mount("none", HOST, "tmpfs", lockdown.MS_NOSUID | lockdown.MS_NODEV, "mode=755,size=4k,nr_inodes=2")
        lockdown.protect(HOST, readonly=True)


def _first_process(request: dict[str, Any], status: int, pools: Any) -> None:
    """Process 1 of the trial's own process namespace: starts the payload and reaps."""
    lockdown.prctl(lockdown.PR_SET_PDEATHSIG, signal.SIGKILL)
    lockdown.mount("proc", "/proc", "proc", lockdown.MS_NOSUID | lockdown.MS_NODEV | lockdown.MS_NOEXEC)
    _leave_the_host()
    payload = os.fork()
    if payload == 0:
        os.closerange(3, MOST_FILES)
        _payload(request, pools, alone=True)
    os.closerange(1, MOST_FILES)
    lockdown.drop_privileges(request["uid"])
    while True:
        pid, code = os.wait()
        if pid == payload:
            os._exit(os.waitstatus_to_exitcode(code) & 0xFF)


def _payload(request: dict[str, Any], pools: Any, *, alone: bool) -> None:
    """Lock down, then run the harness; never returns. alone: whether the processes of this user here are the trial's."""
    code, walls, places = 97, request["walls"], request["places"]
    try:
        os.setsid()  # a signal to its own group reaches nothing of ours
        _die_first()
        os.umask(0o077)
        if walls["limits"]:
            lockdown.limit(_limits(request, alone=alone or (os.getuid() == 0 and walls["own_user"])))
        if walls["own_user"]:
            lockdown.drop_privileges(request["uid"])
        os.chdir(places["scratch"])
        if walls["landlock"] or walls["filter"]:
            lockdown.prctl(lockdown.PR_SET_NO_NEW_PRIVS, 1)
        if walls["landlock"]:
            lockdown.landlock([(path, rights) for path, rights in request["rules"]])
        if walls["filter"]:
            lockdown.seccomp(strict=walls["filter"] == "strict", memfd=request["memfd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        _reseed(request["threads"], pools)
        code = harness.main(places["inputs"], places["scratch"])
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _die_first() -> None:
    """Where memory runs out on the machine, a trial goes before anything else."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass  # not in this container


def _limits(request: dict[str, Any], *, alone: bool) -> dict[str, int]:
    """The rlimits, counted from what this process has and, unless it is alone, from what its user runs already."""
    chosen = dict(request["rlimits"])
    if "DATA" in chosen:
        with open("/proc/self/status") as file:
            chosen["DATA"] += next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData:"))
    if not alone:
        chosen["NPROC"] += keeper.threads_of(os.getuid())
    return chosen


def _reseed(threads: int, pools: Any) -> None:
    """What a fork must not share: random states; and the trial's own thread count."""
    if pools is not None:
        pools.limit(limits=threads)
    for name in ("random", "numpy.random"):
        if name in sys.modules:
            sys.modules[name].seed()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


if __name__ == "__main__":
    main()
