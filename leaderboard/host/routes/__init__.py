"""The requests that the host answers, an area a file. Each file has a `router`."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from leaderboard.host.accounts import User, authenticate
from leaderboard.host.home import Home
from leaderboard.host.scoring import Scoring

API = "/api/v1/competitions.CompetitionApiService"


@dataclass(frozen=True)
class Host:
    """What the routes share. `largest` is the size in bytes of the largest file that may be submitted."""

    home: Home
    scoring: Scoring
    largest: int


def base_of(request: Request) -> str:
    """The URL that the client reached this host by."""
    return str(request.scope["base"])


async def host_of(request: Request) -> Host:
    return cast(Host, request.app.state.host)


TheHost = Annotated[Host, Depends(host_of)]


def signed_in(request: Request, host: TheHost) -> User:
    """The user of the request's credentials, or 401."""
    with host.home.store.reading() as connection:
        return authenticate(connection, request.headers.get("authorization"))


SignedIn = Annotated[User, Depends(signed_in)]
