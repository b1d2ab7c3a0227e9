"""Scores pending submissions, one after another, in a judge process with a deadline for each.

The database is the queue: whatever was pending when the host was killed is scored after the next start.
"""

import json
import select as readiness
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from leaderboard.host import uploads
from leaderboard.host.home import Home
from leaderboard.host.store import competitions, submissions
from leaderboard.host.store import uploads as upload_table
from leaderboard.host.submissions import COMPLETE, ERROR, PENDING

TOO_LONG = "Evaluation Exception: the evaluation took longer than {seconds:g} seconds"
CRASHED = "Evaluation Exception: the submission could not be evaluated"
LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Allowed:
    """What the evaluation of one submission may take; `largest` is in bytes, after unpacking."""

    seconds: float = 120.0
    memory_bytes: int = 8 * 2**30
    largest: int = 512 * 2**20


class Scoring:
    """A thread that scores until `stop`; `wake` tells it that there is something new."""

    def __init__(self, home: Home, allowed: Allowed) -> None:
        self._home, self._allowed = home, allowed
        self._judge: subprocess.Popen[str] | None = None
        self._news, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="scoring", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._news.set()

    def stop(self) -> None:
        """Ends the judge too; a submission that it was at stays pending."""
        self._over.set()
        self._news.set()
        self._end_judge()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            self._news.clear()
            job = self._next()
            if job is None:
                self._news.wait(LOOK_AGAIN_SECONDS)
            else:
                self._score(job)
        self._end_judge()

    def _next(self) -> dict[str, Any] | None:
        """The oldest pending submission."""
        wanted = (select(submissions.c.id, upload_table.c.id.label("upload"), upload_table.c.file_name, competitions.c.slug)
                  .join(upload_table, upload_table.c.id == submissions.c.upload)
                  .join(competitions, competitions.c.id == submissions.c.competition)
                  .where(submissions.c.status == PENDING).order_by(submissions.c.id).limit(1))
        with self._home.store.reading() as connection:
            found = connection.execute(wanted).first()
        if found is None:
            return None
        folder = self._home.competition(found.slug)
        return {"id": found.id, "task": str(folder / "task"), "answers": str(folder / "private" / "answers.csv"),
                "file": str(uploads.path_of(self._home, found.upload)), "name": found.file_name}

    def _score(self, job: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory(dir=self._home.uploads, prefix=".judge-") as scratch:
            verdict = self._verdict({**job, "scratch": scratch, "largest": self._allowed.largest})
        if self._over.is_set() and "error" in verdict:
            return
        error = verdict.get("error")
        with self._home.store.writing() as connection:
            connection.execute(
                update(submissions).where(submissions.c.id == job["id"], submissions.c.status == PENDING).values(
                    status=ERROR if error else COMPLETE, error=error, public=verdict.get("public"),
                    private=verdict.get("private")))

    def _verdict(self, job: dict[str, Any]) -> dict[str, Any]:
        judge = self._running_judge()
        assert judge.stdin is not None and judge.stdout is not None
        try:
            judge.stdin.write(json.dumps(job) + "\n")
            judge.stdin.flush()
            ready, _, _ = readiness.select([judge.stdout], [], [], self._allowed.seconds)
            line = judge.stdout.readline() if ready else ""
        except (BrokenPipeError, ValueError):
            ready, line = [judge.stdout], ""
        if line:
            return json.loads(line)
        self._end_judge()
        return {"error": CRASHED if ready else TOO_LONG.format(seconds=self._allowed.seconds)}

    def _running_judge(self) -> subprocess.Popen[str]:
        if self._judge is None or self._judge.poll() is not None:
            command = [sys.executable, "-m", "leaderboard.host.judge", str(self._allowed.memory_bytes)]
            self._judge = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._judge

    def _end_judge(self) -> None:
        judge, self._judge = self._judge, None
        if judge is not None:
            judge.kill()
            judge.wait()
            for stream in (judge.stdin, judge.stdout):
                if stream is not None:
                    stream.close()
