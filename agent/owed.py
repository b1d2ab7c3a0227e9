"""What a run that was stopped or killed still owes: its end, or the submission that it was to end with."""

from leaderboard.alive import STOPPED, state
from leaderboard.record import Record, Run

SETTLED = "submission settled"  # the event that says that nothing is left to submit at the end of a run


def a_day(known: Run) -> int:
    """How many submissions a day a run was allowed when it began; 0: it submits nothing."""
    return int(known.settings.get("options", {}).get("submissions_a_day", 0))


def to_resume(record: Record, name: str | None) -> Run:
    """The run of that name; else the latest that did not come to its end, or not to its submission, and does not go on."""
    owing = [known.run for known in record.runs() if state(known) == STOPPED or owes_submission(record, known)]
    return record.latest(name or (owing[-1] if owing else None), unfinished=True)


def owes_submission(record: Record, known: Run) -> bool:
    """Was a run killed after its end and before its submission, or did Kaggle fail?"""
    return bool(a_day(known)) and known.status != "running" and not record.events(known.run, SETTLED)
