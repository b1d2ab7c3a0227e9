"""Code, decisions and edits out of what models send."""

import ast
import gc
import sys
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import syntax
from agent.llm import Message, Reply, Request, Usage
from agent.llm.edits import FORMAT, apply, edit, edited_code, parse
from agent.llm.extract import code, decision

PROGRAM = "import numpy as np\n\n\ndef fit_predict(train, target, predict, task):\n    return np.zeros(len(predict))\n"
FENCED = f"```python\n{PROGRAM}```"
SCHEMA = {"type": "object", "properties": {"action": {"enum": ["ridge", "trees"]}}, "required": ["action"]}

REPLIES = {  # text: status
    FENCED: "ok",
    f"Sure.\n\n{FENCED}\nThis predicts zeros.": "ok",
    f"~~~~py\n{PROGRAM}~~~~": "ok",
    f"```\n{PROGRAM}```": "ok",
    f"```text\n{PROGRAM}```": "ok",
    f"<answer>\n```python\n{PROGRAM}```\n</answer>": "ok",
    PROGRAM: "ok",
    f"<think>```python\nbad(\n```</think>{FENCED}": "ok",
    f"so let me think about ```python and\n</think>\n{FENCED}": "ok",
    f"<|channel|>analysis<|message|>hm<|end|><|channel|>final<|message|>{FENCED}": "ok",
    f"```bash\npip install x\n```\n{FENCED}": "ok",
    f"```python\ndef fit_predict(a):\n    pass\n```\nbetter:\n{FENCED}": "ok",
    f"{FENCED}\nRun it:\n```python\nprint(fit_predict)\n```": "ok",
    f"```python\n{PROGRAM}": "truncated",
    f"{FENCED}\nand\n```python\ndef more(": "truncated",
    "<think>first I will": "truncated",
    "I cannot do that.": "no_code",
    "Sorry": "no_code",
    "": "no_code",
    "```python\n\n```": "no_code",
    "```r\nlibrary(caret)\nfit <- function(x) x\n```": "syntax_error",
    "```python\ndef fit_predict(train, target:\n    pass\n```": "syntax_error",
    "Here: def fit_predict(a): return a": "syntax_error",
    "```python\nmodel = 3\n```": "missing_function",
    "```python\nclass Model:\n    def fit_predict(self):\n        pass\n```": "missing_function",
}


@pytest.mark.parametrize("text", REPLIES)
def test_code_is_found_or_the_failure_has_a_name(text: str) -> None:
    found = code(text)
    assert found.status == REPLIES[text]
    assert (found.source == PROGRAM) if found.ok else found.detail


def test_a_program_in_two_fences_is_joined_where_one_needs_the_other() -> None:
    found = code("```python\ndef clean(table):\n    return table\n```\nand\n"
                 "```python\ndef fit_predict(train, target, predict, task):\n    return clean(predict)\n```")
    assert found.ok and "def clean" in found.source and "def fit_predict" in found.source


def test_what_is_wrong_with_code_names_the_line() -> None:
    assert "line 2: x = = 1" in code("```python\ndef fit_predict(a):\n    x = = 1\n```").detail
    assert "it must define fit_predict" in code("```python\ndef fit(a):\n    pass\n```").detail


@settings(deadline=None)
@given(st.text(alphabet="`~ \n<>thinkpyo/=.()d:", max_size=80))
def test_any_text_gives_code_or_a_named_failure(text: str) -> None:
    found = code(text)
    assert found.ok or found.detail
    assert decision(text, SCHEMA).status in ("no_json", "wrong_shape")


@pytest.mark.parametrize(("text", "status"), [
    ('{"action": "ridge"}', "ok"),
    ('Sure! {"action": "ridge"} and {"action": "trees"}', "ok"),
    ('```json\n{"action": "ridge"}\n```', "ok"),
    ('<think>{"action": "trees"}</think>{"action": "ridge"}', "ok"),
    ('{"note": {"a": 1}} then {"action": "ridge"}', "ok"),
    ('{"action": "nope"}', "wrong_shape"),
    ('{"action": NaN}', "no_json"),
    ('{"action": "rid', "no_json"),
    ("ridge", "no_json"),
])
def test_a_decision_fits_its_schema_or_says_why(text: str, status: str) -> None:
    found = decision(text, SCHEMA)
    assert found.status == status
    assert found.value == {"action": "ridge"} if found.ok else found.value is None and found.detail


def block(search: str, replacement: str) -> str:
    return f"<<<<<<< SEARCH\n{search}=======\n{replacement}>>>>>>> REPLACE\n"


ZEROS, ONES = "    return np.zeros(len(predict))\n", "    return np.ones(len(predict))\n"


def test_a_block_that_matches_once_is_applied() -> None:
    found = edited_code(PROGRAM, f"I return ones.\n```\n{block(ZEROS, ONES)}```")
    assert found.ok and found.source == PROGRAM.replace("zeros", "ones")


def test_blanks_at_the_ends_of_lines_do_not_count() -> None:
    assert edited_code(PROGRAM, block(ZEROS.rstrip() + "   \n", ONES)).ok


