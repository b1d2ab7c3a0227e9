"""Competitions, their files and pages; who one is."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from leaderboard.host import accounts, clock, competitions, links, standings, wire
from leaderboard.host.accounts import User
from leaderboard.host.competitions import TO_DOWNLOAD, Competition, competition, entered
from leaderboard.host.routes import API, Host, SignedIn, TheHost, base_of

router = APIRouter()


@router.post("/api/v1/security.OAuthService/IntrospectToken")
def introspect(asked: wire.IntrospectToken, host: TheHost) -> dict[str, Any]:
    with host.home.store.reading() as connection:
        user = accounts.user_of_token(connection, asked.token)
    return {"active": False} if user is None else {"active": True, "username": user.name, "userId": user.id}


@router.post(f"{API}/ListCompetitions")
def list_competitions(asked: wire.ListCompetitions, user: SignedIn, host: TheHost) -> dict[str, Any]:
    with host.home.store.reading() as connection:
        found = [one for one in competitions.all_competitions(connection) if _matches(connection, one, asked, user)]
        shown, token = wire.page_of(asked).of(found)
        return {"competitions": [_facts(connection, one, user) for one in shown], "nextPageToken": token}


@router.post(f"{API}/GetCompetition")
def get_competition(asked: wire.OfCompetition, user: SignedIn, host: TheHost) -> dict[str, Any]:
    with host.home.store.reading() as connection:
        return _facts(connection, competition(connection, asked.competition_name), user)


@router.post(f"{API}/ListDataFiles")
def list_files(asked: wire.OfCompetitionPaged, user: SignedIn, host: TheHost) -> dict[str, Any]:
    with host.home.store.reading() as connection:
        slug = competition(connection, asked.competition_name).slug
    shown, token = wire.page_of(asked).of(competitions.data_files(host.home, slug))
    return {"files": [{"ref": file.name, "name": file.name, "totalBytes": file.bytes,
                       "creationDate": clock.iso(file.created)} for file in shown], "nextPageToken": token}


@router.post(f"{API}/ListCompetitionPages")
def list_pages(asked: wire.ListPages, user: SignedIn, host: TheHost) -> dict[str, Any]:
    with host.home.store.reading() as connection:
        slug = competition(connection, asked.competition_name).slug
    wanted = [page for page in competitions.pages(host.home, slug) if asked.page_name in (None, "", page.name)]
    return {"pages": [{"name": page.name, "content": page.content, "isPublished": True,
                       "mimeType": "text/markdown"} for page in wanted]}


@router.post(f"{API}/DownloadDataFile")
def download_file(
    asked: wire.DownloadDataFile, request: Request, user: SignedIn, host: TheHost,
) -> RedirectResponse:
    slug = _may_download(host, asked.competition_name, user)
    name = competitions.data_file(host.home, slug, asked.file_name).name
    return RedirectResponse(links.link(host.home, base_of(request), "file", slug, name), 302)


@router.post(f"{API}/DownloadDataFiles")
def download_files(
    asked: wire.OfCompetition, request: Request, user: SignedIn, host: TheHost,
) -> RedirectResponse:
    slug = _may_download(host, asked.competition_name, user)
    return RedirectResponse(links.link(host.home, base_of(request), "bundle", slug, f"{slug}.zip"), 302)


def _may_download(host: Host, name: str, user: User) -> str:
    """The competition's slug, if the user accepted its rules."""
    with host.home.store.reading() as connection:
        found = competition(connection, name)
        entered(connection, found, user, refusal=TO_DOWNLOAD)
        return found.slug


def _matches(connection: Connection, one: Competition, asked: wire.ListCompetitions, user: User) -> bool:
    words = (asked.search or "").lower()
    if asked.group == "COMPETITION_LIST_TAB_ENTERED" and competitions.team_of(connection, one, user) is None:
        return False
    return words in one.slug or words in one.title.lower()


def _facts(connection: Connection, one: Competition, user: User) -> dict[str, Any]:
    """A competition as the client's ApiCompetition."""
    team = competitions.team_of(connection, one, user)
    place = next((row.place for row in standings.read(connection, one) if row.team == team), None)
    url = f"https://www.kaggle.com/competitions/{one.slug}"
    return {
        "id": one.id, "ref": url, "url": url, "title": one.title, "category": "Community", "reward": "Kudos",
        "deadline": clock.iso(one.deadline), "enabledDate": clock.iso(one.created), "dateCreated": clock.iso(one.created),
        "teamCount": competitions.team_count(connection, one), "userHasEntered": team is not None, "userRank": place,
        "maxDailySubmissions": one.daily_limit, "evaluationMetric": one.metric,
        "isKernelsSubmissionsOnly": one.notebooks_only,
    }
