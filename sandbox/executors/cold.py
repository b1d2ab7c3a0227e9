"""Trials on this machine, each from an interpreter of its own: slow to start, for debugging and as the reference."""

import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from sandbox import gpu
from sandbox.host import Host
from sandbox.trial import Executor, Limits, Trial
from sandbox.walls import Walls


def make(walls: Walls | None = None) -> Executor:
    return Cold(walls)


class Cold:
    """A fresh server for every trial, with nothing imported."""

    def __init__(self, walls: Walls | None = None) -> None:
        self.walls = walls
        self.hosts: set[Host] = set()
        self.lock = Lock()

    def run(
        self, source: str, *, inputs: Mapping[str, Path], limits: Limits, shape: tuple[int, ...], card: Mapping[str, Any]
    ) -> Trial:
        host = Host((), walls=self.walls)
        with self.lock:
            self.hosts.add(host)
        try:
            with host:
                return host.run(source, inputs=inputs, limits=limits, shape=shape, card=card)
        finally:
            with self.lock:
                self.hosts.discard(host)

    @property
    def width(self) -> int:
        return len(os.sched_getaffinity(0))

    @property
    def threads(self) -> int:
        return self.width

    @property
    def gpus(self) -> int:
        return gpu.cards()

    @property
    def start_cpu_seconds(self) -> float:
        return 0.0  # its trials import what they use

    def cancel(self) -> None:
        with self.lock:
            hosts = list(self.hosts)
        for host in hosts:
            host.cancel()

    def __enter__(self) -> "Cold":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
