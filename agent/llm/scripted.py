"""Answers from a folder of recorded answers: `--llm scripted:FOLDER`. For tests, demos and runs that must repeat exactly.

The k-th request with purpose P gets the k-th file, by name, among `P.md`, `*-P.md` and `P-*.md`: 01-draft.md, 02-debug.md,
03-draft.md, ... The file's text is the reply as the model sent it, thinking and fences included.
"""

import re
import threading
from collections import Counter
from pathlib import Path

from agent.llm import Reply, Request, Usage
from agent.llm.prices import estimate
from agent.output import UsageError


class Scripted:
    """An LLM that reads its lines. Costs nothing; tokens are estimated."""

    def __init__(self, folder: Path) -> None:
        if not any(folder.glob("*.md")):
            raise UsageError(f"no recorded answers in {folder}: they are files such as 01-draft.md")
        self.folder = folder
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Reply:
        model = f"scripted:{self.folder.name}"
        with self._lock:
            number = self._asked[request.purpose]
            self._asked[request.purpose] += 1
        answers = self._answers(request.purpose)
        if number >= len(answers):
            detail = f"{len(answers)} answers to {request.purpose!r} are recorded, one more was asked for"
            return Reply("", "failed", detail, model, Usage())
        text = answers[number].read_text(encoding="utf-8")
        asked = "".join(message.content for message in request.messages)
        status, detail = ("ok", "") if text.strip() else ("empty", "the recorded answer is empty")
        return Reply(text, status, detail, model, Usage(estimate(asked), estimate(text), estimated=True))

    def _answers(self, purpose: str) -> list[Path]:
        name = re.compile(rf"(.*-)?{re.escape(purpose)}(-.*)?\.md")
        return sorted(path for path in self.folder.glob("*.md") if name.fullmatch(path.name))
