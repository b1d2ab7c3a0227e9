"""True inference: a small model on loopback answers through the real client; the wire is asserted, never the model's wit."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from llm_server.small_model import KEY, small_model

from agent.cli import main
from agent.llm import Message, Request
from agent.llm.address import parse
from agent.llm.budget import Limits
from agent.llm.connect import Models, connect
from agent.llm.extract import decision

SCHEMA = {"type": "object", "properties": {"family": {"enum": ["linear", "forest", "boosting"]}}, "required": ["family"],
          "additionalProperties": False}
CHOOSE = Request((Message("user", "Which family of models comes first?"),), "decide", SCHEMA, most_tokens=40, temperature=0.9)
AT = "#server=llama.cpp,seconds=900"  # a starved machine is slow, not wrong


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with small_model(tmp_path_factory.mktemp("model") / "server.log") as running:
        yield running


def models(url: str, *, tokens: int = 20000, ledger: Path | None = None, key: str = KEY) -> Models:
    address, limits = parse(f"smollm2@{url}{AT}"), Limits(tokens=tokens)
    return connect([address], environment={"OPENAI_API_KEY": key}, limits=limits, ledger=ledger)


def test_a_schema_is_obeyed_and_a_seed_repeats(url: str, tmp_path: Path) -> None:
    llm = models(url, ledger=tmp_path / "llm.jsonl")
    first, second = llm.complete(CHOOSE), llm.complete(CHOOSE)
    assert first.ok and decision(first.text, SCHEMA).ok
    assert first.text == second.text
    assert first.usage.tokens_in > 10 and 3 <= first.usage.tokens_out <= 40 and not first.usage.estimated
    steps = [json.loads(line)["step"] for line in (tmp_path / "llm.jsonl").read_text().splitlines()]
    assert steps == ["reserved", "settled"] * 2


def test_a_token_limit_cuts_text_and_the_budget_counts_it(url: str) -> None:
    llm = models(url, tokens=400)
    reply = llm.complete(Request((Message("user", "Count from one to five hundred."),), "draft", most_tokens=24))
    assert reply.status == "truncated" and reply.usage.tokens_out == 24 and reply.text
    assert llm.spent.tokens == reply.usage.tokens_in + 24 and llm.spent.dollars == 0
    refused = llm.complete(Request((Message("user", "More."),), "draft", most_tokens=400))
    assert refused.status == "over_budget" and "--llm-tokens" in refused.detail


def test_a_wrong_key_and_a_prompt_too_long_say_so(url: str) -> None:
    assert "the key is wrong" in models(url, key="sk-wrong-key-1234").complete(CHOOSE).detail
    long = Request((Message("user", "word " * 6000),), "draft", most_tokens=10)
    assert "do not fit the model's context" in models(url).complete(long).detail


def test_the_check_tells_what_the_endpoint_can_do(url: str, capsys: pytest.CaptureFixture[str],
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert main(["llm", "check", "--llm", f"smollm2@{url}#seconds=900", "--json"]) == 0
    found = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert [found[name]["works"] for name in ("lists models", "answers", "counts tokens", "obeys a schema", "repeats with a seed",
                                              "keeps a token limit")] == ["yes"] * 6
    assert "#server=llama.cpp" in found["lists models"]["detail"] and found["price"]["detail"].startswith("$0.00 in")
