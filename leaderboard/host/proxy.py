"""Makes proxy-style requests (POST http://localhost/api/v1/... HTTP/1.1) look like plain ones, and serves no other host.

The real client can be pointed at a port in no other way than as its http_proxy. Requests for other machines, and those
whose Host header names another one (a page of a stranger's that rebinds its name to 127.0.0.1), are refused, and so
are bodies larger than a call of the API needs, uploads apart.
"""

import json
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leaderboard.host.refusal import Refused, error_body

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
LARGEST_CALL = 1 << 20


class Proxied:
    """ASGI middleware. scope["base"] becomes the URL that the client reached this host by: links begin with it."""

    def __init__(self, app: ASGIApp, *, names: Collection[str], nested_errors: bool) -> None:
        self._app, self._names, self._nested = app, LOCAL | set(names), nested_errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            plain = self._plain(scope)
            limited = receive if scope["method"] == "PUT" else _limited(receive)
            await self._app(plain, limited, _unsniffed(send))
        except Refused as refused:
            await _answer(send, refused, nested=self._nested)

    def _plain(self, scope: Scope) -> Scope:
        path, host = scope["path"], Headers(scope=scope).get("host", "")
        if not path.startswith("/"):
            target = urlsplit(path)
            if target.scheme != "http":
                raise Refused(400, "Only http:// and plain paths are served here")
            host, path = target.netloc, target.path or "/"
        if _name(host) not in self._names:
            raise Refused(403, "This host serves itself only, under the names it was given")
        raw = scope["raw_path"]
        raw = raw if raw.startswith(b"/") else b"/" + raw.split(b"//", 1)[-1].partition(b"/")[2]
        return {**scope, "path": path, "raw_path": raw, "base": f"http://{host}"}


def _name(host: str) -> str | None:
    """The machine's name in a Host header, without the port; None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_CALL:
            raise Refused(413, f"A call of the API has at most {LARGEST_CALL} bytes")
        return message

    return limited


def _unsniffed(send: Send) -> Send:
    """Browsers shall take an answer for what it says it is: a submission is never a page."""

    async def unsniffed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"x-content-type-options", b"nosniff")]}
        await send(message)

    return unsniffed


async def _answer(send: Send, refused: Refused, *, nested: bool) -> None:
    body = json.dumps(error_body(refused.code, str(refused), nested=nested)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": refused.code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
