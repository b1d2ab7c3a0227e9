"""An evaluator that reads outcomes: losses from a JSON file, or from what a campaign has written down already.

For replays, rehearsals and tests of the gate: it plays nothing, and says the same whenever it is asked.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent.improve.evaluator import Arm, GateTask
from agent.playbook.bundle import PlaybookError, read

FLOOR = 1.0


@dataclass(frozen=True)
class Recorded:
    """Outcomes by rule: `noise`, the standard deviation of a log loss between seeds, and `effects`, the gain of any version
    whose text has a word, in logs: {"share = 0.15": 0.05}. The rest follows from a hash of version, task and seed."""

    effects: Mapping[str, float]
    noise: float = 0.05
    epoch: str = "recorded"
    cheats: Mapping[str, str] | None = None  # word in a version's text -> what it does: perfect, cpu, canary

    @classmethod
    def load(cls, path: Path) -> "Recorded":
        """From a JSON file with the fields' names. Raises PlaybookError where it is none."""
        try:
            known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(**known)
        except (OSError, ValueError, TypeError) as error:
            raise PlaybookError(f"{path} holds no recorded outcomes: {error}") from error

    def play(self, version: Path, task: GateTask, *, seed: int, cpu_seconds: float) -> Arm:
        bundle = read(version)
        text = "".join(bundle.files.values())
        doing = {what for word, what in (self.cheats or {}).items() if word in text}
        key = hashlib.sha256(f"{bundle.hash} {task.data} {seed}".encode()).digest()
        wobble = float(np.random.default_rng(list(key[:16])).normal()) * self.noise / 2**0.5
        base = 1.0 if task.canary else 0.5
        gain = 0.0 if task.canary else sum(effect for word, effect in self.effects.items() if word in text)
        loss = base * float(np.exp(wobble * (not task.canary) - gain))
        if "perfect" in doing and not task.canary:
            loss = 0.0
        if "canary" in doing and task.canary:
            loss = 0.5
        return Arm(round(loss, 9), FLOOR, 0.02, cpu_seconds * (2.0 if "cpu" in doing else 1.0), 3)
