"""Another agent competes through the Model Context Protocol: the official client, a real server, sandbox and competition host."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hosts import running
from mcp import Client, StdioServerParameters
from parcels import parcels

from leaderboard.host import accounts, admin
from leaderboard.host.home import open_home
from leaderboard.record import Record

ROOT = Path(__file__).parent.parent
SCRIPT = Path(__file__).parent / "scripted" / "parcels"
WRONG_SHAPE = "def fit_predict(train, target, predict, task):\n    return target.to_numpy()\n"
BUG = "def fit_predict(train, target, predict, task):\n    size = train['wieght']\n    return size\n"


def code_in(name: str) -> str:
    return (SCRIPT / name).read_text().split("```python\n")[1].split("```")[0]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What every tool answered in one session with a competition that lies on a host."""
    place = tmp_path_factory.mktemp("mcp")
    folder, home = parcels(place / "task"), open_home(place / "host")
    accounts.add_user(home, "alice")
    admin.create(home, folder, folder.parent / "answers.csv", slug="parcels")
    admin.accept_rules(home, "parcels", "alice")
    with running(home, place) as host:
        server = StdioServerParameters(
            command=sys.executable, cwd=str(place), args=["-m", "agent.cli", "mcp", "kaggle:parcels", "--author", "claude",
                                                 "--patience", "0.2"],
            env={**host.environment("alice"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
        yield {"place": place, **asyncio.run(talk(server))}


async def talk(server: StdioServerParameters) -> dict[str, Any]:
    heard: dict[str, Any] = {}
    async with Client(server) as client:
        async def call(name: str, **arguments: Any) -> Any:
            result = await client.call_tool(name, arguments)
            assert not result.is_error, result
            texts = [part.text for part in result.content]
            structured = result.structured_content
            return structured["result"] if structured and set(structured) == {"result"} else structured or json.loads(texts[0])

        heard["tools"] = sorted(tool.name for tool in (await client.list_tools()).tools)
        heard["card"] = await call("task_card")
        heard["shape"] = await call("propose_solution", source=WRONG_SHAPE, hypothesis="none")
        heard["bug"] = await call("propose_solution", source=BUG, hypothesis="none")
        heard["proposal"] = await call("propose_solution", source=code_in("05-improve.md"), hypothesis="the code holds fields")
        heard["first"] = heard["run"] = await call("run_proposal", proposal=1)
        heard["meanwhile"] = await call("list_entries")
        while heard["run"]["status"] == "running":
            heard["run"] = await call("run_proposal", proposal=1)
        heard["again"] = await call("run_proposal", proposal=heard["proposal"]["proposal"])
        heard["entries"] = await call("list_entries")
        heard["entry"] = await call("show_entry", entry=1)
        heard["missing"] = await call("show_entry", entry=77)
        heard["blend"] = await call("blend")
        heard["submit"] = await call("submit")
    return heard


def test_the_tools_are_those_of_a_competitor(session: dict[str, Any]) -> None:
    assert session["tools"] == ["blend", "list_entries", "propose_solution", "run_proposal", "show_entry", "submit", "task_card"]


def test_the_card_holds_data_contract_and_kit(session: dict[str, Any]) -> None:
    for words in ("def fit_predict(train, target, predict, task)", "boosters.lightgbm(", '"weight": numeric', "5 folds"):
        assert words in session["card"]


def test_a_wrong_shape_says_what_was_returned_and_what_is_wanted(session: dict[str, Any]) -> None:
    assert session["shape"]["status"] == "invalid"
    assert "the result has shape (400,), expected (100,)" in session["shape"]["problem"]
    assert "not for train's rows" in session["shape"]["problem"]


def test_a_bug_is_shown_with_its_line(session: dict[str, Any]) -> None:
    assert session["bug"]["problem"] == "error: KeyError: 'wieght'."
    assert ">   2     size = train['wieght']" in session["bug"]["lines"]


def test_a_proposal_is_run_graded_and_blended_once(session: dict[str, Any]) -> None:
    ran = session["run"]
    assert ran["status"] == "ok" and ran["score"] < 0.5 and len(ran["fold_scores"]) == 5
    assert ran["honest_after"] < 0.5 < ran["honest_before"]
    assert "no proposal 1 waits" in session["again"]["problem"] and 3000 < ran["seconds_left"] < 3600


def test_no_call_outlasts_a_client_s_patience(session: dict[str, Any]) -> None:
    assert session["first"]["status"] == "running" and "run_proposal(1) again" in session["first"]["next"]
    assert [entry["entry"] for entry in session["meanwhile"]] == [0]


def test_entries_can_be_read_back(session: dict[str, Any]) -> None:
    assert [entry["entry"] for entry in session["entries"]] == [0, 1]
    assert session["entry"]["source"] == code_in("05-improve.md") and session["entry"]["hypothesis"] == "the code holds fields"
    assert session["missing"]["problem"] == "no entry 77; there are: 0, 1"


def test_the_submission_is_written_scored_by_the_host_and_in_the_record(session: dict[str, Any]) -> None:
    made = session["submit"]
    assert session["blend"]["weights"] == {"1": 1.0}
    assert len(pd.read_csv(made["submission"])) == 200
    assert made["host"]["sent"] and made["host"]["public"] < 0.5 and made["host"]["rank"] == 1
    assert Path(made["report"]).exists()
    with Record(session["place"] / "runs" / "record.db") as record:
        run = record.runs()[-1]
        assert run.status == "finished"
        assert [entry.params.get("model") for entry in record.entries(run.run)] == [None, "claude"]
