"""Proposes when to stop a candidate: after each fold, as far behind as hardly any member of a last blend ever was."""

import numpy as np

from agent.improve.proposers import Context, Proposal, number, toml

KEPT = 0.95       # of the later members of a blend that must not be stopped
LEAST_MEMBERS = 20
FOLDS = 5


def propose(context: Context) -> Proposal | None:
    rows = [row for row in context.evidence.tried if row.behind]
    members, others = [row for row in rows if row.blended], [row for row in rows if not row.blended]
    if len(members) < LEAST_MEMBERS or not others:
        return None
    found = [_edge([row.behind[fold] for row in members if len(row.behind) > fold]) for fold in range(FOLDS)]
    edges = [edge for edge in found if edge is not None]
    first = max(edges[0], 0.01)
    after = [number(min(1.0, max(0.2, edge / first))) for edge in edges]
    saved = float(np.mean([row.behind[0] > first for row in others]))
    old = context.parent.table("stopping.toml")
    noise = old.get("peer", [0.03, 0.25])[1]
    new = {"peer": [number(first), noise], "first": [number(max(3 * first, 0.1)), 1.0], "after": after}
    return Proposal({"stopping.toml": toml(new, "How far behind hardly any later member of a blend was, after each fold.")},
                    f"{saved:.0%} of what never joined a blend could have been stopped after one fold", 0.05 * saved)


def _edge(values: list[float]) -> float | None:
    return float(np.quantile(values, KEPT)) if len(values) >= LEAST_MEMBERS // 2 else None
