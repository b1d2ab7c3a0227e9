"""`make bench-gate`: how often the gate accepts what is worth nothing, a planted gain, a planted harm. Prints the figures.

Gains are drawn with heavy tails (Student, 4 degrees of freedom) and spread evenly over gate families.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from agent.improve.statistics import confirm, looks, share_of_error

TASKS, FAMILIES = 48, 6
NAMES = tuple(f"family {k % FAMILIES}" for k in range(TASKS))


def gains(rng: np.random.Generator, effect: float, *, tasks: int = TASKS) -> np.ndarray:
    """Gains in units of their own standard deviation."""
    return rng.standard_t(4, size=tasks) / np.sqrt(2.0) + effect


def confirmed(values: np.ndarray, *, alpha: float) -> tuple[bool, int]:
    """Whether gains are accepted, and after how many tasks that was decided."""
    for look in looks(len(values)):
        verdict = confirm(list(values[:look]), NAMES[:look], planned=len(values), alpha=alpha, noise=1.0)
        if verdict.decision != "go on":
            return verdict.decision == "accept", look
    raise AssertionError("the last look decides")


def campaigns(count: int, effect: float, *, alpha: float = 0.05, confirmations: int = 20, seed: int = 0) -> dict[str, float]:
    """The share of campaigns with an acceptance, of changes accepted, and tasks a decision, over `count` campaigns."""
    rng, hit, accepted, used = np.random.default_rng(seed), 0, 0, 0
    for _ in range(count):
        found = [confirmed(gains(rng, effect), alpha=share_of_error(alpha, k, confirmations))
                 for k in range(1, confirmations + 1)]
        hit += any(good for good, _ in found)
        accepted += sum(good for good, _ in found)
        used += sum(tasks for _, tasks in found)
    changes = count * confirmations
    return {"campaigns": count, "with an acceptance": hit / count, "changes accepted": accepted / changes,
            "tasks a decision": used / changes}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench-gate", description=__doc__)
    parser.add_argument("--campaigns", type=int, default=2000)
    parser.add_argument("--confirmations", type=int, default=20, help="of a campaign")
    options = parser.parse_args(arguments)
    null = campaigns(options.campaigns, 0.0, confirmations=options.confirmations)
    print(f"nothing: {null['with an acceptance']:.4f} of {options.campaigns} campaigns of {options.confirmations} "
          f"accept anything (at most 0.05); {null['tasks a decision']:.0f} tasks a decision", flush=True)
    for effect in (0.3, 0.5, 0.8, -0.3, -0.5):
        found = campaigns(options.campaigns, effect, confirmations=1)
        print(f"planted d = {effect:+.1f}: {found['changes accepted']:.4f} accepted as the first of a campaign that is to "
              f"have one confirmation; {found['tasks a decision']:.0f} tasks a decision", flush=True)
    first = campaigns_of_first(options.campaigns, 0.5, confirmations=options.confirmations)
    print(f"planted d = +0.5 as the first of {options.confirmations} confirmations: {first:.4f} accepted")
    return 0


def campaigns_of_first(count: int, effect: float, *, confirmations: int, seed: int = 1) -> float:
    """How often the first confirmation of a campaign accepts a change of that effect."""
    rng, level = np.random.default_rng(seed), share_of_error(0.05, 1, confirmations)
    return sum(confirmed(gains(rng, effect), alpha=level)[0] for _ in range(count)) / count


if __name__ == "__main__":
    sys.exit(main())
