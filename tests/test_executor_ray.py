"""Ray beyond the contract of executors: trials that are lost on a real cluster of several nodes, parts of a GPU."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import ray
from clusters import ray_cluster
from test_sandbox import FEW, Place, alive, body, place, run

from sandbox import Cluster, Trial
from sandbox.executors.ray import OnRay

__all__ = ["place"]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A head that runs no trials, and two nodes that run one at a time each; the second has a GPU, or says so."""
    with ray_cluster(0, 1) as made:
        made.add_node(num_cpus=1, num_gpus=1, object_store_memory=100 << 20)
        yield made


def until(true: Callable[[], Any], *, seconds: float = 120.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


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
