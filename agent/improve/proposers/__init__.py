"""Who proposes changes of the playbook: each file here is one, found by its name; none of them judges.

A proposer has `propose(context)`, which returns a Proposal or None where it has nothing to say, and draws from
`context.rng` only: the same context makes the same proposal.
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import tomli_w

from agent.improve.evidence import Evidence
from agent.llm import LLM
from agent.playbook.bundle import Bundle

PLACEBO = "placebo"
LLM_NAME = "model"


@dataclass(frozen=True)
class Context:
    """What a proposer may know: the version in use, the evidence, and of each earlier proposal its words and yes or no."""

    parent: Bundle
    evidence: Evidence
    rng: np.random.Generator
    history: Sequence[Mapping[str, str]] = ()
    llm: LLM | None = None
    seconds: float = 10.0  # processor seconds that an arm of the gate has


@dataclass(frozen=True)
class Proposal:
    """One change: new texts by path (None: the file goes), why, and the gain it predicts (mean log of the loss ratio)."""

    changes: Mapping[str, str | None]
    hypothesis: str
    predicted: float
    kinds: Sequence[str] = field(default_factory=tuple)


class Proposer(Protocol):
    def propose(self, context: Context) -> Proposal | None: ...


def names() -> list[str]:
    """All proposers, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def proposer(name: str) -> Proposer:
    made: Proposer = importlib.import_module(f"agent.improve.proposers.{name}")  # type: ignore[assignment]
    return made


def toml(table: Mapping[str, Any], comment: str) -> str:
    """A TOML file that opens with a comment."""
    return f"# {comment}\n{tomli_w.dumps(table)}"


def number(value: float) -> float:
    """Three significant digits: what is run is what is written."""
    return float(f"{value:.3g}")
