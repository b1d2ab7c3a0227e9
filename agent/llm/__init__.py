"""What an LLM is to the agent: a request goes in, a reply comes out, and a reply says what went wrong; nothing is imported here.

Makers of one: `agent/llm/choose.py` reads what the command line says. `complete` never raises for what an endpoint does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

STATUSES = ("ok", "truncated", "refused", "empty", "failed", "over_budget")


@dataclass(frozen=True)
class Message:
    """One turn; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """What is asked. `schema` (JSON Schema) is for decisions; code is always asked for as text.

    `purpose` names the operator (draft, debug, ...) for the record. `role` picks the model: cheap or strong.
    """

    messages: tuple[Message, ...]
    purpose: str
    schema: Mapping[str, Any] | None = None
    most_tokens: int = 4096
    temperature: float = 0.7
    seed: int = 0
    role: str = "strong"


@dataclass(frozen=True)
class Usage:
    """What a reply cost, all tries together: tokens, dollars, seconds of wall clock; `estimated` where nobody reported it."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    dollars: float = 0.0
    seconds: float = 0.0
    estimated: bool = False


@dataclass(frozen=True)
class Reply:
    """What came back. `status` is one of STATUSES; `text` may be partial where it is not ok; `detail` is one line for people."""

    text: str
    status: str
    detail: str
    model: str
    usage: Usage
    replayed: bool = False

    @property
    def ok(self) -> bool:
        return self.status == "ok"


class LLM(Protocol):
    """Whatever answers: an endpoint, a folder of recorded answers, a person at the other end of a relay."""

    def complete(self, request: Request) -> Reply:
        """The reply; may be called from several threads at once. Raises for our own bugs only."""
