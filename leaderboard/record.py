"""The record: every run, entry, score and event in one SQLite file that is only ever added to.

What was committed survives `kill -9` of the process that wrote it (write-ahead log). Several processes may write.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

VERSION = 2
PATIENCE_SECONDS = 60.0  # how long a writer waits for another one

SCHEMA = """
CREATE TABLE runs (
  id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, task TEXT NOT NULL, folder TEXT NOT NULL,
  budget_seconds REAL NOT NULL, seed INTEGER NOT NULL, metric TEXT NOT NULL, greater_is_better INTEGER NOT NULL,
  settings TEXT NOT NULL, started_at TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'running', summary TEXT) STRICT;
CREATE TABLE entries (
  run TEXT NOT NULL REFERENCES runs (run), number INTEGER NOT NULL, source TEXT NOT NULL, parents TEXT NOT NULL,
  operator TEXT NOT NULL, hypothesis TEXT NOT NULL, family TEXT NOT NULL, params TEXT NOT NULL, status TEXT NOT NULL,
  score REAL, spread REAL, cost_wall_seconds REAL NOT NULL, cost_cpu_seconds REAL NOT NULL,
  peak_memory_bytes INTEGER NOT NULL, at_seconds REAL NOT NULL, folder TEXT NOT NULL, log TEXT NOT NULL,
  cost_tokens INTEGER NOT NULL DEFAULT 0, cost_dollars REAL NOT NULL DEFAULT 0,
  PRIMARY KEY (run, number)) STRICT;
CREATE TABLE folds (
  run TEXT NOT NULL, number INTEGER NOT NULL, fold INTEGER NOT NULL, score REAL,
  PRIMARY KEY (run, number, fold), FOREIGN KEY (run, number) REFERENCES entries (run, number)) STRICT;
CREATE TABLE scores (
  id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (run), at TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('public', 'private')), value REAL NOT NULL) STRICT;
CREATE TABLE events (
  id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (run), at TEXT NOT NULL, kind TEXT NOT NULL,
  payload TEXT NOT NULL) STRICT;
CREATE INDEX events_of_run ON events (run, kind);
"""
UPGRADES = {  # from each older schema to the next
    1: ("ALTER TABLE entries ADD COLUMN cost_tokens INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE entries ADD COLUMN cost_dollars REAL NOT NULL DEFAULT 0"),
}
APPEND_ONLY = ("entries", "folds", "scores", "events")
GUARD = """CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} are only ever added to'); END;"""


class RecordError(Exception):
    """The record cannot give what was asked; the message says what was given, what exists, what to do."""


@dataclass(frozen=True)
class Run:
    """One run of a task. `status` is `running` until finish_run; `summary` is None until then."""

    run: str
    task: str
    folder: str
    budget_seconds: float
    seed: int
    metric: str
    greater_is_better: bool
    settings: Mapping[str, Any]
    started_at: str
    status: str
    summary: Mapping[str, Any] | None


@dataclass(frozen=True)
class Entry:
    """One solution that was tried. `folder` holds out_of_fold.npy and test.npy where the status is `ok`."""

    run: str
    number: int
    source: str
    parents: tuple[int, ...]  # one, two for a crossover, none for the portfolio
    operator: str
    hypothesis: str
    family: str
    params: Mapping[str, Any]
    status: str  # "ok", "stopped" (lost its race), or how its trial failed
    score: float | None  # cross-validated
    spread: float | None  # standard deviation over the folds
    fold_scores: tuple[float, ...]  # NaN where the metric is undefined on a fold
    cost_wall_seconds: float
    cost_cpu_seconds: float
    peak_memory_bytes: int
    at_seconds: float  # since the start of the run
    folder: str
    log: str
    cost_tokens: int = 0  # of the model that wrote it, read and written
    cost_dollars: float = 0.0


ENTRY_COLUMNS = tuple(name for name in Entry.__dataclass_fields__ if name != "fold_scores")
RUN_COLUMNS = tuple(Run.__dataclass_fields__)


