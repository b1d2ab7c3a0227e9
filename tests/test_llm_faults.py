"""Every fault that endpoints are known for, over real HTTP against the real SDK: the reply says what happened and its cost."""

import inspect
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llm_server.faults import PLAYS, PROGRAM
from llm_server.server import Exchange, Server, serving

from agent.llm import STATUSES, Message, Reply, Request
from agent.llm.address import Address
from agent.llm.capabilities import capabilities
from agent.llm.endpoint import Endpoint
from agent.llm.extract import code, decision

PRICE = (1.0, 2.0)
SCHEMA = {"type": "object", "properties": {"action": {"type": "string"}}, "required": ["action"], "additionalProperties": False}
ASKED = Request((Message("system", "You write Python."), Message("user", "Write fit_predict." * 10)), "draft", most_tokens=200)
KEY = "sk-very-secret-1234"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(PLAYS) as running:
        yield running


def ask(server: Server, model: str, *, seconds: float = 600.0, api: str = "chat", **more: Any) -> Reply:
    return client(server, model, seconds=seconds, api=api).complete(Request(**{**vars(ASKED), **more}))


def client(server: Server, model: str, *, seconds: float = 600.0, api: str = "chat", kind: str | None = None) -> Endpoint:
    def price(usage: Any) -> float:
        return (usage.tokens_in * PRICE[0] + usage.tokens_out * PRICE[1]) / 1e6

    address = Address(model, server.url, seconds=seconds, api=api)
    return Endpoint(address, url=server.url, key=KEY, server=capabilities(server.url, kind), price=price, pause_seconds=0.01)


def test_a_good_answer_is_read_counted_and_priced(server: Server) -> None:
    reply = ask(server, "good")
    assert (reply.status, reply.detail) == ("ok", "") and code(reply.text).source == PROGRAM
    assert (reply.usage.tokens_in, reply.usage.tokens_out, reply.usage.tokens_cached) == (100, 20, 64)
    assert reply.usage.dollars == pytest.approx(140e-6) and not reply.usage.estimated
    sent = server.of("good")[-1]
    assert sent["authorization"] == f"Bearer {KEY}" and sent["body"]["max_tokens"] == 200 and sent["body"]["seed"] == 0


@pytest.mark.parametrize("model", ["good", "decides", "two-fences"])
def test_the_responses_api_gives_the_same_answers(server: Server, model: str) -> None:
    chat, responses = ask(server, model), ask(server, model, api="responses")
    assert responses.status == "ok" and responses.text == chat.text
    assert (responses.usage.tokens_in, responses.usage.tokens_out) == (100, 20)
    assert server.of(model)[-1]["body"]["max_output_tokens"] == 200 and server.of(model)[-1]["body"]["store"] is False


def test_a_cut_answer_of_the_responses_api_is_truncated(server: Server) -> None:
    assert ask(server, "reaches-its-limit", api="responses").status == "truncated"


FREE = {  # no model worked: status, words of the detail, requests that the endpoint saw
    "slow-down": ("failed", "HTTP 429: slow down", 3),
    "slow-down-an-hour": ("failed", "the next try, in 3600 s, would be past the deadline", 1),
    "no-quota": ("failed", "the account's quota is spent", 1),
    "broken-500": ("failed", "HTTP 500: boom", 3),
    "broken-500-do-not-retry": ("failed", "HTTP 500: boom", 1),
    "gateway-502": ("failed", "HTTP 502: Bad gateway", 3),
    "wrong-key": ("failed", "the key is wrong", 1),
    "too-long": ("failed", "do not fit the model's context", 1),
    "error-in-a-list": ("failed", "HTTP 400: Something is not valid", 1),
    "no-such-model": ("failed", "no such model or path there", 1),
    "resets": ("failed", "the connection failed", 3),
    "web-page": ("failed", "a web page came back", 1),
    "wrong-shape": ("failed", 'no choices: {"hello": "world"}', 1),
    "error-with-200": ("failed", "upstream is down", 1),
}


