"""Makes what a trial printed fit to be shown: no escape sequences, no invisible characters, no endless lines."""

import re

LONGEST_LINE = 2000
SEQUENCES = re.compile(
    r"\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)"  # titles, clipboards and the like, to their end or the line's
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]",       # colours, cursor and the like
    re.MULTILINE)
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
                       "\U000e0000-\U000e007f]")


def clean(text: str) -> str:
    """Without escape sequences, control characters and those that turn or hide text; of a line that was written over and
    over, the last state; lines of at most LONGEST_LINE characters."""
    lines = SEQUENCES.sub("", text.replace("\r\n", "\n")).split("\n")
    return "\n".join(_short(INVISIBLE.sub("", line.rpartition("\r")[2])) for line in lines)


def _short(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}… [{len(line)} characters]"
