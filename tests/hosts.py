"""Real competition hosts for tests: a small competition, a server process, and the real kaggle command line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from folders import rows, write_folder

from agent.commands.host import environment
from leaderboard.host import accounts, admin
from leaderboard.host.bench import Client
from leaderboard.host.home import Home, open_home

PATIENCE_SECONDS = 300
NEXT_CLIENT = Path(sys.prefix) / "kaggle-2.2.5"  # the client after the one that is pinned: `make test` puts it there
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
    clients: list[Client] = field(default_factory=list)

    def kaggle(self, user: str, *arguments: str, via: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The client's run. `via`: another URL to reach the host by. With `check`, exit code 0 is asserted."""
        done = self.run(*arguments, environment=self.environment(user, via=via))
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def next_kaggle(self, user: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The same by the client after the one that is pinned. Skips the test where it is not installed."""
        if not (NEXT_CLIENT / "kaggle").is_dir():
            pytest.skip(f"no {NEXT_CLIENT}: `make test` installs it")
        command = [sys.executable, "-m", "kaggle", *arguments]
        done = subprocess.run(command, env={**self.environment(user), "PYTHONPATH": str(NEXT_CLIENT)}, text=True,
                              capture_output=True, timeout=PATIENCE_SECONDS, cwd=self.folder, check=False)
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def run(self, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).parent / "kaggle", *arguments], env=environment, text=True, capture_output=True,
            timeout=PATIENCE_SECONDS, cwd=self.folder, check=False)

    def client(self, user: str) -> Client:
        """Plain HTTP as that user."""
        self.clients.append(Client(self.url, accounts.credentials(self.home, user)))
        return self.clients[-1]

    def scores(self, user: str, slug: str = SLUG) -> list[dict[str, Any]]:
        """The user's submissions, the newest first, once none is pending."""
        limit = time.monotonic() + PATIENCE_SECONDS
        client = self.client(user)
        while any(row["status"] == "PENDING" for row in client.submissions(slug=slug)):
            assert time.monotonic() < limit
            time.sleep(0.2)
        return client.submissions(slug=slug)

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
    (public / "extra" / "noise.bin").write_bytes(np.random.default_rng(0).bytes(3_000_000))
    (public / "extra" / "deep er" / "notes with space.txt").write_text("x\n" * 10, encoding="utf-8")
    answers = test[["id"]].assign(y=10 * test["size"])
    if usage:
        answers["Usage"] = ["Public", "Private"] * (TEST_ROWS // 2)
    (folder / "private").mkdir()
    answers.to_csv(folder / "private" / "answers.csv", index=False)
    return public, folder / "private" / "answers.csv"


def content(public: float = 1.0, private: float | None = None) -> bytes:
    """A valid submission that scores `public` on public rows and `private` (the same, when left out) on the others."""
    test = rows(TEST_ROWS, first=40, seed=1)
    errors = np.where(np.arange(TEST_ROWS) % 2 == 0, public, public if private is None else private)
    return pd.DataFrame({"id": test["id"], "y": 10 * test["size"] + errors}).to_csv(index=False).encode()


def submission_file(path: Path, score: float = 1.0) -> Path:
    """A file with a valid submission of that public and private score."""
    path.write_bytes(content(score))
    return path


def competition_home(folder: Path, *, users: tuple[str, ...] = ("alice", "bob"), rules: admin.Rules = USUAL,
                     database: str | None = None) -> Home:
    """A host's folder with the small competition, which the users have entered."""
    home = open_home(folder / "host", database)
    task_folder(folder / "task")
    for user in users:
        accounts.add_user(home, user)
    add_competition(home, folder, SLUG, users=users, rules=rules)
    return home


def add_competition(home: Home, folder: Path, slug: str, *, users: tuple[str, ...] = ("alice", "bob"),
                    rules: admin.Rules = USUAL, field: Path | None = None) -> str:
    """One more competition of the same task, which the users have entered; its name."""
    task = folder / "task"
    admin.create(home, task / "public", task / "private" / "answers.csv", slug=slug, rules=rules, field=field)
    for user in users:
        admin.accept_rules(home, slug, user)
    return slug


@contextmanager
def running(home: Home, folder: Path, *options: str) -> Iterator[Server]:
    """A server process at a free port; it is stopped, or was killed, in the end."""
    command = [sys.executable, "-m", "agent.cli", "host", "--home", str(home.folder), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert first.startswith("serving at "), first
        server = Server(home, first.split()[2], process, folder)
        yield server
        for client in server.clients:
            client.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE_SECONDS)
        process.stdout.close()
        home.store.close()
