"""The author alone: edits of long files, repeats, pauses, small contexts, a reading that comes back after a resume."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from llm_server.faults import PLAYS
from llm_server.server import Server, serving

from agent.attach import Reader
from agent.llm import LLM, Reply, Request, Usage
from agent.llm.address import parse
from agent.llm.budget import Limits
from agent.llm.connect import connect
from agent.llm.relay import Relay
from agent.llm.scripted import Scripted
from agent.llm.store import key_of
from agent.prompting.prompts import Prompts
from agent.prompting.spec import Reading
from agent.proposers.allocation import Allocation
from agent.proposers.llm import MENDABLE, OPERATORS, UNANSWERED, Author, Brief
from agent.solution import Solution
from leaderboard.record import Entry
from sandbox import Cost, Trial

ROOT = Path(__file__).parent
KIT = ROOT.parent / "agent" / "kit"
HEAD, STEPS = "def fit_predict(train, target, predict, task):\n", "".join(f"    step_{k} = {k}\n" for k in range(90))
LONG = f"{HEAD}{STEPS}    return step_7\n"
ENTRY = Entry(
    run="r", number=4, source=LONG, parents=(), operator="draft", hypothesis="why", family="own", params={"model": "m"},
    status="ok", score=0.8, spread=0.01, fold_scores=(0.8,), cost_wall_seconds=1.0, cost_cpu_seconds=1.0, peak_memory_bytes=1,
    at_seconds=1.0, folder="", log="",
)
EDIT = "Hypothesis: eight is better\n<<<<<<< SEARCH\n    return step_7\n=======\n    return step_8\n>>>>>>> REPLACE\n"
WRONG_EDIT = EDIT.replace("return step_7", "return step_700")


class Read:
    """A reading that has come, or has come to nothing."""

    small = False

    def __init__(self, reading: Reading | None) -> None:
        self.reading, self.status = reading, "ok" if reading else "failed"


class Says:
    """An LLM that gives the same reply to everything and keeps what it was asked."""

    def __init__(self, reply: Reply) -> None:
        self.reply, self.asked = reply, list[Request]()

    def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        return self.reply


def author_of(llm: LLM, place: Path, operator: str = "improve") -> Author:
    """An author that has drafted enough and prefers one operator; its smoke runs all pass."""
    smoke = Trial("ok", np.zeros(3), Cost(0.1, 0.1, 1))
    brief = Brief(Prompts(), "system", "short", "(len(predict),)", "auc", True, 10.0, 5, (), place / "kit", 0, 300.0,
                  lambda source: smoke, lambda: 200.0, place / "answers")
    author = Author(llm, brief)
    author.drafts = 2
    author.bandit.beliefs = {name: (1e6, 1.0) if name == operator else (1.0, 1e6) for name in OPERATORS}
    return author


def spoken(author: Author, entries: list[Entry]) -> Solution:
    author.begin(entries)
    assert author.wait(60)
    solution = author.take()
    assert solution is not None
    return solution


def test_a_long_file_is_changed_by_search_and_replace(tmp_path: Path) -> None:
    (tmp_path / "01-improve.md").write_text(EDIT)
    made = spoken(author_of(Scripted(tmp_path), tmp_path), [ENTRY])
    assert made.source == LONG.replace("return step_7", "return step_8")
    assert (made.operator, made.parents, made.hypothesis, made.failed) == ("improve", (4,), "eight is better", "")


def test_an_edit_that_fits_nowhere_is_told_why_and_ends_as_a_whole_file(tmp_path: Path) -> None:
    whole = f"Hypothesis: whole\n```python\n{LONG.replace('step_7', 'step_9')}```\n"
    for name, text in (("01-improve.md", WRONG_EDIT), ("02-improve.md", WRONG_EDIT), ("03-improve.md", whole)):
        (tmp_path / name).write_text(text)
    made = spoken(author_of(Scripted(tmp_path), tmp_path), [ENTRY])
    assert made.source == LONG.replace("step_7", "step_9")
    assert len(list((tmp_path / "answers").glob("*-improve.md"))) == 3


def test_a_solution_that_was_run_is_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "01-simplify.md").write_text(f"```python\n{LONG}```\n")
    short = replace(ENTRY, source="def fit_predict(a, b, c, d):\n    return 1\n")
    (tmp_path / "02-simplify.md").write_text(f"```python\n{short.source}```\n")
    author = author_of(Scripted(tmp_path), tmp_path, "simplify")
    assert [spoken(author, [short]).failed for _ in range(2)] == ["", "repeat"]


def test_who_does_not_answer_is_given_pauses_and_then_let_go(tmp_path: Path) -> None:
    author = author_of(Says(Reply("", "failed", "HTTP 500: boom", "m", Usage())), tmp_path)
    for _ in range(6):
        assert spoken(author, [ENTRY]).failed == "no_answer"
        assert not author.may_begin()
    assert author.closed == "HTTP 500: boom"


def test_ideas_are_given_in_their_order_whenever_the_reading_comes(tmp_path: Path) -> None:
    llm = Says(Reply("no code", "ok", "", "m", Usage()))
    author = author_of(llm, tmp_path, "draft")
    author.brief = replace(author.brief, seconds=100.0)
    for reading in (None, Reading(ideas=("first.", "second")), Reading(ideas=("first.", "second"))):
        author.reader = Read(reading)
        spoken(author, [ENTRY])
    asked = [request.messages[1].content for request in llm.asked]
    assert "Start from this idea" not in asked[0]
    assert "Start from this idea: first. The" in asked[1] and "Start from this idea: second. The" in asked[2]


def test_an_answer_that_would_come_too_late_is_not_asked_for(tmp_path: Path) -> None:
    author = author_of(Says(Reply("no code", "ok", "", "m", Usage(seconds=196.0))), tmp_path)
    assert author.may_begin()
    spoken(author, [ENTRY])
    assert not author.may_begin()  # 200 s are left


def test_what_is_written_and_not_scored_is_told_to_the_next_request(tmp_path: Path) -> None:
    for name in ("01-improve.md", "02-improve.md"):
        (tmp_path / name).write_text(EDIT)
    author = author_of(Scripted(tmp_path), tmp_path)
    spoken(author, [ENTRY])
    assert author.unscored == 1
    asked = author._next([ENTRY]).request.messages[1].content
    assert "On its way, not scored yet, not to be done again:\n- eight is better" in asked


def test_ideas_are_given_once_and_what_is_being_written_is_told(tmp_path: Path) -> None:
    author = author_of(Relay(tmp_path / "relay"), tmp_path, "draft")
    author.reader = Read(Reading(ideas=("first", "second")))
    for _ in range(3):
        author.begin([ENTRY])
    asked = [order.request.messages[1].content for order in author.flying]
    assert "idea: second" in asked[0] and "idea: first" not in asked[0].split("## Your task")[0]
    assert "being written: a draft from the idea: first" in asked[1]
    assert "Start from this idea" not in asked[2] and author.begun == 3


def test_calls_in_flight_are_of_different_kinds(tmp_path: Path) -> None:
    author = author_of(Relay(tmp_path / "relay"), tmp_path, "improve")
    for _ in range(2):
        author.begin([ENTRY])
    assert [order.operator for order in author.flying].count("improve") == 1


def test_the_loop_looks_for_other_work_while_a_mind_writes(tmp_path: Path) -> None:
    class Exhausted:
        def propose(self, entries: list[Entry]) -> None:
            return None

    author = author_of(Relay(tmp_path / "relay"), tmp_path)
    allocation = Allocation(Exhausted(), author, seed=0, seconds_a_dollar=0.0)  # type: ignore[arg-type]
    assert allocation.propose([ENTRY]) is None and author.in_flight
    assert allocation.wait(200.0) and author.in_flight  # it did not stay until the answer came


def test_two_entries_are_crossed_once(tmp_path: Path) -> None:
    author = author_of(Says(Reply("no code", "ok", "", "m", Usage())), tmp_path, "cross")
    entries = [replace(ENTRY, number=k, score=0.8 - k / 100) for k in range(1, 4)]
    orders = [author._next(entries) for _ in range(4)]
    assert {frozenset(order.parents) for order in orders[:3]} == {frozenset(pair) for pair in ((1, 2), (1, 3), (2, 3))}
    assert orders[3].operator != "cross"


def test_a_tool_is_known_to_later_requests_by_its_signature(tmp_path: Path) -> None:
    tool = ('# kit/gaps.py\n"""Gaps."""\n\n\ndef days(train, predict, task, *, form="%d"):\n    """Adds days between dates."""\n'
            "    return train, predict\n\n\ndef test_tool(train, target, predict, task):\n    \"\"\"Tries it.\"\"\"\n")
    (tmp_path / "kit").mkdir()
    (tmp_path / "01-tool.md").write_text(f"```python\n{tool}```\n```python\nfrom kit import gaps\n\n\n{HEAD}    return 1\n```\n")
    author = author_of(Scripted(tmp_path), tmp_path, "tool")
    assert spoken(author, [ENTRY]).failed == ""
    asked = author._next([ENTRY]).request.messages[1].content
    assert "- `gaps.days(train, predict, task, *, form='%d')` Adds days between dates.\n" in asked
    assert "gaps.test_tool" not in asked


def test_a_run_that_ends_early_is_explained(tmp_path: Path) -> None:
    (tmp_path / "01-explain.md").write_text("Entry 4 carried it.")
    author = author_of(Scripted(tmp_path), tmp_path)
    author.explain([ENTRY] * 3)
    assert not author.explained  # two thirds of the time are left
    assert author.last_words([ENTRY] * 3, 30.0) == "Entry 4 carried it."


def test_a_mind_that_is_silent_holds_the_end_up_no_longer_than_it_may(tmp_path: Path) -> None:
    author = author_of(Relay(tmp_path / "relay"), tmp_path)
    assert author.last_words([ENTRY] * 3, 1.2) == ""
    assert json.loads((tmp_path / "relay" / "0001-explain" / "request.json").read_text())["seconds"] == 1.2


def test_two_requests_that_differ_in_clocks_and_scores_are_the_same_to_the_store(tmp_path: Path) -> None:
    other = replace(ENTRY, number=7, score=0.7, cost_wall_seconds=9.0)
    keys = []
    for entry, left in ((ENTRY, 200.0), (other, 120.0)):
        author = author_of(Scripted(ROOT / "scripted" / "parcels"), tmp_path)
        author.brief = replace(author.brief, left=lambda left=left: left)
        keys.append(key_of(author._next([entry]).request, parse("scripted:x")))
    assert keys[0] == keys[1]
    author.brief = replace(author.brief, seed=1)
    assert key_of(author._next([ENTRY]).request, parse("scripted:x")) != keys[0]


def test_a_spent_budget_lets_go_at_once(tmp_path: Path) -> None:
    author = author_of(Says(Reply("", "over_budget", "$2 are spent", "", Usage())), tmp_path)
    assert spoken(author, [ENTRY]).failed == "over_budget"
    assert author.closed == "$2 are spent"


def test_a_prompt_that_does_not_fit_is_short_from_then_on(tmp_path: Path) -> None:
    llm = Says(Reply("", "failed", "the prompt and its answer do not fit the model's context", "m", Usage()))
    author = author_of(llm, tmp_path)
    spoken(author, [ENTRY])
    spoken(author, [ENTRY])
    assert [request.messages[0].content for request in llm.asked] == ["system", "short"]
    assert llm.asked[1].most_tokens < 1000 < llm.asked[0].most_tokens


@pytest.fixture(scope="module")
def faults() -> Iterator[Server]:
    with serving(PLAYS) as server:
        yield server


RUNS = {"good", "recovers", "thinks-aloud", "no-fence", "two-fences", "other-model", "no-usage", "absurd-usage"}


@pytest.mark.parametrize("model", PLAYS)
def test_after_every_fault_the_run_goes_on_the_cost_is_right_and_the_entry_says_what_happened(
    faults: Server, model: str, tmp_path: Path,
) -> None:
    llm = connect([parse(f"{model}@{faults.url}#price=1/2,seconds=0.8")], environment={"OPENAI_API_KEY": "sk-none"},
                  limits=Limits(dollars=1.0))
    author = author_of(llm, tmp_path, "draft")
    made = spoken(author, [ENTRY])
    assert made.written is not None and (made.written.tokens, made.written.dollars) == (llm.spent.tokens, llm.spent.dollars)
    if made.failed:
        assert made.failed in (*MENDABLE, *UNANSWERED, "no_code") and len(made.written.log) > len("--- answer: no_answer ")
    else:
        assert model in RUNS and made.source
    author.pause_until = float("inf")
    author.begin([ENTRY])  # it is asked again
    assert not author.closed


def test_our_own_bug_is_not_taken_for_the_model_s(tmp_path: Path) -> None:
    class Broken:
        def complete(self, request: Request) -> Reply:
            raise ZeroDivisionError

    author = author_of(Broken(), tmp_path)
    author.begin([ENTRY])
    author.wait(60)
    with pytest.raises(ZeroDivisionError):
        author.take()


def test_a_resumed_run_has_its_reading_back(tmp_path: Path) -> None:
    answer = (Path(__file__).parent / "scripted" / "parcels" / "01-read.md").read_text()
    (tmp_path / "000-read.md").write_text(answer)
    reader = Reader(Says(Reply("", "failed", "", "m", Usage())), Prompts(), KIT, 0, lambda: 1.0)
    reader.restore(tmp_path)
    assert reader.reading is not None and len(reader.reading.ideas) == 3 and reader.status == "ok"
