"""How a server of ours begins and ends: the socket it listens at, and what SIGTERM does."""

import socket
from typing import NoReturn

from leaderboard.host.refusal import HostError


def leave(_signal: int, _frame: object) -> NoReturn:
    """What SIGTERM does: the way out that runs what is to be run in the end."""
    raise SystemExit(0)


def listen(bind: str, port: int) -> socket.socket:
    """A socket that accepts connections. Raises HostError where the port is taken."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((bind, port))
        made.listen(512)
    except (OSError, OverflowError) as error:
        made.close()
        why = error.strerror if isinstance(error, OSError) else "a port is a number from 0 to 65535"
        raise HostError(f"cannot listen at {bind}:{port}: {why}. Say another --port, or 0 for a free one") from error
    return made
