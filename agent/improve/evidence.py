"""Evidence: what the record says of runs on practice tasks and on tasks of no pool, as plain numbers that can be kept.

Runs on tasks of the gate's and the vault's families are left out, whoever made them.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent.playbook.policy import name_of
from agent.proposers.embedded import recipe_of
from agent.traits import Traits
from leaderboard.record import Entry, Record, Run


@dataclass(frozen=True)
class Tried:
    """One recipe on one task: its loss, that of the constant, its processor seconds, whether the last blend had it, and
    whether the task has texts.

    behind: for each fold, how far the mean of the folds so far was behind the best other entry's, in parts of the way from
    the constant to the best entry; negative where it was ahead."""

    task: str
    kind: str
    model: str
    blocks: str
    params: tuple[tuple[str, Any], ...]
    loss: float
    floor: float
    cpu_seconds: float
    blended: bool
    behind: tuple[float, ...]
    texts: bool = False

    @property
    def member(self) -> tuple[str, str, tuple[tuple[str, Any], ...]]:
        return self.model, self.blocks, self.params


@dataclass(frozen=True)
class Evidence:
    """Recipes tried, wins and tries of operators, and of pairs of operators where one built on the other."""

    tried: tuple[Tried, ...] = ()
    operators: tuple[tuple[str, int, int], ...] = ()   # name, wins, losses
    sequences: tuple[tuple[str, str, int, int], ...] = ()  # first, second, wins of the second, tries

    @property
    def tasks(self) -> list[str]:
        return sorted({row.task for row in self.tried})

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.text().encode()).hexdigest()[:16]

    @classmethod
    def parse(cls, text: str) -> "Evidence":
        data = json.loads(text)
        tried = tuple(Tried(**{**row, "params": tuple((name, value) for name, value in row["params"]),
                               "behind": tuple(row["behind"])}) for row in data["tried"])
        return cls(tried, tuple((name, wins, losses) for name, wins, losses in data["operators"]),
                   tuple((first, second, wins, tries) for first, second, wins, tries in data["sequences"]))


def gather(records: Sequence[Path], *, hidden: frozenset[str]) -> Evidence:
    """Evidence from record files; `hidden`: names of tasks whose runs must not be seen."""
    tried: list[Tried] = []
    operators: dict[str, list[int]] = {}
    sequences: dict[tuple[str, str], list[int]] = {}
    for path in (path for path in records if path.exists()):
        with Record(path) as record:
            for run in (run for run in record.runs() if run.task not in hidden and "traits" in run.settings):
                entries = record.entries(run.run)
                tried += _tried(run, entries, _blended(record, run))
                _count(record, run, entries, operators, sequences)
    return Evidence(tuple(tried), tuple((name, wins, losses) for name, (wins, losses) in sorted(operators.items())),
                    tuple((*pair, wins, tries) for pair, (wins, tries) in sorted(sequences.items())))


def _tried(run: Run, entries: Sequence[Entry], blended: frozenset[int]) -> Iterator[Tried]:
    traits = Traits(**run.settings["traits"])
    scored = [entry for entry in entries if entry.score is not None]
    constant = next((entry for entry in scored if entry.number == 0), None)
    if constant is None:
        return
    sign = 1.0 if run.greater_is_better else -1.0
    for entry in scored:
        recipe = recipe_of(entry)
        blocks = name_of(recipe.blocks, traits) if recipe else None
        if recipe and blocks:
            others = [other for other in scored if other.number not in (0, entry.number)]
            yield Tried(str(run.settings.get("cut", run.task)), traits.kind, recipe.model, blocks,
                        tuple(sorted(recipe.params.items())), _loss(run, entry.score), _loss(run, constant.score),
                        round(entry.cost_cpu_seconds, 2), entry.number in blended,
                        _behind(entry, others, constant, sign), traits.text > 0)


def _loss(run: Run, score: float | None) -> float:
    """Lower is better; scores whose best is 1 count as their distance from it."""
    value = float(score or 0.0)
    return round(1.0 - value if run.greater_is_better else value, 9)


def _behind(entry: Entry, others: Sequence[Entry], constant: Entry, sign: float) -> tuple[float, ...]:
    """See Tried."""
    best = max((sign * (other.score or 0.0) for other in (*others, entry)), default=0.0)
    reach = best - sign * (constant.score or 0.0)
    rivals = [other for other in others if other.number < entry.number]
    if reach <= 0 or not rivals:
        return ()
    found = []
    for folds in range(1, len(entry.fold_scores) + 1):
        means = [sign * float(np.nanmean(np.subtract(rival.fold_scores[:folds], entry.fold_scores[:folds])))
                 for rival in rivals if len(rival.fold_scores) >= folds]
        found.append(round(max(means, default=0.0) / reach, 4))
    return tuple(value for value in found if np.isfinite(value))


def _blended(record: Record, run: Run) -> frozenset[int]:
    known = record.events(run.run, "ensemble")
    return frozenset(int(number) for number in known[-1]["weights"]) if known else frozenset()


def _count(
    record: Record, run: Run, entries: Sequence[Entry], operators: dict[str, list[int]],
    sequences: dict[tuple[str, str], list[int]],
) -> None:
    """Add a run's wins and losses."""
    by_number = {entry.number: entry for entry in entries}
    for event in record.events(run.run, "observed"):
        counts = operators.setdefault(event["operator"], [0, 0])
        counts[0 if event["won"] else 1] += 1
        entry = by_number.get(event["entry"])
        for parent in (by_number.get(number) for number in (entry.parents[:1] if entry else ())):
            if parent is not None:
                pair = sequences.setdefault((parent.operator, event["operator"]), [0, 0])
                pair[0] += bool(event["won"])
                pair[1] += 1
