"""How a run is shared between the embedded proposer and a model: in a simulated run with a clock of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from agent.proposers.allocation import Allocation
from agent.solution import Solution, Written
from leaderboard.record import Entry

SECONDS = 600.0
WALL = 4.0


def entry_of(solution: Solution, number: int, *, status: str, cpu: float) -> Entry:
    params = {"model": solution.written.model} if solution.written else {}
    return Entry(run="r", number=number, source=solution.source, parents=(), operator=solution.operator, hypothesis="",
                 family=solution.family, params=params, status=status, score=0.5 if status == "ok" else None, spread=0.0,
                 fold_scores=(), cost_wall_seconds=cpu, cost_cpu_seconds=cpu, peak_memory_bytes=0, at_seconds=0.0, folder="",
                 log="", cost_dollars=solution.written.dollars if solution.written else 0.0)


@dataclass
class Embedded:
    """Always has something."""

    def propose(self, entries: Sequence[Entry]) -> Solution | None:
        return Solution("e", "tune", "", "lightgbm")

    def turn(self, entries: Sequence[Entry]) -> None:
        pass

    def observe(self, entry: Entry, *, won: bool, gained: float) -> None:
        pass

    def wait(self, seconds: float) -> bool:
        return False


@dataclass
class Model:
    """Answers `latency` entries after it was asked."""

    latency: int = 1
    dollars: float = 0.0
    asked: list[int] = field(default_factory=list)
    now: int = 0
    begun: int = 0

    def may_begin(self, *, most: int = 1) -> bool:
        return len(self.asked) < most

    def begin(self, entries: Sequence[Entry]) -> None:
        self.asked.append(self.now)
        self.begun += 1

    def take(self) -> Solution | None:
        self.now += 1
        if not self.asked or self.now - self.asked[0] < self.latency:
            return None
        self.asked.pop(0)
        return Solution("m", "draft", "", "own", written=Written("m", dollars=self.dollars))

    def observe(self, entry: Entry, *, won: bool) -> None:
        pass

    def explain(self, entries: Sequence[Entry]) -> None:
        pass

    def wait(self, seconds: float) -> bool:
        return bool(self.asked)


def played(model: Model, *, model_wins: float, embedded_wins: float, model_cpu: float, status: str = "ok", seed: int = 0,
           seconds_a_dollar: float = 0.0) -> tuple[dict[str, float], dict[str, int]]:
    """Processor seconds and entries of each arm in a run of SECONDS."""
    rng = np.random.default_rng(seed)
    allocation = Allocation(Embedded(), model, seed=seed, seconds_a_dollar=seconds_a_dollar)  # type: ignore[arg-type]
    spent, count, number = {"model": 0.0, "embedded": 0.0}, {"model": 0, "embedded": 0}, 0
    while sum(spent.values()) < SECONDS:
        for _ in range(4):  # a loop turns at each fold
            allocation.turn([])
        solution = allocation.propose([])
        assert solution is not None, "a core would be idle"
        number += 1
        arm = "model" if solution.written else "embedded"
        cpu = model_cpu if arm == "model" else WALL
        won = bool(rng.random() < (model_wins if arm == "model" else embedded_wins))
        made = entry_of(solution, number, status=status if arm == "model" else "ok", cpu=cpu)
        allocation.observe(made, won=won, gained=0.1 if won else 0.0)
        spent[arm] += cpu
        count[arm] += 1
    return spent, count


@pytest.mark.parametrize(("cpu", "status"), [(0.0, "no_code"), (0.5, "error"), (WALL, "stopped"), (5 * WALL, "timeout")])
def test_a_garbage_model_costs_little_of_the_gain(cpu: float, status: str) -> None:
    """A run's gain grows as the share of its entries that a plain curve of diminishing returns gives."""
    losses = []
    for seed in range(20):
        spent, _ = played(Model(), model_wins=0.0, embedded_wins=0.25, model_cpu=cpu, status=status, seed=seed)
        losses.append(1 - gain_curve(spent["embedded"]) / gain_curve(SECONDS))
    assert np.mean(losses) < 0.02
    assert np.max(losses) < 0.05


def gain_curve(seconds: float) -> float:
    """Gain over a constant after so many processor seconds: half of it with the first 20 s."""
    return seconds / (seconds + 20.0)


def test_a_strong_model_takes_over() -> None:
    shares = []
    for seed in range(10):
        _, count = played(Model(latency=1), model_wins=0.7, embedded_wins=0.05, model_cpu=WALL, seed=seed)
        shares.append(count["model"] / sum(count.values()))
    assert np.mean(shares) > 0.4


def test_a_slow_model_leaves_no_core_idle() -> None:
    _, count = played(Model(latency=30), model_wins=0.7, embedded_wins=0.05, model_cpu=WALL)
    assert count["embedded"] > 60
    assert count["model"] >= 2


def test_a_dear_model_is_asked_less_than_a_cheap_one_of_equal_gain() -> None:
    calls = {dollars: 0 for dollars in (0.0, 0.2)}
    for seed in range(10):
        for dollars in calls:
            model = Model(dollars=dollars)
            played(model, model_wins=0.3, embedded_wins=0.15, model_cpu=WALL, seed=seed, seconds_a_dollar=SECONDS / 2.0)
            calls[dollars] += model.begun
    assert calls[0.2] < 0.7 * calls[0.0]
