"""Chooses the two submissions that count in the end: by the calibrated estimate of their private scores, and as a pair.

Our honest estimate and the public score are two measurements of the same thing, over other rows. The calibrated estimate
is their mean, weighted by rows at first and by what the record teaches as competitions end; before that the honest
estimates are shifted to the leaderboard's level. Of all pairs the one is chosen whose better one is expected to be best
(Clark, The Greatest of a Finite Set of Random Variables, 1961): two good ones that err apart beat two alike.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from agent.spending import Unspent, answers_of, paired_noise
from leaderboard.submissions import Calibration, Sent
from tasks.metrics import Metric

PUBLIC_SHARE = 0.3  # of the test rows, where the pages do not say
PRIOR_SUBMISSIONS = 5.0  # how many scored ones it takes to believe the record as much as the count of rows
STATED = re.compile(r"(?i)(?:calculated|computed|based|scored)\s+(?:on|with|using|from)\s+(?:approximately|about|roughly)?\s*"
                    r"(\d{1,2})\s?%")


@dataclass(frozen=True)
class Candidate:
    """A submission with its calibrated estimate of the private score."""

    sent: Sent
    estimate: float
    standard_error: float


@dataclass(frozen=True)
class Choice:
    """All candidates, the best first, the chosen ones (one or two), and why, in sentences."""

    candidates: tuple[Candidate, ...]
    chosen: tuple[Candidate, ...]
    why: tuple[str, ...]


def choose(
    scored: Sequence[Sent], history: Sequence[Calibration], judge: Metric, *, public_share: float, finals: int = 2,
) -> Choice:
    """scored: this competition's submissions with a public score. history: `calibration` of the whole record. finals: how
    many count, 1 or 2."""
    if not scored:
        raise Unspent("no submission has a public score yet: `medalist submit`, then `medalist sync`")
    train, test = rows_of(scored[-1])
    prior = public_share * test / (public_share * test + train)
    weight, evidence = public_weight(history, prior)
    shift = float(np.mean([_public(known) - known.honest for known in scored]))
    sign = 1.0 if judge.greater_is_better else -1.0
    found = [_candidate(known, weight, shift, prior) for known in scored]
    ranked = tuple(sorted(found, key=lambda known: -sign * known.estimate))
    chosen = _pair(ranked, judge, sign) if finals == 2 else ranked[:1]
    why = [f"public scores are {abs(shift):.5f} {'above' if shift > 0 else 'below'} our honest estimates here, on average",
           f"the public score weighs {weight:.2f}, the honest estimate {1 - weight:.2f}: {evidence}",
           *_reasons(ranked, chosen, sign)]
    return Choice(ranked, chosen, tuple(why))


def public_weight(history: Sequence[Calibration], prior: float) -> tuple[float, str]:
    """The weight of the public score, and what it rests on. `prior`: by rows. The record's own weight is that which
    would have foretold best how the submissions of a finished competition differed."""
    moves, errors = [], []
    for task in {row.task for row in history}:
        rows = [row for row in history if row.task == task and row.private is not None]
        unit = float(np.mean([row.standard_error for row in rows])) if len(rows) > 1 else 0.0
        if unit:
            honest, public = (_centred([getattr(row, part) for row in rows]) / unit for part in ("honest", "public"))
            moves += list(public - honest)
            errors += list(_centred([float(row.private or 0.0) for row in rows]) / unit - honest)
    power = float(np.dot(moves, moves))
    if not power:
        return prior, f"by rows (public {prior:.2f} of those scored), as no competition with two of ours has ended"
    learned, share = float(np.clip(np.dot(moves, errors) / power, 0, 1)), len(moves) / (len(moves) + PRIOR_SUBMISSIONS)
    return (1 - share) * prior + share * learned, f"by rows {prior:.2f}, by {len(moves)} submissions with private {learned:.2f}"


def stated_share(description: str) -> float:
    """The part of the test rows that the public leaderboard is calculated on, as a competition's pages say."""
    found = STATED.search(description)
    return int(found.group(1)) / 100 if found and 0 < int(found.group(1)) < 100 else PUBLIC_SHARE


def rows_of(known: Sent) -> tuple[int, int]:
    """Validated train rows and test rows of a submission."""
    kept, file = answers_of(Path(known.file).parent), Path(known.file)
    if kept is None or not file.is_file():
        raise Unspent(f"the files of submission {known.ref} are gone: {file.parent}")
    with file.open("rb") as lines:
        return len(kept[1]), sum(1 for _ in lines) - 1


def _candidate(known: Sent, weight: float, shift: float, prior: float) -> Candidate:
    estimate = (1 - weight) * (known.honest + shift) + weight * _public(known)
    level = ((1 - prior) / prior) ** 0.5  # its level is that of the public rows, which are fewer than ours
    return Candidate(known, estimate, known.standard_error * level)


def _pair(ranked: tuple[Candidate, ...], judge: Metric, sign: float) -> tuple[Candidate, ...]:
    if len(ranked) < 3:
        return ranked
    pairs = itertools.combinations(ranked, 2)
    return max(pairs, key=lambda pair: better_of_two(sign * pair[0].estimate, sign * pair[1].estimate,
                                                     _apart(pair[0], pair[1], judge)))


def better_of_two(one: float, other: float, spread: float) -> float:
    """The expected maximum of two normal numbers with these means; `spread`: standard deviation of their difference."""
    if spread <= 0:
        return max(one, other)
    z, norm = (one - other) / spread, NormalDist()
    return one * norm.cdf(z) + other * norm.cdf(-z) + spread * norm.pdf(z)


def _apart(one: Candidate, other: Candidate, judge: Metric) -> float:
    """How far the scores of two submissions wander from each other by the choice of rows; 0 where it is not known."""
    first, second = (answers_of(Path(known.sent.file).parent) for known in (one, other))
    if first is None or second is None or not np.array_equal(first[1], second[1]):
        return 0.0
    return paired_noise(judge, first[1], first[0], second[0]) or 0.0


def _reasons(ranked: tuple[Candidate, ...], chosen: tuple[Candidate, ...], sign: float) -> list[str]:
    lines = [f"submission {known.sent.ref}: expected private score {known.estimate:.5f} ± {known.standard_error:.5f}, "
             f"from honest {known.sent.honest:.5f} and public {_public(known.sent):.5f}" for known in chosen]
    if len(chosen) == 2 and chosen[1] is not ranked[1]:
        lines.append(f"submission {chosen[1].sent.ref} rather than {ranked[1].sent.ref}, which is expected better by itself: "
                     "it errs on other rows, so the better of the two is expected to be better")
    best_public = max(ranked, key=lambda known: sign * _public(known.sent))
    if best_public not in chosen:
        lines.append(f"submission {best_public.sent.ref} has the best public score, {_public(best_public.sent):.5f}, and is not "
                     f"chosen: its honest estimate is {best_public.sent.honest:.5f}")
    return lines


def _centred(values: Sequence[float]) -> np.ndarray:
    return np.asarray(values, dtype=float) - float(np.mean(values))


def _public(known: Sent) -> float:
    assert known.public is not None
    return known.public
