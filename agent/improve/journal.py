"""What a proposal in flight has measured so far: a file of JSON lines that is only ever added to, gone once the ledger knows.

What was asked for and is in the journal is not measured again: a killed campaign goes on where it was.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Journal:
    """Values by key."""

    path: Path

    def read(self) -> dict[str, Any]:
        """All that was written whole; a torn last line does not count."""
        if not self.path.exists():
            return {}
        whole = self.path.read_bytes().rpartition(b"\n")[0]
        lines = [json.loads(line) for line in whole.decode("utf-8").splitlines() if line]
        return {line["key"]: line["value"] for line in lines}

    def write(self, key: str, value: Any) -> None:
        """Add a value; it is on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = self.path.read_bytes().rpartition(b"\n") if self.path.exists() else (b"", b"", b"")
        with self.path.open("ab") as file:
            file.truncate(len(kept[0]) + len(kept[1]))
            file.write(json.dumps({"key": key, "value": value}, sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def once(self, key: str, make: Callable[[], Mapping[str, Any]]) -> Any:
        """The value of that key, made now where there is none."""
        known = self.read()
        if key not in known:
            self.write(key, dict(make()))
            return self.read()[key]
        return known[key]

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