@pytest.mark.parametrize("model", FREE)
def test_a_fault_before_any_answer_is_told_and_costs_nothing(server: Server, model: str) -> None:
    status, words, requests = FREE[model]
    reply = ask(server, model)
    assert reply.status == status and words in reply.detail and "\n" not in reply.detail
    assert reply.usage.dollars == reply.usage.tokens_in == reply.usage.tokens_out == 0
    assert len(server.of(model)) == requests
    assert KEY not in reply.detail


COUNTED = {  # an answer came and its usage with it
    "says-nothing": ("empty", "said nothing"),
    "content-is-null": ("empty", "said nothing"),
    "calls-a-tool": ("empty", "tool_calls"),
    "declines": ("refused", "I can't help with that."),
    "filtered": ("refused", "content_filter"),
    "reaches-its-limit": ("truncated", "reached its limit"),
    "thinks-to-its-limit": ("truncated", "while still thinking"),
    "no-choices": ("empty", "said nothing"),
    "keeps-alive": ("ok", ""),
    "recovers": ("ok", ""),
    "other-language": ("ok", ""),
}


@pytest.mark.parametrize("model", COUNTED)
def test_an_answer_that_helps_nobody_is_charged_as_counted(server: Server, model: str) -> None:
    status, words = COUNTED[model]
    reply = ask(server, model)
    assert reply.status == status and words in reply.detail
    assert reply.usage.tokens_in in (9, 100) and not reply.usage.estimated and reply.usage.dollars > 0


ESTIMATED = {  # an answer began and nobody counted: status, words, tokens out
    "cut-hard": ("truncated", "the connection failed", 4),
    "cut-softly": ("truncated", "without a finish_reason", 4),
    "error-in-the-stream": ("truncated", "the worker died", 3),
    "bad-json-in-the-stream": ("truncated", "cannot be read", 3),
    "no-usage": ("ok", "", 10),
    "absurd-usage": ("ok", "", 10),
    "bad-json": ("failed", "cannot be read", 200),
}


@pytest.mark.parametrize("model", ESTIMATED)
def test_an_answer_that_nobody_counted_is_charged_by_estimate_and_asked_once(server: Server, model: str) -> None:
    status, words, tokens_out = ESTIMATED[model]
    reply = ask(server, model)
    assert reply.status == status and words in reply.detail
    assert reply.usage.estimated and (reply.usage.tokens_in, reply.usage.tokens_out) == (66, tokens_out)
    assert reply.usage.dollars == pytest.approx((66 + 2 * tokens_out) / 1e6)
    assert len(server.of(model)) == 1


def test_every_fault_played_is_in_a_table_or_a_test_of_its_own(server: Server) -> None:
    tested = {*FREE, *COUNTED, *ESTIMATED}
    apart = inspect.getsource(inspect.getmodule(ask))
    assert [name for name in PLAYS if name not in tested and apart.count(f'"{name}"') == 0] == []


def test_retry_after_is_waited_for(server: Server) -> None:
    assert ask(server, "slow-down-once").text == "fine now"
    first, second = server.of("slow-down-once")
    assert second["at"] - first["at"] >= 1.0


