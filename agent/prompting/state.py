"""Says in a few lines where a run stands: the best entries and their gains, what gained nothing, what failed, the time left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.prompting.data_card import said
from agent.prompting.failures import first_reason
from leaderboard.record import Entry

BEST, IDLE, FAILED = 6, 6, 5
DONE = ("ok", "stopped", "killed")
LONGEST_SOURCE = 14_000


@dataclass(frozen=True)
class State:
    """The volatile part of a prompt."""

    left: str
    fit_seconds: int
    fits: int
    best: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    blend: str = ""
    traps: tuple[str, ...] = ()
    ideas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """An entry as prompts show it."""

    number: int
    line: str
    source: str


def shown(entry: Entry, entries: Sequence[Entry], *, greater_is_better: bool) -> Shown:
    """The entry with its line and its source."""
    line = line_of(entry, entries, greater_is_better=greater_is_better)
    return Shown(entry.number, line, entry.source[:LONGEST_SOURCE].rstrip())


def line_of(entry: Entry, entries: Sequence[Entry], *, greater_is_better: bool) -> str:
    """One entry on one line: number, family, score, gain over its parent, seconds a fit, hypothesis."""
    score = "no score" if entry.score is None else f"{entry.score:.5g}"
    spread = "" if entry.spread is None else f" ± {entry.spread:.2g} over folds"
    change = gain(entry, entries, greater_is_better=greater_is_better)
    gained = "" if change is None else f", gain {change:+.2g}"
    fits = f", {entry.cost_wall_seconds / len(entry.fold_scores):.2g} s a fit" if entry.fold_scores else ""
    return (f"entry {entry.number} ({entry.operator}, {entry.family}): {score}{spread}{gained}{fits}. "
            f"{said(entry.hypothesis, 200)}")


def gain(entry: Entry, entries: Sequence[Entry], *, greater_is_better: bool) -> float | None:
    """How much better than its first parent, in units of the metric; None where one of both has no score."""
    scores = {other.number: other.score for other in entries}
    before = scores.get(entry.parents[0]) if entry.parents else None
    if entry.score is None or before is None:
        return None
    return (entry.score - before) * (1.0 if greater_is_better else -1.0)


def blend_line(weights: Mapping[int, float]) -> str:
    """Which entries the submission is made of, the heaviest first."""
    heavy = sorted(weights.items(), key=lambda pair: -abs(pair[1]))[:BEST]
    return ", ".join(f"entry {number} {weight:.2f}" for number, weight in heavy if abs(weight) > 0.005)


def ranked(entries: Sequence[Entry], *, greater_is_better: bool) -> list[Entry]:
    """Completed entries, the best first, the constant left out."""
    done = [entry for entry in entries if entry.status == "ok" and entry.score is not None and entry.number]
    return sorted(done, key=lambda entry: -(entry.score or 0.0) if greater_is_better else (entry.score or 0.0))


def best_lines(entries: Sequence[Entry], *, greater_is_better: bool) -> tuple[str, ...]:
    """The best few entries, one a family first, so that every view that works is seen."""
    order = ranked(entries, greater_is_better=greater_is_better)
    heads = [e for k, e in enumerate(order) if e.family not in {before.family for before in order[:k]}]
    chosen = (heads[:BEST] + [e for e in order if e not in heads])[:BEST]
    chosen = [e for e in order if e in chosen]
    return tuple(line_of(entry, entries, greater_is_better=greater_is_better) for entry in chosen)


def idle_lines(entries: Sequence[Entry], *, greater_is_better: bool) -> tuple[str, ...]:
    """The latest entries that a model wrote and that are no better than what they came from, or lost their race."""
    lines = []
    for entry in entries:
        change = gain(entry, entries, greater_is_better=greater_is_better)
        if entry.params.get("model") and (entry.status == "stopped" or (change is not None and change <= 0)):
            lines.append(line_of(entry, entries, greater_is_better=greater_is_better) +
                         (" (stopped: it fell behind the best)" if entry.status == "stopped" else ""))
    return tuple(lines[-IDLE:])


def failure_lines(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The latest failures of solutions that a model wrote, with the reason."""
    failed = [entry for entry in entries if entry.params.get("model") and entry.source and entry.status not in DONE]
    return tuple(f"entry {e.number} ({e.operator}): {e.status}: {first_reason(e.log).rstrip('.')}. "
                 f"It was: {said(e.hypothesis, 120)}" for e in failed[-FAILED:])


def about(seconds: float) -> str:
    """A time in words, coarse, so that prompts of like moments are alike."""
    if seconds < 90:
        return f"about {max(10, round(seconds / 10) * 10)} seconds"
    return f"about {round(seconds / 60)} minutes"
