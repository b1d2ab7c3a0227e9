"""What there is to attack: files with secrets, a process with a key, sockets that listen, folders of other trials. All of it
is made for the purpose, so that the controls, which succeed, harm nothing of anybody's."""

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sandbox import leftovers

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
LABEL = 1234567.890625
VICTIM = """import ctypes, sys, time
secret, spare = ctypes.create_string_buffer(sys.argv[1].encode()), ctypes.create_string_buffer(64)
print(ctypes.addressof(secret), ctypes.addressof(spare), flush=True)
time.sleep(100000)
"""


TOGETHER = ("reach", "kernel", "plant", "channel")  # files whose attacks share a trial
ALONE = ("alone", "hoard")                          # files whose attacks have one each


def source(name: str) -> str:
    """The attacks of one file as a solution."""
    return "\n\n".join((HERE / f"{part}.py").read_text() for part in ("prelude", name))


def source_of(attack: str) -> str:
    """The file of one attack that needs a trial of its own, as a solution."""
    return source(next(part for part in ALONE if attack in names(part, kind="ALONE")))


def names(name: str, *, kind: str = "ATTACKS") -> list[str]:
    """The names of the attacks in one file, in order."""
    space: dict[str, Any] = {"__name__": name}
    exec(compile(source(name), f"{name}.py", "exec"), space)
    return list(space[kind])


@dataclass
class World:
    """The decoys. `card`: what attacks are told of them; `inputs`: a trial's own inputs."""

    folder: Path
    card: dict[str, Any]
    victim: "subprocess.Popen[str]"
    expendable: "subprocess.Popen[bytes]"
    last_plain: Path = Path("/nowhere")  # the folder of the last control
    last_process: "subprocess.Popen[bytes] | None" = None

    @property
    def inputs(self) -> dict[str, Path]:
        data = self.folder / "data"
        return {"features": data / "features.arrow", "fold": data / "fold-0", "kit": data / "kit"}

    @property
    def meeting_place(self) -> Path:
        return Path(self.card["meeting_place"])

    def renew(self) -> None:
        """Another process to be killed, after the last one was; one that was stopped goes on."""
        self.expendable.send_signal(signal.SIGCONT)
        if self.expendable.poll() is not None:
            self.expendable = _sleeper()
        self.card["expendable"] = self.card["server"] = self.expendable.pid

    def plain(self, text: str, only: str, *, linger: float = 0.0, seconds: float = 300.0) -> np.ndarray | None:
        """The control: the same attack in a process of its own without any wall; None where it gave no array."""
        place = Path(tempfile.mkdtemp(dir=self.folder, prefix="plain-"))
        shutil.copytree(self.folder / "data" / "fold-0", place / "inputs")
        (place / "kit.py").write_text("HALF = 0.5\n")
        (place / "beside").mkdir()
        (place / "solution.py").write_text(text)
        card = {**self.card, "plain": True, "only": only, "linger": linger, "scratch_when_plain": str(place),
                "inputs": str(place / "inputs"), "kit": str(place / "kit.py"), "beside": str(place / "beside")}
        (place / "card.json").write_text(json.dumps(card))
        told = [str(place / name) for name in ("solution.py", "card.json", "result.npy")]
        with open(place / "left open", "w") as left_open, open(place / "log.txt", "w") as log:
            process = subprocess.Popen([sys.executable, str(HERE / "plain.py"), *told], pass_fds=[left_open.fileno()],
                                       stdout=log, stderr=log, cwd=place, start_new_session=True)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        self.last_plain, self.last_process = place, process
        if only:
            return None
        self.end_last()
        return np.load(place / "result.npy") if (place / "result.npy").exists() else None

    def end_last(self) -> None:
        """End the last control and the session that is its own."""
        assert self.last_process is not None
        try:
            os.killpg(self.last_process.pid, 9)
        except ProcessLookupError:
            pass
        self.last_process.wait()


