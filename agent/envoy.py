"""Submits while a long run goes on: hourly at most, when the blend gained more than noise, the day's last one kept back."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.kaggle_run import submit
from agent.spending import Unspent
from agent.view import View
from leaderboard.kaggle import Kaggle, KaggleError
from leaderboard.record import Entry, Record

EVERY_SECONDS = 3600.0


class Envoy:
    """A View that passes everything on and, beside the run, sends what is worth it. It never holds the run up."""

    def __init__(
        self, view: View, kaggle: Kaggle, record: Path, *, a_day: int, say: Callable[[str], None],
        every_seconds: float = EVERY_SECONDS, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.view, self.kaggle, self.record, self.a_day, self.say = view, kaggle, record, a_day, say
        self.every_seconds, self.clock = every_seconds, clock
        self.run, self.next_at = "", float("inf")
        self.thread: threading.Thread | None = None

    def start(self, task: Any, plan: Mapping[str, Any], budget: float) -> None:
        self.next_at = self.clock() + self.every_seconds
        self.view.start(task, plan, budget)

    def trial(self, number: int, fold: int, status: str) -> None:
        self.view.trial(number, fold, status)

    def entry(self, entry: Entry, best: Entry | None) -> None:
        self.run = entry.run
        self.view.entry(entry, best)

    def ensemble(self, score: float, honest: float, weights: Mapping[int, float]) -> None:
        """A new blend stands in the run's folder: the moment to think of a submission."""
        self.view.ensemble(score, honest, weights)
        if self.clock() >= self.next_at and (self.thread is None or not self.thread.is_alive()):
            self.next_at = self.clock() + self.every_seconds
            self.thread = threading.Thread(target=self._submit, daemon=True)
            self.thread.start()

    def note(self, line: str) -> None:
        self.view.note(line)

    def finish(self, rows: Sequence[tuple[str, str]]) -> None:
        self.view.finish(rows)

    def close(self) -> None:
        """Wait for what is under way."""
        if self.thread is not None:
            self.thread.join()

    def _submit(self) -> None:
        with Record(self.record) as record:
            try:
                made = submit(record, record.run(self.run), self.kaggle, a_day=self.a_day, reserve=1)
                self.say(f"submission {made.sent.ref}: public score {made.sent.public}, honest {made.sent.honest:.5f}")
            except (Unspent, KaggleError) as why:
                self.say(str(why))
