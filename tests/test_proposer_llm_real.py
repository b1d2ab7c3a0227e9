"""True inference drives a whole run: SmolLM2 on loopback. It writes nothing that runs; what is asserted is all the rest."""

import json
from pathlib import Path

import pytest
from llm_server.small_model import KEY, small_model
from parcels import one_model, parcels
from test_proposer_llm import UntilSpoken

from agent.attach import Choice
from agent.prompting.spec import reading_of
from agent.run import Options, Outcome, start
from leaderboard.record import Record

EMBEDDED = 5.7  # of the constant: the run may end before the embedded proposer has done more
TRIES = 1


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    place = tmp_path_factory.mktemp("small")
    folder, view = parcels(place / "task"), UntilSpoken(TRIES, slower=4.0)
    with small_model(place / "model.log", most_tokens=64) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        options = Options(budget=240, slots=1, llm=Choice((f"smollm2@{url}#server=llama.cpp",), tokens=60_000),
                          playbook=one_model(place / "playbook"))
        return place, start(folder, options, runs=place / "runs", view=view, started=view.clock(), clock=view.clock)


def test_a_prompt_that_does_not_fit_its_context_is_sent_again_short(ran: tuple[Path, Outcome]) -> None:
    ledger = next((ran[0] / "runs" / "llm").glob("*.jsonl"))
    steps = [json.loads(line) for line in ledger.read_text().splitlines()]
    reads = [step for step in steps if step["step"] == "settled" and step["purpose"] == "read"]
    assert "do not fit the model's context" in reads[0]["detail"]
    assert 800 < reads[1]["usage"]["tokens_in"] < 4_096


def test_its_reading_obeys_the_schema_or_is_cut_by_the_limit(ran: tuple[Path, Outcome]) -> None:
    text = (ran[1].folder / "answers" / "000-read.md").read_text()
    status = ran[1].llm["reading"]["status"]
    assert text.lstrip().startswith("{")
    assert (status == "ok") == (reading_of(text) is not None) and status in ("ok", "truncated")


def test_every_try_is_an_entry_with_its_tokens(ran: tuple[Path, Outcome]) -> None:
    with Record(ran[0] / "runs" / "record.db") as record:
        made = record.entries(ran[1].run)
    written = [entry for entry in made if entry.params.get("model")]
    assert len(written) >= TRIES
    assert all(entry.cost_tokens > 800 and entry.cost_dollars == 0 and entry.log for entry in written if entry.status != "ok")
    assert ran[1].llm["tokens"] <= 60_000


def test_the_result_is_no_worse_than_what_the_embedded_proposer_found(ran: tuple[Path, Outcome]) -> None:
    with Record(ran[0] / "runs" / "record.db") as record:
        made = record.entries(ran[1].run)
    embedded = [entry.score for entry in made if entry.status == "ok" and not entry.params.get("model") and entry.score]
    assert ran[1].honest < EMBEDDED
    assert ran[1].honest <= min(embedded) + 2 * (ran[1].honest_standard_error or 0.0)
