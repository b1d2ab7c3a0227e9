"""The record: it reads back what was written, only grows, and survives a kill."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.record import Entry, Record, RecordError

ENTRY = Entry(
    run="a", number=0, source="x = 1\n", parents=(), operator="portfolio", hypothesis="why", family="lightgbm",
    params={"num_leaves": 31, "nested": {"a": [1, 2.5, None]}}, status="ok", score=0.75, spread=0.01,
    fold_scores=(0.7, 0.8), cost_wall_seconds=1.5, cost_cpu_seconds=2.5, peak_memory_bytes=1 << 20, at_seconds=3.0,
    folder="entries/0", log="done",
)
ROOT = Path(__file__).parent.parent


def started(path: Path, run: str = "a", task: str = "t") -> Record:
    record = Record(path)
    record.start_run(run, task=task, folder="/f", budget_seconds=60.0, seed=1, metric="auc", greater_is_better=True,
                     settings={"slots": 2})
    return record


def test_an_entry_reads_back_as_it_was_written(tmp_path: Path) -> None:
    entries = [ENTRY, replace(ENTRY, number=1, parents=(0,), status="error", score=None, spread=None, fold_scores=()),
               replace(ENTRY, number=2, parents=(0, 1), operator="crossover"),
               replace(ENTRY, number=3, operator="draft", cost_tokens=5210, cost_dollars=0.0375)]
    with started(tmp_path / "r.db") as record:
        for entry in entries:
            record.add_entry(entry)
    with Record(tmp_path / "r.db") as record:
        assert record.entries("a") == entries
        assert record.entries("b") == []


@settings(max_examples=25, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])), score=st.floats(allow_nan=False))
def test_any_text_and_any_number_read_back(
    tmp_path_factory: pytest.TempPathFactory, text: str, score: float,
) -> None:
    entry = replace(ENTRY, source=text, hypothesis=text, log=text, params={text: text}, score=score)
    with started(tmp_path_factory.mktemp("r") / "r.db") as record:
        record.add_entry(entry)
        assert record.entries("a") == [entry]


def test_a_record_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    with started(tmp_path / "r.db") as record:
        record.add_entry(ENTRY)
    with sqlite3.connect(tmp_path / "r.db") as old:
        old.execute("ALTER TABLE entries DROP COLUMN cost_tokens")
        old.execute("ALTER TABLE entries DROP COLUMN cost_dollars")
        old.execute("PRAGMA user_version = 1")
    old.close()
    paid = replace(ENTRY, number=1, cost_tokens=7, cost_dollars=0.5)
    with Record(tmp_path / "r.db") as record:
        record.add_entry(paid)
        assert record.entries("a") == [ENTRY, paid]


def test_a_fold_without_a_score_keeps_its_place(tmp_path: Path) -> None:
    with started(tmp_path / "r.db") as record:
        record.add_entry(replace(ENTRY, fold_scores=(0.5, float("nan"), 0.7)))
        first, second, third = record.entries("a")[0].fold_scores
    assert (first, third) == (0.5, 0.7)
    assert second != second


def test_a_run_opens_and_closes(tmp_path: Path) -> None:
    with started(tmp_path / "r.db") as record:
        assert record.run("a").status == "running"
        assert record.run("a").settings == {"slots": 2}
        record.finish_run("a", status="finished", summary={"honest": 0.7})
        assert record.run("a").summary == {"honest": 0.7}
        assert [run.run for run in record.runs("t")] == ["a"]
        assert record.runs("another") == []


def test_the_latest_unfinished_run_is_the_one_to_resume(tmp_path: Path) -> None:
    with started(tmp_path / "r.db", "a") as record:
        started(tmp_path / "r.db", "b").close()
        assert record.latest(unfinished=True).run == "b"
        record.finish_run("b", status="finished", summary={})
        assert record.latest(unfinished=True).run == "a"
        assert record.latest().run == "b"
        assert record.latest("a").run == "a"
        record.reopen_run("b")
        assert record.latest(unfinished=True).run == "b" and record.run("b").summary == {}
        record.finish_run("b", status="finished", summary={})
        record.finish_run("a", status="finished", summary={})
        with pytest.raises(RecordError, match="no unfinished run"):
            record.latest(unfinished=True)


def test_an_unknown_run_is_one_line_that_lists_the_known(tmp_path: Path) -> None:
    with started(tmp_path / "r.db") as record:
        with pytest.raises(RecordError, match=r"no run 'z' in .*; the latest are: a"):
            record.reopen_run("z")
        with pytest.raises(RecordError, match=r"no run 'z' in .*; the latest are: a"):
            record.run("z")
        with pytest.raises(RecordError, match="no run 'z'"):
            record.finish_run("z", status="finished", summary={})
        with pytest.raises(RecordError, match="there is a run 'a'"):
            started(tmp_path / "r.db")


def test_events_and_scores_are_a_journal(tmp_path: Path) -> None:
    with started(tmp_path / "r.db") as record:
        for score in (0.1, 0.2):
            record.event("a", "ensemble", {"score": score, "weights": {"3": 1.0}})
            record.add_score("a", "private", score)
        record.event("a", "observed", {"entry": 1, "won": True})
        assert [event["score"] for event in record.events("a", "ensemble")] == [0.1, 0.2]
        assert record.scores("a") == {"private": 0.2}


@pytest.mark.parametrize("table", ["entries", "folds", "scores", "events"])
def test_nothing_recorded_can_be_changed_or_removed(tmp_path: Path, table: str) -> None:
    with started(tmp_path / "r.db") as record:
        record.add_entry(ENTRY)
        record.add_score("a", "public", 0.5)
        record.event("a", "ensemble", {})
    connection = sqlite3.connect(tmp_path / "r.db")
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET run = 'b'"):
        with pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
            connection.execute(statement)
    connection.close()


def test_an_entry_needs_its_run(tmp_path: Path) -> None:
    with Record(tmp_path / "r.db") as record, pytest.raises(sqlite3.IntegrityError):
        record.add_entry(ENTRY)


def test_a_failed_entry_leaves_no_fold_behind(tmp_path: Path) -> None:
    with started(tmp_path / "r.db") as record:
        record.add_entry(ENTRY)
        with pytest.raises(sqlite3.IntegrityError):
            record.add_entry(replace(ENTRY, fold_scores=(1.0, 2.0, 3.0)))
        assert record.entries("a") == [ENTRY]


def test_a_newer_record_is_refused_in_one_line(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "r.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(RecordError, match=r"newer medalist \(schema 99"):
        Record(tmp_path / "r.db")


def test_a_file_that_is_no_record_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_text("not a database, " * 100)
    with pytest.raises(RecordError, match="cannot be used as a record"):
        Record(tmp_path / "r.db")


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.test_record import ENTRY, started
record = started(Path(sys.argv[1]))
for number in range(1_000_000):
    record.add_entry(replace(ENTRY, number=number, log="x" * 5000))
    record.event("a", "observed", {"entry": number})
    print(number, flush=True)
"""


