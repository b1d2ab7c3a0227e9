"""Downloads by signed link: whole or in part (Range, If-Range), with the length, the date and an ETag."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from leaderboard.host import competitions, links, uploads
from leaderboard.host.home import Home
from leaderboard.host.refusal import Refused
from leaderboard.host.routes import TheHost

router = APIRouter()


@router.head("/download/{signed}/{kind}/{of}/{name:path}", include_in_schema=False)
@router.get("/download/{signed}/{kind}/{of}/{name:path}")
def download(signed: str, kind: str, of: str, name: str, host: TheHost) -> FileResponse:
    links.check(host.home, signed, kind, of, name)
    path = _path(host.home, kind, of, name)
    if not path.is_file():
        raise Refused(404, f"File {name!r} not found")
    return FileResponse(path, media_type="application/zip" if path.suffix == ".zip" else "application/octet-stream")


def _path(home: Home, kind: str, of: str, name: str) -> Path:
    """The file of a link that was signed here."""
    if kind == "file":
        return home.competition(of) / "task" / competitions.data_file(home, of, name).name
    if kind == "bundle":
        return home.competition(of) / "bundle.zip"
    return uploads.path_of(home, of) if kind == "submission" else home.snapshots / of
