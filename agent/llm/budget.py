"""Keeps what language models may cost: reserved before a call, charged by what the call used, stopped hard at the limit.

The ledger is an append-only file of the run, one JSON line a step. A reservation that was never settled, because the run was
killed in the middle of a call, counts as spent: a resumed run cannot pay twice what it may pay once.
"""

import json
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.llm import LLM, Reply, Request, Usage
from agent.llm.prices import Price, most


@dataclass(frozen=True)
class Limits:
    """The most that a run may use; None: no limit. Tokens are in and out together."""

    dollars: float | None = None
    tokens: int | None = None
    calls: int | None = None


UNLIMITED = Limits()


@dataclass(frozen=True)
class Spent:
    """Used so far, what is reserved by calls in flight included."""

    dollars: float = 0.0
    tokens: int = 0
    calls: int = 0

    def plus(self, usage: Usage, calls: int = 0) -> "Spent":
        return Spent(self.dollars + usage.dollars, self.tokens + usage.tokens_in + usage.tokens_out, self.calls + calls)

    def minus(self, usage: Usage) -> "Spent":
        return Spent(self.dollars - usage.dollars, self.tokens - usage.tokens_in - usage.tokens_out, self.calls)


@dataclass
class Budget:
    """Shared by all models of a run; several threads may call it. `ledger`: None keeps no file."""

    limits: Limits = UNLIMITED
    ledger: Path | None = None
    _spent: Spent = Spent()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for line in _lines(self.ledger):
            usage = Usage(**line["usage"])
            if line["step"] == "reserved":
                self._spent = self._spent.plus(usage, calls=1)
            else:
                self._spent = self._spent.minus(Usage(**line["reserved"])).plus(usage)

    @property
    def spent(self) -> Spent:
        return self._spent

    @property
    def exhausted(self) -> bool:
        """Whether some limit is reached, so that no call can follow."""
        limits, spent = self.limits, self._spent
        return any(limit is not None and used >= limit for limit, used in
                   ((limits.dollars, spent.dollars), (limits.tokens, spent.tokens), (limits.calls, spent.calls)))

    def reserve(self, usage: Usage, purpose: str) -> str:
        """Sets `usage` aside and returns "", or returns why the call may not be made."""
        with self._lock:
            after = self._spent.plus(usage, calls=1)
            why = _over(after, self.limits, self._spent)
            if not why:
                self._spent = after
                self._write({"step": "reserved", "purpose": purpose, "usage": asdict(usage)})
            return why

    def settle(self, reserved: Usage, purpose: str, reply: Reply) -> None:
        """Replaces what was reserved by what the reply says it used."""
        with self._lock:
            self._spent = self._spent.minus(reserved).plus(reply.usage)
            self._write({"step": "settled", "purpose": purpose, "model": reply.model, "status": reply.status,
                         "detail": reply.detail, "reserved": asdict(reserved), "usage": asdict(reply.usage)})

    def _write(self, line: dict[str, Any]) -> None:
        if self.ledger is None:
            return
        self.ledger.parent.mkdir(parents=True, exist_ok=True)
        with self.ledger.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": round(time.time(), 3), **line}) + "\n")


@dataclass(frozen=True)
class Metered:
    """An LLM that asks the budget first."""

    inner: LLM
    budget: Budget
    price: Price | None = None

    def complete(self, request: Request) -> Reply:
        reserved = most(request, self.price)
        why = self.budget.reserve(reserved, request.purpose)
        if why:
            return Reply("", "over_budget", why, "", Usage())
        reply = self.inner.complete(request)
        self.budget.settle(reserved, request.purpose, reply)
        return reply


def _over(after: Spent, limits: Limits, spent: Spent) -> str:
    """Which limit `after` would pass, in words; "" for none."""
    if limits.calls is not None and after.calls > limits.calls:
        return f"{spent.calls} calls were made of {limits.calls} allowed (--llm-calls)"
    if limits.tokens is not None and after.tokens > limits.tokens:
        return (f"{spent.tokens} tokens are spent and this call may take {after.tokens - spent.tokens} more, "
                f"of {limits.tokens} (--llm-tokens)")
    if limits.dollars is not None and after.dollars > limits.dollars:
        return (f"${spent.dollars:.4f} are spent and this call may cost ${after.dollars - spent.dollars:.4f} more, "
                f"of ${limits.dollars:.2f} (--llm-budget)")
    return ""


def _lines(ledger: Path | None) -> list[dict[str, Any]]:
    """The whole lines of the ledger; a last one cut by a kill is left out."""
    if ledger is None or not ledger.exists():
        return []
    return [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
