"""Writes docs/improvement.md from the ledger: what was proposed, what became of it, and what the placebos say."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.improve.ledger import FILE, Ledger, Line, proposals
from agent.improve.placebos import rate
from agent.improve.statistics import by_family, interval
from agent.playbook.store import VERSION_0, Store


def page(store: Store) -> str:
    """The page as Markdown."""
    lines = Ledger(store.home / FILE).lines()
    accepted, placebos = rate(lines)
    known = [line for line in proposals(lines) if not line.facts["cheap"]]
    return "\n".join([
        "# Improvement", "",
        "Made from the ledger by `medalist improve`; every line of it can be checked with `medalist replay ID`.", "",
        f"In use: `{store.current}`. Version 0: `{VERSION_0}`. Ledger: {len(lines)} lines"
        + (f", the last has hash `{lines[-1].hash[:12]}`." if lines else "."), "",
        "## Lineage", "", *[f"{'  ' * depth}- `{name}`" + (" in use" if name == store.current else "")
                            for name, depth in lineage(store)], "",
        "## Against version 0", "", *_releases(lines), "",
        "## Placebos", "", f"{accepted} of {placebos} accepted" + (f" ({accepted / placebos:.1%})." if placebos else "."), "",
        *_moved(lines),
        "## Proposals", "", "| id | proposer | hypothesis | stage | verdict | why | CPU s |", "|---|---|---|---|---|---|---|",
        *[_row(line) for line in known], "",
    ])


def lineage(store: Store) -> list[tuple[str, int]]:
    """All versions with their depth, children below their parents."""
    bundles = {name: store.load(name) for name in sorted(store.folders())}
    children: dict[str, list[str]] = {}
    for name, bundle in bundles.items():
        parent = bundle.parent[:12]
        children.setdefault(parent if parent in bundles else "", []).append(name)
    found: list[tuple[str, int]] = []

    def walk(name: str, depth: int) -> None:
        for child in children.get(name, []):
            found.append((child, depth))
            walk(child, depth + 1)

    walk("", 0)
    return found


def _releases(lines: Sequence[Line]) -> list[str]:
    found = [line.facts for line in lines if line.kind == "release"]
    if not found:
        return ["The vault has not been opened."]
    rows = [f"| `{known['version']}` | `{known['against']}` | {known['tasks']} | {known['won']:.0%} | {known['mean']:+.1%} | "
            f"{known['low']:+.1%} to {known['high']:+.1%} | {_over_families(known['pairs'])} |" for known in found]
    head = "| version | against | tasks | won | lower loss | 95% interval | families as draws |"
    return [head, "|---|---|---|---|---|---|---|", *rows, "",
            "The last column draws families instead of tasks: cuts of one family may gain and lose together."]


def _over_families(pairs: Sequence[Mapping[str, Any]]) -> str:
    gains = [-1.0 if pair["gain"] is None else float(pair["gain"]) for pair in pairs]
    means = by_family(gains, [pair["family"] for pair in pairs])
    low, high = interval(list(means.values()))
    return f"{1 - math.exp(-low):+.1%} to {1 - math.exp(-high):+.1%} of {len(means)}"


def _moved(lines: Sequence[Line]) -> list[str]:
    """What moved the pointer but an acceptance: a hand, or harm in later runs."""
    moves = [f"- line {line.id}: {line.kind}, `{line.facts['was']}` to `{line.facts['now']}`, {line.facts['reason']}"
             for line in lines if line.kind != "proposal" and line.facts.get("now")]
    return ["## Moved without a proposal", "", *moves, ""] if moves else []


def _row(line: Line) -> str:
    facts = line.facts
    words = [str(line.id), facts["proposer"], facts["hypothesis"], facts["stage"], facts["verdict"], facts["reason"],
             f"{facts['cpu_seconds']:.0f}"]
    return "| " + " | ".join(word.replace("|", "/") for word in words) + " |"


def write_page(store: Store, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(store), encoding="utf-8")
