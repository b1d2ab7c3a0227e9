"""Ray beyond the contract of executors: a real cluster of several nodes loses one, and a driver, in the middle of a run."""

import json
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
from test_sandbox import FEW, Place, alive, body, place, run

from leaderboard.record import Entry, Record
from sandbox import Cluster, Trial
from sandbox.executors.ray import OnRay

__all__ = ["place"]
PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A head that runs no trials, and two nodes that run one at a time each; the second has a GPU, or says so."""
    with ray_cluster(0, 1) as made:
        made.add_node(num_cpus=1, num_gpus=1, object_store_memory=100 << 20)
        yield made


def until(true: Callable[[], Any], *, seconds: float = 400.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


def entries(runs: Path) -> list[Entry]:
    if not (runs / "record.db").exists():
        return []
    with Record(runs / "record.db") as record:
        return record.entries(record.runs()[-1].run) if record.runs() else []


def test_a_run_survives_the_loss_of_a_node_and_then_of_its_driver(nodes: Any, tmp_path: Path) -> None:
    folder = folder_with_target(tmp_path / "task", [float(k % 7) for k in range(60)])
    words = [sys.executable, "-m", "agent.cli"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    driver = subprocess.Popen([*words, "compete", folder, "--executor", "ray", "--ray-address", nodes.address, "--budget",
                               "600", "--json"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    until(lambda: len(entries(tmp_path / "runs")) > 1 or driver.poll() is not None)
    nodes.remove_node(nodes.list_all_nodes()[1], allow_graceful=False)
    known = len(entries(tmp_path / "runs"))
    until(lambda: len(entries(tmp_path / "runs")) > known + 1 or driver.poll() is not None)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    before = entries(tmp_path / "runs")
    assert "lost" not in {entry.status for entry in before}
    spent = max(entry.at_seconds for entry in before)
    done = subprocess.run([*words, "resume", "--budget", str(spent + 20), "--json"], cwd=tmp_path, env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    after = entries(tmp_path / "runs")
    assert [entry.number for entry in after[:len(before)]] == [entry.number for entry in before]
    assert json.loads(done.stdout)["entries"] == len(after) >= len(before)
    assert next((tmp_path / "runs").glob("*/*/submission.csv")).read_text().count("\n") == 21


def test_a_trial_that_is_lost_too_often_is_a_result_and_a_part_of_a_gpu_is_held(nodes: Any, place: Place) -> None:
    with OnRay(FEW, None, Cluster(nodes.address, gpu_share=0.5, tries=1)) as made:
        assert made.gpus == 1
        card = next(node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU"))
        trial = run(made, place, body("assert os.environ['CUDA_VISIBLE_DEVICES'] == '0'", "return zeros"), device="cuda")
        assert trial.status == "ok", trial
        tag, trials = f"tag-{time.monotonic_ns()}", list[Trial]()
        sleeper = body(f"os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', '{tag}'])")
        thread = threading.Thread(target=lambda: trials.append(run(made, place, sleeper, device="cuda")))
        thread.start()
        until(lambda: alive(tag))
        ray.kill(made.stations[card], no_restart=False)
        thread.join(120)
        assert [(trial.status, trial.prediction) for trial in trials] == [("lost", None)]
        made.cluster = replace(made.cluster, tries=3)
        assert run(made, place, body("return zeros"), device="cuda").status == "ok"
