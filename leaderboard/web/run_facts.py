"""What the page of a run shows, worked out of the record: pure functions of runs, entries and events."""

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.alive import FILE, GOING_ON, state
from leaderboard.record import Entry, Run
from leaderboard.web.figures import COLOURS, Figure, Point, Series, bars
from leaderboard.web.words import count, seconds, tidy, time_of

DEEPEST = 8          # steps of indentation
MOST_WEIGHTS = 24
PRIOR = "prior"      # the family of the constant


@dataclass(frozen=True)
class Branch:
    """An entry as a line of the tree. gain: how much better than its first parent, in units of the metric."""

    entry: Entry
    depth: int
    gain: float | None
    weight: float | None
    colour: str
    best: bool


@dataclass(frozen=True)
class Pulse:
    """How far a run is. state: going on | stopped (its process is gone) | how it ended. elapsed: in seconds."""

    state: str
    elapsed: float

    @property
    def live(self) -> bool:
        return self.state == GOING_ON


def pulse(run: Run, entries: Sequence[Entry]) -> Pulse:
    """From the record, from the lock that a run's process holds, and from when its folder last got something new."""
    known = state(run)
    if known != GOING_ON:
        return Pulse(known, float((run.summary or {}).get("seconds") or _last(entries)))
    signs = [_changed(Path(run.folder) / name) for name in ("", "entries", FILE)]
    return Pulse(known, _last(entries) + max(0.0, time.time() - max(time_of(run.started_at).timestamp(), *signs)))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _last(entries: Sequence[Entry]) -> float:
    return max((entry.at_seconds for entry in entries), default=0.0)


def best(run: Run, entries: Sequence[Entry]) -> Entry | None:
    """The best entry that ran on all folds, by its cross-validated score."""
    scored = [entry for entry in entries if entry.status == "ok" and entry.score is not None and math.isfinite(entry.score)]
    sign = -1.0 if run.greater_is_better else 1.0
    return min(scored, key=lambda entry: sign * (entry.score or 0.0), default=None)


