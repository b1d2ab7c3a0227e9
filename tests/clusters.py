"""Real Ray clusters of several nodes on this machine, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.cluster_utils import Cluster

QUICK = {"worker_niceness": 0, "health_check_initial_delay_ms": 0, "health_check_period_ms": 1000,
         "health_check_failure_threshold": 5}
STORE_BYTES = 100 << 20


@contextmanager
def ray_cluster(*processors: int) -> Iterator[Any]:
    """A cluster whose nodes have so many processors each, the head's first; it is gone afterwards."""
    head = {"num_cpus": processors[0], "include_dashboard": False, "object_store_memory": STORE_BYTES,
            "_system_config": QUICK}
    made = _begun(head)
    try:
        for count in processors[1:]:
            made.add_node(num_cpus=count, object_store_memory=STORE_BYTES)
        yield made
    finally:
        made.shutdown()


def _begun(head: dict[str, Any], tries: int = 3) -> Any:
    """Ray gives a node thirty seconds to come up, which a busy machine may not have."""
    for _ in range(tries - 1):
        try:
            return Cluster(initialize_head=True, head_node_args=head)
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    return Cluster(initialize_head=True, head_node_args=head)
