"""Racing: one candidate goes through the folds one by one, and is stopped once it cannot win what it must win."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.choices import Choices, choices
from agent.playbook.policy import BY_HAND, Stopping
from agent.solution import Solution
from agent.threads import NO_ROOM, Fit, Room
from leaderboard.record import Entry
from sandbox import Cost, Trial
from tasks.decision import choose_decision
from tasks.metrics import Metric, Undefined

CHANCE = 0.5     # standard errors of a paired gap that are no reason to stop
TOLD = 0.4       # of a fold's time that one takes which is told what it found
SLACK = 1.3      # by which folds may differ in what they take
CUT_SHORT = 0.5  # of the least boosting that a fold did, below which a fit on all rows is none of theirs


@dataclass
class Candidate:
    """A solution on its way through the folds."""

    number: int
    solution: Solution
    folds: int
    started_at: float
    validated: dict[int, np.ndarray] = field(default_factory=dict)
    tested: dict[int, np.ndarray] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    running: set[int] = field(default_factory=set)
    status: str = "running"
    log: str = ""
    found: dict[int, Choices] = field(default_factory=dict)  # what folds chose that were told nothing
    boosted: list[float] = field(default_factory=list)  # rounds times learning rate, of each fold so far
    room: Room = NO_ROOM
    fits: list[Fit] = field(default_factory=list)  # that ended well

    @property
    def waiting(self) -> list[int]:
        """Folds that may start now: the first alone, the rest once it is in, or one by one as far as its room says so."""
        if self.status != "running" or (self.running and len(self.validated) < self.room.single):
            return []
        todo = [fold for fold in range(self.folds) if fold not in self.validated and fold not in self.running]
        return todo if 0 in self.validated else todo[:1] if 0 not in self.running else []

    @property
    def by_itself(self) -> bool:
        """Whether no other candidate may be begun yet."""
        return self.status == "running" and len(self.validated) < self.room.itself

    @property
    def finished(self) -> bool:
        return not self.running and (self.status != "running" or len(self.validated) == self.folds)

    def rest(self, slots: int, rows: Sequence[int], *, hints: bool) -> float:
        """Seconds that folds which are not in yet will take, by those that are; 0 where none is. Of folds that take over
        what one found, and of which none is in, each is expected to take a part of what that one took. rows: that each fold
        is fitted on, more of them from fold to fold where a plan goes forward in time."""
        if not self.fits:
            return 0.0
        told = [fit for fit in self.fits if fit.told]
        known = told or self.fits
        a_row = sum(fit.wall_seconds for fit in known) / max(sum(fit.rows for fit in known), 1)
        a_row *= TOLD if hints and self.solution.looks and not told else 1.0
        todo = [rows[fold] for fold in range(self.folds) if fold not in self.validated]
        return a_row * float(np.mean(todo)) * math.ceil(len(todo) * self.fits[-1].threads / slots) if todo else 0.0

    def patience(self, slots: int, left: float, *, hints: bool, threads: int) -> float:
        """Seconds that a fold may take so that the entry can still be finished in the seconds left, by the same reckoning."""
        rounds = math.ceil((self.folds - len(self.validated) - len(self.running)) * threads / slots)
        told = TOLD if hints and self.solution.looks and not self.found else 1.0
        return min(1.0, SLACK / (1 + told * rounds)) * left

    @property
    def whole_log(self) -> str:
        """What was printed, and before it what became of the solution before any trial."""
        return (self.solution.written.log if self.solution.written else "") + self.log

    def take(self, fold: int, trial: Trial, *, validation_rows: int, hinted: bool = False) -> None:
        """Note a trial's result; anything but `ok` ends the candidate with that status.

        What a fold chose by looking is kept for the others, but only where the code is the host's own, written from a
        recipe: other code could tell them the labels they are to predict.
        """
        self.running.discard(fold)
        self.costs.append(trial.cost)
        self.log = (self.log + f"--- fold {fold}: {trial.status} {trial.reason}\n{trial.log}\n")[-20_000:]
        if trial.status != "ok" or trial.prediction is None:
            self.status = trial.status if self.status == "running" else self.status
            return
        if self.solution.recipe is not None:
            chosen = choices(trial.log)
            if not validation_rows and self.boosted and boosting(chosen) < CUT_SHORT * min(self.boosted):
                self.status = "timeout"
                self.log += "the fit on all rows, which no fold validates, was cut far shorter than those of the folds\n"
                return
            self.boosted.append(boosting(chosen))
            if not hinted:
                self.found[fold] = chosen
        self.validated[fold] = trial.prediction[:validation_rows]
        self.tested[fold] = trial.prediction[validation_rows:]


def boosting(chosen: Choices) -> float:
    """How far boosters were taken: rounds times learning rate, summed over models; 0 where there was none."""
    fits = [value for name, value in chosen if name == "best_rounds" and isinstance(value, dict)]
    try:
        return float(sum(fit["learning_rate"] * float(np.mean(fit["rounds"])) for fit in fits))
    except (KeyError, TypeError, ValueError):  # a tool may print what it likes
        return 0.0


def fold_score(judge: Metric, truth: np.ndarray, raw: np.ndarray) -> float:
    """One fold's score, with the decision step chosen on the fold itself; NaN where the metric is undefined."""
    try:
        return judge.score(truth, choose_decision(judge, truth, raw).apply(raw))
    except Undefined:
        return float("nan")


