"""Watches an accepted version in real runs: what speaks against it adds up as an e-process, and past 1/alpha it is rolled back.

A comparison is a real run under the version and the latest earlier run under its parent on the same task with the same
budget: whose private score is better, or honest estimate where no private score is known for both.
"""

from collections.abc import Sequence
from pathlib import Path

from agent.improve.ledger import FILE, Ledger, Line
from agent.improve.statistics import evidence_of_harm
from agent.playbook.store import Store
from leaderboard.record import Record, Run

ALPHA = 0.05


def comparisons(runs: Sequence[Run], version: str, parent: str) -> list[bool | None]:
    """For each run under `version` that has a run under `parent` to be compared with, whether it lost; the oldest first."""
    found: list[bool | None] = []
    before: dict[tuple[str, float], Run] = {}
    for run in (run for run in runs if run.summary):
        key, played = (run.task, run.budget_seconds), run.settings.get("playbook")
        if played == parent:
            before[key] = run
        elif played == version and key in before:
            found.append(_lost(run, before[key]))
    return found


def _lost(run: Run, rival: Run) -> bool | None:
    ours, theirs = run.summary or {}, rival.summary or {}
    name = "private" if ours.get("private") is not None and theirs.get("private") is not None else "honest"
    left, right = ours.get(name), theirs.get(name)
    if left is None or right is None or left == right:
        return None
    return bool(left < right) == run.greater_is_better


def watch(store: Store, record: Path, *, alpha: float = ALPHA) -> Line | None:
    """Roll the version in use back where the record's evidence of harm has passed 1/alpha; the line that says so.

    Only a version that the gate accepted is watched: a person who chose one has chosen it."""
    ledger = Ledger(store.home / FILE)
    moves = [line for line in ledger.lines() if line.facts.get("now")]
    if not moves or moves[-1].kind != "proposal" or not record.exists():
        return None
    version, parent = moves[-1].facts["child"], moves[-1].facts["parent"]
    with Record(record) as opened:
        losses = comparisons(opened.runs(), version, parent)
    harm = evidence_of_harm(losses)
    if harm < 1 / alpha:
        return None
    lost = sum(known is True for known in losses)
    reason = f"lost {lost} of {len(losses)} comparisons with its parent in real runs, e = {harm:.3g}"
    line = ledger.append("rollback", {"was": version[:12], "now": parent[:12], "reason": reason, "e": round(harm, 6)})
    store.point(parent[:12])
    return line
