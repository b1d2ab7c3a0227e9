"""Wires the host: routes, error shapes, headers, and the web pages at `/`. `make_app` is what a server serves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from leaderboard.host.home import Home
from leaderboard.host.proxy import Proxied
from leaderboard.host.refusal import Refused, error_body
from leaderboard.host.routes import Host, competitions, downloads, leaderboard, submissions
from leaderboard.host.scoring import Allowed, Scoring
from leaderboard.web.app import add_pages
from leaderboard.web.rendering import Sources

Handler = Callable[[Request, Exception], Awaitable[Response]]


@dataclass(frozen=True)
class Settings:
    """How a server behaves. `largest`: bytes of one submitted file. `nested_errors`: Kaggle's production shape, of
    which the client shows the status line only; otherwise the shape whose message the client shows. `names`: names
    of this machine, besides localhost, that clients may call it by."""

    largest: int = 100 * 2**20
    nested_errors: bool = True
    names: tuple[str, ...] = ()
    allowed: Allowed = field(default_factory=Allowed)


def make_app(home: Home, settings: Settings) -> FastAPI:
    """The whole application; scoring runs while it is up."""
    scoring = Scoring(home, settings.allowed)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        scoring.start()
        yield
        scoring.stop()

    app = FastAPI(title="medalist host", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.host = Host(home, scoring, settings.largest)
    app.add_middleware(Proxied, names=settings.names, nested_errors=settings.nested_errors)
    for area in (competitions, submissions, leaderboard, downloads):
        app.include_router(area.router)
    app.add_api_route("/api/v1/{service}/{method}", _unknown_call, methods=["POST"])
    for kind, answer in _answers(nested=settings.nested_errors).items():
        app.add_exception_handler(kind, answer)
    add_pages(app, Sources(home=home))
    return app


def _unknown_call(service: str, method: str) -> None:
    raise Refused(501, f"{service}/{method} is not offered by this host")


def _answers(*, nested: bool) -> dict[type[Exception], Handler]:
    """What each error becomes. Of our own failures nothing is said: the trace is in the host's log."""

    def reply(code: int, message: str) -> Response:
        headers = {"WWW-Authenticate": 'Basic realm="kaggle"'} if code == 401 else {}
        return JSONResponse(error_body(code, message, nested=nested), code, headers)

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return reply(error.code, str(error))

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return reply(400, f"Bad request: {'.'.join(str(part) for part in first['loc'][1:])}: {first['msg']}")

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return reply(error.status_code, str(error.detail))

    async def failed(_: Request, error: Exception) -> Response:
        return reply(500, "Internal error")

    return {Refused: refused, RequestValidationError: invalid, HTTPException: http, Exception: failed}
