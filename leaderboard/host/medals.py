"""Kaggle's medals: which places of a leaderboard win gold, silver and bronze, by the number of its teams.

Source: Kaggle's progression system (percentages rounded down), which MLE-bench's `is_medal` follows with at least one
medal of each colour.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Medals:
    """The last place that wins each colour; 0 where none does. Each place wins the best colour that it reaches."""

    gold: int
    silver: int
    bronze: int

    def of(self, place: int) -> str | None:
        """The medal of a place (1 is first), or None."""
        if place < 1:
            raise ValueError(f"place {place}: places start at 1")
        return next((colour for colour in ("gold", "silver", "bronze") if place <= getattr(self, colour)), None)


def medals(teams: int, *, at_least: int = 0) -> Medals:
    """The medals of a leaderboard with that many teams (>= 0).

    at_least: how many places win each colour however small the field; 0 is Kaggle's rule, 1 is MLE-bench's.
    """
    if teams < 0:
        raise ValueError(f"{teams} teams")
    if teams < 100:
        last = (teams * 10 // 100, teams * 20 // 100, teams * 40 // 100)
    elif teams < 250:
        last = (10, teams * 20 // 100, teams * 40 // 100)
    elif teams < 1000:
        last = (10 + teams * 2 // 1000, 50, 100)
    else:
        last = (10 + teams * 2 // 1000, teams * 5 // 100, teams * 10 // 100)
    return Medals(*(max(at_least, place) for place in last))
