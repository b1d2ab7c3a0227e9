"""Runs the host until it is told to stop (SIGINT, SIGTERM)."""

import signal
import socket
from collections.abc import Callable
from typing import NoReturn

import uvicorn

from leaderboard.host import uploads
from leaderboard.host.app import Settings, make_app
from leaderboard.host.home import Home
from leaderboard.host.refusal import HostError


def serve(home: Home, settings: Settings, *, bind: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve at bind:port (0: any free port). `ready` is given the URL once connections are accepted.

    The URL is in the home's file `url` meanwhile. Raises HostError where the port is taken.
    """
    listening = listen(bind, port)
    url = f"http://{bind}:{listening.getsockname()[1]}"
    config = uvicorn.Config(make_app(home, settings), http="h11", ws="none", access_log=False, log_level="warning",
                            server_header=False, timeout_graceful_shutdown=5)
    uploads.tidy(home)
    home.address.write_text(url, encoding="utf-8")
    signal.signal(signal.SIGTERM, leave)  # uvicorn stops in good order, then raises the signal again
    try:
        ready(url)
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        home.address.unlink(missing_ok=True)
        listening.close()


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
    except OSError as error:
        made.close()
        raise HostError(f"cannot listen at {bind}:{port}: {error.strerror}. Say another --port, or 0 for a free one") from error
    return made
