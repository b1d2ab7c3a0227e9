"""The anytime curve of a run: what its submission would have scored at moments of the run, rebuilt from the record."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agent.blend import Blend
from leaderboard.grade import grade
from leaderboard.record import Record
from tasks.decision_steps import Decision
from tasks.spec import Task
from tasks.submission import write_submission

MARKS = (30.0, 60.0, 120.0, 300.0)  # seconds


def standing_at(ensembles: Sequence[Mapping[str, Any]], seconds: float) -> Mapping[str, Any] | None:
    """The event of the blend that was submitted at that moment; None before the first."""
    return next((event for event in reversed(ensembles) if event["at_seconds"] <= seconds), None)


def curve(runs: Path, run: str, task: Task, answers: Path, *, budget: float) -> list[tuple[float, float]]:
    """(seconds, private score) at each mark within the budget, and at its end, that had a submission with a score."""
    with Record(runs / "record.db") as record:
        ensembles = record.events(run, "ensemble")
        tests = {entry.number: Path(entry.folder) / "test.npy" for entry in record.entries(run) if entry.status == "ok"}
    known: dict[float, float | None] = {}
    made = []
    for mark in (*(mark for mark in MARKS if mark < budget), budget):
        event = standing_at(ensembles, mark)
        if event is None:
            continue
        if event["at_seconds"] not in known:
            known[event["at_seconds"]] = _score(event, tests, task, answers)
        score = known[event["at_seconds"]]
        made += [] if score is None else [(mark, score)]
    return made


def first_seconds(runs: Path, run: str) -> float | None:
    """When a run had its first valid submission."""
    with Record(runs / "record.db") as record:
        return next((float(event["at_seconds"]) for event in record.events(run, "ensemble")), None)


def _score(event: Mapping[str, Any], tests: Mapping[int, Path], task: Task, answers: Path) -> float | None:
    blend = Blend.from_json(event["blend"])
    raw = blend.apply({number: np.load(tests[number], allow_pickle=False) for number in blend.weights})
    with tempfile.TemporaryDirectory() as place:
        submission = Path(place) / "submission.csv"
        write_submission(task, Decision.from_json(event["decision"]).apply(raw), submission)
        return grade(task, submission, answers).private
