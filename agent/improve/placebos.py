"""Placebos in the cheap way: the gate judges reruns of one version against itself, drawn from the measured noise.

No arm is played: a task's gain is one of the noise floor's, its sign as likely one as the other, which is what renaming the
two reruns does. Each goes through the gate at the full level, with its looks, and spends none of the campaign's error.
"""

from collections.abc import Iterator

import numpy as np

from agent.improve.campaign import Campaign, diff_hash
from agent.improve.ledger import Line, proposals
from agent.improve.pools import order
from agent.improve.proposers import PLACEBO
from agent.improve.statistics import confirm, looks
from agent.playbook.bundle import difference


def placebos(campaign: Campaign, count: int) -> Iterator[Line]:
    """`count` more of them, a ledger line each."""
    campaign.noise()
    for _ in range(count):
        yield one(campaign)


def one(campaign: Campaign) -> Line:
    lines, terms = campaign.ledger.lines(), campaign.terms
    floor = next(line for line in reversed(lines) if line.kind == "noise")
    rng = np.random.default_rng([terms.seed, len(lines), 11])
    tasks = order(campaign.pools.gate, len(lines))
    gains = [float(value) for value in rng.choice(floor.facts["gains"], len(tasks)) * rng.choice([-1, 1], len(tasks))]
    families = [task.family for task in tasks]
    parent = campaign.store.load("current")
    mark = "".join("abcdefghij"[digit] for digit in rng.integers(10, size=8))
    child = parent.child({"stopping.toml": parent.files["stopping.toml"] + f"# {mark}\n"}, epoch=floor.facts["epoch"])
    for look in looks(len(tasks)):
        verdict = confirm(gains[:look], families[:look], planned=len(tasks), alpha=terms.alpha, noise=floor.facts["noise"])
        if verdict.decision != "go on":
            break
    diff = difference(parent, child)
    pairs = [{"family": family, "gain": value} for family, value in zip(families, gains, strict=True)][: verdict.tasks]
    return campaign.write("proposal", {
        "proposer": PLACEBO, "cheap": True, "parent": parent.hash, "child": child.hash, "diff": diff,
        "diff_hash": diff_hash(diff), "hypothesis": "Nothing changes", "predicted": 0.0, "kinds": [], "changes": {},
        "epoch": floor.facts["epoch"], "noise": floor.facts["noise"], "confirmation": 0, "alpha": terms.alpha, "screen": [],
        "confirm": pairs, "planned": len(tasks), "stage": "confirm", "reason": verdict.reason, "alarm": False,
        "verdict": "accepted" if verdict.decision == "accept" else "rejected", "cpu_seconds": 0.0,
        "evidence": "", "rng": [terms.seed, len(lines), 11], "attempt": 0, "level": terms.alpha,
    })


def rate(lines: list[Line]) -> tuple[int, int]:
    """How many placebos were accepted, of how many, live and cheap together."""
    known = [line for line in proposals(lines) if line.facts["proposer"] == PLACEBO]
    return sum(line.facts["verdict"] == "accepted" for line in known), len(known)
