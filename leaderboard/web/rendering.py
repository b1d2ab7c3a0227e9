"""Renders templates into answers that a browser trusts with nothing: all text escaped, no inline script or style."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from leaderboard.host.home import Home
from leaderboard.web import words
from leaderboard.web.improvement_facts import Improvement

HERE = Path(__file__).parent
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
          "base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin", "Cache-Control": "no-cache"}


class Missing(Exception):
    """There is no such page; the message is the one line that is shown."""


@dataclass(frozen=True)
class Sources:
    """What there is to show. home: the competition host's; runs: the folder with record.db; improvement: reads the loop's
    ledger and versions. What is None has no pages here."""

    home: Home | None = None
    runs: Path | None = None
    improvement: Callable[[], Improvement] | None = None

    @property
    def areas(self) -> list[tuple[str, str]]:
        """The navigation: (path, name)."""
        known = (("/competitions", "Competitions", self.home), ("/runs", "Runs", self.runs),
                 ("/improvement", "Improvement", self.improvement))
        return [(path, name) for path, name, source in known if source is not None]


def sources_of(request: Request) -> Sources:
    found = request.app.state.pages
    assert isinstance(found, Sources)
    return found


def page(request: Request, template: str, *, code: int = 200, **facts: Any) -> HTMLResponse:
    """The answer. `template` is a file of templates/ without its ending."""
    areas = sources_of(request).areas
    here = next((path for path, _ in areas if request.url.path.startswith(path)), "")
    text = render(template, areas=areas, here=here, **facts)
    return HTMLResponse(text, code, HEADERS)


def render(template: str, **facts: Any) -> str:
    return _environment().get_template(f"{template}.html.jinja").render(facts)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
        finalize=lambda value: value if isinstance(value, Markup) else words.plain(value))
    names = ("tidy", "signed", "percent", "seconds", "size", "day")
    made.filters |= {name: getattr(words, name) for name in names}
    return made
