"""What the pages show of the improvement loop, as plain data: whoever knows the ledger and the playbooks fills it in."""

from dataclasses import dataclass


class Damaged(Exception):
    """What the loop wrote cannot be read; the message is the one line that is shown in its place."""


@dataclass(frozen=True)
class Version:
    """A version of the playbook. depth: steps below version 0's line; marks: such as `in use`, `version 0`."""

    name: str
    parent: str
    depth: int
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """The vault, opened once: a version against another. won: share of tasks; mean, low, high: lower loss, 95% interval."""

    version: str
    against: str
    tasks: int
    won: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Proposal:
    """A line of the ledger that judged a change. gains: (family, gain) of each gate task that was played."""

    id: int
    proposer: str
    placebo: bool
    cheap: bool  # drawn from the measured noise, nothing was played
    hypothesis: str
    stage: str
    verdict: str
    reason: str
    cpu_seconds: float
    parent: str
    child: str
    predicted: float
    diff: str
    gains: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Improvement:
    """The whole. lines: of the ledger; last_hash: of its last line, "" where there is none."""

    in_use: str
    version_0: str
    versions: tuple[Version, ...]
    releases: tuple[Release, ...]
    proposals: tuple[Proposal, ...]
    placebos: int
    placebos_accepted: int
    level: float  # the share of placebos that may be accepted by chance
    lines: int
    last_hash: str
