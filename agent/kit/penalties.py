"""Looks for the penalty of a linear model along a row of penalties, from a fair one outwards, as long as there is time."""

from collections.abc import Callable, Sequence

from . import losses
from .losses import Goal


def search(less: Sequence[float], more: Sequence[float], loss: Callable[[float], float], goal: Goal) -> float:
    """The penalty of the least loss: `less` is tried in its order as long as each is better than those before, `more` where
    the second of `less` is not better than the first. What time cuts short has tried the first of them at least.

    loss: fits with a penalty and tells the loss on held rows. The fit on all rows takes longer, so a third of the time that
    is left must do for one more.
    """
    found: list[tuple[float, float]] = []

    def go_on(penalty: float) -> bool:
        before = losses.seconds(goal)
        lost = loss(penalty)
        better = not found or lost < min(found)[0]
        found.append((lost, penalty))
        return better and not losses.seconds(goal) < 3 * (before - losses.seconds(goal))

    tried = all(map(go_on, less))
    if not tried and len(found) == 2 and min(found)[1] == less[0]:
        all(map(go_on, more))
    return min(found)[1]
