"""Proposes a portfolio: the recipes that together leave the least loss on the tasks seen, chosen greedily, dear ones later.

Source: Feurer and others, Auto-sklearn 2.0, 2022 (greedy, without task features beyond the kind).
"""

import math
from collections.abc import Mapping, Sequence

from agent.improve.evidence import Tried
from agent.improve.proposers import Context, Proposal, toml

LENGTH = 8
COUNTED = 3      # what a small budget gets through, and so what the prediction compares
LEAST_TASKS = 4  # for an opening of one kind's own
SEEN = 0.34      # of the tasks that a member must have been tried on

Member = tuple[str, str, tuple[tuple[str, object], ...]]
Table = Mapping[str, Mapping[Member, tuple[float, float]]]  # by task and member: loss, as a log, and processor seconds


def propose(context: Context) -> Proposal | None:
    rows = context.evidence.tried
    table = table_of(rows)
    if len(table) < LEAST_TASKS:
        return None
    kinds = {row.task: row.kind for row in rows}
    groups = {kind: [task for task in table if kinds[task] == kind] for kind in sorted(set(kinds.values()))}
    openings = [_opening({"kinds": [kind]}, greedy({task: table[task] for task in tasks}))
                for kind, tasks in groups.items() if len(tasks) >= LEAST_TASKS]
    openings.append(_opening({}, greedy(table)))
    old = context.parent.table("portfolio.toml")
    new = {**{key: value for key, value in old.items() if key != "opening"}, "opening": openings}
    text = toml(new, "What is tried first, by kind of task: the recipes that together left the least loss on tasks seen.")
    return Proposal({"portfolio.toml": text}, f"A portfolio refitted on {len(table)} tasks wins more in little time",
                    predicted(table), tuple(kind for kind, tasks in groups.items() if tasks))


def table_of(rows: Sequence[Tried]) -> dict[str, dict[Member, tuple[float, float]]]:
    """The best of each member on each task."""
    table: dict[str, dict[Member, tuple[float, float]]] = {}
    for row in rows:
        cell = (math.log(max(row.loss, 1e-6)), max(row.cpu_seconds, 0.1))
        known = table.setdefault(row.task, {}).get(row.member)
        table[row.task][row.member] = min(known, cell) if known else cell
    return table


def greedy(table: Table, length: int = LENGTH) -> list[Member]:
    """Members in the order in which each lowers the mean best loss most for the square root of its seconds."""
    everyone = sorted({member for cells in table.values() for member in cells}, key=repr)
    known = [m for m in everyone if sum(m in cells for cells in table.values()) >= max(1.0, SEEN * len(table))]
    chosen: list[Member] = []
    best = {task: max(loss for loss, _ in cells.values()) for task, cells in table.items()}
    while known and len(chosen) < length:
        worths = {member: _worth(member, table, best) for member in known}
        winner = max(known, key=lambda member: worths[member])
        if chosen and worths[winner] <= 0:
            break
        chosen.append(winner)
        known.remove(winner)
        best = {task: min(best[task], cells.get(winner, (best[task], 0.0))[0]) for task, cells in table.items()}
    return chosen


def _worth(member: Member, table: Table, best: Mapping[str, float]) -> float:
    gains = [max(0.0, best[task] - cells[member][0]) for task, cells in table.items() if member in cells]
    seconds = [cells[member][1] for cells in table.values() if member in cells]
    return sum(gains) / len(gains) / (sum(seconds) / len(seconds)) ** 0.5


def predicted(table: Table) -> float:
    """Leave one task out: how much lower the loss of a refitted few is than that of as many members met at random."""
    gains = []
    for task, cells in table.items():
        rest = {name: found for name, found in table.items() if name != task}
        few = [cells[member][0] for member in greedy(rest, COUNTED) if member in cells]
        if few and len(cells) > COUNTED:
            gains.append(_best_of_random(sorted(loss for loss, _ in cells.values()), COUNTED) - min(few))
    return max(0.0, sum(gains) / len(gains)) if gains else 0.0


def _best_of_random(losses: Sequence[float], count: int) -> float:
    """Expected least of `count` losses drawn without replacement; `losses` sorted."""
    n = len(losses)
    return sum(loss * math.comb(n - place - 1, count - 1) for place, loss in enumerate(losses)) / math.comb(n, count)


def _opening(scope: Mapping[str, object], members: Sequence[Member]) -> dict[str, object]:
    return {"scope": dict(scope), "members": [
        {"model": model, "blocks": blocks, **({"params": dict(params)} if params else {})} for model, blocks, params in members
    ]}
