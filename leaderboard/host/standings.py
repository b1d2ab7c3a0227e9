"""Standings: which submission of each team counts, and the order of the teams. Pure, but for the reading at the end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from leaderboard.host import clock
from leaderboard.host.competitions import Competition
from leaderboard.host.medals import medals
from leaderboard.host.store import members, submissions, teams, users
from leaderboard.host.submissions import COMPLETE


@dataclass(frozen=True)
class Scored:
    """A scored submission that counts: in time, graded. `created` in seconds since 1970 UTC."""

    id: int
    team: int
    created: float
    selected: bool
    public: float
    private: float


@dataclass(frozen=True)
class Standing:
    """A team's place. `medal` only where the final scores decide; `submissions` 0 and `members` empty for a rival."""

    place: int
    team: int
    name: str
    rival: bool
    score: float
    submitted: float
    submissions: int
    members: tuple[str, ...]
    medal: str | None


@dataclass(frozen=True)
class Team:
    """`public` and `private` are set for rivals alone: their scores are known beforehand."""

    id: int
    name: str
    created: float
    rival: bool
    public: float | None
    private: float | None
    members: tuple[str, ...] = ()


def counting(scored: Sequence[Scored], *, finals: int, greater_is_better: bool) -> list[Scored]:
    """A team's submissions that count in the end: those it chose, then its best by public score, up to `finals`."""
    best_first = sorted(scored, key=lambda one: (_rank(one.public, greater_is_better), one.created, one.id))
    chosen = [one for one in best_first if one.selected]
    return [*chosen, *(one for one in best_first if not one.selected)][:finals]


def standings(
    found: Sequence[Team], scored: Iterable[Scored], *, private: bool, finals: int, greater_is_better: bool,
) -> list[Standing]:
    """The leaderboard, the best first; of equal scores the earlier. Teams without a score are not in it."""
    of_team: dict[int, list[Scored]] = {}
    for one in scored:
        of_team.setdefault(one.team, []).append(one)
    rows = []
    for team in found:
        mine = of_team.get(team.id, [])
        entry = _entry(team, mine, private=private, finals=finals, greater_is_better=greater_is_better)
        if entry is not None:
            rows.append((_rank(entry[0], greater_is_better), entry[1], team.id, team, entry[0], len(mine)))
    rows.sort(key=lambda row: row[:3])
    won = medals(len(rows))
    return [Standing(place, team.id, team.name, team.rival, score, submitted, count, team.members,
                     won.of(place) if private else None)
            for place, (_, submitted, _, team, score, count) in enumerate(rows, 1)]


def _entry(
    team: Team, mine: Sequence[Scored], *, private: bool, finals: int, greater_is_better: bool,
) -> tuple[float, float] | None:
    """The score that counts and when it was submitted."""
    if team.rival:
        score = team.private if private else team.public
        return None if score is None else (score, team.created)
    counted = counting(mine, finals=finals, greater_is_better=greater_is_better) if private else mine
    scores = [(one.private if private else one.public, one) for one in counted]
    if not scores:
        return None
    score, best = min(scores, key=lambda pair: (_rank(pair[0], greater_is_better), pair[1].created, pair[1].id))
    return score, best.created


def _rank(score: float, greater_is_better: bool) -> float:
    return -score if greater_is_better else score


def final(connection: Connection, competition: Competition) -> bool:
    """Whether the deadline has passed, so that private scores are out and decide."""
    return clock.now(connection) > competition.deadline


def read(connection: Connection, competition: Competition, *, private: bool | None = None) -> list[Standing]:
    """A competition's leaderboard: by private scores once the deadline has passed, and never before."""
    over = final(connection, competition)
    return standings(_teams(connection, competition), _scored(connection, competition),
                     private=over if private is None else private and over, finals=competition.finals,
                     greater_is_better=competition.greater_is_better)


def _teams(connection: Connection, competition: Competition) -> list[Team]:
    who = select(members.c.team, users.c.name).join(users, users.c.id == members.c.user).where(
        members.c.competition == competition.id).order_by(users.c.name)
    names: dict[int, tuple[str, ...]] = {}
    for team, name in connection.execute(who):
        names[team] = (*names.get(team, ()), name)
    rows = connection.execute(select(teams).where(teams.c.competition == competition.id))
    return [Team(row.id, row.name, row.created, row.rival, row.public, row.private, names.get(row.id, ()))
            for row in rows]


def _scored(connection: Connection, competition: Competition) -> list[Scored]:
    columns = (submissions.c.id, submissions.c.team, submissions.c.created, submissions.c.selected,
               submissions.c.public, submissions.c.private)
    wanted = select(*columns).where(submissions.c.competition == competition.id, submissions.c.status == COMPLETE,
                                    submissions.c.late.is_(False))
    return [Scored(*row) for row in connection.execute(wanted)]
