"""Brings what Kaggle says of past submissions into the record."""

from dataclasses import dataclass
from typing import Any

from agent.kaggle_run import client, into_summary, place
from agent.spending import Unspent
from leaderboard.kaggle import Submission
from leaderboard.record import Record
from leaderboard.submissions import Sent, note, sent


@dataclass(frozen=True)
class Synced:
    """A competition as Kaggle has it now: its submissions, ours or not and those of ours that never arrived, and the
    team's place on the leaderboard that is shown, which is final once private scores are out."""

    slug: str
    rows: tuple[dict[str, Any], ...]
    rank: int | None
    teams: int
    medal: str | None
    final: bool
    remaining: int

    def line(self) -> str:
        board = "final leaderboard" if self.final else "public leaderboard"
        place = f"rank {self.rank} of {self.teams} teams, medal: {self.medal or 'none'}" if self.rank else "no rank yet"
        return f"{self.slug}: {place} ({board}); {self.remaining} submissions left today"


def sync(record: Record, slug: str | None) -> list[Synced]:
    """Bring what Kaggle says of one competition, or of all that the record submitted to, into the record."""
    slugs = sorted({known.slug for known in sent(record)}) if slug is None else [slug]
    if not slugs:
        raise Unspent("the record knows of no submission: make one with `medalist submit`, or say which competition")
    return [_sync(record, name) for name in slugs]


def _sync(record: Record, slug: str) -> Synced:
    last = next((known.run for known in reversed(sent(record, slug=slug))), None)
    with client(slug) as kaggle:
        about, listed = kaggle.ready()
        teams, won = place(record, last, kaggle, about)
    rows = tuple(_rows(record, slug, listed))
    final = any(known.private is not None for known in listed)
    return Synced(slug, rows, about.rank, teams, won, final, about.allowance.remaining)


def _rows(record: Record, slug: str, listed: list[Submission]) -> list[dict[str, Any]]:
    ours = {known.tag: known for known in sent(record, slug=slug)}
    rows = []
    for found in listed:
        known = ours.pop(found.description.split(" ")[0], None)
        news = known is not None and note(record, known, found)
        if known is not None:
            into_summary(record, known.run)
        rows.append(_row(slug, found, known, news=news))
    return rows + [_lost(known) for known in ours.values()]


def _row(slug: str, found: Submission, known: Sent | None, *, news: bool) -> dict[str, Any]:
    return {"competition": slug, "ref": found.ref, "date": found.date[:19], "run": known.run if known else "not ours",
            "status": found.status, "cv": known.cross_validated if known else None, "honest": known.honest if known else None,
            "public": found.public, "private": found.private, "error": found.error, "news": "new" if news else ""}


def _lost(known: Sent) -> dict[str, Any]:
    return {"competition": known.slug, "ref": None, "date": known.at[:19], "run": known.run, "status": "never arrived",
            "cv": known.cross_validated, "honest": known.honest, "public": None, "private": None, "error": "", "news": ""}
