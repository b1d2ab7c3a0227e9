"""The three pools of small tasks: practice, gate, vault. No family and no data lie in two of them."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.improve.cutting import cut
from agent.improve.evaluator import GateTask
from agent.playbook.bundle import PlaybookError
from tasks import catalogue

NAMES = ("practice", "gate", "vault")
STATED = Path(catalogue.__file__).parent / "pools.toml"
CANARIES = 2


@dataclass(frozen=True)
class Pools:
    """Tasks by pool, in the order in which they are to be played; canaries stand beside the gate."""

    practice: tuple[GateTask, ...]
    gate: tuple[GateTask, ...]
    vault: tuple[GateTask, ...]
    canaries: tuple[GateTask, ...] = ()

    @property
    def hidden(self) -> tuple[GateTask, ...]:
        """What no proposer may be told of."""
        return (*self.gate, *self.vault, *self.canaries)

    @property
    def all(self) -> tuple[GateTask, ...]:
        return (*self.practice, *self.hidden)


def assert_disjoint(pools: Pools) -> None:
    """Raises PlaybookError, which names the first family or data that two pools share."""
    for what in ("family", "data"):
        seen: dict[str, str] = {}
        for pool in NAMES:
            for value in {getattr(task, what) for task in getattr(pools, pool)}:
                if value in seen:
                    raise PlaybookError(f"{what} {value} lies in the pools {seen[value]} and {pool}: keep them apart")
                seen[value] = pool
    if len({task.data for task in pools.gate}) != len(pools.gate):
        raise PlaybookError("two gate tasks have the same data")


def families(opened: int = 0, path: Path = STATED) -> Mapping[str, tuple[int, tuple[str, ...]]]:
    """How many cuts of which families each pool has, after so many releases: the families of a vault that was opened are
    practice. The vault is empty where each of its lists was opened."""
    stated = tomllib.loads(path.read_text(encoding="utf-8"))
    vaults = stated["vault"]["families"]
    held = {"practice": [*stated["practice"]["families"], *(name for vault in vaults[:opened] for name in vault)],
            "gate": stated["gate"]["families"], "vault": vaults[opened] if opened < len(vaults) else []}
    return {name: (stated[name]["cuts"], tuple(held[name])) for name in NAMES}


def load(data: Path, *, opened: int = 0, names: Sequence[str] = NAMES, path: Path = STATED) -> Pools:
    """The pools of that file after so many releases, cut now where they are not at hand. Pools not in `names` stay empty: what
    is not needed is neither prepared nor opened."""
    stated = families(opened, path)
    made = {name: _cuts(*stated[name], data) if name in names else () for name in NAMES}
    canaries = [cut(family, 0, data=data, canary=True) for family in stated["gate"][1][:CANARIES]] if "gate" in names else ()
    pools = Pools(made["practice"], made["gate"], made["vault"], tuple(canaries))
    assert_disjoint(pools)
    return pools


def _cuts(count: int, names: Sequence[str], data: Path) -> tuple[GateTask, ...]:
    """One of each family, then the next of each: any first part of the pool is spread over the families."""
    return tuple(cut(family, number, data=data) for number in range(count) for family in names)


def order(tasks: Sequence[GateTask], seed: int) -> list[GateTask]:
    """The order in which a confirmation plays the gate: families in turn, shuffled from the seed, as registered."""
    rng = np.random.default_rng(seed)
    rounds: dict[str, list[GateTask]] = {}
    for place in rng.permutation(len(tasks)):
        rounds.setdefault(tasks[place].family, []).append(tasks[place])
    most = max(map(len, rounds.values()), default=0)
    return [queue[turn] for turn in range(most) for queue in rounds.values() if turn < len(queue)]
