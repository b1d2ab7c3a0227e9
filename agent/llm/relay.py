"""Lets a person or another agent answer: requests are written as files, answers are read from files. `--llm relay:FOLDER`.

    FOLDER/README.md                     what is written here, for whoever answers
    FOLDER/0001-draft/request.json       {"purpose", "messages": [{"role", "content"}], "schema", "most_tokens", "seconds", ...}
    FOLDER/0001-draft/prompt.md          the same messages, to be read
    FOLDER/0001-draft/answer.md          what the mind writes: the reply's text, nothing else
    FOLDER/0001-draft/result.json        written at the end: {"status": "ok" | "failed" | "empty" | "closed", "detail"}

A request's folder appears whole. An answer counts once it has stood unchanged for two looks, so that any way of writing will do.
"""

import json
import os
import re
import threading
import time
from dataclasses import asdict
from pathlib import Path

from agent.llm import Reply, Request, Usage, patience
from agent.llm.prices import estimate

LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 600.0
README = """\
# You are the model

Each folder here is one request: read `prompt.md` (or `request.json`) and write the reply into `answer.md` beside it, as text.
Code goes into one ```python fence. Where `request.json` has a `schema`, the answer is one JSON object that fits it.
A request is open while it has no `result.json`; `request.json` says how many seconds it waits, from `asked_at` (Unix time) on.
The first message is the same in all requests of a run (but the reading's): read it once, then only the last one.
An answer that comes late in that time is still taken, but what is left must be enough to run it: a good answer now beats a
perfect one too late. What became of it stands in the next request ("Best entries", "Tried without a gain", "Failures").
"""


class Relay:
    """An LLM made of files. Several requests may be open at once."""

    def __init__(self, folder: Path, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.folder, self.patience_seconds = folder, patience_seconds
        self._lock = threading.Lock()
        self._open: set[Path] = set()

    def complete(self, request: Request) -> Reply:
        started = time.monotonic()
        seconds = patience(request, self.patience_seconds)
        with self._lock:
            place = self._ask(request, seconds)
            self._open.add(place)
        text = _await(place / "answer.md", until=started + seconds)
        if text is None:
            status, detail = "failed", f"no answer in {place.name}/answer.md within {seconds:.3g} s"
        else:
            status, detail = ("ok", "") if text.strip() else ("empty", f"{place.name}/answer.md is empty")
        self._end(place, status, detail)
        asked = estimate("".join(message.content for message in request.messages))
        usage = Usage(asked, estimate(text or ""), 0, 0.0, time.monotonic() - started, estimated=True)
        return Reply(text or "", status, detail, f"relay:{self.folder.name}", usage)

    def close(self) -> None:
        """Tell whoever is still writing that the run is over."""
        for place in tuple(self._open):
            self._end(place, "closed", "the run is over: nobody waits for this answer any more")

    def _end(self, place: Path, status: str, detail: str) -> None:
        """Write how a request ended, once."""
        with self._lock:
            if place in self._open:
                self._open.discard(place)
                _put(place / "result.json", json.dumps({"status": status, "detail": detail}))

    def _ask(self, request: Request, seconds: float) -> Path:
        """Writes the request into a folder that appears whole; returns it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _put(self.folder / "README.md", README)
        purpose = re.sub(r"[^A-Za-z0-9_]+", "-", request.purpose)
        place = self.folder / f"{_next_number(self.folder):04d}-{purpose}"
        part = self.folder / f".{place.name}.{os.getpid()}"
        part.mkdir()
        asked = {**asdict(request), "asked_at": time.time(), "seconds": seconds}
        asked.pop("volatile")
        (part / "request.json").write_text(json.dumps(asked, indent=1), encoding="utf-8")
        (part / "prompt.md").write_text(_prompt(request), encoding="utf-8")
        return part.rename(place)


def _next_number(folder: Path) -> int:
    found = [re.match(r"(\d+)-", path.name) for path in folder.iterdir()]
    return 1 + max((int(number[1]) for number in found if number), default=0)


def _prompt(request: Request) -> str:
    parts = [f"# {message.role}\n\n{message.content}" for message in request.messages]
    if request.schema is not None:
        parts.append(f"# answer with JSON that fits\n\n{json.dumps(request.schema, indent=1)}")
    return "\n\n".join(parts) + "\n"


def _await(path: Path, *, until: float) -> str | None:
    """The file's text once two looks agree; an empty file may still be filled. None when the time is up."""
    seen: bytes | None = None
    while time.monotonic() < until:
        found = path.read_bytes() if path.exists() else None
        if found and found == seen:
            return found.decode("utf-8", "replace")
        seen = found
        time.sleep(LOOK_SECONDS)
    return seen.decode("utf-8", "replace") if seen is not None else None


def _put(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
