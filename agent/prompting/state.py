"""Says in a few lines where a run stands: the best entries and their gains, what gained nothing, what failed, the time left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.prompting.data_card import said
from agent.prompting.failures import first_reason
from leaderboard.record import Entry

BEST, IDLE, FAILED = 6, 6, 5
DONE = ("ok", "stopped", "killed")
LONGEST_SOURCE = 14_000
HEAVY = 0.05  # of the blend: entries that are always shown
HOPE = 0.15   # of the way from the constant to the best: who is further behind is not worth a change
OWN = "own"   # the family of code that is not one of the kit's models


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
    vectors: str = ""


@dataclass(frozen=True)
class Shown:
    """An entry as prompts show it."""

    number: int
    line: str
    source: str


def shown(entry: Entry, entries: Sequence[Entry], *, greater_is_better: bool) -> Shown:
    """The entry with its line and its source."""
    line, source = line_of(entry, entries, greater_is_better=greater_is_better), entry.source.rstrip()
    cut = f"\n# (the host shows no more of it: {len(source) - LONGEST_SOURCE} characters follow)"
    return Shown(entry.number, line, source if len(source) <= LONGEST_SOURCE else source[:LONGEST_SOURCE] + cut)


def line_of(entry: Entry, entries: Sequence[Entry], *, greater_is_better: bool) -> str:
    """One entry on one line: number, family, score, gain over its parent, seconds a fit, hypothesis."""
    if entry.status == "stopped":
        return f"entry {entry.number} ({entry.operator}, {entry.family}): {_behind(entry, entries, greater_is_better)}. " \
               f"{said(entry.hypothesis, 200)}"
    score = "no score" if entry.score is None else f"{entry.score:.5g}"
    spread = "" if entry.spread is None or entry.score is None else f" ± {entry.spread:.2g} over folds"
    change = gain(entry, entries, greater_is_better=greater_is_better)
    gained = "" if change is None else f", gain {change:+.2g}"
    fits = f", {entry.cost_wall_seconds / len(entry.fold_scores):.2g} s a fit" if entry.fold_scores else ""
    return (f"entry {entry.number} ({entry.operator}, {entry.family}): {score}{spread}{gained}{fits}. "
            f"{said(entry.hypothesis, 200)}")


def _behind(entry: Entry, entries: Sequence[Entry], greater_is_better: bool) -> str:
    """How far a race went that was stopped, and what the best entry has on the same folds."""
    folds = len(entry.fold_scores)
    rivals = [other for other in ranked(entries, greater_is_better=greater_is_better) if len(other.fold_scores) >= folds]
    if not folds or not rivals:
        return "stopped, it fell behind the best"
    rival = rivals[0]
    own, best = (sum(scores[:folds]) / folds for scores in (entry.fold_scores, rival.fold_scores))
    return f"stopped after {folds} of {len(rival.fold_scores)} folds with {own:.5g}, where entry {rival.number} has {best:.5g}"


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


def worth_changing(entries: Sequence[Entry], *, greater_is_better: bool) -> list[Entry]:
    """Completed entries, the best first, without those from which no single change could reach the best."""
    order = ranked(entries, greater_is_better=greater_is_better)
    constant = next((entry.score for entry in entries if entry.number == 0), None)
    if not order or order[0].score is None or constant is None:
        return order
    best = order[0].score
    return [e for e in order if e.score is not None and abs(best - e.score) <= HOPE * abs(best - constant)]


def view_of(entry: Entry) -> str:
    """What an entry is another view than: its family, or itself where its code is its own."""
    return f"{OWN} {entry.number}" if entry.family == OWN else entry.family


def _weighs(entry: Entry, weights: Mapping[int, float] | None) -> bool:
    """Whether the blend would miss the entry."""
    return abs((weights or {}).get(entry.number, 0.0)) > HEAVY


def best_lines(
    entries: Sequence[Entry], weights: Mapping[int, float] | None = None, *, greater_is_better: bool,
) -> tuple[str, ...]:
    """The best few entries: those that the blend is made of, then one a view, so that every view that works is seen."""
    order = ranked(entries, greater_is_better=greater_is_better)
    blended = [e for e in order if _weighs(e, weights)]
    heads = [e for k, e in enumerate(order) if view_of(e) not in {view_of(before) for before in order[:k]}]
    numbers = list(dict.fromkeys(e.number for e in (*order[:1], *blended, *heads, *order)))[:BEST]
    chosen = [e for e in order if e.number in numbers]
    return tuple(line_of(entry, entries, greater_is_better=greater_is_better) for entry in chosen)


def idle_lines(
    entries: Sequence[Entry], weights: Mapping[int, float] | None = None, *, greater_is_better: bool,
) -> tuple[str, ...]:
    """The latest entries that a model wrote and that are no better than what they came from, or lost their race; what the
    blend gains from was no idle try."""
    lines = []
    for entry in entries:
        if _weighs(entry, weights):
            continue
        change = gain(entry, entries, greater_is_better=greater_is_better)
        if entry.params.get("model") and (entry.status == "stopped" or (change is not None and change <= 0)):
            lines.append(line_of(entry, entries, greater_is_better=greater_is_better))
    return tuple(lines[-IDLE:])


def failure_lines(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The latest failures of solutions that a model wrote and that are not mended, with the reason."""
    mended = {number for entry in entries if entry.operator == "debug" and entry.status in DONE for number in entry.parents}
    failed = [entry for entry in entries if entry.params.get("model") and entry.source and entry.status not in DONE
              and entry.number not in mended]
    return tuple(f"entry {e.number} ({e.operator}): {e.status}: {first_reason(e.log).rstrip('.')}. "
                 f"It was: {said(e.hypothesis, 120)}" for e in failed[-FAILED:])


def about(seconds: float) -> str:
    """A time in words, coarse, so that prompts of like moments are alike."""
    if seconds < 90:
        return f"about {max(10, round(seconds / 10) * 10)} seconds"
    return f"about {round(seconds / 60)} minutes"
