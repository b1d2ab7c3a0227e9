"""Simulates the search on 1 to 512 workers, on recorded scores and trial times: speed-up, and what asynchrony costs.

`python -m agent.bench_search RECORD.db --task credit`. The proposer, the racing rule and the order of trials are the real
ones. What a proposal would have scored and cost is told by a forest that was fitted to all recorded entries of the task,
plus the noise that it left. One driver proposes (its real processor time counts) and grades; workers wait for it.
"""

import argparse
import hashlib
import heapq
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.model_selection import cross_val_predict

from agent.proposers.embedded import Embedded, recipe_of
from agent.racing import Candidate, cannot_win
from agent.solution import Recipe
from agent.traits import Traits
from leaderboard.record import Entry, Record
from sandbox import Cost, Trial
from tasks.metrics import Metric, metric

WORTH = 0.02  # of the noise: by how much an entry must beat the best to have won


@dataclass(frozen=True)
class World:
    """What a recipe scores and takes on one task, as far as a record knows."""

    judge: Metric
    traits: Traits
    folds: int
    spread: float  # of an entry's score over folds
    prior: float  # the constant's score
    columns: DictVectorizer
    score: ExtraTreesRegressor
    seconds: ExtraTreesRegressor
    score_error: float
    seconds_error: float  # of the logarithm

    def known(self, recipe: Recipe, seed: int) -> tuple[float, float]:
        """(what it is worth on new rows, seconds of a fit); the same each time."""
        row, rng = self.columns.transform([_facts(recipe)]), np.random.default_rng(_number(f"{recipe.key}#{seed}"))
        worth = float(self.score.predict(row)[0]) + rng.normal(0, self.score_error)
        return worth, float(np.exp(self.seconds.predict(row)[0] + rng.normal(0, self.seconds_error))) / self.folds

    def measured(self, worth: float, recipe: Recipe, seed: int, fold: int) -> float:
        """The score on a fold: rows that are hard are so for all, the rest is chance."""
        shared = np.random.default_rng(fold).normal(0, self.spread)
        return worth + shared + np.random.default_rng(_number(f"{recipe.key}#{seed}#{fold}")).normal(0, self.spread / 5)


def _number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def world(paths: Sequence[Path], task: str) -> World:
    """From all recorded runs of a task. SystemExit where there are too few."""
    entries, runs = [], []
    for path in paths:
        with Record(path) as record:
            found = [run for run in record.runs() if run.task == task]
            entries += [entry for run in found for entry in record.entries(run.run)]
            runs += found
    known = [(recipe, entry) for entry in entries if entry.status == "ok" and entry.score is not None
             and (recipe := recipe_of(entry)) is not None]
    if len(known) < 40:
        raise SystemExit(f"{len(known)} finished entries of {task!r} in {', '.join(map(str, paths))}: at least 40 are needed")
    columns, scores = DictVectorizer(sparse=False), np.array([entry.score for _, entry in known])
    rows = columns.fit_transform([_facts(recipe) for recipe, _ in known])
    logs = np.log([max(entry.cost_wall_seconds, 0.1) for _, entry in known])
    forests = [ExtraTreesRegressor(100, min_samples_leaf=2, random_state=0) for _ in range(2)]
    errors = [float(np.std(values - cross_val_predict(forest, rows, values, cv=5)))
              for forest, values in zip(forests, (scores, logs), strict=True)]
    folds = max(len(entry.fold_scores) for _, entry in known)
    spread = float(np.median([entry.spread or 0.0 for _, entry in known]))
    measured = spread**2 / folds  # what a recorded score is off by, which is no difference of worth
    return World(
        metric(runs[-1].metric), Traits(**runs[-1].settings["traits"]), folds, spread,
        next(entry.score for entry in entries if entry.number == 0 and entry.score is not None), columns,
        forests[0].fit(rows, scores), forests[1].fit(rows, logs),
        max(0.0, errors[0]**2 - measured) ** 0.5, errors[1])