@pytest.mark.parametrize("model", ["silent", "drips", "drips-whole"])
def test_the_deadline_holds_whatever_the_endpoint_sends(server: Server, model: str) -> None:
    started = time.monotonic()
    reply = ask(server, model, seconds=0.8)
    assert time.monotonic() - started < 10  # the plays go on for 15 s; the SDK's own timeout would never end them
    assert reply.status == ("truncated" if model == "drips" else "failed") and "within the time" in reply.detail
    assert reply.usage.estimated and reply.usage.tokens_out == (-(-len(reply.text) // 3) if model == "drips" else 200)


def test_an_answer_that_ignores_its_limit_is_cut(server: Server) -> None:
    reply = ask(server, "endless")
    assert reply.status == "truncated" and 1200 < len(reply.text) < 1400
    assert reply.usage.tokens_out == -(-len(reply.text) // 3)


def test_what_an_endpoint_refuses_is_left_out_and_remembered(server: Server) -> None:
    asked = Request((Message("system", "Decide."), Message("user", "Which?")), "decide", schema=SCHEMA)
    endpoint = client(server, "old-school")
    assert decision(endpoint.complete(asked).text, SCHEMA).value == {"action": "ridge"}
    before = len(server.of("old-school"))
    assert endpoint.complete(asked).ok and len(server.of("old-school")) == before + 1
    body = server.of("old-school")[-1]["body"]
    assert set(body) == {"model", "messages", "max_completion_tokens"}
    assert body["messages"][0]["role"] == "user" and "JSON Schema" in body["messages"][-1]["content"]


def test_the_model_that_really_answered_is_named(server: Server) -> None:
    assert ask(server, "other-model").model == ask(server, "other-model", api="responses").model == "something-else-entirely"
    assert ask(server, "good").model == "good"


def test_a_cut_prompt_is_noticed(server: Server) -> None:
    reply = ask(server, "good", messages=(Message("user", "word " * 400),))
    assert reply.ok and "may have cut the prompt" in reply.detail


def test_a_port_where_nobody_listens_fails_with_words() -> None:
    address = Address("m", "http://127.0.0.1:9/v1")
    reply = Endpoint(address, url=address.url or "", key="none", server=capabilities("http://x"), price=None,
                     pause_seconds=0.01).complete(ASKED)
    assert reply.status == "failed" and "the connection failed" in reply.detail


@pytest.mark.parametrize(("model", "status"), [
    ("no-fence", "ok"), ("two-fences", "ok"), ("thinks-aloud", "ok"), ("unclosed-fence", "truncated"),
    ("other-language", "syntax_error"),
])
def test_code_comes_out_of_what_was_sent(server: Server, model: str, status: str) -> None:
    found = code(ask(server, model).text)
    assert found.status == status and (found.source == PROGRAM or status != "ok")


@pytest.mark.parametrize(("model", "status"), [("decides", "ok"), ("chatty-json", "ok"), ("wrong-json", "wrong_shape")])
def test_a_decision_is_validated_here(server: Server, model: str, status: str) -> None:
    found = decision(ask(server, model, schema=SCHEMA).text, SCHEMA)
    assert found.status == status and (found.value is None) == (status != "ok")


KINDS = {
    "openai": ({"max_completion_tokens", "seed", "stream_options", "response_format"}, {"max_tokens"}),
    "vllm": ({"max_tokens", "seed", "stream_options", "response_format"}, {"provider"}),
    "llama.cpp": ({"max_tokens", "seed", "stream_options", "response_format"}, {"provider"}),
    "ollama": ({"max_tokens", "seed", "stream_options", "response_format"}, {"provider"}),
    "openrouter": ({"max_tokens", "provider", "response_format"}, set()),
    "gemini": ({"max_tokens", "response_format"}, {"seed"}),
    "anthropic": ({"max_tokens", "stream_options"}, {"seed", "response_format"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_server_is_spoken_to_in_its_dialect(server: Server, kind: str) -> None:
    endpoint = client(server, "decides", kind=kind)
    assert endpoint.complete(Request(**{**vars(ASKED), "schema": SCHEMA, "temperature": 1.4})).ok
    body = server.of("decides")[-1]["body"]
    there, absent = KINDS[kind]
    assert there <= set(body) and not absent & set(body)
    assert body["temperature"] == (1.0 if kind == "anthropic" else 1.4)
    assert ("additionalProperties" in json.dumps(body.get("response_format", {}))) == (kind not in ("gemini", "anthropic"))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["choices", "message", "delta", "content", "usage", "error", "finish_reason", "model", "refusal", "prompt_tokens",
         "completion_tokens", "output", "reasoning", "prompt_tokens_details", "type"]), inner, max_size=5), max_leaves=12)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=ANYTHING, status=st.sampled_from([200, 200, 200, 400, 404, 422, 503]), stream=st.booleans())
def test_no_answer_whatever_makes_it_raise(data: Any, status: int, stream: bool) -> None:
    def play(exchange: Exchange) -> None:
        if status != 200 or not stream:
            return exchange.send(status, data)
        exchange.start()
        exchange.data(data)
        exchange.finish()

    with serving({"any": play}) as running:
        reply = client(running, "any").complete(ASKED)
    assert reply.status in STATUSES and isinstance(reply.text, str) and reply.usage.dollars >= 0
