"""Reads what an endpoint sends, whatever its shape: chat completions and Responses, whole or in pieces; trusts nothing in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REFUSALS = ("content_filter", "refusal", "safety")


@dataclass(frozen=True)
class Counted:
    """Tokens as the endpoint counted them; `dollars` where it says what it charged."""

    tokens_in: int
    tokens_out: int
    tokens_cached: int
    dollars: float | None


@dataclass
class Reading:
    """What has come so far. `hidden` counts characters of thinking that the endpoint keeps apart from the answer."""

    parts: list[str] = field(default_factory=list)
    refusal: str = ""
    hidden: int = 0
    characters: int = 0
    finish: str | None = None
    counted: Counted | None = None
    model: str | None = None
    error: str | None = None
    understood: bool = False

    @property
    def text(self) -> str:
        return "".join(self.parts)

    @property
    def received(self) -> int:
        """Characters of answer and thinking."""
        return self.characters + self.hidden

    def chat(self, data: Any) -> None:
        """A chat completion, or one chunk of it."""
        self._envelope(data)
        for choice in _list(_map(data).get("choices"))[:1]:
            turn = _map(_map(choice).get("delta")) or _map(_map(choice).get("message"))
            self._turn(turn)
            self._finish(_map(choice).get("finish_reason"))

    def event(self, data: Any) -> None:
        """One event of a Responses stream; the closing one carries the whole."""
        event = _map(data)
        if event.get("type") == "response.output_text.delta":
            self._say(event.get("delta"))
        elif event.get("type") in ("response.completed", "response.incomplete", "response.failed"):
            self.response(event.get("response"))
        elif event.get("type") == "error":
            self.error = _line(event.get("message")) or "an error event"

    def response(self, data: Any) -> None:
        """A whole Responses object."""
        self._envelope(data)
        body = _map(data)
        contents = [_map(part) for item in _list(body.get("output")) for part in _list(_map(item).get("content"))]
        if contents:
            self.parts, self.characters = [], 0
        for part in contents:
            self._turn({"content": part.get("text"), "refusal": part.get("refusal")})
        reason = _map(body.get("incomplete_details")).get("reason")
        done = "stop" if body.get("status") == "completed" else None
        self._finish("length" if reason == "max_output_tokens" else reason or done)

    def _envelope(self, data: Any) -> None:
        body = _map(data)
        self.understood |= isinstance(body.get("choices"), list) or isinstance(body.get("output"), list)
        self.model = body["model"] if isinstance(body.get("model"), str) and body["model"] else self.model
        self.counted = _counted(_map(body.get("usage"))) or self.counted
        if body.get("error"):
            self.error = _line(_map(body["error"]).get("message")) or _line(str(body["error"]))

    def _turn(self, turn: Mapping[str, Any]) -> None:
        self._say(turn.get("content"))
        self.refusal += turn["refusal"] if isinstance(turn.get("refusal"), str) else ""
        for name in ("reasoning_content", "reasoning"):
            self.hidden += len(turn[name]) if isinstance(turn.get(name), str) else 0

    def _say(self, content: Any) -> None:
        pieces = [_map(part).get("text") for part in content] if isinstance(content, list) else [content]
        self.parts += [piece for piece in pieces if isinstance(piece, str)]
        self.characters += sum(len(piece) for piece in pieces if isinstance(piece, str))

    def _finish(self, reason: Any) -> None:
        self.finish = reason if isinstance(reason, str) and reason else self.finish


def _counted(usage: Mapping[str, Any]) -> Counted | None:
    """The counts, under the names of either API; None where a number is missing or no number at all."""
    tokens_in = _count(usage.get("prompt_tokens", usage.get("input_tokens")))
    tokens_out = _count(usage.get("completion_tokens", usage.get("output_tokens")))
    if not tokens_in or tokens_out is None:
        return None
    details = _map(usage.get("prompt_tokens_details", usage.get("input_tokens_details")))
    cost = usage.get("cost")
    dollars = float(cost) if isinstance(cost, int | float) and 0 <= cost < 1e6 else None
    return Counted(tokens_in, tokens_out, _count(details.get("cached_tokens")) or 0, dollars)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _line(value: Any) -> str:
    return " ".join(value.split())[:300] if isinstance(value, str) else ""
