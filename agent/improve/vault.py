"""Opens the vault: the version in use against another on tasks that no decision was ever made with, with an interval."""

import math
from collections.abc import Sequence

import numpy as np

from agent.improve.campaign import Campaign
from agent.improve.ledger import Line
from agent.improve.statistics import interval
from agent.playbook.bundle import PlaybookError

PARTS = 9  # the seeds of the vault are the gate's of no round
SEEDS = 3  # of both arms on each task: a release is rare, and chance is most of what blurs it


def opened(lines: Sequence[Line]) -> int:
    """How many vaults a ledger's releases have opened."""
    return len({line.facts.get("vault", 0) for line in lines if line.kind == "release"})


def release(campaign: Campaign, against: str = "zero", *, seeds: int = SEEDS) -> Line:
    """Play the version in use and that one on the vault and write what came out, averaged over seeds first. A vault is opened
    once; afterwards its families are practice.

    Raises PlaybookError where these two were compared before, where they are one version, or where no vault is left."""
    if not campaign.pools.vault:
        raise PlaybookError("each vault was opened: add a list of families that no pool has to tasks/pools.toml")
    store = campaign.store
    ours, theirs = store.load("current"), store.load(against)
    if ours.hash == theirs.hash:
        raise PlaybookError(f"{ours.short} is in use and is what it would be compared with: accept a change first")
    told = [line for line in campaign.ledger.lines() if line.kind == "release"]
    if any((line.facts["version"], line.facts["against"]) == (ours.short, theirs.short) for line in told):
        raise PlaybookError(f"the vault was opened for {ours.short} against {theirs.short} before: see the ledger")
    campaign.settle()
    pairs = [campaign.pair(f"vault {place}", theirs, ours, task, place, PARTS, seeds=seeds)
             for place, task in enumerate(campaign.pools.vault)]
    gains = [-1.0 if pair["gain"] is None else pair["gain"] for pair in pairs]
    low, high = interval(gains)
    return campaign.write("release", {
        "version": ours.short, "against": theirs.short, "vault": opened(campaign.ledger.lines()), "seeds": seeds,
        "tasks": len(gains), "pairs": pairs,
        "won": float(np.mean(np.asarray(gains) > 0)), "mean": 1 - math.exp(-float(np.mean(gains))),
        "low": 1 - math.exp(-low), "high": 1 - math.exp(-high),
        "cpu_seconds": round(sum(pair["cpu_seconds"] for pair in pairs), 2), "epoch": campaign.epoch,
        "was": theirs.short, "reason": f"{len(gains)} vault tasks",
    })


