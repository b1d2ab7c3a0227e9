"""Ray beyond the contract of executors: a real cluster of several nodes loses them, and a driver; parts of a GPU."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from clusters import ray_cluster
from folders import folder_with_target
from test_compete import UntilEntered
from test_sandbox import FEW, LIMITS, SLEEPER, Place, alive, body, place, run

from agent.run import go_on
from leaderboard.record import Entry, Record
from sandbox import Cluster, Trial
from sandbox.executors.ray import OnRay

__all__ = ["place"]
PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A head that runs no trials, and a node that runs one at a time."""
    with ray_cluster(0, 1) as made:
        yield made


def until(true: Callable[[], Any], *, seconds: float = 300.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


def begun(made: OnRay, place: Place, source: str, tag: str) -> tuple[threading.Thread, list[Trial]]:
    """A trial with a GPU that runs by now, and where it will be found."""
    trials = list[Trial]()
    thread = threading.Thread(target=lambda: trials.append(run(made, place, source, device="cuda")))
    thread.start()
    until(lambda: alive(tag))
    return thread, trials


def test_a_trial_that_loses_its_station_or_its_node_is_begun_again_and_a_part_of_a_gpu_is_held(
    nodes: Any, place: Place, caplog: pytest.LogCaptureFixture,
) -> None:
    """The second node has a GPU, or says so."""
    tag = f"tag-{time.monotonic_ns()}"
    sleeper = body("if os.environ['CUDA_VISIBLE_DEVICES'] == '0':", f"    {SLEEPER.format(tag=tag)}", "return zeros")
    card = nodes.add_node(num_cpus=1, num_gpus=1, object_store_memory=100 << 20)
    with OnRay(FEW, None, Cluster(nodes.address, gpu_share=0.5, tries=1, patience_seconds=1.0)) as made:
        assert made.gpus == 1
        trial = run(made, place, body("assert os.environ['CUDA_VISIBLE_DEVICES'] == '0'", "return zeros"), device="cuda")
        assert trial.status == "ok", trial
        missing = run(made, place, body("return zeros"), limits=replace(LIMITS, threads=9))
        assert (missing.status, missing.reason) == ("lost", "no living node has CPU: 9, GPU: 0")
        thread, trials = begun(made, place, sleeper, tag)
        ray.kill(made.stations[card.node_id], no_restart=False)
        thread.join(300)
        assert [(trial.status, trial.prediction) for trial in trials] == [("lost", None)]
        made.cluster = replace(made.cluster, tries=3)
        assert not caplog.records
        thread, trials = begun(made, place, sleeper, tag)
        nodes.remove_node(card, allow_graceful=False)
        thread.join(300)
        assert [trial.status for trial in trials] == ["ok"]
        assert run(made, place, sleeper, device="cuda").status == "ok"
    lines = ["medalist: no living node of the cluster has a GPU: trials run on processors"]
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == lines


def entries(runs: Path) -> list[Entry]:
    if not (runs / "record.db").exists():
        return []
    with Record(runs / "record.db") as record:
        return record.entries(record.runs()[-1].run) if record.runs() else []


def test_a_run_survives_the_loss_of_a_node_and_then_of_its_driver(nodes: Any, tmp_path: Path) -> None:
    folder, runs = folder_with_target(tmp_path / "task", [float(k % 7) for k in range(60)]), tmp_path / "runs"
    victim = nodes.add_node(num_cpus=1, object_store_memory=100 << 20)
    words = [sys.executable, "-m", "agent.cli", "compete", folder, "--executor", "ray", "--ray-address", nodes.address,
             "--budget", "3600", "--json"]
    driver = subprocess.Popen(words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, stdout=subprocess.DEVNULL)
    until(lambda: len(entries(runs)) > 2 or driver.poll() is not None)  # both nodes are at work
    nodes.remove_node(victim, allow_graceful=False)
    known = len(entries(runs))
    until(lambda: len(entries(runs)) > known + 1 or driver.poll() is not None)
    assert driver.poll() is None
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    before, view = entries(runs), UntilEntered(1)
    assert "lost" not in {entry.status for entry in before}
    outcome = go_on(None, runs=runs, budget=None, view=view, started=view.clock(), clock=view.clock)
    after = entries(runs)
    assert after[:len(before)] == before and outcome.entries == len(after) > len(before)
    assert (outcome.folder / "submission.csv").read_text().count("\n") == 21
