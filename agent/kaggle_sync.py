"""Brings what Kaggle says of past submissions into the record."""

from typing import Any

from agent.kaggle_run import client, into_summary
from agent.spending import Unspent
from leaderboard.kaggle import Submission
from leaderboard.record import Record
from leaderboard.submissions import Sent, note, sent


def sync(record: Record, slug: str | None) -> list[dict[str, Any]]:
    """One row a submission that Kaggle lists, ours or not, and a row for each of ours that never arrived."""
    slugs = sorted({known.slug for known in sent(record)}) if slug is None else [slug]
    if not slugs:
        raise Unspent("the record knows of no submission: make one with `medalist submit`, or say which competition")
    return [row for name in slugs for row in _sync(record, name)]


def _sync(record: Record, slug: str) -> list[dict[str, Any]]:
    ours, listed = {known.tag: known for known in sent(record, slug=slug)}, client(slug).submissions()
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
