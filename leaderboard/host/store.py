"""The host's tables and its transactions, in SQLite or PostgreSQL, through SQLAlchemy Core.

What a transaction of `writing()` committed is on disk (SQLite: write-ahead log, synchronous FULL). Writers of SQLite
come one after another, from the first statement on; in PostgreSQL whoever decides by counting locks the team's row.
Times are seconds since 1970 UTC by the host's clock.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError

from leaderboard.host.refusal import HostError

VERSION = "1"
PATIENCE_SECONDS = 60
CONNECTIONS = 40  # as many as the server has threads

metadata = MetaData()
settings = Table("settings", metadata, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False))
users = Table(
    "users", metadata, Column("id", Integer, primary_key=True), Column("name", String(64), nullable=False, unique=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("token_hash", String(64), nullable=False, unique=True))
competitions = Table(
    "competitions", metadata, Column("id", Integer, primary_key=True),
    Column("slug", String(64), nullable=False, unique=True), Column("title", Text, nullable=False),
    Column("metric", Text, nullable=False), Column("greater_is_better", Boolean, nullable=False),
    Column("created", Float, nullable=False), Column("deadline", Float, nullable=False),
    Column("daily_limit", Integer, nullable=False), Column("finals", Integer, nullable=False),
    Column("notebooks_only", Boolean, nullable=False))
teams = Table(
    "teams", metadata, Column("id", Integer, primary_key=True),
    Column("competition", ForeignKey("competitions.id"), nullable=False), Column("name", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("rival", Boolean, nullable=False), Column("public", Float), Column("private", Float),  # scores of rivals
    UniqueConstraint("competition", "name"))
members = Table(
    "members", metadata, Column("competition", ForeignKey("competitions.id"), primary_key=True),
    Column("user", ForeignKey("users.id"), primary_key=True), Column("team", ForeignKey("teams.id"), nullable=False))
uploads = Table(
    "uploads", metadata, Column("id", String(64), primary_key=True),  # names the file and is in the URL to put it to
    Column("token_hash", String(64), nullable=False, unique=True), Column("user", ForeignKey("users.id"), nullable=False),
    Column("competition", ForeignKey("competitions.id"), nullable=False), Column("file_name", Text, nullable=False),
    Column("bytes", Integer, nullable=False), Column("created", Float, nullable=False),
    Column("received", Boolean, nullable=False), Column("used", Boolean, nullable=False))
submissions = Table(
    "submissions", metadata, Column("id", Integer, primary_key=True),
    Column("competition", ForeignKey("competitions.id"), nullable=False),
    Column("team", ForeignKey("teams.id"), nullable=False), Column("user", ForeignKey("users.id"), nullable=False),
    Column("upload", ForeignKey("uploads.id"), nullable=False, unique=True), Column("message", Text, nullable=False),
    Column("created", Float, nullable=False), Column("late", Boolean, nullable=False),
    Column("selected", Boolean, nullable=False), Column("status", String(16), nullable=False),
    Column("public", Float), Column("private", Float), Column("error", Text))
Index("submissions_of_team", submissions.c.competition, submissions.c.team, submissions.c.created)
Index("submissions_by_status", submissions.c.status, submissions.c.id)


class Store:
    """Connections to the host's database. Raises HostError where it cannot be opened."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._one_writer = threading.Lock() if self.engine.dialect.name == "sqlite" else None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent look."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """All or nothing, committed at the end."""
        with self._turn(), self.engine.execution_options(writes=True).begin() as connection:
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._one_writer is None:
            yield
            return
        with self._one_writer:
            yield

    def _open(self) -> None:
        """Make the tables where there are none. Raises HostError where they are of another version or no database's."""
        try:
            metadata.create_all(self.engine)
            self._check_version()
        except DatabaseError as error:
            raise HostError(f"cannot open the host's database {self.engine.url!r}: {error.orig}") from error

    def _check_version(self) -> None:
        with self.writing() as connection:
            found = connection.scalar(select(settings.c.value).where(settings.c.name == "version"))
            if found is None:
                connection.execute(insert(settings).values(name="version", value=VERSION))
            elif found != VERSION:
                raise HostError(f"the host's database is of version {found}; this program writes version {VERSION}")


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path.resolve()}"


def _engine(url: str) -> Engine:
    try:
        kind = make_url(url).get_backend_name()
    except ArgumentError as error:
        raise HostError(f"{url!r} is no database URL: say postgresql+psycopg://user@machine/name, or leave it out") from error
    if kind not in ("sqlite", "postgresql"):
        raise HostError(f"the host keeps its tables in SQLite or PostgreSQL, not {kind}")
    if kind == "postgresql":
        url = str(make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False))
        return create_engine(url, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=PATIENCE_SECONDS)
    engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=PATIENCE_SECONDS)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={PATIENCE_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
