"""Real competition hosts for tests: a small competition, a server process, and the real kaggle command line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from folders import rows, write_folder

from agent.commands.host import environment
from leaderboard.host import accounts, admin
from leaderboard.host.home import Home, open_home

PATIENCE_SECONDS = 120
SLUG = "tiny-sizes"
TOML = 'metric = "rmse"\nkind = "regression"\nid = "id"\ntargets = ["y"]\nsubmission = "value"\ntitle = "Tiny sizes"\n'
DESCRIPTION = ("# Tiny sizes\n\nGuess y.\n\n## Evaluation\n\nBy the root mean squared error (RMSE).\n\n"
               "## Dataset description\n\nRows.\n")
TEST_ROWS = 20
USUAL = admin.Rules()


@dataclass
class Server:
    """A running host. `kaggle` runs the real client as a user; `folder` is for scratch."""

    home: Home
    url: str
    process: subprocess.Popen[str]
    folder: Path

    def kaggle(self, user: str, *arguments: str, via: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The client's run. `via`: another URL to reach the host by. With `check`, exit code 0 is asserted."""
        done = subprocess.run(
            [Path(sys.executable).parent / "kaggle", *arguments], env=self.environment(user, via=via), text=True,
            capture_output=True, timeout=PATIENCE_SECONDS, cwd=self.folder, check=False)
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def environment(self, user: str, *, via: str | None = None) -> dict[str, str]:
        own = self.folder / f"home-{user}"
        own.mkdir(exist_ok=True)
        return {"PATH": os.environ["PATH"], "HOME": str(own), "PYTHONWARNINGS": "ignore",
                **environment(accounts.credentials(self.home, user), via or self.url)}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def task_folder(folder: Path, *, usage: bool = True) -> tuple[Path, Path]:
    """A regression task with a nested and spaced file, and its answers: y = 10 * size."""
    train, test = rows(40), rows(TEST_ROWS, first=40, seed=1)
    public = write_folder(folder / "public", train.assign(y=10 * train["size"]), test, test[["id"]].assign(y=0.0),
                          toml=TOML, description=DESCRIPTION)
    (public / "extra" / "deep er").mkdir(parents=True)
    (public / "extra" / "deep er" / "notes with space.txt").write_text("x\n" * 10, encoding="utf-8")
    answers = test[["id"]].assign(y=10 * test["size"])
    if usage:
        answers["Usage"] = ["Public", "Private"] * (TEST_ROWS // 2)
    (folder / "private").mkdir()
    answers.to_csv(folder / "private" / "answers.csv", index=False)
    return public, folder / "private" / "answers.csv"


def submission_file(path: Path, *, error: float = 1.0) -> Path:
    """A valid submission whose public and private score is `error`."""
    test = rows(TEST_ROWS, first=40, seed=1)
    pd.DataFrame({"id": test["id"], "y": 10 * test["size"] + error}).to_csv(path, index=False)
    return path


def competition_home(folder: Path, *, users: tuple[str, ...] = ("alice", "bob"), rules: admin.Rules = USUAL,
                     database: str | None = None) -> Home:
    """A host's folder with the small competition, which the users have entered."""
    home = open_home(folder / "host", database)
    public, answers = task_folder(folder / "task")
    admin.create(home, public, answers, slug=SLUG, rules=rules)
    for user in users:
        accounts.add_user(home, user)
        admin.accept_rules(home, SLUG, user)
    return home


@contextmanager
def running(home: Home, folder: Path, *options: str) -> Iterator[Server]:
    """A server process at a free port; it is stopped, or was killed, in the end."""
    command = [sys.executable, "-m", "agent.cli", "host", "--home", str(home.folder), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert first.startswith("serving at "), first
        yield Server(home, first.split()[2], process, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE_SECONDS)
        process.stdout.close()


def scored(server: Server, user: str, count: int) -> list[list[str]]:
    """The user's submissions as the client lists them, once `count` of them are no longer pending."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while True:
        out = server.kaggle(user, "competitions", "submissions", SLUG, "-v", "--page-size", "200").stdout
        listed = [line.split(",") for line in out.splitlines()[1:]]
        if sum("PENDING" not in ",".join(row) for row in listed) >= count:
            return listed
        assert time.monotonic() < limit, out
        time.sleep(0.2)
