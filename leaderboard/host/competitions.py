"""Competitions: their facts, their files and pages, and which team of one a user is in."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from leaderboard.host.accounts import User
from leaderboard.host.home import Home
from leaderboard.host.refusal import Refused
from leaderboard.host.store import competitions, members, teams

TO_DOWNLOAD = "You must accept this competition's rules before you'll be able to download files."
TO_SUBMIT = "Permission 'competitions.participate' was denied"


@dataclass(frozen=True)
class Competition:
    """A row of the table. Times are seconds since 1970 UTC by the host's clock; `finals`: how many count in the end."""

    id: int
    slug: str
    title: str
    metric: str
    greater_is_better: bool
    created: float
    deadline: float
    daily_limit: int
    finals: int
    notebooks_only: bool


@dataclass(frozen=True)
class DataFile:
    """A file that entrants may download; `name` has / between folders, `created` is in seconds since 1970 UTC."""

    name: str
    bytes: int
    created: float


@dataclass(frozen=True)
class InfoPage:
    name: str
    content: str


def competition(connection: Connection, slug: str) -> Competition:
    found = connection.execute(select(competitions).where(competitions.c.slug == slug)).first()
    if found is None:
        raise Refused(404, f"Competition {slug!r} not found")
    return Competition(**found._mapping)


def all_competitions(connection: Connection) -> list[Competition]:
    """The newest first."""
    rows = connection.execute(select(competitions).order_by(competitions.c.id.desc()))
    return [Competition(**row._mapping) for row in rows]


def team_of(connection: Connection, found: Competition, user: User) -> int | None:
    """The id of the user's team, once the rules are accepted."""
    return connection.scalar(
        select(members.c.team).where(members.c.competition == found.id, members.c.user == user.id))


def entered(connection: Connection, found: Competition, user: User, *, refusal: str) -> int:
    team = team_of(connection, found, user)
    if team is None:
        raise Refused(403, refusal)
    return team


def team_count(connection: Connection, found: Competition) -> int:
    return connection.scalar(select(func.count()).select_from(teams).where(teams.c.competition == found.id)) or 0


def data_files(home: Home, slug: str) -> tuple[DataFile, ...]:
    """What may be downloaded, by name. Nothing that is not in this list is ever opened."""
    return tuple(DataFile(**row) for row in _read(home.competition(slug) / "files.json"))


def data_file(home: Home, slug: str, name: str) -> DataFile:
    found = next((file for file in data_files(home, slug) if file.name == name), None)
    if found is None:
        raise Refused(404, f"File {name!r} not found")
    return found


def pages(home: Home, slug: str) -> list[InfoPage]:
    return [InfoPage(**row) for row in _read(home.competition(slug) / "pages.json")]


@functools.lru_cache(maxsize=64)  # written once, when the competition is made
def _read(path: Path) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(path.read_text(encoding="utf-8")))
