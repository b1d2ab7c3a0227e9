"""Says why a solution failed so that its author can act on it: what was returned, what was wanted, which lines failed."""

import ast
import re

from agent.prompting.data_card import said
from agent.syntax import parse

FRAME = re.compile(r'File "solution\.py", line (\d+)')
HEADING = re.compile(r"^--- .*?: (?P<status>\w+) ?(?P<reason>.*)$", re.MULTILINE)
RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Warning|Exit|Interrupt|Iteration)\b")
INSTALLED = re.compile(r'(^|["\s])/[^"\s]*/site-packages/')
CHOICE = re.compile(r"choice \w+=")  # what the kit's models write of their choices, for the other folds
AROUND = 3
LONGEST_LOG = 3_000
REMEDIES = {
    "invalid": "fit_predict must return {shape}, all finite, one for each row of predict and in its order, not for train's rows.",
    "timeout": "The fit was killed because it took too long: it gets about {seconds} s, a smoke run on a few rows less. Fewer "
               "rows, rounds or members, or an approach that is cheaper; own loops must end by task.seconds_left.",
    "memory": "The fit was killed because it took too much memory: keep to sparse arrays and float32, and reduce columns first.",
    "cpu": "The fit was killed because it took too much processor time: use task.threads threads.",
    "disk": "The fit was killed because it wrote too much: it needs no files.",
    "output": "The fit was killed because it printed too much: print a few lines at most.",
    "refused": "The fit could not be started: {reason}",
    "killed": "The fit's process died from a signal: native code crashed, or it forked or used threads where it must not.",
    "syntax_error": "The answer's code is not Python.",
    "missing_function": "The code must define fit_predict(train, target, predict, task) at its top level.",
    "no_match": "The edit did not fit the file.",
    "repeat": "This is a solution that has been run: its score is known. Send another.",
    "tool_failed": "The tool's test failed, so it did not join the kit.",
}


def problem(status: str, log: str, *, shape: str, seconds: float) -> str:
    """What happened and what to do, in two sentences."""
    reason = first_reason(log)
    remedy = REMEDIES.get(status, "").format(shape=shape, seconds=max(1, round(seconds)), reason=reason)
    happened = f"{status}: {reason.rstrip('.')}." if reason else f"{status}."
    return f"{happened} {remedy}".strip()


def first_reason(log: str) -> str:
    """The last exception's line, else what the host said of the trial."""
    raised = [line for line in log.splitlines() if RAISED.match(line)]
    if raised:
        return said(raised[-1], 300)
    headings = [match["reason"] for match in HEADING.finditer(log) if match["status"] != "ok" and match["reason"].strip()]
    return said(headings[-1], 300) if headings else ""


def failing_lines(source: str, log: str) -> str:
    """The lines that the traceback names, those that return where the result is invalid, numbered, with those around them."""
    rows = source.splitlines()
    named = {int(number) for number in FRAME.findall(log)}
    if not named and any(match["status"] == "invalid" for match in HEADING.finditer(log)):
        named = _returns(source)
    near = sorted({line for number in named for line in range(number - AROUND, number + AROUND + 1) if 0 < line <= len(rows)})
    parts: list[str] = []
    for place, line in enumerate(near):
        if place and near[place - 1] != line - 1:
            parts.append("   ...")
        parts.append(f"{'>' if line in named else ' '} {line:3d} {rows[line - 1]}")
    return "\n".join(parts)


def _returns(source: str) -> set[int]:
    """The lines at which fit_predict returns."""
    functions = [node for node in parse(source).body if isinstance(node, ast.FunctionDef) and node.name == "fit_predict"]
    return {node.lineno for function in functions for node in ast.walk(function) if isinstance(node, ast.Return)}


def tail(log: str) -> str:
    """The end of a log: without control characters, fences, blank lines, marks under code, what the kit notes for other folds,
    and folders of installed packages."""
    kept = [line for line in log.splitlines() if line.strip(" ^~") and not CHOICE.match(line)]
    clean = [" " * (len(line) - len(line.lstrip())) + said(unplaced(line), 400) for line in kept]
    return "\n".join(clean)[-LONGEST_LOG:].strip("\n")


def unplaced(text: str) -> str:
    """Text in which files of installed packages begin with the package's name."""
    return INSTALLED.sub(r"\1", text)
