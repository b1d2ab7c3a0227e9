"""Opens the vault: the version in use against another on tasks that no decision was ever made with, with an interval."""

import math

import numpy as np

from agent.improve.campaign import Campaign
from agent.improve.ledger import Line
from agent.improve.statistics import interval
from agent.playbook.bundle import PlaybookError

PARTS = 9  # the seeds of the vault are the gate's of no round


def release(campaign: Campaign, against: str = "zero") -> Line:
    """Play the version in use and that one on the vault and write what came out. The vault is opened once for a pair.

    Raises PlaybookError where these two were compared on it before, or where they are one version."""
    store = campaign.store
    ours, theirs = store.load("current"), store.load(against)
    if ours.hash == theirs.hash:
        raise PlaybookError(f"{ours.short} is in use and is what it would be compared with: accept a change first")
    told = [line for line in campaign.ledger.lines() if line.kind == "release"]
    if any((line.facts["version"], line.facts["against"]) == (ours.short, theirs.short) for line in told):
        raise PlaybookError(f"the vault was opened for {ours.short} against {theirs.short} before: see the ledger")
    campaign.settle()
    pairs = [campaign.pair(f"vault {place}", theirs, ours, task, place, PARTS)
             for place, task in enumerate(campaign.pools.vault)]
    gains = [-1.0 if pair["gain"] is None else pair["gain"] for pair in pairs]
    low, high = interval(gains)
    return campaign.write("release", {
        "version": ours.short, "against": theirs.short, "tasks": len(gains), "pairs": pairs,
        "won": float(np.mean(np.asarray(gains) > 0)), "mean": 1 - math.exp(-float(np.mean(gains))),
        "low": 1 - math.exp(-low), "high": 1 - math.exp(-high),
        "cpu_seconds": round(sum(pair["cpu_seconds"] for pair in pairs), 2), "epoch": campaign.epoch,
        "was": theirs.short, "reason": f"{len(gains)} vault tasks",
    })


