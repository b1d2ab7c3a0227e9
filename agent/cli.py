"""The command line: finds the commands, and turns our errors into one line and an exit code."""

import argparse
import importlib
import pkgutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from agent import commands
from agent.output import UsageError
from leaderboard.web.words import plain

OURS = (
    ("agent.playbook.bundle", "PlaybookError"), ("agent.spending", "Unspent"), ("leaderboard.host.refusal", "HostError"),
    ("leaderboard.kaggle.failures", "KaggleError"), ("leaderboard.mlebench", "MleBenchError"),
    ("leaderboard.record", "RecordError"), ("sandbox.trial", "SandboxError"), ("tasks.packaged", "CatalogueError"),
    ("tasks.tables", "TaskError"), ("tasks.submission", "SubmissionError"),
)  # where each class of our errors is


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `medalist`. Returns the exit code: 0 done, 2 bad input, 130 interrupted."""
    started = time.monotonic()
    options = parser().parse_args(arguments)
    try:
        options.command(options, started)
        return 0
    except KeyboardInterrupt:
        print("interrupted; what was recorded is kept: go on with `medalist resume`, a benchmark with the same command",
              file=sys.stderr)
        return 130
    except _our_errors() as error:
        print(f"medalist: {plain(' '.join(str(error).split()))}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """All commands with their options; every file of `agent/commands/` is one."""
    top = argparse.ArgumentParser(prog="medalist", description="Competes in Kaggle-style competitions by itself.")
    known = top.add_subparsers(required=True, metavar="COMMAND")
    for name in command_names():
        command = importlib.import_module(f"agent.commands.{name}")
        made = known.add_parser(name, help=command.HELP, description=command.HELP)
        made.set_defaults(command=command.run)
        made.add_argument("--json", action="store_true", help="print JSON for machines")
        made.add_argument("--data", type=Path, default=Path("data"), help="where prepared tasks lie (default: data)")
        made.add_argument("--runs", type=Path, default=Path("runs"), help="where runs and the record lie (default: runs)")
        command.add(made)
    return top


def command_names() -> list[str]:
    """The names on the command line, the main one first."""
    names = [module.name for module in pkgutil.iter_modules(commands.__path__)]
    return sorted(names, key=lambda name: (name != "compete", name))


def _our_errors() -> tuple[type[Exception], ...]:
    """Our own errors, those whose modules are loaded: no other can have been raised, and to look loads nothing."""
    return (UsageError, *(getattr(sys.modules[module], name) for module, name in OURS if module in sys.modules))


if __name__ == "__main__":
    sys.exit(main())
