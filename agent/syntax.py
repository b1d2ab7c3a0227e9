"""Parses Python source in any thread: CPython 3.11 keeps the depth of the tree that it builds in one place for all threads, and
two at once fail with `AST constructor recursion depth mismatch`."""

import ast
import time
from threading import Lock

_parsing = Lock()
TRIES = 50


def parse(source: str) -> ast.Module:
    """The tree of the source. SyntaxError, ValueError or RecursionError where it is no Python.

    One thread at a time, and again where it failed for the sake of others: libraries parse too (`inspect` does, for the
    signatures of what is written in C), and those nobody can hold up.
    """
    for _ in range(TRIES - 1):
        try:
            with _parsing:
                return ast.parse(source)
        except SystemError:
            time.sleep(0.001)
    with _parsing:
        return ast.parse(source)
