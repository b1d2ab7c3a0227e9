"""Proposes a portfolio: the recipes that together leave the least loss on the tasks seen, chosen greedily, dear ones later.

Tasks with texts have an opening of their own, an empty one where too few were seen: what helps tables may not read a word.

Source: Feurer and others, Auto-sklearn 2.0, 2022 (greedy, without task features beyond the kind).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from agent.improve.evidence import Tried
from agent.improve.proposers import Context, Proposal, toml
from agent.improve.statistics import MOST_GAIN

LENGTH = 8
LEAST_CELLS = 4  # tried on a task, for it to say anything of an order
LOTS = 40
LEAST_TASKS = 4  # for an opening of one kind's own
SEEN = 0.3       # of the tasks that a member must have been tried on

Member = tuple[str, str, tuple[tuple[str, object], ...]]


class Cell(NamedTuple):
    """A member on a task: its loss and the constant's, in logs, and processor seconds."""

    loss: float
    floor: float
    seconds: float


Table = Mapping[str, Mapping[Member, Cell]]


def propose(context: Context) -> Proposal | None:
    rows = context.evidence.tried
    table = table_of(rows)
    seconds = context.seconds
    if len(table) < LEAST_TASKS:
        return None
    kinds = {row.task: row.kind for row in rows}
    texts = {row.task for row in rows if row.texts}
    written, rest = ({task: table[task] for task in table if (task in texts) is known} for known in (True, False))
    groups = {kind: [task for task in rest if kinds[task] == kind] for kind in sorted(set(kinds.values()))}
    openings = [_opening({"has": ["text"]}, greedy(written, seconds) if len(written) >= LEAST_TASKS else [])]
    openings += [_opening({"kinds": [kind]}, greedy({task: rest[task] for task in tasks}, seconds))
                 for kind, tasks in groups.items() if len(tasks) >= LEAST_TASKS]
    openings.append(_opening({}, greedy(rest, seconds)))
    old = context.parent.table("portfolio.toml")
    new = {**{key: value for key, value in old.items() if key != "opening"}, "opening": openings}
    text = toml(new, "What is tried first, by kind of task: the recipes that together left the least loss on tasks seen.")
    return Proposal({"portfolio.toml": text}, f"A portfolio refitted on {len(table)} tasks wins more in little time",
                    predicted(rest, seconds, kinds, old.get("opening", [])) * len(rest) / len(table),
                    tuple(kind for kind, tasks in groups.items() if tasks))


def table_of(rows: Sequence[Tried]) -> dict[str, dict[Member, Cell]]:
    """The best of each member on each task; tasks on which little was tried say nothing of an order and are left out."""
    table: dict[str, dict[Member, Cell]] = {}
    for row in rows:
        loss, floor = (math.log(max(value, 1e-6)) for value in (row.loss, row.floor))
        cell = Cell(loss, floor, max(row.cpu_seconds, 0.1))
        known = table.setdefault(row.task, {}).get(row.member)
        table[row.task][row.member] = min(known, cell) if known else cell
    return {task: cells for task, cells in table.items() if len(cells) >= LEAST_CELLS}


def greedy(table: Table, seconds: float, length: int = LENGTH) -> list[Member]:
    """Members in the order in which each lowers the mean best loss, the constant's at first, most for the square root of its
    processor seconds. One that takes longer than `seconds` on average is nothing to open with."""
    costs: dict[Member, list[float]] = {}
    for cells in table.values():
        for member, cell in cells.items():
            costs.setdefault(member, []).append(cell.seconds)
    known = sorted((member for member, found in costs.items() if len(found) >= max(1.0, SEEN * len(table))
                    and sum(found) / len(found) <= seconds), key=repr)
    chosen: list[Member] = []
    best = {task: next(iter(cells.values())).floor for task, cells in table.items()}
    while known and len(chosen) < length:
        worths = {member: _worth(member, table, best) for member in known}
        winner = max(known, key=lambda member: worths[member])
        if chosen and worths[winner] <= 0:
            break
        chosen.append(winner)
        known.remove(winner)
        best = {task: min(best[task], cells[winner].loss if winner in cells else best[task]) for task, cells in table.items()}
    return chosen


def _worth(member: Member, table: Table, best: Mapping[str, float]) -> float:
    found = [(max(0.0, best[task] - cells[member].loss), cells[member].seconds) for task, cells in table.items()
             if member in cells]
    gains, seconds = zip(*found, strict=True)
    return sum(gains) / len(gains) / (sum(seconds) / len(seconds)) ** 0.5


def predicted(
    table: Table, seconds: float, kinds: Mapping[str, str], opening: Sequence[Mapping[str, Any]],
) -> float:
    """Leave one task out: how much lower the loss of a run of so many processor seconds is with an order refitted on the
    others than with the present opening, or by lot where it has none, of what was tried there. A member that does not finish
    leaves what was there before."""
    gains, rng = [], np.random.default_rng(0)
    for task, cells in table.items():
        rest = {name: found for name, found in table.items() if name != task}
        order = [member for member in greedy(rest, seconds) if member in cells]
        if order:
            present = [cells[member] for member in _opened(opening, kinds[task]) if member in cells]
            found = list(cells.values())
            rivals = [present] if present else [[found[place] for place in rng.permutation(len(found))] for _ in range(LOTS)]
            before = float(np.mean([_left_by(rival, seconds) for rival in rivals]))
            gain = before - _left_by([cells[member] for member in order], seconds)
            gains.append(min(max(gain, -MOST_GAIN), MOST_GAIN))
    return max(0.0, sum(gains) / len(gains)) if gains else 0.0


def _opened(opening: Sequence[Mapping[str, Any]], kind: str) -> list[Member]:
    """The members of the first opening that fits this kind of task, without texts."""
    scopes = [(each["scope"], each["members"]) for each in opening if "has" not in each["scope"]]
    fitting = (members for scope, members in scopes if kind in scope.get("kinds", [kind]))
    members: Sequence[Mapping[str, Any]] = next(fitting, [])
    return [(known["model"], known["blocks"], tuple(sorted(known.get("params", {}).items()))) for known in members]


def _left_by(order: Sequence[Cell], seconds: float) -> float:
    """The best loss of those that finish in this order; the constant's before the first."""
    best, used = order[0].floor, 0.0
    for cell in order:
        used += cell.seconds
        if used > seconds:
            break
        best = min(best, cell.loss)
    return best


def _opening(scope: Mapping[str, object], members: Sequence[Member]) -> dict[str, object]:
    return {"scope": dict(scope), "members": [
        {"model": model, "blocks": blocks, **({"params": dict(params)} if params else {})} for model, blocks, params in members
    ]}