def test_lines_can_be_deleted_and_blocks_build_on_each_other() -> None:
    text = block("import numpy as np\n", "import numpy\n") + block("import numpy\n", "") + block(ZEROS, "    return 0\n")
    blocks, problem = parse(text)
    edited, reason = apply(PROGRAM, blocks)
    assert problem == reason == "" and edited == "\n\ndef fit_predict(train, target, predict, task):\n    return 0\n"


@pytest.mark.parametrize(("text", "words"), [
    (block("    return np.zeroes(len(predict))\n", ONES), "the nearest are lines 5 to 5, which read:\n    return np.zeros"),
    (block("\n", "x = 1\n"), "SEARCH text is empty"),
    (block(ZEROS, ONES) + block("nowhere at all\n", ""), "block 2"),
    (block(ZEROS, ZEROS), "change nothing"),
    ("<<<<<<< SEARCH\nimport numpy as np\n", "not complete"),
    ("I would rather not.", "no SEARCH/REPLACE block"),
])
def test_blocks_that_do_not_fit_change_nothing_and_say_why(text: str, words: str) -> None:
    found = edited_code(PROGRAM, text)
    assert found.status == "no_match" and found.source == "" and words in found.detail


def test_a_text_that_occurs_twice_is_told_with_its_lines() -> None:
    source = "def fit_predict(a):\n    x = 1\n    y = 2\n    x = 1\n    return x\n"
    assert "2 times, at lines 2, 4" in edited_code(source, block("    x = 1\n", "    x = 3\n")).detail


def test_an_edit_that_breaks_the_program_is_a_syntax_error_with_its_source() -> None:
    found = edited_code(PROGRAM, block(ZEROS, "    return (\n"))
    assert found.status == "syntax_error" and "return (" in found.source


LINES = st.lists(st.sampled_from(["a = 1", "b = 2", "", "    c = 3", "def fit_predict(x):"]), min_size=1, max_size=8)


@settings(deadline=None)
@given(LINES, LINES, LINES)
def test_an_edit_replaces_the_only_match_or_nothing(source: list[str], search: list[str], replacement: list[str]) -> None:
    before, wanted, new = ("".join(f"{line}\n" for line in lines) for lines in (source, search, replacement))
    blocks, _ = parse(block(wanted, new))
    after, reason = apply(before, blocks)
    matches = sum(source[at:at + len(search)] == search for at in range(len(source)))
    assert (after == before) == bool(reason)
    assert reason or (matches == 1 and len(after.splitlines()) == len(source) - len(search) + len(replacement))


class Says:
    """Answers in turn and keeps what it was asked."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.asked = list(texts), []

    def complete(self, request: Request) -> Reply:
        self.asked.append(request)
        return Reply(self.texts.pop(0), "ok", "", "says", Usage(10, 5))


ASKED = Request((Message("user", f"Improve:\n{PROGRAM}\n{FORMAT}"),), "improve")
WRONG = block("no such line\n", ONES)


@pytest.mark.parametrize(("texts", "status"), [
    ((block(ZEROS, ONES),), "ok"),
    ((FENCED.replace("zeros", "ones"),), "ok"),
    ((WRONG, block(ZEROS, ONES)), "ok"),
    ((WRONG, WRONG, FENCED.replace("zeros", "ones")), "ok"),
    ((WRONG, WRONG, "I give up."), "no_code"),
])
def test_edits_are_asked_for_again_with_the_reason_and_then_whole(texts: tuple[str, ...], status: str) -> None:
    llm = Says(*texts)
    edited = edit(llm, ASKED, PROGRAM)
    assert edited.code.status == status and len(edited.replies) == len(texts) and llm.texts == []
    assert edited.code.source == (PROGRAM.replace("zeros", "ones") if status == "ok" else "")
    if len(texts) == 3:
        first, second, third = (asked.messages for asked in llm.asked)
        assert second[:1] == first and second[1].content == WRONG and "is nowhere in the file" in second[2].content
        assert third[:3] == second and "whole changed file" in third[-1].content


def test_what_libraries_parse_at_the_same_time_is_no_failure_of_ours() -> None:
    """A thread parses without our lock, as `inspect` does, and gets its turn while a tree is built: the garbage collector's
    turn, as with any finalizer. Plain ast.parse fails beside it on CPython 3.11."""
    source = "\n".join(f"def f{k}(x):\n    return [x + {k} for y in (1, 2)]" for k in range(60))
    over, failed = threading.Event(), 0

    def library() -> None:
        while not over.is_set():
            with suppress(SystemError):
                ast.parse("def f(a, b=1, /, *c): pass")
            time.sleep(0.02)

    def turn(phase: str, info: object) -> None:
        time.sleep(0.0005)

    thread = threading.Thread(target=library)
    gc.callbacks.append(turn)
    thread.start()
    try:
        for _ in range(40):
            try:
                ast.parse(source)
            except SystemError:
                failed += 1
            assert len(syntax.parse(source).body) == 60
    finally:
        over.set()
        gc.callbacks.remove(turn)
        thread.join()
    assert failed or sys.version_info >= (3, 12)
