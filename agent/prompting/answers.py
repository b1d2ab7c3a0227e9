"""Reads a model's answer to an operator: the hypothesis, the predicted effect, the source, or the reason why there is none."""

import ast
import re
from dataclasses import dataclass

from agent.llm import Reply
from agent.llm.extract import Code, code, without_thinking
from agent.prompting.data_card import said
from agent.syntax import parse

LABELLED = r"^\W*{label}\W*:\W*(.+)$"
TOOL_NAME = re.compile(r"^#\s*kit/([a-z][a-z0-9_]{1,30})\.py", re.MULTILINE)
FAILURES = {"failed": "no_answer"}  # a reply's status as the status of an entry, where the word is another
OWN = "own"


@dataclass(frozen=True)
class Answer:
    """`failed`: the status of the entry that says why there is nothing to run; `detail` tells the model what to do."""

    source: str
    hypothesis: str
    predicted: str
    failed: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Tool:
    """A kit module that a model wrote: its name, its source, and the source's own test_tool(train, target, predict, task)."""

    name: str
    source: str


def answer_of(reply: Reply, found: Code | None = None, *, fallback: str = "") -> Answer:
    """The answer in a reply. found: its code where edits made it; fallback: the hypothesis where it states none."""
    text = clean(reply.text)
    unstated = "A model's solution without a stated hypothesis" if reply.text.strip() else "No answer came"
    hypothesis = labelled(text, "hypothesis") or fallback or unstated
    predicted = labelled(text, "predicts")
    if not reply.ok and reply.status != "truncated":
        return Answer("", hypothesis, predicted, FAILURES.get(reply.status, reply.status), said(reply.detail))
    made = code(text) if found is None else found
    failed = made.status if made.status != "ok" else "truncated" if reply.status == "truncated" else ""
    return Answer(clean(made.source), hypothesis, predicted, failed, said(made.detail or reply.detail, 1000))


def clean(text: str) -> str:
    """Without what no file or database takes: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def labelled(text: str, label: str) -> str:
    """The rest of the line that begins with `label:`, outside of thinking."""
    match = re.search(LABELLED.format(label=label), without_thinking(text) or "", re.MULTILINE | re.IGNORECASE)
    return said(match[1].strip("*_ "), 400) if match else ""


def tool_of(text: str) -> tuple[Tool | None, str]:
    """The kit module in an answer, or None and the reason."""
    found = code(clean(text), defines="test_tool")
    if not found.ok:
        return None, f"the tool's block: {found.detail or found.status}"
    named = TOOL_NAME.search(found.source)
    if named is None:
        return None, "the tool's block does not begin with the line `# kit/NAME.py`"
    return Tool(named[1], found.source), ""


def family_of(source: str) -> str:
    """The kit's model that a source calls where it calls one kind only, else `own`."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return OWN
    calls = {f"{node.func.value.id}.{node.func.attr}" for node in ast.walk(tree)
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)}
    models = {call.split(".")[1] for call in calls if call.split(".")[0] in MODEL_MODULES and not call.endswith(SIDE)}
    others = calls - {call for call in calls if call.split(".")[0] in (*MODEL_MODULES, "encoders", "features", "columns")}
    trained = any(call.endswith((".fit", ".train")) for call in others)
    return models.pop() if len(models) == 1 and not trained else OWN


MODEL_MODULES = ("boosters", "forests", "linear", "nets", "neighbours", "text", "images", "calendar", "baselines")
SIDE = (".reduce", ".tfidf", ".features", ".lags", ".load", ".grid", ".flips", ".coded", ".tabulate")
