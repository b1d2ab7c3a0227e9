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

    def better(penalty: float) -> bool:
        lost = loss(penalty)
        found.append((lost, penalty))
        return lost <= min(found)[0]

    for row in (less, more):
        for penalty in row:
            before = losses.seconds(goal)
            gained = better(penalty)
            if losses.seconds(goal) < 3 * (before - losses.seconds(goal)):
                return min(found)[1]
            if not gained:
                break
        if len(found) != 2 or min(found)[1] != less[0]:
            break
    return min(found)[1]