def weights_of(ensembles: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """The last blend."""
    return {int(number): float(weight) for number, weight in ensembles[-1]["weights"].items()} if ensembles else {}


def tiles(run: Run, entries: Sequence[Entry], ensembles: Sequence[Mapping[str, Any]], scores: Mapping[str, float]) -> list[
        tuple[str, str, str]]:
    """(name, number, small print); what is not known yet is left out."""
    said, last, winner = run.summary or {}, ensembles[-1] if ensembles else {}, best(run, entries)
    honest, error = last.get("honest"), said.get("honest_standard_error") or last.get("standard_error")
    found = [
        ("Private score", scores.get("private"), _around(said.get("private_standard_error"))),
        ("Public score", scores.get("public"), ""),
        ("Honest estimate", said.get("honest", honest) if run.summary else honest, _around(error)),
        ("Blend, cross-validated", last.get("score"), f"{last.get('method')} of {len(last.get('weights', {}))}"),
        ("Best entry", winner.score if winner else None, f"entry {winner.number}, {winner.family}" if winner else ""),
    ]
    rows = [(name, tidy(value), small) for name, value, small in found if value is not None]
    if said.get("rank"):
        rows.append(("Rank", f"{said['rank']} of {said['rivals'] + 1}", "among the reference competitors"))
    done = sum(entry.status == "ok" for entry in entries)
    return [*rows, ("Entries", str(len(entries)), f"{done} ran on all folds")]


def _around(error: float | None) -> str:
    return f"± {tidy(error)}" if error else ""


def colours(entries: Sequence[Entry]) -> dict[str, str]:
    """A class for each family, in the order in which they first came, so that none changes while the run goes on: the same
    in each chart, in the tree and in the report. Grey for the constant and from the ninth on."""
    first = dict.fromkeys(entry.family for entry in sorted(entries, key=lambda entry: entry.number))
    ranked = sorted(first, key=lambda name: name == PRIOR)  # the constant last, the others as they came
    return {name: f"c{COLOURS if name == PRIOR else min(place, COLOURS)}" for place, name in enumerate(ranked)}


def branches(run: Run, entries: Sequence[Entry], weights: Mapping[int, float]) -> list[Branch]:
    """All entries below their first parents, depth first, in the order of their numbers."""
    known, told, winner = {entry.number: entry for entry in entries}, colours(entries), best(run, entries)
    children: dict[int | None, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: -entry.number):
        children[_parent(entry, known)].append(entry)
    found, waiting = [], [(entry, 0) for entry in children[None]]
    while waiting:
        entry, depth = waiting.pop()
        found.append(Branch(entry, min(depth, DEEPEST), gain(run, entry, known), weights.get(entry.number),
                            told[entry.family], winner is not None and winner.number == entry.number))
        waiting += [(child, depth + 1) for child in children[entry.number]]
    return found


def _parent(entry: Entry, known: Mapping[int, Entry]) -> int | None:
    """A parent is older than its child, so that no tree goes round."""
    first = entry.parents[0] if entry.parents else None
    return first if first in known and first is not None and first < entry.number else None


def gain(run: Run, entry: Entry, known: Mapping[int, Entry]) -> float | None:
    """How much better than its first parent; None where either has no score."""
    parent = known.get(entry.parents[0]) if entry.parents else None
    if parent is None or entry.score is None or parent.score is None:
        return None
    return (1.0 if run.greater_is_better else -1.0) * (entry.score - parent.score)


ORDERS = {  # name: (key, the largest first); entries without a value come last
    "score": (lambda branch: branch.entry.score, None), "gain": (lambda branch: branch.gain, True),
    "weight": (lambda branch: branch.weight, True), "cost": (lambda branch: branch.entry.cost_cpu_seconds, True),
    "time": (lambda branch: branch.entry.at_seconds, False),
}


def ordered(run: Run, found: Sequence[Branch], order: str) -> list[Branch]:
    """The tree's lines by a column of ORDERS, the best first; the tree itself for any other word."""
    if order not in ORDERS:
        return list(found)
    key, largest_first = ORDERS[order]
    sign = -1.0 if (run.greater_is_better if largest_first is None else largest_first) else 1.0

    def place(branch: Branch) -> tuple[bool, float]:
        value = key(branch)
        unknown = value is None or not math.isfinite(value)
        return unknown, 0.0 if unknown else sign * value

    return sorted(found, key=place)


def progress(run: Run, entries: Sequence[Entry], ensembles: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Score over time: entries as dots, the best so far and the blend's honest estimate as steps."""
    scored = [entry for entry in entries if entry.score is not None and math.isfinite(entry.score)]
    if not scored:
        return None
    values = [float(entry.score or 0.0) for entry in scored]
    lead = (np.maximum if run.greater_is_better else np.minimum).accumulate(values).tolist()
    turns = [at for at, value in enumerate(lead) if at in (0, len(lead) - 1) or value != lead[at - 1]]
    honest = [(float(event["at_seconds"]), float(event["honest"])) for event in ensembles]
    dots = [Series(family, "dots", colour, tuple(
        Point(entry.at_seconds, float(entry.score or 0.0), tip=f"entry {entry.number}, {entry.operator}")
        for entry in scored if entry.family == family)) for family, colour in colours(entries).items()]
    says = f"{count(len(scored), 'entry', 'entries')} in {seconds(_last(entries))}; the best has {tidy(lead[-1])}"
    says += f", the blend's honest estimate is {tidy(honest[-1][1])}." if honest else "."
    return Figure("progress", "Score over time", says, "seconds", run.metric, (
        Series("blend, honest estimate", "steps", "ink", tuple(Point(x, y) for x, y in honest)),
        Series("best entry so far", "steps", "c8", tuple(Point(scored[at].at_seconds, lead[at]) for at in turns)),
        *(one for one in dots if one.points),
    ), window=_window(values, [y for _, y in honest], run.greater_is_better))


def _window(scores: Sequence[float], honest: Sequence[float], greater_is_better: bool) -> tuple[float, float] | None:
    """The range in which the race is decided; what is far worse than the middle entry lies outside."""
    every = np.array([*scores, *[value for value in honest if math.isfinite(value)]])
    top = float(every.max() if greater_is_better else every.min())
    reach = max(3.0 * abs(top - float(np.median(scores))), 0.02 * float(abs(top - every).max()))
    inside = every[abs(every - top) <= reach]
    margin = max(0.06 * float(np.ptp(inside)), 0.003 * abs(top)) or 1.0
    return float(inside.min()) - margin, float(inside.max()) + margin


def blend(weights: Mapping[int, float], entries: Sequence[Entry]) -> Figure | None:
    """The heaviest members of the last blend; a linear stack may give negative weights."""
    if not weights:
        return None
    family, told = {entry.number: entry.family for entry in entries}, colours(entries)
    kept = sorted(weights, key=lambda number: -abs(weights[number]))[:MOST_WEIGHTS]
    names = [f"{number} {family.get(number, '')}" for number in kept]
    says = f"{count(len(weights), 'entry', 'entries')}; the heaviest is {names[0]} with {weights[kept[0]]:.3f}."
    if len(weights) > len(kept):
        says += f" The {len(kept)} heaviest are shown."
    return bars("blend", "Weights of the blend", says, names, [round(weights[number], 4) for number in kept], "weight",
                colours=[told.get(family.get(number, ""), "c8") for number in kept], x_label="entry")


def methods(run: Run, ensembles: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, bool]]:
    """(way of blending, its cross-fitted score, is it the one chosen), the best first."""
    last = ensembles[-1] if ensembles else {}
    ranked = sorted(last.get("by_method", {}).items(), key=lambda pair: pair[1], reverse=run.greater_is_better)
    return [(name, score, name == last["method"]) for name, score in ranked]


def costs(entries: Sequence[Entry]) -> Figure | None:
    """Processor seconds by family."""
    if not entries:
        return None
    spent: dict[str, float] = defaultdict(float)
    for entry in entries:
        spent[entry.family] += entry.cost_cpu_seconds
    names, told = sorted(spent, key=lambda name: -spent[name]), colours(entries)
    says = f"{seconds(sum(spent.values()))} of processor time; most, {seconds(spent[names[0]])}, for {names[0]}."
    return bars("costs", "Processor seconds by family", says, names, [round(spent[name], 1) for name in names], "seconds",
                colours=[told[name] for name in names], x_label="family")


def totals(entries: Sequence[Entry]) -> dict[str, Any]:
    """What all trials cost together, and how they ended."""
    ends: dict[str, int] = defaultdict(int)
    for entry in entries:
        ends[entry.status] += 1
    return {
        "wall": sum(entry.cost_wall_seconds for entry in entries), "cpu": sum(entry.cost_cpu_seconds for entry in entries),
        "memory": max((entry.peak_memory_bytes for entry in entries), default=0),
        "tokens": sum(entry.cost_tokens for entry in entries), "dollars": sum(entry.cost_dollars for entry in entries),
        "ends": sorted(ends.items(), key=lambda pair: -pair[1]),
    }


def history(runs: Sequence[Run], scores: Mapping[str, Mapping[str, float]]) -> Figure | None:
    """A task's runs, the oldest first: the honest estimate with two standard errors, public and private scores."""
    done = [run for run in runs if run.summary and run.summary.get("honest") is not None]
    if len(done) < 2:
        return None
    honest = tuple(_interval(place, run.summary or {}) for place, run in enumerate(done))
    told = [Series("honest estimate, ± 2 standard errors", "ranges", "c0", honest)]
    for kind, colour in (("public", "c3"), ("private", "c1")):
        known = tuple(Point(place, scores[run.run][kind]) for place, run in enumerate(done) if kind in scores[run.run])
        told += [Series(f"{kind} score", "dots", colour, known)] if known else []
    says = f"{len(done)} finished runs of {done[0].task}; the latest has an honest estimate of {tidy(honest[-1].y)}."
    return Figure("history", "Scores of this task's runs", says, "run", done[0].metric, tuple(told),
                  names=tuple(run.run for run in done))


def _interval(place: int, summary: Mapping[str, Any]) -> Point:
    honest, error = float(summary["honest"]), summary.get("honest_standard_error")
    return Point(place, honest, honest - 2 * error, honest + 2 * error) if error else Point(place, honest)
