"""A real `medalist serve` for tests: a record with an odd run, a large one and one that goes on, a host, a ledger."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hosts import SLUG, add_competition, competition_home
from sqlalchemy import insert, select

from agent.improve.ledger import FILE, Ledger
from agent.playbook.store import VERSION_0, Store
from leaderboard.alive import alive
from leaderboard.host import accounts, admin
from leaderboard.host.competitions import competition
from leaderboard.host.home import Home
from leaderboard.host.store import members, submissions, uploads
from leaderboard.record import Entry, Record

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
EVIL_RUN, LARGE, LIVE, OVER = "20260101-000000-evil", "20260102-000000-many", "20260103-000000-live", "over"
KILLED = "20260104-000000-kill"
PRIVATE = 7.654321  # of a submission to an open competition
OWN = 0.987654      # the private score of our own run
MANY = 520
SOURCE = '"""{note}"""\n\nfrom kit import boosters\n\n\ndef fit_predict(train, target, predict, task):\n    {line}\n'
PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Site:
    """A server of pages and what it shows."""

    url: str
    runs: Path
    home: Home

    @property
    def record(self) -> Path:
        return self.runs / "record.db"

    @property
    def ledger(self) -> Path:
        return self.runs.parent / "playbooks" / FILE


def entry(run: str, number: int, **facts: Any) -> Entry:
    """An entry that ran on both folds; of three, two come from an earlier one."""
    parents = (number // 2,) if number % 3 else ()
    line = f"return boosters.lightgbm(train, target, predict, task, rounds={number})"
    usual: dict[str, Any] = {
        "source": SOURCE.format(note=f"Entry {number}", line=line), "parents": parents, "operator": "tune", "params": {},
        "hypothesis": f"Rounds make {number} trees", "family": ("lightgbm", "catboost", "mlp")[number % 3], "status": "ok",
        "score": 1.0 / (number + 2), "spread": 0.01, "fold_scores": (0.4, 0.6), "cost_wall_seconds": 1.0,
        "cost_cpu_seconds": 1.5, "peak_memory_bytes": 300 << 20, "at_seconds": 0.5 * number, "folder": "", "log": "fold 0: ok",
    }
    return Entry(run=run, number=number, **(usual | facts))


def blend(score: float, weights: dict[int, float]) -> dict[str, Any]:
    return {"at_seconds": 1.0, "method": "hill climbing", "score": score, "honest": score + 0.01, "standard_error": 0.02,
            "weights": weights, "by_method": {"hill climbing": score, "best single": score + 0.02}}


def start(record: Record, run: str, folder: Path, *, task: str = "many-entries") -> None:
    record.start_run(run, task=task, folder=str(folder), budget_seconds=600.0, seed=0, metric="rmse",
                     greater_is_better=False, settings={})


def write_record(runs: Path) -> None:
    """Four runs of two tasks."""
    runs.mkdir()
    with Record(runs / "record.db") as record:
        for run, task in ((EVIL_RUN, EVIL), (LARGE, "many-entries"), (LIVE, "many-entries"), (KILLED, "many-entries")):
            (runs / run / "entries").mkdir(parents=True)
            start(record, run, runs / run, task=task)
        record.add_entry(entry(EVIL_RUN, 0, source=f"# {EVIL}\n", hypothesis=EVIL, log=f"{EVIL}\x1b[31m", operator=EVIL))
        record.add_entry(entry(EVIL_RUN, 1, parents=(0,), source=f"# {EVIL}\n# more\n", family=EVIL, status=EVIL, score=None))
        record.event(EVIL_RUN, "ensemble", blend(0.4, {0: 1.0}) | {"method": EVIL, "by_method": {EVIL: 0.4}})
        for number in range(MANY):
            record.add_entry(entry(LARGE, number))
        record.event(LARGE, "ensemble", blend(0.1, {3: 0.7, 5: 0.3}))
        record.add_score(LARGE, "private", OWN)
        record.finish_run(LARGE, status="finished", summary={"honest": 0.11, "honest_standard_error": 0.02, "entries": MANY})
        record.add_entry(entry(LIVE, 0))


def write_ledger(folder: Path) -> None:
    """A change that was rejected, a placebo, and a release of the version in use."""
    parent, ledger = Store().load("current"), Ledger(folder / FILE)
    told = {"proposer": "scalar", "cheap": False, "parent": parent.hash, "child": "",
            "diff": f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+{EVIL}\n",
            "hypothesis": EVIL, "predicted": 0.02, "stage": "confirm", "verdict": "rejected", "reason": "no effect",
            "confirm": [{"family": "ames", "gain": 0.1}, {"family": "wind", "gain": None}], "cpu_seconds": 480.0}
    ledger.append("proposal", told)
    ledger.append("proposal", told | {"proposer": "placebo", "cheap": True, "hypothesis": "Nothing changes"})
    ledger.append("release", {"version": parent.short, "against": VERSION_0, "tasks": 12, "won": 0.75, "mean": 0.074,
                              "low": 0.02, "high": 0.12})


def write_host(folder: Path) -> Home:
    """An open competition and one that is over; in each a team named like a script, whose private score is PRIVATE."""
    home = competition_home(folder, users=())
    add_competition(home, folder, OVER, users=())
    accounts.add_user(home, "alice")
    for slug in (SLUG, OVER):
        admin.accept_rules(home, slug, "alice", team=EVIL)
        _submitted(home, slug)
    admin.finalise(home, OVER)
    return home


def _submitted(home: Home, slug: str) -> None:
    """A submission that has been scored, as the host's tables have it."""
    with home.store.writing() as connection:
        found = competition(connection, slug)
        mine = {"competition": found.id, "user": connection.scalar(select(members.c.user)), "created": found.created}
        connection.execute(insert(uploads).values(
            **mine, id=slug, token_hash=slug, file_name="s.csv", bytes=1, received=True, used=True))
        team = connection.scalar(select(members.c.team).where(members.c.competition == found.id))
        connection.execute(insert(submissions).values(
            **mine, team=team, upload=slug, message=EVIL, late=False, selected=False, status="COMPLETE", public=1.25,
            private=PRIVATE))


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """The site of a folder, served until the end."""
    runs, home = folder / "runs", write_host(folder)
    write_record(runs)
    write_ledger(folder / "playbooks")
    options = ("--json", "--runs", runs, "--home", home.folder, "--playbooks", folder / "playbooks")
    with alive(LIVE, runs / LIVE), process(*options) as (line, _):
        yield Site(json.loads(line)["url"], runs, home)


@contextmanager
def process(*options: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`medalist serve` with these options: the first line that it printed, and the process, which is stopped in the end."""
    command = [sys.executable, "-m", "agent.cli", "serve", "--port", "0", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as made:
        assert made.stdout is not None
        try:
            yield made.stdout.readline(), made
        finally:
            made.send_signal(signal.SIGTERM)
            made.wait(timeout=PATIENCE_SECONDS)
