"""Takes what was asked for out of a reply's text: Python code or a decision. What cannot be taken comes back as a typed failure.

Code: thinking is stripped, then fenced Python, any other fence, and the whole text if it is Python, in that order.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.syntax import parse

THOUGHT = re.compile(r"<(think|thinking|thought|reasoning|scratchpad)>.*?</\1>", re.DOTALL | re.IGNORECASE)
THOUGHT_END = re.compile(r"</(think|thinking|thought|reasoning|scratchpad)>", re.IGNORECASE)
THOUGHT_START = re.compile(r"\s*<(think|thinking|thought|reasoning|scratchpad)>", re.IGNORECASE)
CHANNEL = re.compile(r"<\|channel\|>final<\|message\|>")
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
PYTHON = ("python", "py", "python3", "ipython")


@dataclass(frozen=True)
class Code:
    """`source` is Python text, "" where none was found. `status`: ok, truncated, no_code, syntax_error or missing_function.

    `detail` tells a model what to do about it. With syntax_error, missing_function and truncated, `source` is what there is.
    """

    source: str
    status: str
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.status == "ok"


@dataclass(frozen=True)
class Decision:
    """`value` fits the schema where `status` is ok; else it is None and the status is no_json or wrong_shape."""

    value: Any
    status: str
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.status == "ok"


def code(text: str, *, defines: str = "fit_predict") -> Code:
    """The Python in a reply that defines the function `defines` ("": anything).

    Of several fences the last that defines it is taken; where it uses names that only the others define, all are joined.
    """
    answer = without_thinking(text)
    if answer is None:
        return Code("", "truncated", "the reply ended while still thinking: think less and send the code")
    blocks, unclosed = _fences(answer)
    if unclosed is not None:
        return Code(unclosed, "truncated", "the last code fence is not closed: the reply was cut off; send a shorter program")
    if not blocks:
        return _bare(answer, defines)
    return judged(_chosen(blocks, defines), defines)


def decision(text: str, schema: Mapping[str, Any]) -> Decision:
    """The JSON value in a reply that fits `schema` (JSON Schema 2020-12): the first such, whatever stands around it."""
    from jsonschema import Draft202012Validator

    answer = without_thinking(text)
    values = list(_json_values(answer or ""))
    if not values:
        return Decision(None, "no_json", "the reply holds no JSON object: send one JSON object and nothing else")
    checker = Draft202012Validator(schema)
    for value in values:
        if checker.is_valid(value):
            return Decision(value, "ok")
    error = min(checker.iter_errors(values[0]), key=lambda found: found.json_path)
    return Decision(None, "wrong_shape", f"at {error.json_path}: {' '.join(error.message.split())[:300]}")


def without_thinking(text: str) -> str | None:
    """The text after the thinking that some models send first; None where the thinking never ends."""
    final = CHANNEL.search(text)
    if final:
        return text[final.end():]
    rest = THOUGHT.sub("", text)
    opened_in_the_prompt = THOUGHT_END.search(rest)
    if opened_in_the_prompt:
        rest = rest[opened_in_the_prompt.end():]
    return None if THOUGHT_START.match(rest) else rest


def _fences(text: str) -> tuple[list[tuple[str, str]], str | None]:
    """(language, content) of every closed fence, Python first if there is any; and the content of an unclosed one."""
    from markdown_it import MarkdownIt

    lines = text.split("\n")
    closed, unclosed = [], None
    for token in MarkdownIt("zero").enable("fence").parse(text):  # fences alone: nothing around them can hide one
        if token.type != "fence" or token.map is None:
            continue
        last = lines[min(token.map[1], len(lines)) - 1].strip()
        if token.map[1] - token.map[0] > 1 and set(last) == {token.markup[0]} and len(last) >= len(token.markup):
            closed.append((token.info.strip().split(" ")[0].lower(), token.content))
        else:
            unclosed = token.content
    python = [block for block in closed if block[0] in PYTHON]
    return python or closed, unclosed


def _chosen(blocks: Sequence[tuple[str, str]], defines: str) -> str:
    """One source out of closed fences."""
    sources = [content for _, content in blocks if content.strip()] or [""]
    fitting = [source for source in sources if defines in _defined(source)] if defines else []
    chosen = fitting[-1] if fitting else max(sources, key=lambda source: (_tree(source) is not None, len(source)))
    elsewhere = set().union(*(_defined(source) for source in sources if source != chosen))
    if (elsewhere - _defined(chosen)) & _used(chosen) and len(fitting) <= 1:
        return "\n\n".join(sources)
    return chosen


def judged(source: str, defines: str) -> Code:
    """A source as Code: ok if it is Python and defines `defines` at its top level."""
    if not source.strip():
        return Code("", "no_code", "the code fence is empty: send the whole program in one ```python fence")
    try:
        _parsed(source)
    except NOT_PYTHON as error:
        where = f"line {error.lineno}: {(error.text or '').strip()[:120]}: " if isinstance(error, SyntaxError) else ""
        return Code(source, "syntax_error", f"the code is not Python: {where}{getattr(error, 'msg', error)}")
    if defines and defines not in _defined(source):
        there = ", ".join(sorted(_defined(source))) or "nothing"
        return Code(source, "missing_function", f"the code defines {there}; it must define {defines} at the top level")
    return Code(source, "ok")


def _bare(text: str, defines: str) -> Code:
    """A reply without a fence: it counts as code only if all of it is."""
    if _tree(text) is not None and (_defined(text) or not defines):
        return judged(text.strip() + "\n", defines)
    if defines and f"def {defines}" in text:
        found = judged(text, defines)
        return Code(text, found.status, f"{found.detail}; there is no code fence: send the program in one ```python fence")
    return Code("", "no_code", "the reply holds no code: send the whole program in one ```python fence")


def _parsed(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a doubtful escape is no error of ours
        return parse(source)


def _tree(source: str) -> ast.Module | None:
    try:
        return _parsed(source)
    except NOT_PYTHON:
        return None


def _defined(source: str) -> set[str]:
    """Names that a source gives at its top level."""
    tree = _tree(source)
    names: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _used(source: str) -> set[str]:
    tree = _tree(source)
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} if tree else set()


def _json_values(text: str) -> Iterator[Any]:
    """JSON objects in the text, outermost, in order; lone numbers and words do not count."""
    decoder, at = json.JSONDecoder(parse_constant=_no_constant), text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
            yield value
        except (ValueError, RecursionError):
            end = at + 1
        at = text.find("{", end)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
