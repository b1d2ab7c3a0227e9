"""What a user sees of a run: a picture on a terminal, lines elsewhere, nothing for machines, never an escape code."""

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from agent.view import SHOWN, Lines, Quiet, Screen, View, view
from leaderboard.record import Entry

ENTRY = Entry(
    run="r", number=3, source="", parents=(), operator="portfolio", hypothesis="Trees [bold]first[/bold]",
    family="lightgbm", params={}, status="ok", score=0.81234, spread=0.01, fold_scores=(0.8, 0.82),
    cost_wall_seconds=2.5, cost_cpu_seconds=2.0, peak_memory_bytes=1, at_seconds=12.0, folder="", log="",
)
TASK = SimpleNamespace(title="A title\x1b[31m", kind="binary", metric="auc", greater_is_better=True,
                       inferred=("the id is 'id'",))
PLAN = {"reasons": ["5 folds, stratified"]}


def tell(shown: View) -> None:
    """The events of a short run."""
    shown.start(TASK, PLAN, 60.0)
    shown.trial(3, 0, "ok")
    shown.entry(ENTRY, ENTRY)
    shown.entry(replace(ENTRY, number=4, score=None, spread=None, status="error", hypothesis="\x1b]0;owned\x07"), ENTRY)
    shown.ensemble(0.82, 0.815, {3: 1.0})
    shown.finish([("honest estimate", "0.815")])


def test_where_there_is_no_terminal_each_event_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    made = view(quiet=False)
    assert isinstance(made, Lines)
    tell(made)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "A title?[31m: binary, auc (larger is better)"
    assert any("entry   3" in line and "0.81234 ± 0.01000" in line and "best so far" in line for line in lines)
    assert any("entry   4" in line and "error" in line and "best" not in line for line in lines)
    assert any("honest 0.81500" in line for line in lines)


def test_for_machines_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    made = view(quiet=True)
    assert isinstance(made, Quiet)
    tell(made)
    assert capsys.readouterr().out == ""


def test_a_terminal_shows_budget_entries_best_and_ensemble() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=140, height=60))
    tell(screen)
    for number in range(5, 40):
        screen.entry(replace(ENTRY, number=number, operator=f"move{number}"), ENTRY)
    out.truncate(0)
    screen.live.console.print(screen.picture())
    text = out.getvalue()
    assert "of 60 s, 1 trials" in text
    assert "entry 3, lightgbm: 0.81234 ± 0.01000" in text
    assert "0.82000, honest 0.81500: 1.00 x 3" in text
    assert sum(f"move{number}" in text for number in range(5, 40)) == SHOWN
    assert "Trees [bold]first[/bold]" in text


def test_no_escape_code_of_a_name_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=140, height=60))
    tell(screen)
    screen.live.console.print(screen.picture())
    tell(Lines())
    for text in (out.getvalue(), capsys.readouterr().out):
        assert "\x1b" not in text
        assert "\x07" not in text
