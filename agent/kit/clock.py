"""Tells how many seconds a trial has left, whether its card counts down by itself or was written once."""

import math
import time
from types import SimpleNamespace

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
