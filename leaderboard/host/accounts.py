"""Users and their credentials. The database holds hashes; each user's key lies in the host's folder, for `env`."""

import base64
import binascii
import hashlib
import json
import re
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from leaderboard.host.home import Home
from leaderboard.host.refusal import HostError, Refused
from leaderboard.host.store import users

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")


@dataclass(frozen=True)
class User:
    id: int
    name: str


@dataclass(frozen=True)
class Credentials:
    """What a client gives: user name and key (Basic), or the token (Bearer)."""

    username: str
    key: str
    token: str


def add_user(home: Home, name: str) -> Credentials:
    """A new user, or the credentials of one who exists."""
    if not NAME.fullmatch(name):
        raise HostError(f"{name!r} is no user name: small letters, digits, - and _, at most 50")
    path = home.users / f"{name}.json"
    if path.exists():
        return credentials(home, name)
    made = Credentials(name, secrets.token_hex(16), f"KGAT_{secrets.token_hex(16)}")
    with home.store.writing() as connection:
        connection.execute(insert(users).values(name=name, key_hash=hashed(made.key), token_hash=hashed(made.token)))
        path.touch(mode=0o600)
        path.write_text(json.dumps(made.__dict__), encoding="utf-8")
    return made


def credentials(home: Home, name: str) -> Credentials:
    path = home.users / f"{name}.json"
    if not NAME.fullmatch(name) or not path.exists():
        known = ", ".join(names(home)) or "none yet"
        raise HostError(f"no user {name!r}; there are: {known}. Make one: medalist host users NAME")
    return Credentials(**json.loads(path.read_text(encoding="utf-8")))


def names(home: Home) -> list[str]:
    with home.store.reading() as connection:
        return list(connection.scalars(select(users.c.name).order_by(users.c.name)))


def authenticate(connection: Connection, header: str | None) -> User:
    """The user of an Authorization header. Refuses with 401, and says no more."""
    kind, _, value = (header or "").partition(" ")
    if kind == "Bearer":
        found = connection.execute(select(users).where(users.c.token_hash == hashed(value))).first()
    elif kind == "Basic":
        name, key = _basic(value)
        found = connection.execute(select(users).where(users.c.key_hash == hashed(key), users.c.name == name)).first()
    else:
        found = None
    if found is None:
        raise Refused(401, "Unauthenticated")
    return User(found.id, found.name)


def user_of_token(connection: Connection, token: str) -> User | None:
    found = connection.execute(select(users).where(users.c.token_hash == hashed(token))).first()
    return User(found.id, found.name) if found else None


def hashed(secret: str) -> str:
    """Keys are 128 random bits: a plain hash keeps them."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _basic(value: str) -> tuple[str, str]:
    try:
        name, _, key = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return ("", "") if "\0" in name else (name, key)
