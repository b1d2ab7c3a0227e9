"""Measures a host under load: many clients that upload, submit and read at once, and a kill -9 in the middle of it.

`python -m leaderboard.host.bench` (make bench-host) serves a competition of its own from a fresh folder and prints what
was acknowledged, what is there afterwards, and how long calls took.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import urllib3

from leaderboard.host import accounts
from leaderboard.host.accounts import Credentials
from leaderboard.host.app import Settings
from leaderboard.host.home import Home, open_home
from leaderboard.host.server import serve

SLUG, ROWS = "load", 1000
PATIENCE_SECONDS = 600.0
SPAWN = multiprocessing.get_context("spawn")
SERVICE = "competitions.CompetitionApiService"


class Client:
    """Speaks the API as a user does. Keeps how long calls took, in seconds, and the statuses that were no success."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self.url = url
        self.seconds: list[float] = []
        self.failures: list[int] = []
        self._headers = {**urllib3.make_headers(basic_auth=f"{credentials.username}:{credentials.key}"),
                         "Content-Type": "application/json"}
        self._pool = urllib3.PoolManager(maxsize=2, retries=False, timeout=120)

    def close(self) -> None:
        self._pool.clear()

    def call(self, method: str, *, service: str = SERVICE, **fields: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer; a redirect's Location is given as {"location"}. Raises urllib3's HTTPError when cut off."""
        response = self.send("POST", f"/api/v1/{service}/{method}", json.dumps(fields).encode())
        if response.status == 302:
            return 302, {"location": response.headers["Location"]}
        return response.status, json.loads(response.data)

    def send(self, verb: str, path: str, body: bytes | None = None) -> urllib3.BaseHTTPResponse:
        started = time.monotonic()
        response = self._pool.request(verb, self.url + path, body=body, headers=self._headers, redirect=False)
        self.seconds.append(time.monotonic() - started)
        if response.status >= 400:
            self.failures.append(response.status)
        return response

    def upload(self, content: bytes, *, slug: str = SLUG, name: str = "submission.csv") -> str:
        """Upload a file; the token that submits it."""
        _, begun = self.call("StartSubmissionUpload", competitionName=slug, fileName=name, contentLength=len(content))
        self.send("PUT", "/upload/" + begun["createUrl"].rsplit("/", 1)[1], content)
        return str(begun["token"])

    def submit(self, content: bytes, message: str, *, slug: str = SLUG) -> tuple[int, dict[str, Any]]:
        token = self.upload(content, slug=slug)
        return self.call("CreateSubmission", competitionName=slug, blobFileTokens=token, submissionDescription=message)

    def submissions(self, *, slug: str = SLUG) -> list[dict[str, Any]]:
        """All of the team's, page by page."""
        found, token = [], ""
        while True:
            _, page = self.call("ListSubmissions", competitionName=slug, pageToken=token, pageSize=50)
            found += page["submissions"]
            token = page["nextPageToken"]
            if not token:
                return found


@dataclass(frozen=True)
class Load:
    """What a load left. `acknowledged` submissions were answered with a number; `lost` of them are not there
    afterwards; `doubled` messages are there twice; `unanswered` are there though the answer was cut off (kill only);
    `server_errors` are answers of 500 and more. Times in seconds."""

    clients: int
    killed: bool
    acknowledged: int
    lost: int
    doubled: int
    unanswered: int
    unscored: int
    server_errors: int
    calls: int
    wall: float
    calls_a_second: float
    median: float
    p95: float
    worst: float


@dataclass
class _Worker:
    client: Client
    name: str
    numbers: dict[str, int] = field(default_factory=dict)  # by message

    def work(self, content: bytes, rounds: int, over: threading.Event) -> None:
        """Submit and read. A submission that is cut off is not repeated: the next one has another message."""
        attempt = 0
        while len(self.numbers) < rounds:
            message, attempt = f"{self.name} {attempt}", attempt + 1
            try:
                status, made = self.client.submit(content, message)
                if status == 200:
                    self.numbers[message] = made["ref"]
                self.client.call("GetLeaderboard", competitionName=SLUG)
                self.client.call("ListSubmissions", competitionName=SLUG)
            except (urllib3.exceptions.HTTPError, KeyError):
                if over.wait(0.2):
                    return


def load(folder: Path, *, clients: int, rounds: int, kill: bool = False, database: str | None = None) -> Load:
    """Serve a competition from `folder`, with each client submitting and reading `rounds` times.

    kill: the server is killed when a third of the submissions are there, and started again at the same port.
    """
    home = _home(folder, clients, database)
    content = _submission(folder / "task")
    over = threading.Event()
    with _serving(home, 0) as (server, url):
        workers = [_Worker(Client(url, accounts.credentials(home, name)), name) for name in accounts.names(home)]
        threads = [threading.Thread(target=worker.work, args=(content, rounds, over)) for worker in workers]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        if kill:
            _wait_for(lambda: sum(len(worker.numbers) for worker in workers) >= clients * rounds / 3)
            server.kill()
            server.join()
            with _serving(home, int(url.rsplit(":", 1)[1])):
                return _finish(workers, threads, over, started, killed=True)
        return _finish(workers, threads, over, started, killed=False)


def _finish(
    workers: Sequence[_Worker], threads: Sequence[threading.Thread], over: threading.Event, started: float, *, killed: bool,
) -> Load:
    for thread in threads:
        thread.join()
    over.set()
    wall = time.monotonic() - started
    seconds = sorted(second for worker in workers for second in worker.client.seconds)
    failures = [status for worker in workers for status in worker.client.failures]
    found = {worker.name: _scored(worker.client) for worker in workers}
    for worker in workers:
        worker.client.close()
    messages = [row["description"] for rows in found.values() for row in rows]
    kept = {(row["description"], row["ref"]) for rows in found.values() for row in rows}
    given = {pair for worker in workers for pair in worker.numbers.items()}
    return Load(
        clients=len(workers), killed=killed, acknowledged=len(given), lost=len(given - kept),
        doubled=len(messages) - len(set(messages)), unanswered=len(kept - given),
        unscored=sum(row["status"] != "COMPLETE" for rows in found.values() for row in rows),
        server_errors=sum(status >= 500 for status in failures), calls=len(seconds), wall=wall,
        calls_a_second=len(seconds) / wall, median=statistics.median(seconds),
        p95=seconds[int(0.95 * (len(seconds) - 1))], worst=seconds[-1])


def _scored(client: Client) -> list[dict[str, Any]]:
    """The team's submissions once none is pending."""
    _wait_for(lambda: all(row["status"] != "PENDING" for row in client.submissions()))
    return client.submissions()


def _wait_for(done: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > limit:
            raise TimeoutError(f"nothing came of it in {PATIENCE_SECONDS:g} s")
        time.sleep(0.2)


@contextmanager
def _serving(home: Home, port: int) -> Iterator[tuple[BaseProcess, str]]:
    """A server in a process of its own, killed in the end."""
    here, there = SPAWN.Pipe()
    server = SPAWN.Process(target=_serve, args=(home.folder, port, there), daemon=False)
    server.start()
    try:
        if not here.poll(PATIENCE_SECONDS):
            raise TimeoutError(f"the server did not start in {PATIENCE_SECONDS:g} s")
        yield server, here.recv()
    finally:
        server.kill()
        server.join()


def _serve(folder: Path, port: int, ready: Any) -> None:
    serve(open_home(folder), Settings(), bind="127.0.0.1", port=port, ready=ready.send)


def _home(folder: Path, clients: int, database: str | None) -> Home:
    """A host with one competition of random numbers and as many users."""
    from leaderboard.host import admin  # loads pandas, which the server's process does without

    public, private = folder / "task" / "public", folder / "task" / "private"
    public.mkdir(parents=True)
    private.mkdir()
    lines = [f"{number},{number * 7 % 13}" for number in range(2 * ROWS)]
    (public / "train.csv").write_text("\n".join(["id,x,y", *(f"{line},{n % 10}.5" for n, line in enumerate(lines[:ROWS]))]))
    (public / "test.csv").write_text("\n".join(["id,x", *lines[ROWS:]]))
    (public / "sample_submission.csv").write_text("\n".join(["id,y", *(f"{n},0.0" for n in range(ROWS, 2 * ROWS))]))
    (public / "task.toml").write_text('metric = "rmse"\nkind = "regression"\nid = "id"\ntargets = ["y"]\n')
    (private / "answers.csv").write_text("\n".join(["id,y", *(f"{n},{n % 10}.5" for n in range(ROWS, 2 * ROWS))]))
    home = open_home(folder / "host", database)
    admin.create(home, public, private / "answers.csv", slug=SLUG, rules=admin.Rules(daily_limit=10**6))
    for number in range(clients):
        accounts.add_user(home, f"user{number}")
        admin.accept_rules(home, SLUG, f"user{number}")
    return home


def _submission(task: Path) -> bytes:
    return (task / "public" / "sample_submission.csv").read_bytes()


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line of figures without a kill and one with it; 1 where something was lost, doubled or answered 5xx."""
    parser = argparse.ArgumentParser(prog="python -m leaderboard.host.bench", description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10, help="submissions of each client")
    parser.add_argument("--database", help="PostgreSQL's URL (default: SQLite); its tables must be empty")
    options = parser.parse_args(arguments)
    bad = 0
    for kill in (False, True) if options.database is None else (False,):
        with tempfile.TemporaryDirectory() as folder:
            found = load(Path(folder), clients=options.clients, rounds=options.rounds, kill=kill, database=options.database)
        print(json.dumps({name: round(value, 4) for name, value in asdict(found).items()}), flush=True)
        bad += found.lost + found.doubled + found.server_errors
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
