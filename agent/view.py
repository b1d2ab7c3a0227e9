"""What a user sees while a run goes on: a live table on a terminal, plain lines elsewhere, nothing for machines."""

import atexit
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from leaderboard.record import Entry

SHOWN = 12
NOTES = 8


class View(Protocol):
    """Told of everything that happens; changes nothing."""

    def start(self, task: Any, plan: Mapping[str, Any], budget: float) -> None: ...
    def trial(self, number: int, fold: int, status: str) -> None: ...
    def entry(self, entry: Entry, best: Entry | None) -> None: ...
    def ensemble(self, score: float, honest: float, weights: Mapping[int, float]) -> None: ...
    def note(self, line: str) -> None: ...
    def finish(self, rows: Sequence[tuple[str, str]]) -> None: ...


def view(*, quiet: bool) -> View:
    """The view that fits where the output goes."""
    if quiet:
        return Quiet()
    return Screen(Console()) if sys.stdout.isatty() else Lines()


class Quiet:
    """Says nothing."""

    def start(self, task: Any, plan: Mapping[str, Any], budget: float) -> None:
        pass

    def trial(self, number: int, fold: int, status: str) -> None:
        pass

    def entry(self, entry: Entry, best: Entry | None) -> None:
        pass

    def ensemble(self, score: float, honest: float, weights: Mapping[int, float]) -> None:
        pass

    def note(self, line: str) -> None:
        pass

    def finish(self, rows: Sequence[tuple[str, str]]) -> None:
        pass


class Lines(Quiet):
    """One line an event."""

    def start(self, task: Any, plan: Mapping[str, Any], budget: float) -> None:
        for line in (*opening_lines(task, plan), f"budget: {budget:g} s"):
            print(line, flush=True)

    def entry(self, entry: Entry, best: Entry | None) -> None:
        mark = "  best so far" if best is not None and best.number == entry.number else ""
        print(printable(f"{entry.at_seconds:7.1f} s  entry {entry.number:3d}  {entry.operator:13s} {entry.family:15s} "
                        f"{score_of(entry):22s} {entry.status}{mark}"), flush=True)

    def ensemble(self, score: float, honest: float, weights: Mapping[int, float]) -> None:
        print(f"           ensemble of {len(weights)}: {score:.5f}, honest {honest:.5f}", flush=True)

    def note(self, line: str) -> None:
        print(printable(f"           {line}"), flush=True)


class Screen(Quiet):
    """A live picture: budget, validation, the latest entries, the best and the ensemble."""

    def __init__(self, console: Console) -> None:
        self.head: list[str] = []
        self.entries: list[Entry] = []
        self.best: Entry | None = None
        self.blend, self.budget, self.trials, self.began = "", 1.0, 0, 0.0
        self.live = Live(console=console, get_renderable=self.picture, refresh_per_second=4)  # draws at once

    def start(self, task: Any, plan: Mapping[str, Any], budget: float) -> None:
        self.head, self.budget, self.began = opening_lines(task, plan), budget, time.monotonic()
        self.live.start()
        atexit.register(self.live.stop)  # however the run ends, the cursor comes back

    def trial(self, number: int, fold: int, status: str) -> None:
        self.trials += 1

    def entry(self, entry: Entry, best: Entry | None) -> None:
        self.entries.append(entry)
        self.best = best

    def ensemble(self, score: float, honest: float, weights: Mapping[int, float]) -> None:
        parts = sorted(weights.items(), key=lambda item: -abs(item[1]))[:6]
        self.blend = f"{score:.5f}, honest {honest:.5f}: " + "  ".join(f"{w:.2f} x {n}" for n, w in parts)

    def note(self, line: str) -> None:
        self.head.append(printable(f"  {line}"))

    def finish(self, rows: Sequence[tuple[str, str]]) -> None:
        self.live.stop()

    def picture(self) -> Group:
        """The whole picture, drawn anew."""
        used = min(time.monotonic() - self.began, self.budget) if self.began else 0.0
        lines = [Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in self.head]
        bar = Table.grid(padding=(0, 1))
        bar.add_row("budget", ProgressBar(total=self.budget, completed=used, width=40),
                    f"{used:.0f} of {self.budget:g} s, {self.trials} trials")
        best = f"entry {self.best.number}, {self.best.family}: {score_of(self.best)}" if self.best else "none yet"
        tail = (Text(printable(f"best      {best}")), Text(f"ensemble  {self.blend or 'none yet'}"))
        return Group(*lines, bar, self._table(), *tail)

    def _table(self) -> Table:
        table = Table(expand=False, pad_edge=False)
        for column in ("entry", "operator", "family", "score", "seconds", "status", "hypothesis"):
            table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=48)
        for entry in self.entries[-SHOWN:]:
            style = "bold green" if self.best and entry.number == self.best.number else ""
            cells = (str(entry.number), entry.operator, entry.family, score_of(entry), f"{entry.cost_wall_seconds:.1f}",
                     entry.status, entry.hypothesis)
            table.add_row(*(escape(printable(cell)) for cell in cells), style=style)
        return table


def opening_lines(task: Any, plan: Mapping[str, Any]) -> list[str]:
    """What was read and decided before the first trial."""
    better = "larger" if task.greater_is_better else "smaller"
    lines = [f"{task.title}: {task.kind}, {task.metric} ({better} is better)"]
    lines += [f"  {sentence}" for sentence in task.inferred[:NOTES]]
    if len(task.inferred) > NOTES:
        lines.append(f"  and {len(task.inferred) - NOTES} notes more in the report")
    return [printable(line) for line in lines + [f"  validation: {reason}" for reason in plan["reasons"]]]


def printable(text: str) -> str:
    """Without control characters: names in a competition's files may hold terminal escapes."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def score_of(entry: Entry) -> str:
    if entry.score is None:
        return ""
    return f"{entry.score:.5f} ± {entry.spread:.5f}" if entry.spread is not None else f"{entry.score:.5f}"
