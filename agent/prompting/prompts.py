"""Renders the playbook's prompts (Jinja files) and picks the lessons that hold for a task."""

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agent.playbook.scope import holds
from agent.traits import Traits

LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "lightgbm", "xgboost", "catboost", "torch", "pillow")
PLAYBOOK = Path(__file__).parent.parent / "playbook"
MOST_LESSONS = 8


@cache
def libraries() -> str:
    """Python and what solutions may import, with the versions: interfaces come and go between them."""
    versions = [f"{name} {'.'.join(version(name).split('+')[0].split('.')[:2])}" for name in LIBRARIES]
    return f"Python {sys.version_info.major}.{sys.version_info.minor} with {', '.join(versions)}"


@dataclass(frozen=True)
class Prompts:
    """The prompts of one playbook folder: `prompts/*.jinja` and `lessons.toml`, those of a version before the common ones."""

    folder: Path = PLAYBOOK
    version: Path | None = None

    def system(self, *, kit: str, card: str, shape: str, lessons: Sequence[str]) -> str:
        """What every request of a run begins with, byte for byte: endpoints cache it."""
        return self._render("system", kit=kit, card=card, shape=shape, lessons=lessons, libraries=libraries())

    def ask(self, purpose: str, **facts: Any) -> str:
        """One operator's prompt: where the run stands, then what to do."""
        return self._render(purpose, **facts)

    def lessons(self, traits: Traits) -> list[str]:
        """At most MOST_LESSONS lessons in scope, the narrowest scope first."""
        place = next(place for place in self._places if (place / "lessons.toml").is_file())
        stored = tomllib.loads((place / "lessons.toml").read_text(encoding="utf-8"))["lesson"]
        held = [lesson for lesson in stored if holds(lesson["scope"], traits)]
        held.sort(key=lambda lesson: -len(lesson["scope"]))
        return [lesson["says"] for lesson in held[:MOST_LESSONS]]

    def _render(self, name: str, **facts: Any) -> str:
        return self._environment.get_template(f"{name}.jinja").render(**facts)

    @property
    def _places(self) -> list[Path]:
        return [place for place in (self.version, self.folder) if place is not None]

    @cached_property
    def _environment(self) -> Environment:
        return Environment(loader=FileSystemLoader([place / "prompts" for place in self._places]), undefined=StrictUndefined,
                           trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
