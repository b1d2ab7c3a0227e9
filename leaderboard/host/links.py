"""Signed links to downloads: whoever was given one may use it, for a day, whether or not it sends credentials."""

import hashlib
import hmac
import time
from urllib.parse import quote

from leaderboard.host.home import Home
from leaderboard.host.refusal import Refused

LIFE_SECONDS = 86400


def link(home: Home, base: str, *parts: str) -> str:
    """A URL below `base` for these parts of a path; the last one is the name that the client saves it under."""
    until = str(int(time.time()) + LIFE_SECONDS)
    path = "/".join(quote(part, safe="") for part in parts[:-1])
    return f"{base}/download/{until}-{_signature(home, until, parts)}/{path}/{quote(parts[-1], safe='/')}"


def check(home: Home, signed: str, *parts: str) -> None:
    """Refuses a link that was not made here, or is too old."""
    until, _, signature = signed.partition("-")
    if not hmac.compare_digest(signature.encode(), _signature(home, until, parts).encode()):
        raise Refused(403, "This download link is not valid")
    if int(until) < time.time():
        raise Refused(403, "This download link has expired: ask for the download again")


def _signature(home: Home, until: str, parts: tuple[str, ...]) -> str:
    text = "\0".join((until, *parts)).encode()
    return hmac.new(home.key, text, hashlib.sha256).hexdigest()[:40]
