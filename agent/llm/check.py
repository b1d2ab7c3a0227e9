"""Probes one endpoint: what works there, what it costs, how fast it is. A handful of short calls, within the budget."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent.llm import LLM, Message, Reply, Request, Usage
from agent.llm.address import Address
from agent.llm.capabilities import by_owner
from agent.llm.endpoint import Endpoint
from agent.llm.extract import code, decision
from agent.llm.prices import Price

SCHEMA = {"type": "object", "properties": {"model": {"enum": ["linear", "forest", "boosting"]}, "depth": {"type": "integer"}},
          "required": ["model", "depth"], "additionalProperties": False}
WORD = Request((Message("user", "Answer with the one word: ready"),), "check", most_tokens=1000, temperature=0.0)
CODE = replace(WORD, most_tokens=2000, messages=(
    Message("system", "You write Python. Answer with one ```python fence and nothing else."),
    Message("user", "Write a function area(width, height) that returns the area of a rectangle."),
))
CHOOSE, NAME = "Choose a model and a depth for a small table. Answer in JSON.", "Invent a name for a boat. Answer with the name."
DECIDE = replace(WORD, schema=SCHEMA, messages=(Message("user", CHOOSE),))
DICE = replace(WORD, temperature=1.0, seed=7, most_tokens=400, messages=(Message("user", NAME),))
COUNT = replace(WORD, most_tokens=24, messages=(Message("user", "Count from 1 to 500, separated by blanks."),))

FREE = Usage()


@dataclass(frozen=True)
class Probe:
    """One check. `works` None: nothing to judge, `detail` informs."""

    check: str
    works: bool | None
    detail: str
    usage: Usage = FREE


def probe(endpoint: Endpoint, llm: LLM, price: Price | None) -> Iterator[Probe]:
    """The checks in order; `llm` is the endpoint behind a budget. After a failure of the first answer nothing more is asked."""
    yield _listing(endpoint)
    word = llm.complete(WORD)
    yield Probe("answers", word.ok, word.detail or f"{word.model}: {' '.join(word.text.split())[:60]}", word.usage)
    if word.status in ("failed", "over_budget"):
        return
    guessed = word.usage.estimated
    yield Probe("counts tokens", not guessed, "no usage came: charged by estimate" if guessed else "charged as counted")
    written = llm.complete(CODE)
    yield _code(written)
    yield _decision(llm.complete(DECIDE))
    yield _seed(llm.complete(DICE), llm.complete(DICE))
    yield _limit(llm.complete(COUNT))
    if endpoint.address.api == "chat":
        yield _responses(endpoint)
    if endpoint.wire.refused:
        yield Probe("refuses", None, f"{', '.join(sorted(endpoint.wire.refused))}: left out, and it works without")
    yield _cost(price)
    yield _speed(written)


def _listing(endpoint: Endpoint) -> Probe:
    listed, problem = endpoint.models()
    if problem:
        return Probe("lists models", False, problem)
    asked, server = endpoint.address.model, endpoint.wire.server.name
    there = any(name == asked for name, _ in listed)
    guess = next((name for _, owner in listed if (name := by_owner(owner)) is not None), None)
    hint = f"; it looks like {guess}: say #server={guess}" if server == "unknown" and guess else ""
    names = ", ".join(name for name, _ in listed[:8])
    words = f"{len(listed)} models, {asked} among them" if there else f"{asked} is not among its {len(listed)} models: {names}"
    return Probe("lists models", there, f"{words}; spoken to as {server}{hint}")


def _code(reply: Reply) -> Probe:
    found = code(reply.text, defines="area") if reply.ok else None
    detail = "Python came out of the reply" if found and found.ok else found.detail if found else reply.detail
    return Probe("writes code", bool(found and found.ok), detail, reply.usage)


def _decision(reply: Reply) -> Probe:
    found = decision(reply.text, SCHEMA) if reply.ok else None
    detail = str(found.value) if found and found.ok else found.detail if found else reply.detail
    return Probe("obeys a schema", bool(found and found.ok), detail, reply.usage)


def _seed(first: Reply, second: Reply) -> Probe:
    same = first.ok and second.ok and first.text == second.text
    usage = replace(first.usage, dollars=first.usage.dollars + second.usage.dollars)
    detail = "two equal answers" if same else "two different answers: only --llm-replay repeats a run"
    return Probe("repeats with a seed", same, detail, usage)


def _limit(reply: Reply) -> Probe:
    kept = reply.status == "truncated" and reply.usage.tokens_out <= 2 * COUNT.most_tokens
    detail = f"{reply.usage.tokens_out} tokens of {COUNT.most_tokens} allowed, {reply.status}"
    return Probe("keeps a token limit", kept, detail, reply.usage)


def _responses(endpoint: Endpoint) -> Probe:
    other = endpoint.speaking("responses").complete(WORD)
    return Probe("Responses API", other.ok, other.detail or "works too: #api=responses", other.usage)


def _cost(price: Price | None) -> Probe:
    if price is None:
        return Probe("price", None, "unknown: say it with #price=IN/OUT, in dollars per million tokens")
    dear_in, dear_out = 1000 * price(Usage(tokens_in=1000)), 1000 * price(Usage(tokens_out=1000))  # long prompts can be dearer
    return Probe("price", None, f"${dear_in:.2f} in, ${dear_out:.2f} out, a million tokens; a draft (6000 in, 2000 out) "
                                f"${price(Usage(6000, 2000)):.4f}")


def _speed(reply: Reply) -> Probe:
    rate = reply.usage.tokens_out / max(reply.usage.seconds, 1e-6)
    return Probe("speed", None, f"{rate:.0f} tokens a second; a draft of 2000 tokens takes {2000 / max(rate, 1e-6):.0f} s")


def check_address(address: Address) -> str:
    """Why an address cannot be probed; "" if it can."""
    return "" if address.kind == "endpoint" else f"{address.kind}:{address.model} is a folder: there is no endpoint to probe"
