"""Where playbook versions lie, and the pointer to the one in use.

A home holds `versions/<hash>/` and `current`, a file with one hash. The package's own home comes with version 0 and the
version in use; another home, given on the command line, knows the package's versions too.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from agent.playbook.bundle import HEAD, SHORT, Bundle, PlaybookError, read, write

SHIPPED = Path(__file__).parent
VERSION_0 = "af73498fb867"  # uninformed, frozen for ever: what every later version is measured against


@dataclass(frozen=True)
class Store:
    """The versions of a home and of the package."""

    home: Path = SHIPPED

    def folders(self) -> dict[str, Path]:
        """Version folders by short hash."""
        places = [SHIPPED / "versions", self.home / "versions"]
        found = [path.parent for place in places if place.is_dir() for path in place.glob(f"*/{HEAD}")]
        return {path.name: path for path in found if not path.name.startswith(".")}

    def folder(self, reference: str) -> Path:
        """The folder of the version whose hash begins with `reference`, or of `current` or `zero`, or the folder itself."""
        if (Path(reference) / HEAD).is_file():
            return Path(reference)
        named = {"current": self.current, "zero": VERSION_0}.get(reference, reference)
        found = {name: path for name, path in self.folders().items() if name.startswith(named[:SHORT])}
        if not named or len(found) != 1:
            raise PlaybookError(f"{'several playbooks begin with' if found else 'no playbook'} {reference!r}; there are: "
                                f"{', '.join(sorted(self.folders()))}, current and zero")
        return next(iter(found.values()))

    def load(self, reference: str) -> Bundle:
        bundle = read(self.folder(reference))
        if len(reference) > SHORT and bundle.hash != reference:
            raise PlaybookError(f"no playbook {reference!r}: the files in {self.folder(reference)} are {bundle.hash}")
        return bundle

    def add(self, bundle: Bundle) -> Path:
        if bundle.short in self.folders():
            return self.folders()[bundle.short]
        try:
            return write(bundle, self.home / "versions")
        except PermissionError as error:
            raise PlaybookError(f"{self.home} cannot be written: give another with --home") from error

    @property
    def current(self) -> str:
        """The short hash that is pointed to: the home's, else the package's."""
        for home in (self.home, SHIPPED):
            if (home / "current").is_file():
                return (home / "current").read_text(encoding="utf-8").strip()[:SHORT]
        raise PlaybookError(f"no file `current` in {self.home}: say which with `medalist playbook use HASH`")

    def point(self, reference: str) -> Bundle:
        """Move the pointer; whoever reads it sees the old or the new one."""
        bundle = self.load(reference)
        if not (self.home / "current").is_file() or self.current != bundle.short:
            self.home.mkdir(parents=True, exist_ok=True)
            aside = self.home / f".current-{secrets.token_hex(4)}"
            aside.write_text(bundle.hash + "\n", encoding="utf-8")
            os.replace(aside, self.home / "current")
        return bundle

    def line(self, reference: str) -> list[Bundle]:
        """The version and its ancestors as far as they are known, the youngest first."""
        found = [self.load(reference)]
        while found[-1].parent and found[-1].parent[:SHORT] in self.folders():
            found.append(self.load(found[-1].parent))
        return found
