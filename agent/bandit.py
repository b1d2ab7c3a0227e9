"""A Thompson-sampling bandit over operators: a win is an entry that improved the blend, an arm's cost divides its odds.

Source: Thompson 1933; Russo et al., A Tutorial on Thompson Sampling, 2018 (Beta-Bernoulli case).
"""

from collections.abc import Mapping, Sequence

import numpy as np


class Bandit:
    """Arms with Beta(wins, losses) beliefs about improving the blend, and the mean seconds a try costs."""

    def __init__(
        self, arms: Sequence[str], priors: Mapping[str, tuple[float, float]] | None = None, *, strength: float = 4.0,
    ) -> None:
        """`priors`: wins and losses of each arm in earlier runs, shrunk to at most `strength` pseudo-tries."""
        self.beliefs = {arm: _shrink(*(priors or {}).get(arm, (0.0, 0.0)), strength) for arm in arms}
        self.costs: dict[str, list[float]] = {arm: [] for arm in arms}

    def choose(self, rng: np.random.Generator, allowed: Sequence[str]) -> str:
        """The allowed arm with the highest sampled chance of a win per square root of its cost."""
        draws = {arm: rng.beta(*self.beliefs[arm]) / self._cost(arm) ** 0.5 for arm in allowed}
        return max(draws, key=draws.__getitem__)

    def update(self, arm: str, won: bool, seconds: float) -> None:
        if arm not in self.beliefs:
            return
        wins, losses = self.beliefs[arm]
        self.beliefs[arm] = (wins + won, losses + (not won))
        self.costs[arm].append(max(seconds, 0.1))

    def _cost(self, arm: str) -> float:
        everyone = [cost for costs in self.costs.values() for cost in costs]
        if not everyone:
            return 1.0
        return float(np.mean(self.costs[arm] or everyone))


def _shrink(wins: float, losses: float, strength: float) -> tuple[float, float]:
    """A Beta prior with the win rate of what is known and the weight of at most `strength` tries."""
    tries = wins + losses
    scale = min(1.0, strength / tries) if tries else 0.0
    return 1.0 + wins * scale, 1.0 + losses * scale