def peers_of(solution: Solution, entries: Sequence[Entry]) -> int:
    """Completed entries that see the data as the solution does: those of its family, none for what is a view of its own."""
    return sum(e.family == solution.family and e.status == "ok" for e in entries) if solution.is_variation else 0


def cannot_win(
    judge: Metric, scores: Mapping[int, float], rivals: Sequence[Mapping[int, float]], *, peers: int, reach: float,
    noise: float = 0.0, stopping: Stopping = BY_HAND.stopping,
) -> bool:
    """Paired on the folds both have run: is the candidate behind the best rival by more than it can be worth?

    `rivals`: fold scores of finished entries. `peers`: finished entries of the candidate's own family; the first of a
    family is given more rope, since a blend gains from what errs elsewhere. `reach`: how far the best entry is ahead
    of a constant prediction, in units of the metric; `noise`: the best entry's standard deviation over folds.
    The best is that over all its folds: the best of many on these ones is lucky there, the more the noisier the metric.
    """
    met = [rival for rival in rivals if any(fold in rival for fold in scores)]
    if not met:
        return False
    best = max(met, key=lambda rival: judge.sign * float(np.mean(list(rival.values()))))
    behind = float(np.mean([judge.sign * (best[fold] - score) for fold, score in scores.items() if fold in best]))
    rope = stopping.rope(peers=peers, folds=len(scores))
    chance = CHANCE * luck(judge, best, rivals, near=stopping.first[0] * reach) / np.sqrt(len(scores))
    return behind > max(rope[0] * reach, rope[1] * noise, chance)


def is_behind(judge: Metric, scores: Mapping[int, float], other: Mapping[int, float]) -> bool:
    """Whether a candidate is behind one other entry, over the folds that both have run; not where there is none."""
    gaps = [judge.sign * (score - other[fold]) for fold, score in scores.items() if fold in other]
    return bool(gaps) and float(np.mean(gaps)) < 0


def luck(judge: Metric, best: Mapping[int, float], rivals: Sequence[Mapping[int, float]], *, near: float) -> float:
    """By how much the gap between two good entries differs from fold to fold: its standard deviation, the median over the
    rivals that are no more than `near` behind the best; 0 where there is none."""
    found = []
    for rival in rivals:
        gaps = np.array([judge.sign * (best[fold] - rival[fold]) for fold in best if fold in rival])
        if rival is not best and len(gaps) > 1 and gaps.mean() <= near:
            found.append(float(gaps.std(ddof=1)))
    return float(np.median(found)) if found else 0.0
