"""Shares a run between the embedded proposer and a language model: arms of one bandit on observed gain a second and a dollar.

While a model writes, the cores run embedded trials. A model that gains nothing is asked ever more rarely and may take no more
than a tenth of the processor time; one that gains more for its cost is asked more, with several calls in flight.
"""

from collections.abc import Sequence

import numpy as np

from agent.proposers import Proposer
from agent.proposers.llm import Author
from agent.solution import Solution
from leaderboard.record import Entry

EMBEDDED, MODEL = "embedded", "model"
FADE = 0.95          # of what was observed, at each entry: the tenth gain is smaller than the first, for every arm
MOST_GAIN = 3.0      # times the usual gain that one entry may count for
LEAST_COST = 0.5     # of the usual cost that one try counts for, a failure that ran nothing included
GAINLESS_SHARE = 0.1
FREE_TRIES = 2.0     # usual entries that a model may cost before it has gained anything
MOST_CALLS = 3
LOOK_SECONDS = 1.0


class Rates:
    """Gamma beliefs about each arm's gain per cost, in usual gains and usual costs (Thompson sampling, Gamma-Poisson)."""

    def __init__(self, arms: Sequence[str]) -> None:
        self.gains, self.costs = dict.fromkeys(arms, 0.0), dict.fromkeys(arms, 0.0)
        self.usual_gain, self.usual_cost = 0.0, 0.0

    def update(self, arm: str, gained: float, cost: float) -> None:
        """gained: standard errors by which the blend improved; cost: processor seconds, dollars turned into them."""
        self.usual_cost = cost if not self.usual_cost else FADE * self.usual_cost + (1 - FADE) * cost
        if gained > 0:
            self.usual_gain = gained if not self.usual_gain else FADE * self.usual_gain + (1 - FADE) * gained
        for known in self.gains:
            self.gains[known] *= FADE
            self.costs[known] *= FADE
        if gained > 0:
            self.gains[arm] += min(MOST_GAIN, gained / self.usual_gain)
        self.costs[arm] += max(LEAST_COST, cost / max(self.usual_cost, 1e-9))

    def draw(self, arm: str, rng: np.random.Generator) -> float:
        """A sampled rate; before anything is seen, one usual gain for one usual cost."""
        return float(rng.gamma(1.0 + self.gains[arm]) / (1.0 + self.costs[arm]))

    def mean(self, arm: str) -> float:
        return (1.0 + self.gains[arm]) / (1.0 + self.costs[arm])


class Allocation:
    """A proposer made of two."""

    def __init__(self, embedded: Proposer, author: Author, *, seed: int, seconds_a_dollar: float) -> None:
        """seconds_a_dollar: processor seconds of the run for each dollar of the model's budget."""
        self.embedded, self.author = embedded, author
        self.rng = np.random.default_rng(seed + 1)
        self.rates = Rates((EMBEDDED, MODEL))
        self.seconds_a_dollar = seconds_a_dollar
        self.spent = {EMBEDDED: 0.0, MODEL: 0.0}
        self.observed, self.drawn = 0, -1
        self.has_gained = False

    def propose(self, entries: Sequence[Entry]) -> Solution | None:
        """What the model has ready, else the embedded proposer's next."""
        self.turn(entries)
        solution = self.author.take() or self.embedded.propose(entries)
        if solution is None and self.author.may_begin():  # nobody else has anything
            self.author.begin(entries)
        return solution

    def turn(self, entries: Sequence[Entry]) -> None:
        """Start calls: the model need not wait until a core is free for what it will write."""
        self.author.explain(entries)
        while self.author.may_begin(most=self._calls()) and self._models_turn():
            self.author.begin(entries)

    def observe(self, entry: Entry, *, won: bool, gained: float) -> None:
        written = bool(entry.params.get("model"))
        arm = MODEL if written else EMBEDDED
        self.observed += 1
        if entry.number:  # the constant is nobody's
            cost = entry.cost_cpu_seconds + self.seconds_a_dollar * entry.cost_dollars
            self.rates.update(arm, gained if won else 0.0, cost)
            self.spent[arm] += entry.cost_cpu_seconds
        if written:
            self.has_gained |= won
            self.author.observe(entry, won=won)
        self.embedded.observe(entry, won=won, gained=gained)

    def wait(self, seconds: float) -> bool:
        """A short while: the embedded proposer draws, and may have something the next time."""
        return self.author.wait(min(seconds, LOOK_SECONDS))

    def _models_turn(self) -> bool:
        """Whether the next effort goes to the model: drawn once an entry, however often the loop turns."""
        if self.author.begun < FREE_TRIES:
            return True
        allowance = max(FREE_TRIES * self.rates.usual_cost, GAINLESS_SHARE * sum(self.spent.values()))
        if not self.has_gained and self.spent[MODEL] > allowance:
            return False
        if self.drawn == self.observed:
            return False
        self.drawn = self.observed
        return self.rates.draw(MODEL, self.rng) > self.rates.draw(EMBEDDED, self.rng)

    def _calls(self) -> int:
        """Calls in flight at once: more where the model is the better arm, and its first ones, so that a slow model that
        writes well is known early."""
        if self.author.begun < FREE_TRIES:
            return int(FREE_TRIES)
        ahead = self.has_gained and self.rates.mean(MODEL) > self.rates.mean(EMBEDDED)
        return MOST_CALLS if ahead else 1
