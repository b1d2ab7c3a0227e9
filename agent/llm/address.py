"""Reads what `--llm` says: which model, where, for which role, with which options.

    gpt-5-mini                                                  at OPENAI_BASE_URL, or OpenAI
    qwen3-coder@http://localhost:8000/v1                        any OpenAI-compatible endpoint
    cheap=gpt-5-nano  strong=gpt-5@https://api.openai.com/v1#api=responses
    mistral@https://proxy.example/v1#price=0.4/2,key=PROXY_KEY  dollars per million tokens in/out, variable of the key
    relay:FOLDER#seconds=600  scripted:FOLDER                   files instead of an endpoint
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from agent.output import UsageError

ROLES = ("cheap", "strong")
APIS = ("chat", "responses")
FORM = re.compile(r"(?:(?P<role>[a-z]+)=)?(?P<what>[^#]+?)(?:#(?P<options>.*))?")


@dataclass(frozen=True)
class Address:
    """One model. `model` is its name at the endpoint, or the folder of a relay or of recorded answers; `role` None: every role.

    `price`: dollars per million tokens in and out, where the user knows better; `key`: the environment variable of the key.
    """

    model: str
    url: str | None = None
    kind: str = "endpoint"
    role: str | None = None
    api: str = "chat"
    server: str | None = None
    price: tuple[float, float] | None = None
    key: str = "OPENAI_API_KEY"
    seconds: float | None = None


def parse(text: str) -> Address:
    """The Address in one `--llm` value. Raises UsageError that names the part it cannot read."""
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--llm {text!r} names no model: say model, model@url, relay:FOLDER or scripted:FOLDER")
    role = found["role"]
    if role not in (None, *ROLES):
        raise UsageError(f"--llm {text!r}: no role {role!r}; there are: {', '.join(ROLES)}")
    return _with_options(replace(_target(found["what"], text), role=role), found["options"] or "", text)


def _target(what: str, text: str) -> Address:
    kind, colon, folder = what.partition(":")
    if colon and kind in ("relay", "scripted"):
        if not folder:
            raise UsageError(f"--llm {text!r} names no folder: say {kind}:FOLDER")
        return Address(folder, kind=kind)
    model, at, url = what.rpartition("@")
    if not at or not re.match(r"https?://", url):
        if "://" in what:
            raise UsageError(f"--llm {text!r}: a url needs a model before it: say model@{what.rpartition('@')[2]}")
        return Address(what)
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", url) or not model:
        raise UsageError(f"--llm {text!r} is not model@url: a url looks like http://localhost:8000/v1")
    return Address(model, url.rstrip("/"))


def _with_options(address: Address, options: str, text: str) -> Address:
    for option in filter(None, options.split(",")):
        name, _, value = option.partition("=")
        if name not in OPTIONS:
            raise UsageError(f"--llm {text!r}: no option {name!r}; there are: {', '.join(OPTIONS)}")
        try:
            known: Any = {name: OPTIONS[name](value)}
            address = replace(address, **known)
        except ValueError as error:
            raise UsageError(f"--llm {text!r}: {name}={value}: {error}") from None
    return address


def _api(value: str) -> str:
    if value not in APIS:
        raise ValueError(f"there are: {', '.join(APIS)}")
    return value


def _server(value: str) -> str:
    from agent.llm.capabilities import names

    if value not in names():
        raise ValueError(f"there are: {', '.join(names())}")
    return value


def _price(value: str) -> tuple[float, float]:
    dollars = [float(part) if re.fullmatch(r"\d*\.?\d+", part) else -1.0 for part in value.split("/")]
    if len(dollars) != 2 or min(dollars) < 0:
        raise ValueError("say dollars per million tokens in and out, like 0.15/0.60")
    return dollars[0], dollars[1]


def _seconds(value: str) -> float:
    if not re.fullmatch(r"\d*\.?\d+", value) or float(value) == 0:
        raise ValueError("say a number of seconds")
    return float(value)


def _key(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("say the name of an environment variable, never the key itself")
    return value


OPTIONS = {"api": _api, "server": _server, "price": _price, "key": _key, "seconds": _seconds}
