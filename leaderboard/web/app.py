"""Puts the pages onto an application: the host's own at `/`, or one that has nothing else."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint

from leaderboard.alive import state
from leaderboard.record import RecordError
from leaderboard.web import competitions, improvement, runs
from leaderboard.web.improvement_facts import Damaged, Improvement
from leaderboard.web.rendering import HERE, Missing, Sources, page, sources_of

LATEST = 8  # runs on the first page

router = APIRouter(include_in_schema=False)


@router.get("/")
def first(request: Request) -> HTMLResponse:
    """What there is: competitions, the latest runs, where the improvement loop stands."""
    sources = sources_of(request)
    latest = runs.known_runs(sources.runs / "record.db")[:LATEST] if sources.runs else []
    scores = runs.scores_of(sources.runs / "record.db", [run.run for run in latest]) if sources.runs else {}
    states = {run.run: state(run) for run in latest}
    known, damage = _improvement(sources)
    return page(request, "first", listed=competitions.listed(sources.home) if sources.home else [], latest=latest,
                scores=scores, states=states, sources=sources, known=known, damage=damage)


def _improvement(sources: Sources) -> tuple[Improvement | None, str]:
    """The improvement loop, or the line that says why it cannot be read."""
    try:
        return (sources.improvement() if sources.improvement else None), ""
    except Damaged as error:
        return None, str(error)


@router.get("/{path:path}")
def nothing(path: str) -> None:
    raise Missing(f"There is no page /{path}.")


def add_pages(app: FastAPI, sources: Sources) -> None:
    """Serve the pages from this application, at what paths it does not use itself; call it last."""
    app.state.pages = sources
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    for area in (competitions, runs, improvement):
        app.include_router(area.router)
    app.include_router(router)
    app.add_exception_handler(Missing, _missing)
    for damaged in (Damaged, RecordError):
        app.add_exception_handler(damaged, _damaged)


def make_app(sources: Sources, *, names: Collection[str] = ()) -> FastAPI:
    """An application of pages alone. `names`: of this machine, besides localhost and its addresses; a stranger's page that
    rebinds its own name to this machine is refused."""
    app = FastAPI(title="medalist", docs_url=None, redoc_url=None, openapi_url=None)
    known = {"localhost", *names}

    @app.middleware("http")
    async def guard(request: Request, following: RequestResponseEndpoint) -> Response:
        if not _ours(request.headers.get("host", ""), known):
            return PlainTextResponse("This server answers to its own names only: say --name NAME.\n", 403)
        answer = await following(request)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    add_pages(app, sources)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    return app


def _ours(host: str, names: Collection[str]) -> bool:
    """A name that was given, or an address: no name that a stranger owns can be either."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in names or bool(ip_address(name))
    except ValueError:
        return False


def _missing(request: Request, error: Exception) -> HTMLResponse:
    return page(request, "missing", code=404, line=str(error))


def _damaged(request: Request, error: Exception) -> HTMLResponse:
    """The page is in order, what it would show is not."""
    return page(request, "missing", heading="Cannot be read", line=str(error))


def _refused(request: Request, error: Exception) -> HTMLResponse:
    assert isinstance(error, HTTPException)
    return page(request, "missing", code=error.status_code, line=str(error.detail))


def _unreadable(request: Request, error: Exception) -> HTMLResponse:
    return page(request, "missing", code=404, line=f"There is no page {request.url.path}.")