@contextmanager
def world() -> Iterator[World]:
    """All decoys, gone afterwards."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="medalist-attacks-"))
        stack.callback(leftovers.remove, folder)  # some are too deep for shutil
        folder.chmod(0o755)
        secret, tag = f"key-{secrets.token_hex(6)}", f"tag{secrets.token_hex(4)}"
        _data(folder / "data")
        _other_trial(folder / "medalist-trial-other", secret)
        (folder / "meeting").mkdir()
        (folder / "secret.txt").write_text(secret)
        with sqlite3.connect(folder / "record.db") as record:
            record.execute("CREATE TABLE answers (answer TEXT)")
            record.execute("INSERT INTO answers VALUES (?)", (secret,))
        record.close()
        victim = subprocess.Popen([sys.executable, "-c", VICTIM, secret, "victim"], env={"API_KEY": secret},
                                  stdout=subprocess.PIPE, text=True)
        stack.callback(_end, victim)
        assert victim.stdout is not None
        addresses = victim.stdout.readline().split()
        expendable = _sleeper()
        card = {
            "secret": secret, "tag": tag, "secret_file": str(folder / "secret.txt"), "victim": victim.pid,
            "victim_address": int(addresses[0]), "victim_spare_address": int(addresses[1]), "label": LABEL,
            "label_folders": [str(folder / "data" / "fold-1")], "other_fold": str(folder / "data" / "fold-1" / "target.npy"),
            "project": str(PROJECT), "record": str(folder / "record.db"), "other_trial": str(folder / "medalist-trial-other"),
            "meeting_place": str(folder / "meeting" / "left"), "expendable": expendable.pid, "server": expendable.pid,
            "plain": False, "only": "", "companions": [],
            "linger": 0.0, "wall_seconds": 3.0, "targets": ["y"], "seed": 1, "threads": 1,
            "device": "cpu", "seconds_left": 60.0, **_sockets(stack, folder, secret), **_shared_memory(stack),
        }
        made = World(folder, card, victim, expendable)
        stack.callback(lambda: _end(made.expendable))
        yield made


def _data(folder: Path) -> None:
    """Features, two folds and a kit, as a run has them; only the other fold's labels hold LABEL."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    table = pa.Table.from_pandas(pd.DataFrame({"size": rng.normal(size=60)}), preserve_index=False)
    with pa.OSFile(str(folder / "features.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for fold, fit in (("fold-0", np.arange(40)), ("fold-1", np.arange(20, 60))):
        (folder / fold).mkdir()
        np.save(folder / fold / "fit.npy", fit)
        np.save(folder / fold / "predict.npy", np.setdiff1d(np.arange(60), fit))
        np.save(folder / fold / "target.npy", np.where(fit < 40, 0.5, LABEL))
    (folder / "kit").mkdir()
    (folder / "kit" / "__init__.py").write_text("HALF = 0.5\n")
    for place in (folder, *folder.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)


def _other_trial(folder: Path, secret: str) -> None:
    (folder / "scratch").mkdir(parents=True)
    (folder / "scratch" / "solution.py").write_text(f"# {secret}\n")
    np.save(folder / "scratch" / "result.npy", np.zeros(1))


def _sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100000)"])


def _end(process: "subprocess.Popen[Any]") -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _sockets(stack: ExitStack, folder: Path, secret: str) -> dict[str, Any]:
    """Everything that listens, and somebody who connects to whatever a trial opens."""
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    server_6 = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
    made = {"port": server.getsockname()[1], "port_6": server_6.getsockname()[1], "abstract": f"medalist-{secret}",
            "socket_file": str(folder / "socket"), "datagram_file": str(folder / "datagrams")}
    for address in ("\0" + made["abstract"], made["socket_file"]):
        line = stack.enter_context(socket.socket(socket.AF_UNIX))
        line.bind(address)
        line.listen(50)
    datagrams = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    datagrams.bind(made["datagram_file"])
    for name in ("socket_file", "datagram_file"):
        os.chmod(made[name], 0o777)
    udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    udp.bind(("127.0.0.1", 0))
    udp.settimeout(0.2)
    with socket.create_server(("127.0.0.1", 0)) as free:
        made["listen_port"] = free.getsockname()[1]
    made["udp_port"] = udp.getsockname()[1]
    over = threading.Event()
    for work in (_echo, _connect):
        thread = threading.Thread(target=work, args=(over, udp, made["listen_port"]))
        thread.start()
        stack.callback(thread.join)
    stack.callback(over.set)
    return made


def _echo(over: threading.Event, udp: socket.socket, port: int) -> None:
    while not over.is_set():
        try:
            data, sender = udp.recvfrom(100)
            udp.sendto(data, sender)
        except OSError:
            continue


def _connect(over: threading.Event, udp: socket.socket, port: int) -> None:
    while not over.wait(0.2):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            continue


def _shared_memory(stack: ExitStack) -> dict[str, Any]:
    """A segment of System V shared memory, gone at the end."""
    libc, key = ctypes.CDLL(None), 0x5B000000 | secrets.randbits(20)
    segment = libc.shmget(key, 4096, 0o1666)
    assert segment >= 0
    stack.callback(libc.shmctl, segment, 0, None)
    return {"shared_key": key}


def alive(tag: str) -> list[int]:
    """Processes whose command line or name holds the tag, the dead ones aside."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            named = (process / "cmdline").read_bytes() + (process / "comm").read_bytes() if process.name.isdigit() else b""
            if tag.encode() in named and (process / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append(int(process.name))
        except OSError:
            continue
    return found


def gone(tag: str, *, seconds: float = 2.0) -> bool:
    """Whether no such process is left, or none a moment later."""
    until = time.monotonic() + seconds
    while alive(tag) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(tag)
