"""A solution that tries to reach what a trial must not: each function returns True where it got through.

The tests run this file twice: in the sandbox, where every attack must fail, and as a plain process, where all but those
that need no host must succeed: an attack that could never work proves nothing.
"""

import ctypes
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LIBC = ctypes.CDLL(None, use_errno=True)
ATTACKS: dict[str, Callable[[Any], bool]] = {}


def attack(function: Callable[[Any], bool]) -> Callable[[Any], bool]:
    ATTACKS[function.__name__] = function
    return function


def fit_predict(train: Any, target: Any, predict: Any, task: Any) -> np.ndarray:
    """One number an attack, in the order of ATTACKS: 1 where it got through."""
    return np.array([float(succeeds(function, task)) for function in ATTACKS.values()])


def succeeds(function: Callable[[Any], bool], task: Any) -> bool:
    try:
        return bool(function(task))
    except Exception as error:
        print(function.__name__, type(error).__name__, error)
        return False


@attack
def reads_a_file_of_the_host(task: Any) -> bool:
    return task.secret in Path(task.secret_file).read_text()


@attack
def reads_a_file_of_the_host_through_another_process(task: Any) -> bool:
    for process in Path("/proc").iterdir():
        place = process / "root" / task.secret_file.lstrip("/")
        if process.name.isdigit() and readable(place) and task.secret in place.read_text():
            return True
    return False


@attack
def lists_the_home_of_the_host(task: Any) -> bool:
    return Path(task.secret_file).name in os.listdir(Path(task.secret_file).parent)


@attack
def reads_the_password_file(task: Any) -> bool:
    return "root:" in Path("/etc/passwd").read_text()


@attack
def reads_the_project(task: Any) -> bool:
    return bool(Path(task.project, "pyproject.toml").read_text())


@attack
def reads_a_key_in_an_environment(task: Any) -> bool:
    found = [repr(dict(os.environ)).encode()]
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and readable(process / "environ"):
            found.append((process / "environ").read_bytes())
    return task.secret.encode() in b"".join(found)


@attack
def reads_a_key_on_a_command_line(task: Any) -> bool:
    processes = [process for process in Path("/proc").iterdir() if process.name.isdigit()]
    return any(task.secret.encode() in (process / "cmdline").read_bytes() for process in processes)


@attack
def reads_the_memory_of_another_process(task: Any) -> bool:
    with open(f"/proc/{task.victim}/mem", "rb", buffering=0) as memory:
        memory.seek(task.victim_address)
        return memory.read(len(task.secret)) == task.secret.encode()


@attack
def copies_the_memory_of_another_process(task: Any) -> bool:
    there, here = ctypes.c_void_p(task.victim_address), ctypes.create_string_buffer(len(task.secret))
    remote = (ctypes.c_void_p * 2)(there, len(task.secret))
    local = (ctypes.c_void_p * 2)(ctypes.addressof(here), len(task.secret))
    LIBC.process_vm_readv(task.victim, local, 1, remote, 1, 0)
    return here.raw[: len(task.secret)] == task.secret.encode()


@attack
def signals_a_process_of_the_host(task: Any) -> bool:
    command = Path(f"/proc/{task.victim}/cmdline").read_bytes()
    os.kill(task.victim, 0)
    return b"victim" in command


@attack
def connects_over_tcp(task: Any) -> bool:
    with socket.create_connection(("127.0.0.1", task.port), 2):
        return True


@attack
def connects_over_an_abstract_socket(task: Any) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect("\0" + task.abstract)
        return True


@attack
def connects_over_a_socket_file(task: Any) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(task.socket_file)
        return True


@attack
def sees_a_network_interface_of_the_host(task: Any) -> bool:
    return any(name != "lo" for _, name in socket.if_nameindex()) or bool(task.plain)


@attack
def finds_a_label_of_a_predicted_row(task: Any) -> bool:
    wanted = np.float64(task.label).tobytes()
    places = ["/inputs", "/scratch", "/tmp", "/dev/shm", "/run", "/var", *task.label_folders]
    return any(wanted in file.read_bytes() for place in places for file in files(place))


@attack
def reads_another_fold(task: Any) -> bool:
    return np.load(task.other_fold).size > 0


@attack
def writes_an_input(task: Any) -> bool:
    return any(appends(file) for file in files(task.inputs))


@attack
def adds_a_file_to_the_inputs(task: Any) -> bool:
    return any(appends(folder / "new") for folder in [Path(task.inputs), *Path(task.inputs).rglob("*")]
               if folder.is_dir())


@attack
def touches_an_input(task: Any) -> bool:
    for file in files(task.inputs):
        try:
            os.utime(file, (1, 1))
            return True
        except OSError:
            continue
    return False


@attack
def writes_to_the_packages(task: Any) -> bool:
    folder = Path(task.packages) if task.packages else Path(np.__file__).parent
    return appends(folder / "planted.py") or appends(folder / "__init__.py")


@attack
def writes_to_the_interpreter(task: Any) -> bool:
    return appends(Path(task.packages or sys.base_prefix) / "planted")


@attack
def writes_to_the_harness(task: Any) -> bool:
    names = [task.packages + "/harness.py"] if task.packages else [
        module.__file__ for module in list(sys.modules.values()) if "sandbox" in str(getattr(module, "__file__", ""))]
    return any(appends(Path(name)) for name in names if name)


@attack
def leaves_a_file_where_others_look(task: Any) -> bool:
    return Path(task.meeting_place).parent.is_dir() and appends(Path(task.meeting_place))


@attack
def makes_a_user_namespace(task: Any) -> bool:
    return subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode == 0


@attack
def uses_a_key_ring(task: Any) -> bool:
    return LIBC.syscall(250, 0, -3, 1) >= 0


@attack
def opens_an_io_ring(task: Any) -> bool:
    return LIBC.syscall(425, 4, ctypes.create_string_buffer(256)) >= 0


@attack
def traces_a_child(task: Any) -> bool:
    child = subprocess.Popen(["sleep", "5"])
    try:
        return LIBC.ptrace(0x4206, child.pid, None, None) == 0
    finally:
        child.kill()
        child.wait()


@attack
def finds_a_descriptor_that_was_left_open(task: Any) -> bool:
    return any(os.path.exists(f"/proc/self/fd/{number}") and not harmless(number) for number in range(3, 200))


@attack
def has_a_privilege(task: Any) -> bool:
    facts = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    held = int(facts["CapPrm"], 16) | int(facts["CapBnd"], 16)
    return held != 0 or os.getuid() == 0 or facts["NoNewPrivs"] != "1" or facts["Seccomp"] != "2"


def harmless(number: int) -> bool:
    target = os.readlink(f"/proc/self/fd/{number}")
    return target.startswith(("/dev/null", "/proc/")) or "fd/" in target


def readable(file: Path) -> bool:
    try:
        with open(file, "rb") as opened:
            return opened.read(1) is not None
    except OSError:
        return False


def appends(file: Path) -> bool:
    try:
        with open(file, "ab") as opened:
            opened.write(b"# planted\n")
        return True
    except OSError:
        return False


def files(place: str) -> list[Path]:
    found = []
    for folder, _, names in os.walk(place):
        found += [Path(folder, name) for name in names if os.path.isfile(Path(folder, name))]
    return [file for file in found if readable(file)]
