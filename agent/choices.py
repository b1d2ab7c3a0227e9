"""Reads the choices that a trial's models printed (see kit/clock.py): what was decided by time or by looking.

A solution's own code may have printed any of it: it is read as small JSON, and told to that solution alone.
"""

import json
import re
from typing import Any

LINE = re.compile(r"^choice (\w{1,40})=(.{1,4000})$", re.MULTILINE)

Choices = list[list[Any]]  # [name, value] in the order in which they were made


def choices(printed: str) -> Choices:
    """The choices in what a trial printed."""
    found = [(name, _small_json(line)) for name, line in LINE.findall(printed)]
    return [[name, value] for name, value in found if value is not None]


def _small_json(line: str) -> Any:
    """The line's value; None where it has none or could nest too deep to be written again."""
    try:
        return json.loads(line) if line.count("[") + line.count("{") < 50 else None
    except ValueError:
        return None
