"""Medals by Kaggle's table and the order of a leaderboard: laws that hold for any field."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.host.medals import medals
from leaderboard.host.standings import Scored, Team, counting, standings

SCORES = st.sampled_from([0.1, 0.2, 0.3])


@pytest.mark.parametrize(("teams", "gold", "silver", "bronze"), [
    (0, 0, 0, 0), (9, 0, 1, 3), (10, 1, 2, 4), (99, 9, 19, 39), (100, 10, 20, 40), (249, 10, 49, 99), (250, 10, 50, 100),
    (499, 10, 50, 100), (500, 11, 50, 100), (999, 11, 50, 100), (1000, 12, 50, 100), (1500, 13, 75, 150),
    (10000, 30, 500, 1000),
])
def test_the_table_is_kaggles(teams: int, gold: int, silver: int, bronze: int) -> None:
    found = medals(teams)
    assert (found.gold, found.silver, found.bronze) == (gold, silver, bronze)


@given(st.integers(0, 20000))
def test_better_medals_are_rarer_and_a_better_place_never_has_a_worse_one(teams: int) -> None:
    found = medals(teams)
    assert 0 <= found.gold <= found.silver <= found.bronze <= teams
    won = [found.of(place) for place in range(1, teams + 1)]
    order = ["gold", "silver", "bronze", None]
    assert [order.index(medal) for medal in won] == sorted(order.index(medal) for medal in won)


@given(st.integers(1, 20000))
def test_a_larger_field_has_no_fewer_medals_of_a_colour(teams: int) -> None:
    few, many = medals(teams), medals(teams + 1)
    assert many.silver >= few.silver or teams + 1 in (250, 1000)  # where Kaggle's table changes its rule
    assert many.gold >= few.gold and (many.bronze >= few.bronze or teams + 1 in (250, 1000))


@given(st.integers(1, 20000))
def test_with_at_least_one_medal_of_each_colour_the_table_is_mle_benchs(teams: int) -> None:
    found = medals(teams, at_least=1)
    gold = max(1, int(teams * 0.1)) if teams < 100 else 10 if teams < 250 else 10 + int(teams * 0.002)
    silver = max(1, int(teams * 0.2)) if teams < 250 else 50 if teams < 1000 else int(teams * 0.05)
    bronze = max(1, int(teams * 0.4)) if teams < 250 else 100 if teams < 1000 else int(teams * 0.1)
    assert (found.gold, found.silver, found.bronze) == (gold, silver, bronze)


@st.composite
def fields(draw: st.DrawFn) -> tuple[list[Team], list[Scored]]:
    """Up to six teams, one of them perhaps a rival, and their submissions at distinct or equal times."""
    count = draw(st.integers(1, 6))
    teams = [Team(n, f"team {n}", 0.0, n == 1, 0.2 if n == 1 else None, 0.2 if n == 1 else None) for n in range(1, count + 1)]
    made = draw(st.lists(st.tuples(st.integers(2, 6), st.integers(0, 5), st.booleans(), SCORES, SCORES), max_size=20))
    return teams, [Scored(n, team, float(at), chosen, public, private)
                   for n, (team, at, chosen, public, private) in enumerate(made) if team <= count]


@given(fields(), st.booleans(), st.booleans(), st.randoms())
def test_the_order_of_a_leaderboard_is_by_score_then_time_whatever_the_order_of_the_rows(
    field: tuple[list[Team], list[Scored]], private: bool, greater: bool, chance: random.Random,
) -> None:
    teams, scored = field
    board = standings(teams, scored, private=private, finals=2, greater_is_better=greater)
    keys = [(-row.score if greater else row.score, row.submitted) for row in board]
    assert keys == sorted(keys)
    assert [row.place for row in board] == list(range(1, len(board) + 1))
    chance.shuffle(teams)
    chance.shuffle(scored)
    assert standings(teams, scored, private=private, finals=2, greater_is_better=greater) == board


@given(fields(), st.booleans())
def test_in_the_end_at_most_the_finals_count_and_chosen_ones_come_first(
    field: tuple[list[Team], list[Scored]], greater: bool,
) -> None:
    _, scored = field
    for team in {one.team for one in scored}:
        mine = [one for one in scored if one.team == team]
        counted = counting(mine, finals=2, greater_is_better=greater)
        assert len(counted) == min(2, len(mine))
        chosen = sum(one.selected for one in mine)
        assert sum(one.selected for one in counted) == min(2, chosen)
        if not chosen:
            best = (max if greater else min)(one.public for one in mine)
            assert counted[0].public == best
