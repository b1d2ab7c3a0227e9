"""A playbook bundle: a few plain text files whose name is the hash of what they say.

    bundle.toml      format, parent (a hash, "" for the first) and the evaluator epoch it was accepted under
    portfolio.toml   what is tried first, by kind of task
    operators.toml   what is known of the operators, which are out of use, macros of several
    allocation.toml  how a run's time is shared out
    stopping.toml    how far behind a candidate may be after each fold
    lessons.toml, prompts/*.jinja, tools/*.py and tests/*.py where the version has its own

Nothing in a bundle is run by the host: tools run where solutions run, in the sandbox.
"""

import difflib
import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
HEAD = "bundle.toml"
NAMES = re.compile(r"(bundle|portfolio|operators|allocation|stopping|lessons)\.toml|prompts/[a-z_]+\.jinja"
                   r"|(tools|tests)/[a-z][a-z_]*\.py")
LONGEST = 64_000  # characters of one file
SHORT = 12        # digits of a hash that people are shown


class PlaybookError(Exception):
    """A playbook cannot be read, or there is no such version; the message says what was given, what exists, what to do."""


@dataclass(frozen=True)
class Bundle:
    """One version: the text of its files by path."""

    files: Mapping[str, str]

    @property
    def hash(self) -> str:
        """Hex sha256 over the sorted paths with the sha256 of each text: the same text has the same name anywhere."""
        lines = [f"{hashlib.sha256(text.encode()).hexdigest()}  {path}\n" for path, text in sorted(self.files.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def short(self) -> str:
        return self.hash[:SHORT]

    @property
    def parent(self) -> str:
        return str(self.table(HEAD).get("parent", ""))

    @property
    def epoch(self) -> str:
        return str(self.table(HEAD).get("epoch", ""))

    def table(self, path: str) -> dict[str, Any]:
        """A TOML file's content, {} where the version has none. Raises PlaybookError where it is no TOML."""
        try:
            return tomllib.loads(self.files.get(path, ""))
        except tomllib.TOMLDecodeError as error:
            raise PlaybookError(f"{path} of playbook {self.short} is no TOML: {error}") from error

    def child(self, changes: Mapping[str, str | None], *, epoch: str) -> "Bundle":
        """The version that follows from this one: texts by path, None for a file that goes."""
        files = {**self.files, **{path: canonical(text) for path, text in changes.items() if text is not None}}
        kept = {path: text for path, text in files.items() if changes.get(path, "") is not None}
        return made({**kept, HEAD: head(parent=self.hash, epoch=epoch)})


def made(files: Mapping[str, str]) -> Bundle:
    """A bundle of these texts. Raises PlaybookError for names and sizes that no bundle has."""
    for path, text in files.items():
        if not NAMES.fullmatch(path):
            raise PlaybookError(f"a playbook has no file {path!r}; see agent/playbook/bundle.py for those it may have")
        if len(text) > LONGEST:
            raise PlaybookError(f"{path} has {len(text)} characters, a playbook's file at most {LONGEST}")
    return Bundle({path: canonical(text) for path, text in sorted(files.items())})


def head(*, parent: str, epoch: str) -> str:
    return f"format = {FORMAT}\nparent = {json.dumps(parent)}\nepoch = {json.dumps(epoch)}\n"


def canonical(text: str) -> str:
    """Unix line ends, no blanks at line ends, one line end at the end."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").split("\n")).rstrip("\n") + "\n"


def read(folder: Path) -> Bundle:
    """The bundle in a folder. Raises PlaybookError where there is none or its files are not what its name says."""
    if not (folder / HEAD).is_file():
        raise PlaybookError(f"no playbook in {folder}: it has no {HEAD}")
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    bundle = made({str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths})
    if len(folder.name) >= SHORT and re.fullmatch(r"[0-9a-f]+", folder.name) and not bundle.hash.startswith(folder.name):
        raise PlaybookError(f"playbook {folder} was changed: its files make {bundle.short}. A version is never edited; "
                            f"restore it, or propose a new one")
    return bundle


def write(bundle: Bundle, versions: Path) -> Path:
    """The bundle's folder below `versions`, made aside and renamed: it is whole or absent."""
    place = versions / bundle.short
    if place.exists():
        return place
    versions.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=versions, prefix=".new-") as aside:
        fresh = Path(aside) / bundle.short
        for path, text in bundle.files.items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).write_text(text, encoding="utf-8")
        try:
            os.rename(fresh, place)
        except OSError:
            if not place.exists():  # else another process was as quick
                raise
    return place


def difference(old: Bundle, new: Bundle) -> str:
    """A unified diff of all files but the head, "" where they say the same."""
    paths = sorted((set(old.files) | set(new.files)) - {HEAD})
    parts: list[str] = []
    for path in paths:
        left, right = old.files.get(path, ""), new.files.get(path, "")
        parts += difflib.unified_diff(left.splitlines(True), right.splitlines(True), f"a/{path}", f"b/{path}", n=1)
    return "".join(parts)
