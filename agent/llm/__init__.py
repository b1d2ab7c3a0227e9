"""What an LLM is to the agent: a request goes in, a reply comes out, and a reply says what went wrong; nothing is imported here.

`agent/llm/connect.py` makes one from what the command line says. `complete` never raises for what an endpoint does.
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

    `purpose` names the operator (draft, debug, ...) for the record. `role` picks the model: cheap or strong. `most_seconds` is
    what the caller can still wait for the whole call, every try and pause included; None: the model's own patience (#seconds=N).
    `volatile`: parts of the messages that clocks and the machine's speed decide (scores, time left, logs): they are sent, but two
    requests that differ only there are the same to the store.
    """

    messages: tuple[Message, ...]
    purpose: str
    schema: Mapping[str, Any] | None = None
    most_tokens: int = 4096
    temperature: float = 0.7
    seed: int = 0
    role: str = "strong"
    most_seconds: float | None = None
    volatile: tuple[str, ...] = ()


def patience(request: Request, most_seconds: float) -> float:
    """How long to wait for a reply: what the model is given, or what the caller has left if that is less."""
    return most_seconds if request.most_seconds is None else min(most_seconds, request.most_seconds)


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
