"""Uploads: a token for one file, one user, one competition and one submission; the bytes are put to a URL of their own."""

import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, update
from starlette.concurrency import run_in_threadpool

from leaderboard.host import clock
from leaderboard.host.accounts import User, hashed
from leaderboard.host.competitions import Competition
from leaderboard.host.home import Home
from leaderboard.host.refusal import Refused
from leaderboard.host.store import uploads


@dataclass(frozen=True)
class Upload:
    """What the client is told: where to put the bytes, and the token that makes a submission of them."""

    id: str
    token: str


def start(
    connection: Connection, found: Competition, user: User, *, file_name: str, size: int, largest: int,
) -> Upload:
    """Announce a file of `size` bytes. Refuses one that is larger than the host takes."""
    if size > largest:
        raise Refused(400, f"Submission file too large: {size} bytes, at most {largest} are accepted")
    made = Upload(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    connection.execute(insert(uploads).values(
        id=made.id, token_hash=hashed(made.token), user=user.id, competition=found.id, file_name=plain_name(file_name),
        bytes=size, created=clock.now(connection), received=False, used=False))
    return made


def plain_name(name: str) -> str:
    """The last part of a file's name, printable: it is only ever shown."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable()).strip(". ") or "submission.csv"


def path_of(home: Home, upload: str) -> Path:
    """The file of an upload; its id is ours, never the client's."""
    return home.uploads / upload


async def receive(home: Home, upload: str, body: AsyncIterator[bytes]) -> None:
    """Keep the bytes, on disk before this returns. Refuses more or fewer than announced, and a token that was used."""
    size = await run_in_threadpool(_announced, home, upload)
    partial = home.uploads / f".{secrets.token_hex(12)}"
    try:
        written = 0
        with partial.open("xb") as file:
            async for chunk in body:
                written += len(chunk)
                if written > size:
                    raise Refused(400, f"Upload is longer than the announced {size} bytes")
                file.write(chunk)
            file.flush()
            await run_in_threadpool(os.fsync, file.fileno())
        if written != size:
            raise Refused(400, f"Upload has {written} bytes of the announced {size}")
        await run_in_threadpool(_keep, home, upload, partial)
    finally:
        partial.unlink(missing_ok=True)


def _announced(home: Home, upload: str) -> int:
    with home.store.reading() as connection:
        size = connection.scalar(select(uploads.c.bytes).where(uploads.c.id == upload, uploads.c.used.is_(False)))
    if size is None:
        raise Refused(404, "Upload session not found")
    return size


def _keep(home: Home, upload: str, partial: Path) -> None:
    """The rename is inside the transaction: a file that became a submission is never replaced."""
    with home.store.writing() as connection:
        kept = connection.execute(
            update(uploads).where(uploads.c.id == upload, uploads.c.used.is_(False)).values(received=True))
        if kept.rowcount != 1:
            raise Refused(409, "Upload was submitted already")
        partial.replace(path_of(home, upload))
        _sync(home.uploads)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def tidy(home: Home) -> None:
    """Remove what a host that was killed, or clients that never submitted, left more than a day ago."""
    with home.store.writing() as connection:
        before = clock.now(connection) - clock.DAY
        gone = delete(uploads).where(uploads.c.used.is_(False), uploads.c.created < before)
        stale = [home.uploads / upload for upload in connection.scalars(gone.returning(uploads.c.id))]
    hidden = [path for path in home.uploads.glob(".*") if path.stat().st_mtime < time.time() - clock.DAY]
    for path in (*stale, *hidden):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def use(connection: Connection, found: Competition, user: User, token: str) -> str:
    """Spend a token, once, by the user and for the competition that it was given for; the upload's id."""
    spent = connection.scalar(
        update(uploads).where(
            uploads.c.token_hash == hashed(token), uploads.c.user == user.id, uploads.c.competition == found.id,
            uploads.c.received.is_(True), uploads.c.used.is_(False),
        ).values(used=True).returning(uploads.c.id))
    if spent is None:
        raise Refused(400, "Invalid, incomplete or already used upload token")
    return spent
