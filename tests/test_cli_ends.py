"""How the command line ends: in one line where an error is ours, quickly where it was told to stop."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli import OURS
from agent.output import print_rows

PROGRAM = """
import sys
from agent import cli
code = cli.main(["runs", "--runs", sys.argv[1]])
print(code, "sklearn" in sys.modules or "scipy" in sys.modules)
"""


def test_every_error_of_ours_is_where_the_command_line_looks_for_it() -> None:
    for module, name in OURS:
        found = getattr(importlib.import_module(module), name)
        assert issubclass(found, Exception) and found.__module__ == module, name


def test_a_table_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"name": "[/b] [red]x\x1b[31m"}], ["name"], as_json=False, title="[/i]")
    shown = capsys.readouterr().out
    assert "[/b] [red]x[31m" in shown and "[/i]" in shown and "\x1b" not in shown


def test_an_error_is_one_line_and_nothing_is_loaded_to_say_it(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stderr.startswith("medalist: no record at") and done.stderr.count("\n") == 1
    assert done.stdout.split() == ["2", "False"]
