"""Which model, at what price, within which budget; replies kept and replayed; answers from files."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_server.server import Exchange, Server, in_order, serving

from agent.cli import main
from agent.llm import Message, Reply, Request, Usage
from agent.llm.address import Address, parse
from agent.llm.arguments import store_folder
from agent.llm.budget import Budget, Limits, Metered, Spent
from agent.llm.capabilities import capabilities, is_local
from agent.llm.connect import Models, connect, url_of
from agent.llm.prices import price_of
from agent.output import UsageError

ASKED = Request((Message("user", "Write fit_predict."),), "draft", most_tokens=100)
KEYS = {"OPENAI_API_KEY": "sk-some-key-1234"}


@pytest.mark.parametrize(("text", "address"), [
    ("gpt-5-mini", Address("gpt-5-mini")),
    ("qwen:7b@http://localhost:8000/v1/", Address("qwen:7b", "http://localhost:8000/v1")),
    ("@cf/meta/llama@https://gateway.example/v1", Address("@cf/meta/llama", "https://gateway.example/v1")),
    ("cheap=a/b:free@https://openrouter.ai/api/v1#key=OPENROUTER_KEY,price=0.1/.4",
     Address("a/b:free", "https://openrouter.ai/api/v1", role="cheap", key="OPENROUTER_KEY", price=(0.1, 0.4))),
    ("strong=gpt-5#api=responses,server=openai", Address("gpt-5", role="strong", api="responses", server="openai")),
    ("relay:inbox#seconds=600", Address("inbox", kind="relay", seconds=600.0)),
    ("strong=scripted:tests/answers", Address("tests/answers", kind="scripted", role="strong")),
])
def test_a_model_is_named_by_one_string(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(("text", "words"), [
    ("", "names no model"), ("relay:", "names no folder"), ("http://localhost:8000/v1", "a url needs a model before it"),
    ("m@http://", "is not model@url"), ("fast=m", "no role 'fast'; there are: cheap, strong"), ("m#speed=9", "no option 'speed'"),
    ("m#api=soap", "chat, responses"), ("m#server=acme", "openai, vllm"), ("m#price=3", "like 0.15/0.60"),
    ("m#price=nan/1", "like 0.15/0.60"), ("m#key=sk-abc-123", "never the key itself"), ("m#seconds=soon", "number of seconds"),
])
def test_a_model_that_cannot_be_read_is_one_clear_line(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(text)


def test_servers_are_known_by_their_address() -> None:
    found = {url: capabilities(url).name for url in (
        "https://api.openai.com/v1", "https://openrouter.ai/api/v1", "https://api.anthropic.com/v1", "http://127.0.0.1:11434/v1",
        "https://generativelanguage.googleapis.com/v1beta/openai", "http://localhost:8000/v1", "https://host.example:8000/v1",
        "https://notopenrouter.ai/v1")}
    assert list(found.values()) == ["openai", "openrouter", "anthropic", "ollama", "gemini", "vllm", "unknown", "unknown"]
    assert is_local("http://10.0.0.7/v1") and is_local("http://gpu-box:80/v1")
    assert not is_local("https://8.8.8.8/v1") and not is_local("https://a.example/v1")


@pytest.mark.parametrize(("text", "dollars"), [
    ("gpt-4o-mini", 0.75), ("claude-sonnet-4-5@https://api.anthropic.com/v1", 18.0), ("smollm2@http://127.0.0.1:8080/v1", 0.0),
    ("anything@https://gateway.example/v1#price=1/2", 3.0), ("relay:inbox", 0.0),
])
def test_prices_come_from_the_list_unless_said(text: str, dollars: float) -> None:
    address = parse(text)
    price = price_of(address, url_of(address, {}))
    assert price is not None and 1000 * price(Usage(1000, 1000)) == pytest.approx(dollars)


def test_cached_tokens_are_cheaper() -> None:
    price = price_of(parse("gpt-4o-mini"), "https://api.openai.com/v1")
    assert price is not None and price(Usage(10**6, 0, 10**6)) < price(Usage(10**6, 0, 0))


def test_what_cannot_be_paid_for_safely_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no price is known for odd-model.*#price=IN/OUT"):
        connect([parse("odd-model@https://gateway.example/v1")], environment=KEYS, limits=Limits(dollars=2))
    with pytest.raises(UsageError, match="set OPENAI_API_KEY"):
        connect([parse("gpt-4o-mini")], environment={})
    with pytest.raises(UsageError, match="two models are named cheap"):
        connect([parse("cheap=a@http://localhost/v1"), parse("cheap=b@http://localhost/v1")], environment=KEYS)
    with pytest.raises(UsageError, match="several models need roles"):
        connect([parse("a@http://localhost/v1"), parse("b@http://localhost/v1")], environment=KEYS)
    with pytest.raises(UsageError, match="no stored replies"):
        connect([parse("a@http://localhost/v1")], environment=KEYS, store=tmp_path / "none", replay=True)


class Uses:
    """An LLM of a given appetite, for the meter."""

    def __init__(self, usage: Usage) -> None:
        self.usage, self.calls = usage, 0

    def complete(self, request: Request) -> Reply:
        self.calls += 1
        return Reply("x", "ok", "", "uses", self.usage)


USAGE = st.builds(Usage, tokens_in=st.integers(0, 9), tokens_out=st.integers(0, 100), dollars=st.just(0.0))


@settings(deadline=None)
@given(st.lists(USAGE, max_size=12), st.integers(1, 400))
def test_tokens_never_pass_the_limit_and_the_meter_adds_up(uses: list[Usage], limit: int) -> None:
    budget, paid = Budget(Limits(tokens=limit)), 0
    for usage in uses:
        reply = Metered(Uses(usage), budget).complete(ASKED)
        paid += reply.usage.tokens_in + reply.usage.tokens_out
        assert reply.status in ("ok", "over_budget") and budget.spent.tokens == paid <= limit


def test_money_stops_hard_and_says_so() -> None:
    llm = Uses(Usage(9, 100, dollars=0.4))
    metered = Metered(llm, Budget(Limits(dollars=1.0)), lambda usage: usage.tokens_out / 200)
    assert [metered.complete(ASKED).status for _ in range(4)] == ["ok", "ok", "over_budget", "over_budget"]
    assert llm.calls == 2 and metered.budget.spent.dollars == pytest.approx(0.8)
    assert metered.complete(ASKED).detail == "$0.8000 are spent and this call may cost $0.5000 more, of $1.00 (--llm-budget)"


def test_calls_in_flight_are_counted_before_they_return() -> None:
    held, go = threading.Semaphore(0), threading.Event()

    class Waits:
        def complete(self, request: Request) -> Reply:
            held.release()
            go.wait(60)
            return Reply("x", "ok", "", "waits", Usage())

    metered = Metered(Waits(), Budget(Limits(calls=2)))
    threads = [threading.Thread(target=metered.complete, args=(ASKED,)) for _ in range(2)]
    for thread in threads:
        thread.start()
        held.acquire(timeout=60)
    assert metered.complete(ASKED).detail == "2 calls were made of 2 allowed (--llm-calls)"
    go.set()
    for thread in threads:
        thread.join()


def test_a_resumed_run_knows_what_was_spent_and_what_was_in_flight(tmp_path: Path) -> None:
    ledger = tmp_path / "run" / "llm.jsonl"
    first = Budget(Limits(tokens=500), ledger)
    Metered(Uses(Usage(10, 20)), first).complete(ASKED)
    assert first.reserve(Usage(50, 100), "draft") == ""  # and the run is killed here
    with ledger.open("a") as file:
        file.write('{"step": "set')
    again = Budget(Limits(tokens=500), ledger)
    assert again.spent == Spent(0.0, 180, 2) and not again.exhausted
    settled = json.loads(ledger.read_text().splitlines()[1])
    assert (settled["purpose"], settled["status"], settled["usage"]["tokens_out"]) == ("draft", "ok", 20)


def replying(server: Server, folder: Path, *, replay: bool = False) -> Models:
    return connect([parse(f"m@{server.url}")], environment=KEYS, limits=Limits(calls=3), store=folder, replay=replay)


def test_a_run_is_repeated_for_free_from_the_store(tmp_path: Path) -> None:
    folder = store_folder(tmp_path)
    with serving({"m": in_order(["one", "two"])}) as server:
        first = [replying_to.complete(ASKED) for replying_to in [replying(server, folder)] for _ in range(3)]
        asked = len(server.requests)
    again = replying(server, folder, replay=True)
    second = [again.complete(replace(ASKED, purpose="other", most_seconds=1.0)) for _ in range(3)]
    assert asked == 3 and [reply.text for reply in first] == [reply.text for reply in second] == ["one", "two", ""]
    assert [reply.status for reply in second] == ["ok", "ok", "failed"]
    assert all(reply.replayed and reply.usage.dollars == 0 for reply in second) and second[0].usage.tokens_in == 100
    assert again.spent == Spent()


@pytest.mark.parametrize("changed", [
    replace(ASKED, seed=1), replace(ASKED, temperature=0.1), replace(ASKED, most_tokens=101), replace(ASKED, schema={}),
    replace(ASKED, messages=(Message("user", "Write fit_predict!"),)),
])
def test_a_request_that_was_never_made_cannot_be_replayed(tmp_path: Path, changed: Request) -> None:
    with serving({"m": in_order(["one"])}) as server:
        assert replying(server, tmp_path).complete(ASKED).ok
        reply = replying(server, tmp_path, replay=True).complete(changed)
        assert len(server.requests) == 1
    assert reply.status == "failed" and "nothing is stored for this draft request to m" in reply.detail


def test_roles_pick_the_model_and_share_one_budget() -> None:
    def named(exchange: Exchange) -> None:
        exchange.answer(exchange.body["model"])

    with serving({"*": named}) as server:
        llm = connect([parse(f"cheap=small@{server.url}"), parse(f"strong=large@{server.url}")], environment=KEYS,
                      limits=Limits(calls=2))
        assert [llm.complete(replace(ASKED, role=role)).text for role in ("cheap", "strong", "cheap")] == ["small", "large", ""]
        alone = connect([parse(f"cheap=small@{server.url}")], environment=KEYS)
        assert alone.complete(replace(ASKED, role="strong")).text == "small"


def test_recorded_answers_are_given_by_purpose_in_order(tmp_path: Path) -> None:
    for name in ("01-draft=a", "02-debug=b", "03-draft=c", "04-redraft=d", "05-empty="):
        (tmp_path / f"{name.partition('=')[0]}.md").write_text(name.partition("=")[2])
    llm = connect([parse(f"scripted:{tmp_path}")], environment={})
    texts = [llm.complete(replace(ASKED, purpose=purpose)) for purpose in ("draft", "draft", "debug", "draft", "empty")]
    assert [reply.text for reply in texts] == ["a", "c", "b", "", ""]
    assert [reply.status for reply in texts] == ["ok", "ok", "ok", "failed", "empty"]
    assert texts[3].detail == "2 answers to 'draft' are recorded, one more was asked for"
    with pytest.raises(UsageError, match="no recorded answers"):
        connect([parse(f"scripted:{tmp_path / 'none'}")], environment={})


def answering(folder: Path, answers: list[str]) -> threading.Thread:
    """Another mind: answers every request that it finds, in order, slowly enough to be caught half-written."""
    def run() -> None:
        for number, answer in enumerate(answers, 1):
            while not (found := list(folder.glob(f"{number:04d}-*/prompt.md"))):
                time.sleep(0.02)
            with (found[0].parent / "answer.md").open("w") as file:
                for piece in (answer[:3], answer[3:]):
                    file.write(piece)
                    file.flush()
                    time.sleep(0.05)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_relay_carries_requests_and_answers_as_files(tmp_path: Path) -> None:
    llm = connect([parse(f"relay:{tmp_path}#seconds=60")], environment={})
    mind = answering(tmp_path, ["def fit_predict(): pass", '{"action": 1}'])
    first = llm.complete(replace(ASKED, purpose="draft"))
    second = llm.complete(replace(ASKED, purpose="read/../spec", schema={"type": "object"}))
    mind.join()
    assert (first.text, first.status, second.text) == ("def fit_predict(): pass", "ok", '{"action": 1}')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001-draft", "0002-read-spec", "README.md"]
    asked = json.loads((tmp_path / "0001-draft" / "request.json").read_text())
    assert asked["messages"] == [{"role": "user", "content": "Write fit_predict."}] and asked["seconds"] == 60
    assert "# user\n\nWrite fit_predict." in (tmp_path / "0001-draft" / "prompt.md").read_text()
    assert json.loads((tmp_path / "0001-draft" / "result.json").read_text()) == {"status": "ok", "detail": ""}


def test_a_relay_that_nobody_answers_ends_at_its_time_and_numbers_go_on(tmp_path: Path) -> None:
    llm = connect([parse(f"relay:{tmp_path}#seconds=600")], environment={})
    replies = [llm.complete(replace(ASKED, most_seconds=0.3)) for _ in range(2)]
    assert [reply.detail for reply in replies] == [f"no answer in 000{n}-draft/answer.md within 0.3 s" for n in (1, 2)]
    assert json.loads((tmp_path / "0002-draft" / "result.json").read_text())["status"] == "failed"


def test_a_mind_that_still_writes_is_told_when_the_run_is_over(tmp_path: Path) -> None:
    llm = connect([parse(f"relay:{tmp_path}#seconds=600")], environment={})
    asking = threading.Thread(target=llm.complete, args=(ASKED,), daemon=True)
    asking.start()
    while not (tmp_path / "0001-draft").exists():
        time.sleep(0.01)
    llm.close()
    assert json.loads((tmp_path / "0001-draft" / "result.json").read_text())["status"] == "closed"


def test_the_command_line_says_what_is_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MEDALIST_LLM", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for arguments, words in (
        ([], "no model to check"), (["--llm", "gpt-5-mini"], "set OPENAI_API_KEY"),
        (["--llm", "relay:x"], "no endpoint to probe"),
        (["--llm", "m@http://127.0.0.1:9/v1"], "m at http://127.0.0.1:9/v1 does not answer: the connection failed"),
        (["--llm", "m", "--llm-budget", "none"], "say --llm-tokens or --llm-calls"),
    ):
        assert main(["llm", "check", *arguments]) == 2
        assert words in capsys.readouterr().err


def test_the_sdk_costs_nothing_to_whoever_asks_no_model() -> None:
    program = ("import sys; from agent.cli import parser; import agent.llm.connect; parser().parse_args(['tasks']); "
               "print([name for name in ('openai', 'httpx2', 'genai_prices', 'jsonschema') if name in sys.modules])")
    home = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=home, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_models_are_read_from_the_environment(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({"m": in_order(["ready"])}) as server:
        monkeypatch.setenv("MEDALIST_LLM", "m")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
        assert main(["llm", "check", "--json"]) == 0
        assert server.requests[0]["authorization"] == "Bearer sk-from-the-environment"
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["answers"]["detail"] == "m: ready" and rows["lists models"]["works"] == "yes"
    assert rows["writes code"]["works"] == rows["obeys a schema"]["works"] == "no"
    assert "the script has 1 answers" in rows["writes code"]["detail"]