class Record:
    """The record in a file, made when absent. A context manager; each method is one transaction."""

    def __init__(self, path: Path) -> None:
        """Raises RecordError where the file is no record, or a newer medalist's."""
        self.path = path
        self._connection = sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self.close()
            raise RecordError(f"{path} cannot be used as a record: {error}; move it away or give another") from error
        except RecordError:
            self.close()
            raise

    def __enter__(self) -> "Record":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def start_run(
        self, run: str, *, task: str, folder: str, budget_seconds: float, seed: int, metric: str,
        greater_is_better: bool, settings: Mapping[str, Any],
    ) -> None:
        """Raises RecordError when there is a run of that name."""
        values = (run, task, folder, budget_seconds, seed, metric, greater_is_better, _json(settings), _now())
        with self._transaction() as connection:
            if connection.execute("SELECT 1 FROM runs WHERE run = ?", (run,)).fetchone():
                raise RecordError(f"there is a run {run!r} in {self.path} already")
            connection.execute("INSERT INTO runs (run, task, folder, budget_seconds, seed, metric, greater_is_better, "
                               "settings, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def finish_run(self, run: str, *, status: str, summary: Mapping[str, Any]) -> None:
        """Close a run; a resumed run may be closed again."""
        with self._transaction() as connection:
            known = connection.execute("UPDATE runs SET status = ?, summary = ? WHERE run = ?",
                                       (status, _json(summary), run)).rowcount
        if not known:
            raise self._unknown(run)

    def reopen_run(self, run: str) -> None:
        """A finished run goes on: it is `running` again, so that `latest` finds it when it is killed. Its summary stays until
        finish_run writes another."""
        with self._transaction() as connection:
            known = connection.execute("UPDATE runs SET status = 'running' WHERE run = ?", (run,)).rowcount
        if not known:
            raise self._unknown(run)

    def run(self, run: str) -> Run:
        """Raises RecordError, which lists the latest runs, when there is none of that name."""
        row = self._connection.execute("SELECT * FROM runs WHERE run = ?", (run,)).fetchone()
        if row is None:
            raise self._unknown(run)
        return _run(row)

    def runs(self, task: str | None = None) -> list[Run]:
        """All runs, or a task's, the oldest first."""
        rows = self._connection.execute("SELECT * FROM runs WHERE ?1 IS NULL OR task = ?1 ORDER BY id", (task,))
        return [_run(row) for row in rows]

    def latest(self, run: str | None = None, *, unfinished: bool = False) -> Run:
        """The run of that name, else the latest, else the latest that was not finished."""
        if run is not None:
            return self.run(run)
        found = [known for known in self.runs() if known.status == "running" or not unfinished]
        if not found:
            raise RecordError(f"no {'unfinished ' if unfinished else ''}run in {self.path}: start one with "
                              f"`medalist compete`")
        return found[-1]

    def add_entry(self, entry: Entry) -> None:
        """The entry and its fold scores, both or neither."""
        values = [_stored(getattr(entry, name)) for name in ENTRY_COLUMNS]
        folds = [(entry.run, entry.number, fold, score) for fold, score in enumerate(entry.fold_scores)]
        with self._transaction() as connection:
            connection.execute(f"INSERT INTO entries ({', '.join(ENTRY_COLUMNS)}) "
                               f"VALUES ({', '.join('?' * len(ENTRY_COLUMNS))})", values)
            connection.executemany("INSERT INTO folds (run, number, fold, score) VALUES (?, ?, ?, ?)", folds)

    def entries(self, run: str) -> list[Entry]:
        """The run's entries in the order in which they were recorded."""
        return self._entries("WHERE run = ?", (run,))

    def add_score(self, run: str, kind: str, value: float) -> None:
        """kind: `public` or `private`; where there are several, the last counts."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO scores (run, at, kind, value) VALUES (?, ?, ?, ?)",
                               (run, _now(), kind, value))

    def scores(self, run: str) -> dict[str, float]:
        rows = self._connection.execute("SELECT kind, value FROM scores WHERE run = ? ORDER BY id", (run,))
        return {row["kind"]: row["value"] for row in rows}

    def event(self, run: str, kind: str, payload: Mapping[str, Any]) -> None:
        """Something that happened in a run, such as a new ensemble."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO events (run, at, kind, payload) VALUES (?, ?, ?, ?)",
                               (run, _now(), kind, _json(payload)))

    def events(self, run: str, kind: str) -> list[dict[str, Any]]:
        """The payloads of one kind, the oldest first."""
        rows = self._connection.execute("SELECT payload FROM events WHERE run = ? AND kind = ? ORDER BY id",
                                        (run, kind))
        return [json.loads(row["payload"]) for row in rows]

    def _open(self) -> None:
        self._connection.execute("PRAGMA foreign_keys = ON")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise RecordError(f"{self.path} was written by a newer medalist (schema {version}, this one knows "
                              f"{VERSION}): update medalist, or give another --runs folder")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        with self._transaction() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                _create(connection)
            elif version < VERSION:
                _upgrade(connection, version)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _entries(self, where: str, values: tuple[str, ...]) -> list[Entry]:
        folds: dict[tuple[str, int], list[float]] = {}
        for row in self._connection.execute(f"SELECT * FROM folds {where} ORDER BY run, number, fold", values):
            score = float("nan") if row["score"] is None else row["score"]
            folds.setdefault((row["run"], row["number"]), []).append(score)
        rows = self._connection.execute(f"SELECT * FROM entries {where} ORDER BY rowid", values)
        return [_entry(row, folds.get((row["run"], row["number"]), [])) for row in rows]

    def _unknown(self, run: str) -> RecordError:
        known = [known.run for known in self.runs()][-5:]
        return RecordError(f"no run {run!r} in {self.path}; the latest are: {', '.join(known) or 'none'}")


def _create(connection: sqlite3.Connection) -> None:
    guards = [GUARD.format(table=table, verb=verb) for table in APPEND_ONLY for verb in ("UPDATE", "DELETE")]
    for statement in (*SCHEMA.split(";\n"), *guards):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _upgrade(connection: sqlite3.Connection, version: int) -> None:
    for known in range(version, VERSION):
        for statement in UPGRADES[known]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _run(row: sqlite3.Row) -> Run:
    values = {name: row[name] for name in RUN_COLUMNS}
    summary = None if row["summary"] is None else json.loads(row["summary"])
    return Run(**{**values, "greater_is_better": bool(row["greater_is_better"]),
                  "settings": json.loads(row["settings"]), "summary": summary})


def _entry(row: sqlite3.Row, fold_scores: list[float]) -> Entry:
    values = {name: row[name] for name in ENTRY_COLUMNS}
    return Entry(**{**values, "parents": tuple(json.loads(row["parents"])), "params": json.loads(row["params"]),
                    "fold_scores": tuple(fold_scores)})


def _stored(value: Any) -> Any:
    return _json(value) if isinstance(value, (Mapping, tuple)) else value


def _json(value: Any) -> str:
    """JSON text; NumPy's numbers are written as Python's."""
    return json.dumps(value, default=lambda number: number.item())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
