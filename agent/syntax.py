"""Parses Python source, one thread at a time: CPython 3.11 keeps the parser's depth in one place for all threads, and two
at once fail with `AST constructor recursion depth mismatch`."""

import ast
from threading import Lock

_parsing = Lock()


def parse(source: str) -> ast.Module:
    """The tree of the source. SyntaxError, ValueError or RecursionError where it is no Python."""
    with _parsing:
        return ast.parse(source)
