"""Proposes to take something out: a member of the portfolio, a model, an operator, a macro. Less at an equal score is a gain."""

from collections.abc import Iterator

from agent.improve.proposers import Context, Proposal, toml
from agent.operators import OPERATORS

LEAST_TRIES = 15


def propose(context: Context) -> Proposal | None:
    able = [*_operators(context), *_models(context), *_members(context)]
    return able[int(context.rng.integers(len(able)))] if able else None


def _operators(context: Context) -> Iterator[Proposal]:
    table = context.parent.table("operators.toml")
    used = [name for name in (*OPERATORS, "tune", *table.get("macros", {})) if name not in table.get("unused", [])]
    counts = {name: (wins, losses) for name, wins, losses in context.evidence.operators}
    rates = {name: counts[name][0] / sum(counts[name]) for name in used if sum(counts.get(name, (0, 0))) >= LEAST_TRIES}
    if len(used) < 4 or not rates:
        return
    worst = min(rates, key=rates.__getitem__)
    new = {**table, "unused": sorted([*table.get("unused", []), worst])}
    yield Proposal({"operators.toml": toml(new, "What is known of the operators, and which are out of use.")},
                   f"{worst} wins {rates[worst]:.0%} of its tries: its time is worth more elsewhere", 0.02)


def _models(context: Context) -> Iterator[Proposal]:
    table = context.parent.table("portfolio.toml")
    rows = [row for row in context.evidence.tried if row.model not in table.get("without", [])]
    models = sorted({row.model for row in rows})
    shares = {model: [row.blended for row in rows if row.model == model] for model in models}
    rates = {model: sum(found) / len(found) for model, found in shares.items() if len(found) >= LEAST_TRIES}
    if len(models) < 5 or not rates:
        return
    worst = min(rates, key=rates.__getitem__)
    new = {**table, "without": sorted([*table.get("without", []), worst])}
    yield Proposal({"portfolio.toml": toml(new, "What is tried first, and models that are out of use.")},
                   f"{worst} was in {rates[worst]:.0%} of the last blends it might have joined", 0.02)


def _members(context: Context) -> Iterator[Proposal]:
    table = context.parent.table("portfolio.toml")
    for place, opening in enumerate(table.get("opening", [])):
        if len(opening["members"]) > 3:
            shorter = {**opening, "members": opening["members"][:-1]}
            new = {**table, "opening": [shorter if k == place else other for k, other in enumerate(table["opening"])]}
            yield Proposal({"portfolio.toml": toml(new, "What is tried first, by kind of task.")},
                           f"The last member of opening {place + 1} comes too late to matter", 0.01)