@pytest.mark.parametrize("wait", [0.0, 0.05, 0.13])
def test_what_was_committed_survives_a_kill(tmp_path: Path, wait: float) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "r.db")], stdout=subprocess.PIPE, text=True,
                              cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= 20:
            break
    time.sleep(wait)
    writer.send_signal(signal.SIGKILL)
    told = [int(line) for line in writer.communicate()[0].splitlines() if line.strip()] or [20]
    with Record(tmp_path / "r.db") as record:
        numbers = [entry.number for entry in record.entries("a")]
        assert numbers == list(range(len(numbers)))
        assert all(entry.fold_scores == ENTRY.fold_scores for entry in record.entries("a"))
        assert max(told) in numbers
        record.add_entry(replace(ENTRY, number=len(numbers)))
        assert record.latest(unfinished=True).run == "a"


def test_two_processes_write_side_by_side(tmp_path: Path) -> None:
    code = ("import sys\nfrom dataclasses import replace\nfrom pathlib import Path\n"
            "from tests.test_record import ENTRY, started\nrecord = started(Path(sys.argv[1]), sys.argv[2])\n"
            "for n in range(50): record.add_entry(replace(ENTRY, run=sys.argv[2], number=n))")
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "r.db"), name], cwd=ROOT,
                                env={**os.environ, "PYTHONPATH": str(ROOT)}) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with Record(tmp_path / "r.db") as record:
        assert [len(record.entries(name)) for name in ("a", "b")] == [50, 50]
