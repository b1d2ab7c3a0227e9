"""The leaderboard, as a list and as the zip that Kaggle hands out."""

import csv
import hashlib
import io
import time
import zipfile
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from leaderboard.host import clock, links, standings, wire
from leaderboard.host.competitions import competition
from leaderboard.host.home import Home
from leaderboard.host.routes import API, SignedIn, TheHost, base_of
from leaderboard.host.standings import Standing

HEAD = ("Rank", "TeamId", "TeamName", "LastSubmissionDate", "Score", "SubmissionCount", "TeamMemberUserNames")
KEEP_SECONDS = 2 * links.LIFE_SECONDS


router = APIRouter()


@router.post(f"{API}/GetLeaderboard")
def get_leaderboard(asked: wire.GetLeaderboard, user: SignedIn, host: TheHost) -> dict[str, Any]:
    with host.home.store.reading() as connection:
        found = competition(connection, asked.competition_name)
        rows = standings.read(connection, found, private=False if asked.override_public else None)
    shown, token = wire.page_of(asked).of(rows)
    return {"submissions": [{"teamId": row.team, "teamName": row.name, "submissionDate": clock.iso(row.submitted),
                             "score": f"{row.score:.5f}"} for row in shown], "nextPageToken": token}


@router.post(f"{API}/DownloadLeaderboard")
def download_leaderboard(
    asked: wire.OfCompetition, request: Request, user: SignedIn, host: TheHost,
) -> RedirectResponse:
    with host.home.store.reading() as connection:
        found = competition(connection, asked.competition_name)
        rows, over, now = standings.read(connection, found), standings.final(connection, found), clock.now(connection)
    part = "privateleaderboard" if over else "publicleaderboard"
    content = zipped(f"{found.slug}-{part}-{clock.iso(now)[:19]}.csv", rows)
    return RedirectResponse(
        links.link(host.home, base_of(request), "leaderboard", _kept(host.home, content), f"{found.slug}.zip"), 302)


def zipped(name: str, rows: Sequence[Standing]) -> bytes:
    """A zip with one CSV in UTF-8 with its mark, as Kaggle writes it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEAD)
    for row in rows:
        date = clock.iso(row.submitted)[:19].replace("T", " ")
        writer.writerow([row.place, row.team, row.name, date, f"{row.score:.5f}", row.submissions, ",".join(row.members)])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text.getvalue().encode("utf-8-sig"))
    return packed.getvalue()


def _kept(home: Home, content: bytes) -> str:
    """Keep the file, so that an interrupted download finds the same bytes again; its name. Old ones go."""
    for old in home.snapshots.iterdir():
        if old.stat().st_mtime < time.time() - KEEP_SECONDS:
            old.unlink(missing_ok=True)
    name = hashlib.sha256(content).hexdigest()
    (home.snapshots / name).write_bytes(content)
    return name
