"""A TCP relay that cuts a connection in the middle of an answer, as a bad network does."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

CHUNK = 1 << 14


class Relay:
    """Passes bytes on. The first connection that gets more than `cut_after` bytes of answer is cut there, once."""

    def __init__(self, url: str, cut_after: int) -> None:
        self._target = urlsplit(url)
        self._left = cut_after
        self.cuts = 0
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:  # closed
                return
            server = socket.create_connection((self._target.hostname, self._target.port))
            self._open += [client, server]
            for way in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=way, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for end in (self._listening, *self._open):
            end.close()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        passed = 0
        try:
            while piece := source.recv(CHUNK):
                passed += len(piece) if answers else 0
                if self.cuts == 0 and passed > self._left:
                    self.cuts = 1
                    break
                target.sendall(piece)
        except OSError:  # the other side closed
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@contextmanager
def relaying(url: str, *, cut_after: int) -> Iterator[Relay]:
    relay = Relay(url, cut_after)
    thread = threading.Thread(target=relay.run, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join()
