"""Pages of competitions: the list, and one with its leaderboard. Anybody may read them, so private scores show after the
deadline and never before: `standings.read` decides, for the client's answers and for these."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt
from markupsafe import Markup
from sqlalchemy import Connection

from leaderboard.host import clock, standings
from leaderboard.host.competitions import Competition, all_competitions, competition, data_files, pages, team_count
from leaderboard.host.home import Home
from leaderboard.host.medals import medals
from leaderboard.host.refusal import Refused
from leaderboard.host.standings import Standing
from leaderboard.web.figures import histogram
from leaderboard.web.rendering import Missing, page, sources_of
from leaderboard.web.runs import pages_of

TITLE = re.compile(r"^\s*# .*\n*")
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Listed:
    """A competition as a line of the list. left: seconds until its deadline, negative afterwards."""

    competition: Competition
    teams: int
    left: float


def home_of(request: Request) -> Home:
    home = sources_of(request).home
    if home is None:
        raise Missing("This server has no competitions: make one with `medalist host create TASK`.")
    return home


def listed(home: Home) -> list[Listed]:
    """All competitions, the newest first."""
    with home.store.reading() as connection:
        now = clock.now(connection)
        return [Listed(one, team_count(connection, one), one.deadline - now) for one in all_competitions(connection)]


@router.get("/competitions")
def overview(request: Request) -> HTMLResponse:
    return page(request, "competitions", listed=listed(home_of(request)))


@router.get("/competitions/{slug}")
def one_competition(request: Request, slug: str) -> HTMLResponse:
    """Its leaderboard: the public one, and once the deadline has passed the final one with its medals."""
    home = home_of(request)
    with home.store.reading() as connection:
        found = _found(connection, slug)
        rows, over, now = standings.read(connection, found), standings.final(connection, found), clock.now(connection)
    return page(
        request, "competition", over=over, left=found.deadline - now, zones=_zones(rows),
        spread=histogram("spread", "Distribution of scores", [row.score for row in rows], found.metric),
        files=data_files(home, slug), texts=[_text(text.name, text.content) for text in pages(home, slug)],
        total=len(rows), **{**pages_of(request, rows), "found": found})


def _found(connection: Connection, slug: str) -> Competition:
    try:
        return competition(connection, slug)
    except Refused:
        raise Missing(f"There is no competition {slug}.") from None


def _zones(rows: Sequence[Standing]) -> dict[int, str | None]:
    """The medal of each place as the leaderboard stands, by place."""
    won = medals(len(rows))
    return {row.place: won.of(row.place) for row in rows}


def _text(name: str, content: str) -> tuple[str, Markup]:
    """A page of the competition's own words: a heading where it has none, and the words as HTML. HTML in them is shown as
    text, and images are left out: nothing is loaded from elsewhere."""
    content = TITLE.sub("", content)
    made: Any = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    made.add_render_rule("heading_open", lambda _self, tokens, at, *_: f"<{_below(tokens[at].tag)}>")
    made.add_render_rule("heading_close", lambda _self, tokens, at, *_: f"</{_below(tokens[at].tag)}>\n")
    return "" if content.startswith("#") else name.replace("-", " "), Markup(made.render(content))


def _below(tag: str) -> str:
    """There is one h1, the page's."""
    return "h2" if tag == "h1" else tag
