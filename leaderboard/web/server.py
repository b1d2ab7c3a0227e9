"""Serves the pages until it is told to stop (SIGINT, SIGTERM)."""

import signal
from collections.abc import Callable, Collection

import uvicorn

from leaderboard.host.listening import leave, listen
from leaderboard.web.app import make_app
from leaderboard.web.rendering import Sources


def serve(sources: Sources, *, bind: str, port: int, names: Collection[str], ready: Callable[[str], None]) -> None:
    """Serve at bind:port (0: any free port). `ready` is given the URL once connections are accepted.

    Raises HostError where the port is taken.
    """
    listening = listen(bind, port)
    shown = f"[{bind}]" if ":" in bind else bind
    config = uvicorn.Config(make_app(sources, names=names), ws="none", access_log=False, log_level="warning",
                            server_header=False, timeout_graceful_shutdown=1)
    signal.signal(signal.SIGTERM, leave)
    try:
        ready(f"http://{shown}:{listening.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()
