"""The gate's statistics, as pure functions of numbers: the same numbers give the same verdict, bit for bit.

A gain is how much lower the candidate's loss is on one task, in logs: log(loss of the present version / loss of the
candidate), the mean over seeds. The task is the unit. The test is a one-sided sign flip: without an effect a gain is as
likely as the same loss. Looks are taken at fixed parts of the tasks and spend the error as O'Brien and Fleming would
(Lan and DeMets 1983); what was spent at a look is taken from the joint distribution of all looks under flipped signs, so
that the level holds exactly whatever the gains' distribution, as long as it is symmetric without an effect.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import norm

FLIPS = 20_000
LOOKS = (1 / 3, 2 / 3, 1.0)
FUTILE = 0.1         # chance of success, going on as so far, below which a confirmation is stopped
MOST_GAIN = 1.0      # a task's gain counts for no more than this either way
LEAST_LOSS = 1e-6
POWER = 0.8


@dataclass(frozen=True)
class Verdict:
    """What the gains so far say. `decision`: accept | reject | go on; `reason` in words; p is 1 where nothing was tested."""

    decision: str
    reason: str
    tasks: int
    mean: float
    win_rate: float
    p: float
    alpha: float


def gain(present: Sequence[float], candidate: Sequence[float]) -> float:
    """The gain on one task. Losses by seed, in the same order of seeds; averaged over seeds before anything else."""
    logs = [math.log(max(a, LEAST_LOSS) / max(b, LEAST_LOSS)) for a, b in zip(present, candidate, strict=True)]
    return float(np.clip(np.mean(logs), -MOST_GAIN, MOST_GAIN))


def looks(tasks: int) -> tuple[int, ...]:
    """After how many tasks the gains are looked at."""
    return tuple(sorted({math.ceil(part * tasks - 1e-9) for part in LOOKS}))


def spent(alpha: float, part: float) -> float:
    """How much of a one-sided `alpha` may be spent once `part` of the tasks is in (Lan-DeMets, O'Brien-Fleming)."""
    return float(2 * norm.sf(norm.isf(alpha / 2) / math.sqrt(part))) if part < 1 else alpha


def share_of_error(alpha: float, confirmation: int, most: int) -> float:
    """The level of the k-th confirmation (1, 2, ...) of at most `most`: alpha / k, scaled so that all make `alpha`."""
    if not 1 <= confirmation <= most:
        return 0.0
    return alpha / confirmation / sum(1 / k for k in range(1, most + 1))


def confirm(
    gains: Sequence[float], families: Sequence[str], *, planned: int, alpha: float, noise: float,
) -> Verdict:
    """The verdict after `len(gains)` of `planned` tasks, in the order that was registered; between looks it is `go on`.

    noise: standard deviation of a task's gain between two runs of the same version. To be accepted the gains must pass
    the test, more than half of the tasks must be won, and no family may lose more than `noise` on average.
    """
    values = np.asarray(gains, dtype=float)
    mean = float(values.mean()) if len(values) else 0.0
    wins = float(np.mean((values > 0) + 0.5 * (values == 0))) if len(values) else 0.0
    if len(values) not in looks(planned):
        return Verdict("go on", "between looks", len(values), mean, wins, 1.0, alpha)
    p, level, crossed = sign_flip(values, planned=planned, alpha=alpha)
    decision, reason = "go on", f"p {p:.4g}, {level:.2g} may be spent by now"
    if crossed:
        decision, reason = _checked(values, families, wins, noise)
    elif len(values) == planned:
        decision, reason = "reject", f"no effect beyond noise: p {p:.4g} against {level:.2g}"
    elif (chance := chance_of_success(values, planned=planned, alpha=alpha)) < FUTILE:
        decision, reason = "reject", f"futile: going on as so far it would pass with chance {chance:.2g}"
    return Verdict(decision, reason, len(values), mean, wins, p, alpha)


def _checked(values: np.ndarray, families: Sequence[str], wins: float, noise: float) -> tuple[str, str]:
    """Whether what passed the test may be accepted."""
    means = {family: float(values[[name == family for name in families]].mean()) for family in dict.fromkeys(families)}
    worst = min(means, key=means.__getitem__)
    if wins <= 0.5:
        return "reject", f"the mean is up but only {wins:.0%} of the tasks were won"
    if means[worst] < -noise:
        return "reject", f"family {worst} loses {-means[worst]:.3g}, more than the noise of {noise:.3g}"
    return "accept", f"{wins:.0%} of {len(values)} tasks won, mean gain {values.mean():.3g}"


def sign_flip(values: np.ndarray, *, planned: int, alpha: float) -> tuple[float, float, bool]:
    """p over the looks so far, the level that may be spent by now, and whether it is crossed at this look.

    p: the share of sign vectors that would have crossed at an earlier look, or now have as large a sum.
    """
    signs = _signs(planned)[:, : len(values)]
    alive = np.ones(len(signs), dtype=bool)
    level = 0.0
    for look in (known for known in looks(planned) if known <= len(values)):
        level = spent(alpha, look / planned)
        sums = signs[:, :look] @ values[:look].astype(np.float64)
        reached = sums >= sums[0] - 1e-12  # the first sign vector changes nothing
        p = float(np.mean(~alive | reached))
        if look == len(values):
            return p, level, p <= level
        alive &= ~_crossing(sums, alive, level)
    return 1.0, level, False


def _crossing(sums: np.ndarray, alive: np.ndarray, level: float) -> np.ndarray:
    """Which of the sign vectors still alive cross at a look: the largest sums, as many as `level` has left."""
    room = int(level * len(sums)) - int((~alive).sum())
    if room <= 0:
        return np.zeros(len(sums), dtype=bool)
    ranked = np.sort(sums[alive])[::-1]
    edge = ranked[min(room, len(ranked)) - 1]
    if room < len(ranked) and ranked[room] >= edge - 1e-12:  # a tie on the edge: none of them crosses
        return alive & (sums > edge + 1e-12)
    return alive & (sums >= edge - 1e-12)


@lru_cache(maxsize=8)
def _signs(tasks: int) -> np.ndarray:
    """(FLIPS, tasks) of -1 and 1, the first row all 1."""
    signs = np.random.default_rng(tasks).choice([-1.0, 1.0], size=(FLIPS, tasks))
    signs[0] = 1.0
    return signs


def chance_of_success(values: np.ndarray, *, planned: int, alpha: float) -> float:
    """Of passing the last look if the tasks to come are as those so far (normal approximation)."""
    n, deviation = len(values), float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if deviation == 0:
        return float(values.mean() > 0)
    part = n / planned
    drift = float(values.mean()) / deviation * math.sqrt(planned)
    brownian = drift * part
    return float(norm.sf((norm.isf(alpha) - brownian - drift * (1 - part)) / math.sqrt(1 - part)))


def smallest_effect(noise: float, *, tasks: int, alpha: float, power: float = POWER) -> float:
    """The smallest mean gain that `tasks` tasks can tell from `noise` with the given power."""
    return float((norm.isf(alpha) + norm.isf(1 - power)) * noise / math.sqrt(tasks))


def interval(values: Sequence[float], *, level: float = 0.95, seed: int = 0, draws: int = 10_000) -> tuple[float, float]:
    """Bootstrap interval over tasks of the mean gain."""
    known = np.asarray(values, dtype=float)
    means = np.random.default_rng(seed).choice(known, size=(draws, len(known))).mean(axis=1)
    tail = (1 - level) / 2
    return float(np.quantile(means, tail)), float(np.quantile(means, 1 - tail))


BETS = (0.1, 0.25, 0.5, 0.75)


def evidence_of_harm(losses: Sequence[bool | None]) -> float:
    """An e-value against "the version loses at most half of its comparisons": the mean over fixed bets of the product of
    1 + bet for a loss and 1 - bet for a win (None, a tie, changes nothing). It passes 1/alpha with chance alpha at most,
    however often it is looked at (Ville), so the largest value so far counts."""
    wealth, most = np.ones(len(BETS)), 1.0
    for lost in losses:
        if lost is not None:
            wealth = wealth * (1 + np.asarray(BETS) * (1 if lost else -1))
        most = max(most, float(wealth.mean()))
    return most


def by_family(gains: Sequence[float], families: Sequence[str]) -> Mapping[str, float]:
    """Mean gain of each family."""
    return {name: float(np.mean([g for g, f in zip(gains, families, strict=True) if f == name]))
            for name in dict.fromkeys(families)}