def _facts(recipe: Recipe) -> dict[str, Any]:
    blocks = {f"block {block.name}": 1.0 for block in recipe.blocks}
    params = {name: value if isinstance(value, int | float) else str(value) for name, value in recipe.params.items()}
    return {"family": recipe.family, **blocks, **params}


@dataclass
class Search:
    """One simulated run: a driver, some workers, a clock of its own."""

    world: World
    workers: int
    seed: int
    grading: float  # driver's seconds a finished trial
    clock: float = 0.0
    driver: float = 0.0
    busy: float = 0.0
    entries: list[Entry] = field(default_factory=list)
    scores: dict[int, dict[int, float]] = field(default_factory=dict)
    racing: list[Candidate] = field(default_factory=list)
    worths: dict[int, tuple[float, float]] = field(default_factory=dict)  # by number: worth, seconds of a fit
    chosen: list[tuple[float, float]] = field(default_factory=list)  # by entry: the clock, the worth of the best-scored so far

    def __post_init__(self) -> None:
        self.proposer = Embedded(self.world.traits, seed=self.seed, greater_is_better=self.world.judge.greater_is_better)
        self.sign = 1.0 if self.world.judge.greater_is_better else -1.0
        self.best: Entry | None = None

    def run(self, entries: int) -> "Search":
        """Until so many entries are closed."""
        flight: list[tuple[float, int, Candidate, int]] = []
        order = 0
        while len(self.entries) < entries:
            while len(flight) < self.workers and (job := self._next()):
                candidate, fold = job
                candidate.running.add(fold)
                seconds, order = self.worths[candidate.number][1], order + 1
                heapq.heappush(flight, (self.clock + seconds, order, candidate, fold))
            if not flight:
                break
            ended, _, candidate, fold = heapq.heappop(flight)
            self.busy += self.worths[candidate.number][1]
            self.clock = max(self.clock, ended)
            self._spend(self.grading)
            self._take(candidate, fold)
        return self

    def _spend(self, seconds: float) -> None:
        """The driver works; what has ended meanwhile waits."""
        self.clock += seconds
        self.driver += seconds

    def _next(self) -> tuple[Candidate, int] | None:
        for candidate in self.racing:
            if candidate.waiting:
                return candidate, candidate.waiting[0]
        begun = time.process_time()
        solution = self.proposer.propose(self.entries)
        self._spend(time.process_time() - begun)
        if solution is None or solution.recipe is None:
            return None
        number = len(self.worths) + 1
        self.worths[number] = self.world.known(solution.recipe, solution.seed)
        self.racing.append(Candidate(number, solution, self.world.folds, self.clock))
        return self.racing[-1], 0

    def _take(self, candidate: Candidate, fold: int) -> None:
        solution, worth = candidate.solution, self.worths[candidate.number][0]
        candidate.take(fold, Trial("ok", np.zeros(0), Cost(0.0, 0.0, 0)), validation_rows=0)
        if solution.recipe is not None:
            candidate.scores[fold] = self.world.measured(worth, solution.recipe, solution.seed, fold)
        if candidate.waiting and self._behind(candidate):
            candidate.status = "stopped"
        if candidate.finished:
            self.racing.remove(candidate)
            self._close(candidate)

    def _behind(self, candidate: Candidate) -> bool:
        if self.best is None or self.best.score is None:
            return False
        peers = sum(entry.family == candidate.solution.family and entry.status == "ok" for entry in self.entries)
        return cannot_win(self.world.judge, candidate.scores, list(self.scores.values()), peers=peers,
                          reach=abs(self.best.score - self.world.prior), noise=self.best.spread or 0.0)

    def _close(self, candidate: Candidate) -> None:
        ok = candidate.status != "stopped"
        entry = _entry(candidate, ok, self.clock, self.worths[candidate.number][1])
        ahead = np.inf if self.best is None else self.sign * ((entry.score or 0.0) - (self.best.score or 0.0))
        begun = time.process_time()
        self.proposer.observe(entry, won=ok and ahead > WORTH * self.world.spread, gained=0.0)
        self._spend(time.process_time() - begun)
        self.entries.append(entry)
        if ok:
            self.scores[entry.number] = dict(candidate.scores)
            self.best = entry if ahead > 0 else self.best
        worth = self.worths[self.best.number][0] if self.best else self.world.prior
        self.chosen.append((self.clock, self.sign * worth))


