"""Trials on an existing Ray cluster: each is a Ray task, run in the warm sandbox of the node that it lands on.

Inputs travel once to a node, through Ray's object store, and are kept there as files under the hash of what they hold.
A trial whose node or worker is lost is given to another node, `tries` times in all; then its status is `lost`. What a trial
itself does wrong is never tried again. Ray itself lets a task wait for ever for what no node has any more: that is looked for
here, and a trial whose GPU went with its node runs on a processor. Nodes need Python and Ray in the driver's versions, the
libraries and bubblewrap; this package is sent to them.
"""

import hashlib
import logging
import math
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np

import sandbox
from sandbox import leftovers
from sandbox.executors.local import WARM, Local
from sandbox.trial import Cluster, Cost, Limits, SandboxError, Trial
from sandbox.walls import Walls

try:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as missing:
    raise SandboxError("the executor 'ray' needs Ray: pip install 'medalist[ray]'") from missing

NAMESPACE = "medalist"
LOOK_SECONDS = 1.0  # between two looks at what the living nodes have
START_SECONDS = 600.0  # the most that a station may take to start, and a trial beyond its wall clock: a busy node is slow
NOTHING = Cost(0.0, 0.0, 0)
CANCELLED = Trial("killed", None, NOTHING, reason="cancelled")


def make(walls: Walls | None = None, cluster: Cluster | None = None) -> "OnRay":
    return OnRay(WARM, walls, cluster or Cluster())


class NoStation(Exception):
    """A task came to a node that joined after the driver had looked, or whose station does not answer."""


class NoNode(Exception):
    """No living node has what a task asks for."""


@dataclass(frozen=True)
class Demand:
    """What a task asks of its node."""

    processors: int
    gpus: float

    def met(self, resources: Iterable[Mapping[str, float]]) -> bool:
        """Whether one of the nodes has that much, busy or not."""
        return any(node.get("CPU", 0) >= self.processors and node.get("GPU", 0) >= self.gpus for node in resources)

    def __str__(self) -> str:
        return f"CPU: {self.processors}, GPU: {self.gpus:g}"


@dataclass(frozen=True)
class Parcel:
    """An input on its way: the hash of what it holds, and where in the object store that lies, by path below it."""

    digest: str
    content: Any  # a reference to dict[str, (n,) uint8]; a file's own path is ""


class Station:
    """A Ray actor, one a node: its warm sandbox, and the inputs that have arrived."""

    def __init__(self, libraries: Sequence[str], walls: Walls | None) -> None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # Ray hides all cards from an actor that asks for none; trials do ask
        self.local, self.lock = Local(libraries, walls), Lock()
        self.folder = leftovers.own() / "inputs"  # swept by the next start where this one is killed
        self.folder.mkdir(mode=0o711)
        self.cancelled = -1
        try:
            self.local.__enter__()
        except SandboxError:
            pass  # the first trial will say so

    @ray.method(max_task_retries=-1)
    def ready(self) -> None:
        """Answers once the station stands, also while it is started again."""

    def run(
        self, source: str, parcels: Mapping[str, Parcel], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any],
        turn: int,
    ) -> Trial:
        inputs = {name: self._unpacked(parcel) for name, parcel in parcels.items()}
        if turn <= self.cancelled:
            return CANCELLED
        return self.local.run(source, inputs=inputs, limits=limits, shape=shape, card=card)

    def cancel(self, turn: int) -> None:
        """End the trials in flight, and those of this turn that are still to come."""
        self.cancelled = turn
        self.local.cancel()

    def close(self) -> None:
        self.local.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unpacked(self, parcel: Parcel) -> Path:
        place = self.folder / parcel.digest
        with self.lock:
            if not place.exists():
                partial = self.folder / f"{parcel.digest}.partial"
                shutil.rmtree(partial, ignore_errors=True)
                for name, content in ray.get(parcel.content).items():
                    _write(partial / name if name else partial, content)
                partial.rename(place)
        return place


def _write(path: Path, content: np.ndarray) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content.data)
    path.chmod(0o644)


