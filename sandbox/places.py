"""Where the interpreter and its packages are, and whether another user may go there."""

import sys
from collections.abc import Iterable
from pathlib import Path


def prefixes() -> list[Path]:
    """The folders of the interpreter and its packages, never the home they may lie in; /usr is shown to trials anyway."""
    found = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix)} | {Path(sys.prefix)}
    return sorted(place for place in found if not place.is_relative_to("/usr"))


def hidden(places: Iterable[Path]) -> list[Path]:
    """Folders on the way to these places that other users may not enter."""
    ways = {folder for place in places for folder in place.resolve().parents}
    return sorted(folder for folder in ways if folder.stat().st_mode & 0o001 == 0)
