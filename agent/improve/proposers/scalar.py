"""Proposes another value for one number of the search."""

from agent.improve.proposers import Context, Proposal, number, toml
from agent.playbook.policy import Shares

STEPS = (0.5, 0.7, 1.4, 2.0)
TUNED = ("share", "most_share", "shortest_trial", "blend_share", "worth", "prior_strength")
PREDICTED = 0.02  # what such a number has been worth where it was worth anything


def propose(context: Context) -> Proposal | None:
    table = context.parent.table("allocation.toml")
    name = TUNED[int(context.rng.integers(len(TUNED)))]
    before = float(table.get(name, getattr(Shares(), name)))
    after = number(before * STEPS[int(context.rng.integers(len(STEPS)))])
    if name in ("share", "most_share"):
        after = min(after, 0.6)
    new = {**table, name: after}
    return Proposal({"allocation.toml": toml(new, "How a run's time is shared out: see agent/playbook/policy.py.")},
                    f"{name} of {after:g} instead of {before:g} uses the time better", PREDICTED)
