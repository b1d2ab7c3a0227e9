"""Writes docs/improvement.md from the ledger: what was proposed, what became of it, and what the placebos say."""

from collections.abc import Sequence
from pathlib import Path

from agent.improve.ledger import FILE, Ledger, Line, proposals
from agent.improve.placebos import rate
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
            f"{known['low']:+.1%} to {known['high']:+.1%} |" for known in found]
    return ["| version | against | tasks | won | lower loss | 95% interval |", "|---|---|---|---|---|---|", *rows]


def _row(line: Line) -> str:
    facts = line.facts
    words = [str(line.id), facts["proposer"], facts["hypothesis"], facts["stage"], facts["verdict"], facts["reason"],
             f"{facts['cpu_seconds']:.0f}"]
    return "| " + " | ".join(word.replace("|", "/") for word in words) + " |"


def write_page(store: Store, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(store), encoding="utf-8")
