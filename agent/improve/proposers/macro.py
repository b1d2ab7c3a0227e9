"""Proposes a macro: two operators that keep winning one upon the other become one step."""

from agent.improve.proposers import Context, Proposal, toml
from agent.operators import OPERATORS

ALONE = ("add_feature", "drop_feature", "tune_block", "tune", "seed")  # second steps that need no second parent
LEAST_TRIES = 8


def propose(context: Context) -> Proposal | None:
    table = context.parent.table("operators.toml")
    macros = table.get("macros", {})
    able = [(wins / tries, first, second) for first, second, wins, tries in context.evidence.sequences
            if tries >= LEAST_TRIES and wins and second in ALONE and first in (*OPERATORS, "tune")
            and [first, second] not in macros.values()]
    if not able:
        return None
    rate, first, second = max(able)
    new = {**table, "macros": {**macros, f"{first}_then_{second}": [first, second]}}
    return Proposal({"operators.toml": toml(new, "What is known of the operators, and macros of several.")},
                    f"{second} upon {first} wins {rate:.0%} of its tries: one step of both", 0.1 * rate)
