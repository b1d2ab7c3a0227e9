"""The evaluator epoch: a short name for the code that plays and judges. What was measured in one epoch holds in no other."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

AGENT = Path(__file__).parent.parent
JUDGED_BY = (
    "kit/*.py", "compete.py", "racing.py", "ensemble.py", "blend.py", "bandit.py", "operators.py", "portfolio.py",
    "spaces.py", "solution.py", "pool.py", "proposers/embedded.py", "playbook/policy.py", "improve/statistics.py",
    "improve/live.py", "improve/cutting.py", "improve/campaign.py", "improve/cheats.py", "../tasks/*.py", "../tasks/pools.toml",
)
PROPOSED_BY = ("improve/proposers/*.py", "improve/evidence.py")


def epoch() -> str:
    """Eight hex digits of a sha256 over the files that decide how a version plays and how it is judged."""
    return _stamp(JUDGED_BY)


def proposing() -> str:
    """The same over the files that make proposals of evidence."""
    return _stamp(PROPOSED_BY)


def _stamp(patterns: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(AGENT.glob(pattern) if not pattern.startswith("..") else AGENT.parent.glob(pattern[3:])):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
