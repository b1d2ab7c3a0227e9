"""Reads a fair part of a CSV file that is too large to read whole: blocks at random places, rows kept in their order."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

BLOCK = 1 << 18


def sample_rows(path: Path, target: Path, *, most_bytes: int, seed: int = 0) -> int:
    """Write the header and about `most_bytes` of the file's rows to `target`; returns how many rows were written.

    Reads little more than it writes: whole lines of blocks of 256 KiB, at places drawn without replacement. A row whose
    quoted field holds a line break at a block's edge is left out with its block.
    """
    size = path.stat().st_size
    with path.open("rb") as source, target.open("wb") as out:
        header = source.readline()
        out.write(header)
        first, blocks = len(header), max(1, (size - len(header)) // BLOCK)
        drawn = np.random.default_rng(seed).choice(blocks, size=min(blocks, max(1, most_bytes // BLOCK)), replace=False)
        written = 0
        for block in np.sort(drawn):
            lines = _whole_lines(source, first + int(block) * BLOCK, first=first)
            if lines.count(b'"') % 2 == 0:
                out.write(lines)
                written += lines.count(b"\n")
    return written


def _whole_lines(source: BinaryIO, start: int, *, first: int) -> bytes:
    """The lines that begin within a block."""
    source.seek(start if start == first else start - 1)
    if start != first:
        source.readline()  # the end of a line that began before; all of it where that line ends just before the block
    begun = source.tell()
    if begun >= start + BLOCK:
        return b""
    lines = source.read(start + BLOCK - begun)
    rest = b"" if lines.endswith(b"\n") else source.readline()
    whole = lines + rest
    return whole if whole.endswith(b"\n") or not whole else whole + b"\n"
