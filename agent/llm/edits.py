"""Search/replace edits of a source: each block must match exactly once, all or nothing; else the reason, then the whole file."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.llm import LLM, Message, Reply, Request
from agent.llm.extract import Code, code, judged, without_thinking

FORMAT = """\
Send the change as one or more blocks of this form:
<<<<<<< SEARCH
lines of the file, copied exactly, enough of them to occur only once
=======
the lines that replace them
>>>>>>> REPLACE
Every SEARCH text must occur exactly once in the file. Blocks are applied in order, all or none."""
WHOLE_FILE = "Send the whole changed file instead, in one ```python fence and without SEARCH/REPLACE blocks."
BLOCK = re.compile(r"^<{5,9} ?SEARCH[^\n]*\n(.*?)^={5,9}[ \t]*\n(.*?)^>{5,9} ?REPLACE", re.DOTALL | re.MULTILINE)
OPENING = re.compile(r"^<{5,9} ?SEARCH", re.MULTILINE)


@dataclass(frozen=True)
class Edit:
    """One block: the text to find and the text to put there, whole lines, newline at the end."""

    search: str
    replacement: str


@dataclass(frozen=True)
class Edited:
    """What an exchange led to: the code (see Code.status) and every reply that was paid for, in order."""

    code: Code
    replies: tuple[Reply, ...]


def parse(text: str) -> tuple[tuple[Edit, ...], str]:
    """The blocks of a reply, and what is wrong with them ("": nothing)."""
    answer = (without_thinking(text) or "").replace("\r\n", "\n")
    blocks = tuple(Edit(found[1], found[2]) for found in BLOCK.finditer(answer))
    if len(OPENING.findall(answer)) != len(blocks):
        return (), f"block {len(blocks) + 1} is not complete: a block is SEARCH, =======, REPLACE, each on a line of its own"
    if not blocks:
        return (), "there is no SEARCH/REPLACE block"
    return blocks, ""


def apply(source: str, edits: Sequence[Edit]) -> tuple[str, str]:
    """The edited source and "", or the untouched source and the reason."""
    edited = source
    for number, edit in enumerate(edits, 1):
        if not edit.search.strip():
            return source, f"block {number}: its SEARCH text is empty"
        lines = _matches(edited, edit.search)
        if len(lines) != 1:
            return source, f"block {number}: " + (_not_found(edited, edit.search) if not lines else _many(lines))
        start, rows = lines[0], edited.splitlines(keepends=True)
        rows[start:start + len(edit.search.splitlines())] = edit.replacement.splitlines(keepends=True)
        edited = "".join(rows)
    return (edited, "") if edited != source else (source, "the blocks change nothing")


def edit(llm: LLM, request: Request, source: str, *, defines: str = "fit_predict") -> Edited:
    """Asks for blocks, once more with the reason where they do not fit, then for the whole file.

    `request` must show the model `source` and FORMAT. A reply that is not ok ends it, as does a whole file sent at once.
    """
    replies: list[Reply] = []
    found = Code("", "no_code", "nothing was asked")
    for number, retry in enumerate((f"Nothing was changed. {FORMAT}", WHOLE_FILE, "")):
        reply = llm.complete(request)
        replies.append(reply)
        if not reply.ok:
            return Edited(Code("", reply.status, reply.detail), tuple(replies))
        found = code(reply.text, defines=defines) if number == 2 else edited_code(source, reply.text, defines=defines)
        if found.ok or not retry:
            break
        request = _again(request, reply.text, f"{found.detail}.\n{retry}")
    return Edited(found, tuple(replies))


def edited_code(source: str, text: str, *, defines: str = "fit_predict") -> Code:
    """The source after a reply's blocks, or the whole file if it is one; status `no_match` where a block does not fit."""
    blocks, problem = parse(text)
    if not blocks and not OPENING.search(text):
        whole = code(text, defines=defines)
        return whole if whole.ok else Code("", "no_match", problem)
    edited, reason = apply(source, blocks) if blocks else (source, problem)
    if reason:
        return Code("", "no_match", reason)
    return judged(edited, defines)


def _again(request: Request, answer: str, problem: str) -> Request:
    return replace(request, messages=(*request.messages, Message("assistant", answer), Message("user", problem)))


def _matches(source: str, search: str) -> list[int]:
    """The lines at which `search` begins. Blanks at the ends of lines do not count: models drop them."""
    rows, wanted = ([line.rstrip() for line in text.splitlines()] for text in (source, search))
    return [at for at in range(len(rows) - len(wanted) + 1) if rows[at:at + len(wanted)] == wanted]


def _not_found(source: str, search: str) -> str:
    """Where the file comes nearest to what was searched, so that the next try can copy it."""
    rows, size = source.splitlines(), len(search.splitlines())
    windows = range(max(1, len(rows) - size + 1))
    ratio = difflib.SequenceMatcher(b=search, autojunk=False)

    def likeness(at: int) -> float:
        ratio.set_seq1("\n".join(rows[at:at + size]))
        return ratio.ratio() if ratio.quick_ratio() > 0.5 else 0.0

    best = max(windows, key=likeness)
    near = "\n".join(rows[best:best + size])
    return f"its SEARCH text is nowhere in the file; the nearest are lines {best + 1} to {best + size}, which read:\n{near}\n"


def _many(lines: Sequence[int]) -> str:
    at = ", ".join(str(line + 1) for line in lines)
    return f"its SEARCH text occurs {len(lines)} times, at lines {at}: copy more of the lines around it"
