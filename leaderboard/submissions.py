"""Submissions as the record knows them: what was sent with which estimates, and what Kaggle said of it since.

They are events of their run: `submission` before anything is sent, `submission state` whenever Kaggle's answer changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from leaderboard.kaggle import Submission
from leaderboard.record import Record

SENT, STATE = "submission", "submission state"
ASKED = "ASKED"


@dataclass(frozen=True)
class Sent:
    """One submission. The estimates are those of its file when it was sent; `file` is the copy that was sent."""

    run: str
    task: str
    slug: str
    tag: str
    at: str
    file: str
    sha256: str
    cross_validated: float
    honest: float
    standard_error: float
    greater_is_better: bool
    ref: int | None = None
    status: str = ASKED  # ASKED: no word from Kaggle yet; then PENDING, COMPLETE or ERROR
    error: str = ""
    public: float | None = None
    private: float | None = None

    @property
    def arrived(self) -> bool:
        """Does Kaggle have it and not refuse it?"""
        return self.status in ("PENDING", "COMPLETE")


@dataclass(frozen=True)
class Calibration:
    """One line of evidence on what our estimates are worth: the same predictions, scored by us and by Kaggle."""

    task: str
    run: str
    ref: int | None
    metric: str
    cross_validated: float
    honest: float
    standard_error: float
    public: float
    private: float | None


STATES = ("ref", "status", "error", "public", "private")
FIXED = tuple(field.name for field in fields(Sent) if field.name not in (*STATES, "run", "task", "greater_is_better"))


def announce(record: Record, sent: Sent) -> None:
    """Record that a submission is about to be sent, so that it is known whatever happens to us."""
    record.event(sent.run, SENT, {name: getattr(sent, name) for name in FIXED})


def note(record: Record, sent: Sent, found: Submission) -> bool:
    """Record what Kaggle says of a submission; True where it is news. Scores become scores of the run."""
    news = {name: getattr(found, name) for name in STATES}
    if news == {name: getattr(sent, name) for name in STATES}:
        return False
    record.event(sent.run, STATE, {"slug": sent.slug, "tag": sent.tag, "date": found.date, **news})
    for kind, value, before in (("public", found.public, sent.public), ("private", found.private, sent.private)):
        if value is not None and value != before:
            record.add_score(sent.run, kind, value)
    return True


def sent(record: Record, *, slug: str | None = None, run: str | None = None) -> list[Sent]:
    """All submissions of the record, or one competition's, or one run's, the oldest first."""
    found = [known for known in _all(record, run) if slug in (None, known.slug)]
    return sorted(found, key=lambda known: known.at)


def calibration(record: Record) -> list[Calibration]:
    """Every submission with a public score, over all tasks."""
    metrics = {run.run: run.metric for run in record.runs()}
    return [Calibration(known.task, known.run, known.ref, metrics[known.run], known.cross_validated, known.honest,
                        known.standard_error, known.public, known.private)
            for known in sent(record) if known.public is not None]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _all(record: Record, only: str | None) -> Iterator[Sent]:
    for run in [record.run(only)] if only else record.runs():
        states = {(state.get("slug"), state["tag"]): state for state in record.events(run.run, STATE)}
        asked = {(event["slug"], event["tag"]): event for event in record.events(run.run, SENT)}
        for known, event in asked.items():
            state = {name: states[known][name] for name in STATES} if known in states else {}
            yield Sent(run=run.run, task=run.task, greater_is_better=run.greater_is_better, **event, **state)
