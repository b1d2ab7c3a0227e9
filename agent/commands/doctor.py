"""`medalist doctor`: which isolation this machine offers."""

import argparse
import json
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.doctor import Check

HELP = "say which isolation this machine offers and how to mend what is missing"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("--quick", action="store_true", help="the one trial run in an interpreter that has nothing imported")


def run(options: argparse.Namespace, started: float) -> None:
    from sandbox import SandboxError
    from sandbox.doctor import diagnose
    from sandbox.executors.local import WARM

    checks = diagnose(() if options.quick else WARM)
    if options.json:
        print(json.dumps([vars(check) for check in checks], indent=1))
    else:
        print("\n".join(map(_said, checks)))
    if any(check.needed and not check.holds for check in checks):
        raise SandboxError("trials cannot run here: what is missing stands above, each with what mends it")


def _said(check: "Check") -> str:
    """A line on the mechanism, one on what was seen, and what to do, whole so that it can be copied."""
    head = f"{'holds  ' if check.holds else 'MISSING'}  {check.name}: {check.purpose}"
    seen = textwrap.fill(check.found, 110, initial_indent=" " * 9, subsequent_indent=" " * 9, break_long_words=False)
    return "\n".join([head, seen, *(["         to mend it:"] if check.mend else []),
                      *(f"           {line}" for line in check.mend.splitlines())])
