"""Proposes what changes nothing, in words that could be anyone's: how often it is accepted says what the gate is worth.

The gate is given two versions and a number, and cannot tell.
"""

from agent.improve.proposers import Context, Proposal

FILES = ("allocation.toml", "operators.toml", "portfolio.toml", "stopping.toml")
WORDS = (
    "What is known of the search says so", "The order of work follows what was seen", "Earlier runs bear this out",
    "The time goes where it is worth most", "Less is tried twice", "What wins comes sooner",
)
CLAIM = 0.1


def propose(context: Context) -> Proposal | None:
    path = FILES[int(context.rng.integers(len(FILES)))]
    words = WORDS[int(context.rng.integers(len(WORDS)))]
    mark = "".join("abcdefghij"[digit] for digit in context.rng.integers(10, size=8))
    text = context.parent.files.get(path, "") + f"# {words} ({mark}).\n"
    return Proposal({path: text}, words, CLAIM)
