"""Medals by MLE-bench's rule: the scores of the original leaderboard that a submission must reach.

Position p of N rows is row p; positions are truncated; a tie with the row wins its medal; `above_median` is strict.
Source: mlebench/grade_helpers.py of openai/mle-bench. The table of positions is Kaggle's (leaderboard/host/medals.py).
"""

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.host.medals import medals
from leaderboard.mlebench import MleBenchError


@dataclass(frozen=True)
class Thresholds:
    """The scores that win each medal, and the median; lower_is_better: the first row's score is below the last's."""

    gold: float
    silver: float
    bronze: float
    median: float
    lower_is_better: bool

    def medal(self, score: float | None) -> str | None:
        """The best medal that a score wins, or None."""
        if score is None:
            return None
        return next((c for c in ("gold", "silver", "bronze") if self._reaches(score, getattr(self, c))), None)

    def above_median(self, score: float | None) -> bool:
        if score is None:
            return False
        return score < self.median if self.lower_is_better else score > self.median

    def _reaches(self, score: float, mark: float) -> bool:
        return score <= mark if self.lower_is_better else score >= mark


def thresholds(scores: Sequence[float]) -> Thresholds:
    """The marks of a leaderboard, its scores from the first place to the last. ValueError where there is none."""
    if not scores:
        raise ValueError("a leaderboard without a row")
    places = medals(len(scores), at_least=1)
    gold, silver, bronze = (scores[place - 1] for place in (places.gold, places.silver, places.bronze))
    return Thresholds(gold, silver, bronze, statistics.median(scores), scores[0] < scores[-1])


def read_leaderboard(path: Path) -> list[float]:
    """The column `score` of a leaderboard.csv. Raises MleBenchError where it is not one (a Git LFS pointer, say)."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        scores = [float(row["score"]) for row in rows]
    except (KeyError, TypeError, ValueError):
        scores = []
    if not scores:
        raise MleBenchError(f"{path} has no column of scores: is it a Git LFS pointer? (`git lfs pull` fetches the file)")
    return scores
