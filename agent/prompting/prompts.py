"""Renders the playbook's prompts (Jinja files) and picks the lessons that hold for a task."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agent.traits import Traits

PLAYBOOK = Path(__file__).parent.parent / "playbook"
MOST_LESSONS = 8


@dataclass(frozen=True)
class Prompts:
    """The prompts of one playbook folder: `prompts/*.jinja` and `lessons.toml`."""

    folder: Path = PLAYBOOK

    def system(self, *, kit: str, card: str, shape: str, lessons: Sequence[str]) -> str:
        """What every request of a run begins with, byte for byte: endpoints cache it."""
        return self._render("system", kit=kit, card=card, shape=shape, lessons=lessons)

    def ask(self, purpose: str, **facts: Any) -> str:
        """One operator's prompt: where the run stands, then what to do."""
        return self._render(purpose, **facts)

    def lessons(self, traits: Traits) -> list[str]:
        """At most MOST_LESSONS lessons in scope, the narrowest scope first."""
        stored = tomllib.loads((self.folder / "lessons.toml").read_text(encoding="utf-8"))["lesson"]
        held = [lesson for lesson in stored if holds(lesson["scope"], traits)]
        held.sort(key=lambda lesson: -len(lesson["scope"]))
        return [lesson["says"] for lesson in held[:MOST_LESSONS]]

    def _render(self, name: str, **facts: Any) -> str:
        return self._environment.get_template(f"{name}.jinja").render(**facts)

    @cached_property
    def _environment(self) -> Environment:
        return Environment(loader=FileSystemLoader(self.folder / "prompts"), undefined=StrictUndefined, trim_blocks=True,
                           lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)


def holds(scope: Mapping[str, Any], traits: Traits) -> bool:
    """Whether a task with these traits is in a lesson's scope; an empty scope holds everywhere."""
    checks = {
        "kinds": lambda value: traits.kind in value,
        "has": lambda value: all(getattr(traits, role) > 0 for role in value),
        "rows_most": lambda value: traits.rows <= value,
        "rows_least": lambda value: traits.rows >= value,
        "levels_least": lambda value: traits.top_levels >= value,
        "forward": lambda value: traits.forward == value,
    }
    return all(checks[key](value) for key, value in scope.items())
