"""A proxy between the real client and a host that goes wrong on demand: refuses, hangs, loses what was asked or answered."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HANG_SECONDS = 60.0


@dataclass
class Faults:
    """`plan`: for the last part of an address (of an upload: PUT, of a download: GET), what happens at each call until
    the list is used up. An int: that status at once; an event: held back until it is set; `lose question`, `lose answer`,
    `cut`, `hang`."""

    url: str = ""
    plan: dict[str, list[int | str | threading.Event]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def faulty(behind: str) -> Iterator[Faults]:
    """The proxy before the host at the URL `behind`."""
    faults = Faults()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:
            pass

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            name = self.path.rsplit("/", 1)[-1] if self.command == "POST" else self.command
            faults.seen.append(name)
            fault = faults.plan.get(name, []).pop(0) if faults.plan.get(name) else None
            if isinstance(fault, threading.Event):
                fault.wait(HANG_SECONDS)
            if fault == "hang":
                faults.over.wait(HANG_SECONDS)
            if fault in ("hang", "lose question"):
                return self.drop()
            if isinstance(fault, int):
                return self.reply(fault, b'{"error": {"code": %d, "message": "injected"}}' % fault, [])
            status, headers, answered = self.passed_on(body)
            if fault == "lose answer":
                return self.drop()
            self.reply(status, answered, headers, sent=len(answered) // 2 if fault == "cut" else None)

        do_POST = do_PUT = do_GET = answer

        def passed_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            link = http.client.HTTPConnection(urlsplit(behind).netloc, timeout=HANG_SECONDS)
            kept = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            link.request(self.command, self.path, body, kept)
            found = link.getresponse()
            answered = found.read()
            link.close()
            return found.status, found.getheaders(), answered

        def reply(self, status: int, body: bytes, headers: list[tuple[str, str]], *, sent: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            if not headers:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:sent])
            if sent is not None:
                self.drop()

        def drop(self) -> None:
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    faults.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield faults
    finally:
        faults.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