def run_trial(
    name: str, source: str, parcels: Mapping[str, Parcel], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any],
    turn: int,
) -> Trial:
    """The Ray task. It holds the processor and the part of a GPU while the node's station runs the trial: waiting for a
    future, as ray.get would give the processor back. SandboxError: this node cannot run trials; NoStation: try another."""
    here = ray.get_runtime_context().get_node_id()
    try:
        station = ray.get_actor(f"{name}-{here}", NAMESPACE)
    except ValueError as error:
        raise NoStation(here) from error
    gpus = {"gpus": [int(gpu) for gpu in ray.get_gpu_ids()]} if card.get("device") == "cuda" else {}
    try:
        station.ready.remote().future().result(START_SECONDS)
        running = station.run.remote(source, parcels, limits, shape, {**card, **gpus}, turn)
        trial: Trial = running.future().result(limits.wall_seconds + START_SECONDS)
    except TimeoutError as error:
        ray.kill(station, no_restart=False)
        raise NoStation(here) from error
    return trial


TASK = ray.remote(max_retries=0, scheduling_strategy="SPREAD")(run_trial)
STATION = ray.remote(num_cpus=0, max_restarts=-1)(Station)


class OnRay:
    """The driver's side: one station a node, one task a trial."""

    def __init__(self, libraries: Sequence[str], walls: Walls | None, cluster: Cluster) -> None:
        """`libraries`: what is kept imported on each node."""
        self.libraries, self.walls, self.cluster = tuple(libraries), walls, cluster
        self.name = uuid.uuid4().hex
        self.lock = Lock()
        self.stations: dict[str, Any] = {}
        self.parcels: dict[tuple[Any, ...], Parcel] = {}
        self.flight: set[Any] = set()
        self.seen: tuple[float, Mapping[str, Mapping[str, float]]] = (-math.inf, {})
        self.turn = 0
        self.told = False  # that no GPU is left
        self.connected = False

    @property
    def width(self) -> int:
        """One a processor of the cluster."""
        self._connect()
        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    @property
    def threads(self) -> int:
        """One: on which node processors are free together is Ray's to know, and a trial would wait for them."""
        return 1

    @property
    def gpus(self) -> int:
        self._connect()
        return int(ray.cluster_resources().get("GPU", 0))

    @property
    def start_cpu_seconds(self) -> float:
        return 0.0  # the stations are of other machines

    def run(
        self, source: str, *, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any]
    ) -> Trial:
        """See sandbox.trial.Executor.run; the wall clock of a trial starts on its node."""
        turn, losses = self.turn, list[str]()
        while len(losses) < self.cluster.tries:
            self._open()
            parcels = {name: self._parcel(Path(path).resolve()) for name, path in inputs.items()}
            demand = self._demand(limits, card)
            told = card if demand.gpus else {**card, "device": "cpu"}
            try:
                return self._once(demand, (self.name, source, parcels, limits, shape, told, turn))
            except ray.exceptions.TaskCancelledError:
                return CANCELLED
            except ray.exceptions.RayError as error:
                losses.append(_loss(error))
            except NoNode:
                if not demand.gpus:
                    return Trial("lost", None, NOTHING, reason=f"no living node has {demand}")
            if turn < self.turn:
                return CANCELLED
        return Trial("lost", None, NOTHING, reason=f"its node was lost {self.cluster.tries} times: {losses[-1]}")

    def _demand(self, limits: Limits, card: Mapping[str, Any]) -> Demand:
        """What the trial asks for: no GPU where the last node that had one is gone, with one line."""
        wanted = Demand(limits.threads, self.cluster.gpu_share if card.get("device") == "cuda" else 0.0)
        if not wanted.gpus or wanted.met(self._living().values()):
            return wanted
        if not self.told:
            self.told = True
            logging.getLogger(__name__).warning("medalist: no living node of the cluster has a GPU: trials run on processors")
        return replace(wanted, gpus=0.0)

    def _once(self, demand: Demand, arguments: tuple[Any, ...]) -> Trial:
        """NoNode once no living node has what is asked for, for a while where there is nothing less to ask for."""
        reference = TASK.options(num_cpus=demand.processors, num_gpus=demand.gpus).remote(*arguments)
        self.flight.add(reference)
        try:
            future, unmet = reference.future(), 0.0
            while not wait([future], LOOK_SECONDS).done:
                unmet = 0.0 if demand.met(self._living().values()) else unmet + LOOK_SECONDS
                if unmet and (demand.gpus or unmet >= self.cluster.patience_seconds):
                    ray.cancel(reference, recursive=False)
                    raise NoNode
            trial: Trial = future.result()
            return trial
        finally:
            self.flight.discard(reference)

    def cancel(self) -> None:
        with self.lock:
            ended, self.turn = self.turn, self.turn + 1
            calls = [station.cancel.remote(ended) for station in self.stations.values()]
        if calls:
            ray.wait(calls, num_returns=len(calls), timeout=2.0)  # a lost node does not answer
        for reference in list(self.flight):
            ray.cancel(reference, recursive=False)

    def __enter__(self) -> "OnRay":
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not ray.is_initialized():
            return
        self.cancel()
        calls = [station.close.remote() for station in self.stations.values()]
        if calls:
            ray.wait(calls, num_returns=len(calls), timeout=10.0)
        for station in self.stations.values():
            ray.kill(station)
        self.stations, self.parcels = {}, {}
        if self.connected:
            ray.shutdown()
            self.connected = False

    def _open(self) -> None:
        """See that every node that runs tasks has its station."""
        self._connect()
        with self.lock:
            nodes = {node: int(resources.get("CPU", 0)) for node, resources in self._look().items()}
            self.stations = {node: made for node, made in self.stations.items() if node in nodes}
            for node, processors in nodes.items():
                if processors and node not in self.stations:
                    self.stations[node] = self._station(node, processors)

    def _living(self) -> Mapping[str, Mapping[str, float]]:
        """What each living node has, as of a moment ago: a trial that waits asks again and again."""
        at, nodes = self.seen
        return nodes if time.monotonic() - at < LOOK_SECONDS else self._look()

    def _look(self) -> Mapping[str, Mapping[str, float]]:
        nodes = {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
        self.seen = time.monotonic(), nodes
        return nodes

    def _connect(self) -> None:
        """SandboxError where no cluster answers."""
        environment = {"py_modules": [str(Path(sandbox.__file__).parent)]}
        try:
            with self.lock:
                if not ray.is_initialized():
                    _knock(self.cluster.address)
                    ray.init(address=self.cluster.address, namespace=NAMESPACE, runtime_env=environment,
                             log_to_driver=False, logging_level=logging.ERROR)
                    self.connected = True
        except (OSError, RuntimeError, ValueError) as error:
            raise SandboxError(f"no Ray cluster at {self.cluster.address!r}: start one with `ray start --head`, or give "
                               f"--ray-address HOST:PORT ({str(error).strip().splitlines()[0]})") from error

    def _station(self, node: str, processors: int) -> Any:
        """It takes a call for each processor, and two that end what runs."""
        where = NodeAffinitySchedulingStrategy(node, soft=False)
        made = STATION.options(name=f"{self.name}-{node}", namespace=NAMESPACE, max_concurrency=processors + 2,
                               scheduling_strategy=where)
        return made.remote(self.libraries, self.walls)

    def _parcel(self, path: Path) -> Parcel:
        """What lies at the path, put into the object store once for as long as its files stay what they are."""
        files = list(_files(path))
        key = (path, *((name, found.st_mtime_ns, found.st_size) for name, found in files))
        with self.lock:
            if key not in self.parcels:
                content = {name: np.fromfile(path / name if name else path, dtype=np.uint8) for name, _ in files}
                self.parcels[key] = Parcel(_digest(content), ray.put(content))
            return self.parcels[key]


def _knock(address: str) -> None:
    """OSError where nobody listens at HOST:PORT: Ray itself asks for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5.0).close()


def _files(path: Path, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Every file at or below the path, by its path from there, in order."""
    if not path.is_dir():
        yield below, path.stat()
        return
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.name != "__pycache__":
            yield from _files(Path(entry.path), f"{below}/{entry.name}".lstrip("/"))


def _digest(content: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, values in content.items():
        digest.update(f"{name}\0{len(values)}\0".encode("utf-8", "surrogateescape"))
        digest.update(values.data)
    return digest.hexdigest()


def _loss(error: Exception) -> str:
    """Why a trial was lost. What is no loss is raised: a node's SandboxError, and our own mistakes."""
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    if isinstance(cause, SandboxError):
        raise cause
    if not isinstance(cause, ray.exceptions.RayError | NoStation):
        raise error
    return type(cause).__name__
