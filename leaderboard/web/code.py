"""Code as HTML: with colours by Pygments, and as a difference between two versions, line by line."""

import difflib

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from leaderboard.web.words import shown

SIGNS = {"+": "ins", "-": "del"}


def source(text: str) -> Markup:
    """Python code, escaped, its words in spans with Pygments' classes (static/style.css knows them)."""
    return Markup(highlight(shown(text), PythonLexer(stripnl=False), HtmlFormatter(nowrap=True, classprefix="p-")))


def difference(old: str, new: str) -> Markup | None:
    """What `new` says otherwise than `old`, with three lines around; None where they are equal."""
    lines = difflib.unified_diff(shown(old).splitlines(), shown(new).splitlines(), lineterm="", n=3)
    return unified(list(lines)[2:])


def unified(lines: list[str]) -> Markup | None:
    """Lines of a unified diff: added ones in <ins>, those taken out in <del>. None where there are none."""
    return Markup("").join(_line(shown(line)) for line in lines) if lines else None


def _line(line: str) -> Markup:
    if line.startswith(("@@", "--- ", "+++ ")):
        return Markup('<span class="at">{}</span>\n').format(line)
    tag = SIGNS.get(line[:1])
    return Markup(f"<{tag}>{escape(line)}</{tag}>\n") if tag else Markup("{}\n").format(line)


def log(text: str) -> Markup:
    """A log as it is, escaped."""
    return escape(shown(text).strip("\n"))
