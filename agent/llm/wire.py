"""Writes a request as the body of an HTTP call, in either API, and remembers what the endpoint has refused."""

import json
import re
from typing import Any

from agent.llm import Message, Request
from agent.llm.capabilities import Capabilities, is_closed, opened

OTHER_LIMIT = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
TELLTALES = {
    "response_format": r"response_format|json_schema|text\.format|guided|grammar",
    "system": r"(?i)system role|system message",
}
CONTEXT = re.compile(r"context.{0,20}(length|window|size)|too long|too many tokens|exceed\w* .{0,40}context", re.IGNORECASE)


class Wire:
    """The dialect of one endpoint. `refused` grows by what its 400s name: those parameters are not sent again."""

    def __init__(self, model: str, api: str, server: Capabilities) -> None:
        self.model, self.api, self.server = model, api, server
        self.refused: frozenset[str] = frozenset()

    @property
    def streams(self) -> bool:
        return "stream" not in self.refused

    def body(self, request: Request) -> dict[str, Any]:
        """The arguments of `create`, without what this endpoint cannot take."""
        sent = {"model": self.model, **(self._responses(request) if self.api == "responses" else self._chat(request))}
        sent["stream"] = self.streams
        sent["temperature"] = min(request.temperature, self.server.most_temperature)
        if self.server.extra:
            sent["extra_body"] = dict(self.server.extra)
        return {name: value for name, value in sent.items() if name not in self.refused}

    def learn(self, problem: str) -> bool:
        """Whether a 400 names something that can be left out or said otherwise, and was not yet."""
        if CONTEXT.search(problem):
            return False
        named = {name for name in self._droppable() if re.search(TELLTALES.get(name, rf"\b{name}\b"), problem)} - self.refused
        self.refused |= named
        return bool(named)

    def _droppable(self) -> tuple[str, ...]:
        return "temperature", "seed", "stream_options", "stream", "response_format", "system", "provider", self._limit()

    def _limit(self) -> str:
        """The parameter that bounds the answer; the other name once the first was refused."""
        if self.api == "responses":
            return "max_output_tokens"
        return OTHER_LIMIT[self.server.limit] if self.server.limit in self.refused else self.server.limit

    def _chat(self, request: Request) -> dict[str, Any]:
        sent: dict[str, Any] = {"messages": self._messages(request), self._limit(): request.most_tokens}
        if self.server.seed:
            sent["seed"] = request.seed
        if self.streams and self.server.usage_in_stream:
            sent["stream_options"] = {"include_usage": True}
        if request.schema is not None and self._schema() == "json_schema":
            sent["response_format"] = {"type": "json_schema", "json_schema": self._format(request)}
        elif request.schema is not None and self._schema() == "json_object":
            sent["response_format"] = {"type": "json_object"}
        return sent

    def _responses(self, request: Request) -> dict[str, Any]:
        sent: dict[str, Any] = {"input": self._messages(request), self._limit(): request.most_tokens, "store": False}
        if request.schema is not None and self._schema() == "json_schema":
            sent["text"] = {"format": {"type": "json_schema", **self._format(request)}}
        return sent

    def _schema(self) -> str:
        return "prompt" if "response_format" in self.refused else self.server.schema

    def _format(self, request: Request) -> dict[str, Any]:
        schema = opened(request.schema) if self.server.open_schema else dict(request.schema or {})
        strict = {"strict": True} if self.server.closed_schema and is_closed(schema) else {}
        return {"name": "decision", "schema": schema, **strict}

    def _messages(self, request: Request) -> list[dict[str, str]]:
        turns = list(request.messages)
        if "system" in self.refused:
            said = "\n\n".join(turn.content for turn in turns if turn.role == "system")
            turns = _before_first([turn for turn in turns if turn.role != "system"], said)
        if request.schema is not None and self._schema() != "json_schema":
            turns.append(Message("user", "Answer with one JSON object that fits this JSON Schema, and with nothing else:\n"
                                 + json.dumps(request.schema, sort_keys=True)))
        return [{"role": turn.role, "content": turn.content} for turn in turns]


def _before_first(turns: list[Message], said: str) -> list[Message]:
    """The turns with what the system message said at the head of the first."""
    return [Message(turns[0].role, f"{said}\n\n{turns[0].content}"), *turns[1:]] if turns else [Message("user", said)]
