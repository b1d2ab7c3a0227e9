"""Attacks on the sandbox, each beside a control that shows it works without one; `make attack` runs them everywhere."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.executors.cold import Cold
from sandbox.executors.local import Local
from sandbox.walls import FALLBACK, NAMESPACES

sys.path.insert(0, str(Path(__file__).parent / "attacks"))

from fuzz import fuzz
from judged import control_works
from run import KNOWN, LIBRARIES, NO_CONTROL, attack_alone, attack_together
from world import TOGETHER, World, names, source, world

WAYS = {"cold": lambda: Cold(NAMESPACES), "warm": lambda: Local(LIBRARIES, NAMESPACES),
        "fallback": lambda: Local(LIBRARIES, FALLBACK)}
ALL = [(part, name) for part in TOGETHER for name in names(part)]
LEAVING = ("forges_the_result_by_a_grandchild", "races_the_collector_with_a_link", "hides_a_program_in_the_array",
           "kills_everything_that_it_may", "kills_the_fork_server", "plants_a_module_for_the_next_trial")


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture(scope="module", params=WAYS)
def got_through(request: pytest.FixtureRequest, place: World) -> dict[tuple[str, str], bool]:
    """Whether each attack got through in one way of running trials."""
    results = {}
    with WAYS[request.param]() as runner:
        for part in TOGETHER:
            results |= {(name, request.param): through for name, through in attack_together(runner, place, part).items()}
    return results


@pytest.fixture(scope="module")
def plainly(place: World) -> dict[str, bool]:
    """Whether each attack works as a plain process."""
    results = {part: place.plain(source(part), "") for part in TOGETHER}
    return {name: bool(value) for part, values in results.items() if values is not None
            for name, value in zip(names(part), values, strict=True)}


def test_no_attack_gets_through_but_those_that_are_known(got_through: dict[tuple[str, str], bool]) -> None:
    user = "root" if os.getuid() == 0 else "user"
    assert {(name, f"{way}, {user}") for (name, way), through in got_through.items() if through} <= KNOWN


def test_the_attacks_would_work_without_a_sandbox(plainly: dict[str, bool]) -> None:
    """An ordinary user's rights end some of them before any sandbox does."""
    failed = {name for _, name in ALL if not plainly[name]} - set(NO_CONTROL)
    assert not failed if os.getuid() == 0 else len(failed) < len(ALL) / 2, failed


@pytest.fixture(scope="module")
def warm() -> Iterator[Local]:
    """One for all of them: what one attack leaves, the next would meet."""
    with Local(LIBRARIES, NAMESPACES) as made:
        yield made


@pytest.mark.parametrize("name", LEAVING)
def test_what_an_attack_leaves_harms_nobody(warm: Local, place: World, name: str) -> None:
    assert not attack_alone(warm, place, name)
    place.renew()
    assert control_works(name, place)


def test_mutated_sources_always_end_in_a_status(warm: Local, place: World) -> None:
    assert sum(fuzz(40, warm, place).values()) >= 40
