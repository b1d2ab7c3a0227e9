"""Keeps every reply under a hash of its request, so that a run can be repeated without asking, or paying, anybody.

The hash covers what makes a request what it is: model, API, messages, schema, limit of tokens, temperature, seed; not the lines
that clocks and the machine's speed decide (Request.volatile): a run that is repeated has other seconds left, other last digits.
The k-th time that a process sends the same request, the k-th reply is kept, or read: `<hash>-<k>.json`.
"""

import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from agent.llm import LLM, Reply, Request, Usage
from agent.llm.address import Address


class Stored:
    """An LLM whose replies are kept in `folder`; with `replay` they come from there and from nowhere else."""

    def __init__(self, inner: LLM | None, folder: Path, address: Address) -> None:
        self.inner, self.folder, self.address = inner, folder, address
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Reply:
        key = key_of(request, self.address)
        with self._lock:
            number = self._asked[key]
            self._asked[key] += 1
        path = self.folder / key[:2] / f"{key}-{number}.json"
        if self.inner is None:
            return _read(path, request, self.address)
        reply = self.inner.complete(request)
        _write(path, request, self.address, reply)
        return reply


def canonical(request: Request, address: Address) -> dict[str, Any]:
    """What makes a request what it is, as plain data. Who asks, when, and how long they wait, is no part of it."""
    return {
        "model": address.model if address.kind == "endpoint" else address.kind, "api": address.api,
        "messages": [{"role": m.role, "content": _lasting(m.content, request.volatile)} for m in request.messages],
        "schema": request.schema,
        "most_tokens": request.most_tokens, "temperature": request.temperature, "seed": request.seed,
    }


def _lasting(text: str, volatile: Sequence[str]) -> str:
    """The text without its volatile parts, the longest taken out first."""
    for part in sorted(filter(None, volatile), key=len, reverse=True):
        text = text.replace(part, "")
    return text


def key_of(request: Request, address: Address) -> str:
    """64 hexadecimal digits: SHA-256 of the canonical request."""
    return hashlib.sha256(json.dumps(canonical(request, address), sort_keys=True).encode()).hexdigest()


def _read(path: Path, request: Request, address: Address) -> Reply:
    """The kept reply, free of charge; its seconds and dollars were spent when it was made."""
    if not path.exists():
        detail = (f"nothing is stored for this {request.purpose} request to {address.model} ({path.name[:12]}...): its prompt, "
                  "model or seed differ from the run to be replayed; run once without --llm-replay")
        return Reply("", "failed", detail, address.model, Usage(), replayed=True)
    kept = json.loads(path.read_text(encoding="utf-8"))["reply"]
    usage = replace(Usage(**kept.pop("usage")), dollars=0.0, seconds=0.0)
    return replace(Reply(**kept, usage=usage), replayed=True)


def _write(path: Path, request: Request, address: Address, reply: Reply) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    kept = {"request": canonical(request, address), "purpose": request.purpose, "reply": asdict(reply)}
    part.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    part.replace(path)
