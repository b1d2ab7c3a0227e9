"""Runs the host until it is told to stop (SIGINT, SIGTERM)."""

import signal
from collections.abc import Callable

import uvicorn

from leaderboard.host import uploads
from leaderboard.host.app import Settings, make_app
from leaderboard.host.home import Home
from leaderboard.host.listening import leave, listen


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
