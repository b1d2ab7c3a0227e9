"""What OpenAI-compatible endpoints do differently: one entry a server. Whatever is not listed here is learned from its 400s.

Sources: the servers' own pages on OpenAI compatibility; Gemini and Anthropic list what they refuse and what they ignore.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Capabilities:
    """How to speak to one kind of server.

    `limit`: the parameter that bounds the answer. `schema`: json_schema (obeyed), json_object (JSON, its shape asked for in the
    prompt) or prompt (ignored there: asked for in the prompt alone). `closed_schema`: strict decoding, for schemas whose objects
    are all closed. `open_schema`: additionalProperties is refused. `owned_by`: how its model list calls the owner.
    """

    name: str
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    owned_by: tuple[str, ...] = ()
    limit: str = "max_tokens"
    schema: str = "json_schema"
    closed_schema: bool = False
    open_schema: bool = False
    seed: bool = True
    usage_in_stream: bool = True
    most_temperature: float = 2.0
    extra: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


SERVERS = (
    Capabilities("openai", hosts=("api.openai.com",), owned_by=("openai", "system", "openai-internal"), closed_schema=True,
                 limit="max_completion_tokens", note="seed is best effort"),
    Capabilities("vllm", ports=(8000,), owned_by=("vllm",)),
    Capabilities("llama.cpp", ports=(8080,), owned_by=("llamacpp",), note="the context is what the server was started with"),
    Capabilities("ollama", ports=(11434,), hosts=("ollama.com",), owned_by=("library",),
                 note="cuts long prompts silently: start it with OLLAMA_CONTEXT_LENGTH=32768"),
    Capabilities("openrouter", hosts=("openrouter.ai",), extra={"provider": {"require_parameters": True}},
                 note="reports the dollars it charged"),
    Capabilities("gemini", hosts=("generativelanguage.googleapis.com",), owned_by=("google",), seed=False, open_schema=True,
                 note="refuses seed"),
    Capabilities("anthropic", hosts=("api.anthropic.com",), owned_by=("anthropic",), schema="prompt", seed=False,
                 most_temperature=1.0, note="ignores response_format and seed"),
)
PLAIN = Capabilities("unknown", note="spoken to by the common core; what it refuses is dropped and remembered")


def names() -> list[str]:
    """The servers of the table."""
    return [server.name for server in SERVERS]


def capabilities(url: str, server: str | None = None) -> Capabilities:
    """The entry for `server` if it is named, else for the url's host, else for a local port, else the common core."""
    place = urlsplit(url)
    host, port = place.hostname or "", place.port
    for known in SERVERS:
        if known.name == server:
            return known
    for known in SERVERS:
        named = any(host == name or host.endswith(f".{name}") for name in known.hosts)
        if server is None and (named or (port in known.ports and is_local(url))):
            return known
    return PLAIN


def by_owner(owner: str) -> str | None:
    """The server whose model list names `owner`, or None."""
    return next((server.name for server in SERVERS if owner in server.owned_by), None)


def is_local(url: str) -> bool:
    """Whether the url is on this machine or in a private network: nobody sends a bill from there."""
    import ipaddress

    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal")) or "." not in host


def is_closed(schema: Any) -> bool:
    """Whether every object of a JSON Schema lists all its properties as required and allows no others: what strict demands."""
    if isinstance(schema, list):
        return all(map(is_closed, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" and (schema.get("additionalProperties") is not False
                                           or set(schema.get("properties", {})) != set(schema.get("required", ()))):
        return False
    return all(map(is_closed, schema.values()))


def opened(schema: Any) -> Any:
    """The schema without the keywords that Gemini's endpoint refuses."""
    if isinstance(schema, list):
        return [opened(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {key: opened(part) for key, part in schema.items() if key not in ("additionalProperties", "$schema")}
