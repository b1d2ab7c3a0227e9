"""Makes a decision of the ledger again, from what the ledger and its evidence file hold: the same diff, the same verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.improve.campaign import child_of, diff_hash, proposed, too_small, verdict_of
from agent.improve.epoch import proposing
from agent.improve.evidence import Evidence
from agent.improve.ledger import FILE, Ledger, Line, encoded
from agent.improve.proposers import LLM_NAME, Proposal
from agent.playbook.bundle import PlaybookError, difference
from agent.playbook.store import Store


@dataclass(frozen=True)
class Replayed:
    """What came out again: by part, what the ledger has and what was made now."""

    id: int
    parts: tuple[tuple[str, Any, Any], ...]
    note: str = ""

    @property
    def same(self) -> bool:
        return all(encoded(then) == encoded(now) for _, then, now in self.parts)


def replay(store: Store, id: int) -> Replayed:
    """Raises PlaybookError where there is no such decision, or what it rests on is not at hand."""
    lines = Ledger(store.home / FILE).lines()
    line = next((known for known in lines if known.id == id and known.kind == "proposal"), None)
    if line is None:
        ids = ", ".join(str(known.id) for known in lines if known.kind == "proposal")
        raise PlaybookError(f"no proposal {id} in {store.home / FILE}; there are: {ids or 'none'}")
    made_by, other = line.facts.get("code"), "the code that proposed it has changed since: only the verdict is made again"
    if line.facts["cheap"] or made_by != proposing():
        return Replayed(id, tuple(_verdict(line)), "" if line.facts["cheap"] else other)
    return Replayed(id, (*_proposal(store, line), *_verdict(line)))


def _proposal(store: Store, line: Line) -> Sequence[tuple[str, Any, Any]]:
    """The diff, from the evidence and the seed; a model's from its recorded answer."""
    facts = line.facts
    parent = store.load(facts["parent"][:12])
    if facts["proposer"] == LLM_NAME:
        found: Proposal | None = Proposal(facts["changes"], facts["hypothesis"], facts["predicted"], facts["kinds"])
    else:
        evidence = _evidence(store.home, facts["evidence"])
        found = proposed(facts["proposer"], parent, evidence, facts["rng"], (), None, facts["arm_seconds"])
    child = child_of(parent, found, facts["epoch"]) if found else None
    diff = difference(parent, child) if child else ""
    return (("child", facts["child"], child.hash if child else ""), ("diff", facts["diff_hash"], diff_hash(diff)),
            ("predicted", facts["predicted"], found.predicted if found else None))


def _evidence(home: Path, name: str) -> Evidence:
    path = home / "evidence" / f"{name}.json"
    if not path.is_file():
        raise PlaybookError(f"the evidence {path} of that decision is not at hand")
    evidence = Evidence.parse(path.read_text(encoding="utf-8"))
    if evidence.hash != name:
        raise PlaybookError(f"the evidence {path} was changed since")
    return evidence


def _verdict(line: Line) -> Sequence[tuple[str, Any, Any]]:
    """What the statistics say of the recorded pairs, where they decided."""
    facts = line.facts
    if facts["stage"] == "noise floor":
        return (("reason", facts["reason"], too_small(facts["predicted"], facts["noise"], facts["level"], facts["planned"])),)
    if facts["stage"] != "confirm" or facts["alarm"]:
        return ()
    verdict = verdict_of(facts["confirm"], planned=facts["planned"], alpha=facts["alpha"], noise=facts["noise"])
    decided = "accepted" if verdict.decision == "accept" else "rejected"
    return ("verdict", facts["verdict"], decided), ("reason", facts["reason"], verdict.reason)
