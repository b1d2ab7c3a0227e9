"""Submissions: upload, submit, list, limits, finals."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Row

from leaderboard.host import clock, links, standings, submissions, uploads, wire
from leaderboard.host.competitions import TO_SUBMIT, competition, entered
from leaderboard.host.refusal import Refused
from leaderboard.host.routes import API, SignedIn, TheHost, base_of
from leaderboard.host.submissions import COMPLETE

router = APIRouter()


@router.post(f"{API}/StartSubmissionUpload")
def start_upload(
    asked: wire.StartSubmissionUpload, request: Request, user: SignedIn, host: TheHost,
) -> dict[str, Any]:
    with host.home.store.writing() as connection:
        found = competition(connection, asked.competition_name)
        entered(connection, found, user, refusal=TO_SUBMIT)
        made = uploads.start(connection, found, user, file_name=asked.file_name, size=asked.content_length,
                             largest=host.largest)
    return {"token": made.token, "createUrl": f"{base_of(request)}/upload/{made.id}"}


@router.put("/upload/{upload}")
async def put(upload: str, request: Request, host: TheHost) -> dict[str, Any]:
    await uploads.receive(host.home, upload, request.stream())
    return {}


@router.post(f"{API}/CreateSubmission")
def create(asked: wire.CreateSubmission, user: SignedIn, host: TheHost) -> dict[str, Any]:
    with host.home.store.writing() as connection:
        found = competition(connection, asked.competition_name)
        number = submissions.create(connection, found, user, token=asked.blob_file_tokens,
                                    message=asked.submission_description or "")
    host.scoring.wake()
    return {"message": f"Successfully submitted to {found.title}", "ref": number}


@router.post(f"{API}/CreateCodeSubmission")
def create_from_notebook(user: SignedIn) -> dict[str, Any]:
    raise Refused(501, "This host runs no notebooks")


@router.post(f"{API}/GetSubmissionLimits")
def limits(asked: wire.OfCompetition, user: SignedIn, host: TheHost) -> dict[str, Any]:
    with host.home.store.reading() as connection:
        found = submissions.limits(connection, competition(connection, asked.competition_name), user)
    return {"numToday": found.today, "numTotal": found.total, "numAllowedNow": found.allowed}


@router.post(f"{API}/ListSubmissions")
def list_submissions(asked: wire.ListSubmissions, user: SignedIn, host: TheHost) -> dict[str, Any]:
    with host.home.store.reading() as connection:
        found = competition(connection, asked.competition_name)
        team = entered(connection, found, user, refusal=TO_SUBMIT)
        over = standings.final(connection, found)
        rows = _sorted(submissions.of_team(connection, team), asked, over=over, greater=found.greater_is_better)
    shown, token = wire.page_of(asked).of(rows) if _order(asked) else _newest(rows, asked)
    return {"submissions": [_facts(row, over=over) for row in shown], "nextPageToken": token}


@router.post(f"{API}/GetSubmission")
def get_submission(asked: wire.GetSubmission, user: SignedIn, host: TheHost) -> dict[str, Any]:
    with host.home.store.reading() as connection:
        row = submissions.own(connection, user, asked.ref)
        return _facts(row, over=clock.now(connection) > row.deadline)


@router.post(f"{API}/DownloadSubmission")
def download(
    asked: wire.DownloadSubmission, request: Request, user: SignedIn, host: TheHost,
) -> RedirectResponse:
    with host.home.store.reading() as connection:
        row = submissions.own(connection, user, asked.submission_id)
    return RedirectResponse(links.link(host.home, base_of(request), "submission", row.upload, row.file_name), 302)


@router.post("/api/v1/medalist.HostService/SelectSubmissions")
def choose(asked: wire.SelectSubmissions, user: SignedIn, host: TheHost) -> dict[str, Any]:
    """Kaggle has this on its web page only."""
    with host.home.store.writing() as connection:
        submissions.choose(connection, competition(connection, asked.competition_name), user, asked.refs)
    return {"refs": sorted(set(asked.refs))}


def _newest(rows: list[Row], asked: wire.ListSubmissions) -> tuple[list[Row], str]:
    """A page of rows, the newest first; its token is the last number shown, so that submissions which arrive between
    two pages shift nothing."""
    page = wire.page_of(asked)
    left = [row for row in rows if row.id < page.start] if asked.page_token else rows[page.start:]
    shown = left[: page.size]
    return shown, str(shown[-1].id) if len(left) > len(shown) else ""


def _order(asked: wire.ListSubmissions) -> str | None:
    """Which column, if any, the rows are to be sorted by."""
    return {"SUBMISSION_SORT_BY_NAME": "file_name", "SUBMISSION_SORT_BY_PUBLIC_SCORE": "public",
            "SUBMISSION_SORT_BY_PRIVATE_SCORE": "private"}.get(asked.sort_by or "")


def _sorted(rows: list[Row], asked: wire.ListSubmissions, *, over: bool, greater: bool) -> list[Row]:
    """The rows asked for, in the order asked for. The order of private scores is kept back like the scores."""
    if asked.group == "SUBMISSION_GROUP_SUCCESSFUL":
        rows = [row for row in rows if row.status == COMPLETE]
    if asked.group == "SUBMISSION_GROUP_SELECTED":
        rows = [row for row in rows if row.selected]
    column = _order(asked)
    if column is None or (column == "private" and not over):
        return rows
    if column == "file_name":
        return sorted(rows, key=lambda row: row.file_name)
    sign = -1.0 if greater else 1.0
    return sorted(rows, key=lambda row: (row._mapping[column] is None, sign * (row._mapping[column] or 0.0)))


def _facts(row: Row, *, over: bool) -> dict[str, Any]:
    """A submission as the client's ApiSubmission. `over`: the deadline has passed."""
    return {
        "ref": row.id, "date": clock.iso(row.created), "description": row.message, "fileName": row.file_name,
        "status": row.status, "errorDescription": row.error or "", "totalBytes": row.bytes,
        "publicScore": _score(row.public), "privateScore": _score(row.private if over else None),
        "submittedBy": row.user_name, "submittedByRef": row.user_name, "teamName": row.team_name,
        "url": f"https://www.kaggle.com/submissions/{row.id}/{row.id}.raw",
    }


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.5f}"