def _entry(candidate: Candidate, ok: bool, at: float, fit_seconds: float) -> Entry:
    solution, scores = candidate.solution, list(candidate.scores.values())
    seconds = fit_seconds * len(scores)
    return Entry(
        run="", number=candidate.number, source="", parents=solution.parents, operator=solution.operator, hypothesis="",
        family=solution.family, params={"recipe": solution.recipe.to_json() if solution.recipe else None,
                                        "seed": solution.seed},
        status="ok" if ok else "stopped", score=mean(scores) if ok else None, spread=float(np.std(scores)),
        fold_scores=tuple(scores), cost_wall_seconds=seconds, cost_cpu_seconds=seconds, peak_memory_bytes=0,
        at_seconds=at, folder="", log="")


def compare(known: World, workers: Sequence[int], *, entries: int, seeds: int, grading: float) -> list[dict[str, Any]]:
    """A row for each number of workers, means over seeds. speed_up: the wall of one worker over this one's for as many
    entries; lost: how much of one worker's gain over its first entry the best entry falls short; reach_speed_up: the same
    for the time until one worker's last best is reached, None where it never was."""
    alone = [Search(known, 1, seed, grading).run(entries) for seed in range(seeds)]
    rows = []
    for count in workers:
        found = alone if count == 1 else [Search(known, count, seed, grading).run(entries) for seed in range(seeds)]
        pairs = list(zip(alone, found, strict=True))
        reached = [one.clock / at for one, many in pairs if (at := _when(many, one.chosen[-1][1])) is not None]
        rows.append({
            "workers": count, "wall_seconds": mean(search.clock for search in found),
            "speed_up": mean(one.clock / many.clock for one, many in pairs),
            "busy": mean(search.busy / search.clock / count for search in found),
            "driver": mean(search.driver / search.clock for search in found),
            "worth": mean(search.sign * search.chosen[-1][1] for search in found),
            "lost": mean((one.chosen[-1][1] - many.chosen[-1][1]) / max(one.chosen[-1][1] - one.chosen[0][1], 1e-12)
                         for one, many in pairs),
            "reached": f"{len(reached)} of {seeds}", "reach_speed_up": mean(reached) if reached else None,
        })
    return rows


def _when(search: Search, goal: float) -> float | None:
    return next((clock for clock, worth in search.chosen if worth >= goal), None)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| workers | wall, s | speed-up | workers busy | driver busy | best entry | gain lost | one worker's best reached |",
             "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        reach = f", {row['reach_speed_up']:.1f} x sooner" if row["reach_speed_up"] else ""
        lines.append(f"| {row['workers']} | {row['wall_seconds']:.0f} | {row['speed_up']:.1f} | {row['busy']:.0%} | "
                     f"{row['driver']:.0%} | {row['worth']:.5f} | {row['lost']:.1%} | {row['reached']}{reach} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--task", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--grading", type=float, default=0.03, help="the driver's seconds a trial (default: 0.03)")
    options = parser.parse_args(arguments)
    known = world(options.records, options.task)
    rows = compare(known, options.workers, entries=options.entries, seeds=options.seeds, grading=options.grading)
    print(json.dumps({"task": options.task, "entries": options.entries, "seeds": options.seeds, "rows": rows,
                      "left by the forest": {"score": known.score_error, "log seconds": known.seconds_error,
                                             "spread over folds": known.spread}}, indent=1))
    print(table(rows), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
