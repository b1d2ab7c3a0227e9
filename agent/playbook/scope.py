"""Scopes: of which tasks something is said, in the words of their traits. An empty scope holds everywhere."""

from collections.abc import Mapping
from typing import Any

from agent.traits import Traits

KEYS = ("kinds", "has", "rows_most", "rows_least", "levels_least", "forward")


def holds(scope: Mapping[str, Any], traits: Traits) -> bool:
    """Whether a task with these traits is in the scope. `has`: roles with at least one column; `levels_least`: of the
    widest categorical."""
    checks = {
        "kinds": lambda value: traits.kind in value,
        "has": lambda value: all(getattr(traits, role) > 0 for role in value),
        "rows_most": lambda value: traits.rows <= value,
        "rows_least": lambda value: traits.rows >= value,
        "levels_least": lambda value: traits.top_levels >= value,
        "forward": lambda value: traits.forward == value,
    }
    return all(checks[key](value) for key, value in scope.items())
