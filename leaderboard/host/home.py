"""The host's folder: its database, its competitions with their private answers, what was uploaded. Closed to others."""

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from leaderboard.host.refusal import HostError
from leaderboard.host.store import Store, sqlite_url


@dataclass(frozen=True)
class Home:
    """folder/{competitions/<slug>/{task,private,files.json,pages.json,bundle.zip}, uploads, snapshots, users, key}."""

    folder: Path
    store: Store

    @property
    def uploads(self) -> Path:
        return self.folder / "uploads"

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    @property
    def users(self) -> Path:
        return self.folder / "users"

    def competition(self, slug: str) -> Path:
        return self.folder / "competitions" / slug

    @property
    def key(self) -> bytes:
        """The secret that download links are signed with; it outlives the process, so links do too."""
        return (self.folder / "key").read_bytes()

    @property
    def address(self) -> Path:
        """Holds the URL of the server that runs, while it runs."""
        return self.folder / "url"


def open_home(folder: Path, database: str | None = None) -> Home:
    """The host's folder, made where there is none. `database`: a URL, kept in the folder once it could be opened."""
    folder = folder.resolve()
    for made in (folder, *(folder / name for name in ("competitions", "uploads", "snapshots", "users"))):
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
        made.chmod(0o700)
    _once(folder / "key", secrets.token_bytes(32))
    kept = folder / "database"
    known = kept.read_text(encoding="utf-8") if kept.exists() else None
    if database is not None and known not in (None, database):
        raise HostError(f"the host of {folder} keeps its tables in another database: see {kept}")
    store = Store(known or database or sqlite_url(folder / "host.db"))
    if database is not None:
        _once(kept, database.encode())
    return Home(folder, store)


def running_at(home: Home) -> str | None:
    """The URL of the server of this folder; None where none runs (one that was killed leaves its file)."""
    if not home.address.exists():
        return None
    url = home.address.read_text(encoding="utf-8")
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=5).close()
    except OSError:
        return None
    return url


def _once(path: Path, content: bytes) -> None:
    """Write a file that is its owner's alone, unless it is there."""
    if path.exists():
        return
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    partial.touch(mode=0o600)
    partial.write_bytes(content)
    try:
        path.hardlink_to(partial)  # another process may have been as quick
    except FileExistsError:
        pass
    partial.unlink()
