"""The host's clock: real time, moved by an offset that admins set and the database keeps."""

import math
import time
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select

from leaderboard.host.store import settings

DAY = 86400.0


def now(connection: Connection) -> float:
    """Seconds since 1970 UTC."""
    return time.time() + offset(connection)


def offset(connection: Connection) -> float:
    """Seconds by which the host's clock is ahead."""
    value = connection.scalar(select(settings.c.value).where(settings.c.name == "clock_offset"))
    return float(value) if value is not None else 0.0


def set_offset(connection: Connection, seconds: float) -> None:
    connection.execute(delete(settings).where(settings.c.name == "clock_offset"))
    connection.execute(insert(settings).values(name="clock_offset", value=repr(seconds)))


def midnight(at: float) -> float:
    """The UTC midnight before."""
    return math.floor(at / DAY) * DAY


def iso(at: float) -> str:
    """As Kaggle writes times: 2026-11-23T02:21:06.046Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def seconds_of(text: str) -> float:
    """The time of an ISO date; UTC where it names no zone. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
