"""Tells how many seconds a trial has left, and keeps what was chosen by them so that a later fit can repeat it.

A choice that hangs on measured time (rounds, trees, steps) is printed as one line, `choice <name>=<json>`. A card with
`replay`, the list of the choices printed by an earlier fit, makes the kit's models do again what was chosen then.
"""

import json
import math
import time
from types import SimpleNamespace
from typing import Any

_seen: dict[int, tuple[SimpleNamespace, float, float]] = {}  # a card, when it was first seen, what it said then


def seconds_left(task: SimpleNamespace) -> float:
    """Seconds until the runner kills this trial; infinite where the card sets no limit."""
    said = getattr(task, "seconds_left", None)
    if said is None:
        return math.inf
    _, since, first = _seen.setdefault(id(task), (task, time.monotonic(), float(said)))
    return min(float(said), first - (time.monotonic() - since))


def deadline(task: SimpleNamespace, share: float = 0.85) -> float:
    """The `time.monotonic()` at which `share` of the seconds left will have passed."""
    return time.monotonic() + share * max(seconds_left(task), 0.0)


def chosen(task: SimpleNamespace, name: str) -> Any:
    """What the fit that this one repeats chose at this place; None where it repeats none, or went another way.

    Each call takes one choice from `task.replay`, a list of [name, value] in the order in which they were made.
    """
    return _next(getattr(task, "replay", None), name)


def hinted(task: SimpleNamespace, name: str) -> Any:
    """What the same solution chose at this place on another fold of the run: `task.hints`, taken as `chosen` is.

    Looking for a number of rounds or a penalty costs more than the fit that follows; one fold's look serves all.
    """
    return _next(getattr(task, "hints", None), name)


def _next(choices: list[Any] | None, name: str) -> Any:
    if not choices:
        return None
    if choices[0][0] != name:
        choices.clear()  # what follows belongs to other models
        return None
    return choices.pop(0)[1]


def choose(name: str, value: Any) -> None:
    """Prints a choice, for `chosen` to find. value: anything that JSON holds."""
    print(f"choice {name}={json.dumps(value, separators=(',', ':'))}", flush=True)
