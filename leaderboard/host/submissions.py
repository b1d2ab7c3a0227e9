"""Submissions: made within the daily allowance, listed, chosen as finals. Private scores show after the deadline."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, and_, func, insert, select, update

from leaderboard.host import clock, uploads
from leaderboard.host.accounts import User
from leaderboard.host.competitions import TO_SUBMIT, Competition, entered, team_of
from leaderboard.host.refusal import Refused
from leaderboard.host.store import competitions, members, submissions, teams, users
from leaderboard.host.store import uploads as upload_table

PENDING, COMPLETE, ERROR = "PENDING", "COMPLETE", "ERROR"
NOTEBOOKS = "Submission not allowed: This competition only accepts Submissions from Notebooks."


@dataclass(frozen=True)
class Limits:
    """Submissions of a team: today (UTC) and in all, without those that failed; how many more it may make now."""

    today: int
    total: int
    allowed: int


def create(connection: Connection, found: Competition, user: User, *, token: str, message: str) -> int:
    """A submission of what was uploaded; its number. Call it in a writing transaction: the team's row is locked, so
    that of parallel submissions exactly the allowance is accepted."""
    team = entered(connection, found, user, refusal=TO_SUBMIT)
    if found.notebooks_only:
        raise Refused(400, NOTEBOOKS)
    connection.execute(select(teams.c.id).where(teams.c.id == team).with_for_update())
    now = clock.now(connection)
    if limits_of(connection, found, team).allowed < 1:
        raise Refused(400, _allowance_spent(found.daily_limit, now))
    upload = uploads.use(connection, found, user, token)
    made = insert(submissions).values(
        competition=found.id, team=team, user=user.id, upload=upload, message=message, created=now,
        late=now > found.deadline, selected=False, status=PENDING)
    return connection.execute(made.returning(submissions.c.id)).scalar_one()


def _allowance_spent(limit: int, now: float) -> str:
    hours = (clock.midnight(now) + clock.DAY - now) / 3600
    return (f"Submission not allowed: Your team has used its daily Submission allowance ({limit}) today, "
            f"please try again tomorrow UTC ({hours:.1f} hours from now).")


def limits(connection: Connection, found: Competition, user: User) -> Limits:
    team = team_of(connection, found, user)
    return Limits(0, 0, 0) if team is None else limits_of(connection, found, team)


def limits_of(connection: Connection, found: Competition, team: int) -> Limits:
    """What failed to be scored does not count."""
    since = clock.midnight(clock.now(connection))
    counted = and_(submissions.c.team == team, submissions.c.status != ERROR)
    total = connection.scalar(select(func.count()).select_from(submissions).where(counted)) or 0
    today = connection.scalar(
        select(func.count()).select_from(submissions).where(counted, submissions.c.created >= since)) or 0
    return Limits(today, total, max(0, found.daily_limit - today))


def of_team(connection: Connection, team: int) -> list[Row]:
    """A team's submissions with file name, bytes and the name of who submitted; the newest first."""
    wanted = _described().where(submissions.c.team == team)
    return list(connection.execute(wanted.order_by(submissions.c.id.desc())))


def own(connection: Connection, user: User, number: int) -> Row:
    """One submission of a team that the user is in. Others' are not found."""
    found = connection.execute(_described().where(submissions.c.id == number)).first()
    mine = select(members.c.team).where(members.c.user == user.id)
    if found is None or found.team not in connection.scalars(mine).all():
        raise Refused(404, "Submission not found")
    return found


def choose(connection: Connection, found: Competition, user: User, numbers: Sequence[int]) -> None:
    """Make these, and no others, the team's finals. Refuses after the deadline, too many, and others' submissions."""
    team = entered(connection, found, user, refusal=TO_SUBMIT)
    if clock.now(connection) > found.deadline:
        raise Refused(400, "The deadline has passed: finals can no longer be chosen")
    if len(set(numbers)) > found.finals:
        raise Refused(400, f"At most {found.finals} submissions may be chosen; {len(set(numbers))} were given")
    mine = and_(submissions.c.team == team, submissions.c.competition == found.id)
    connection.execute(update(submissions).where(mine).values(selected=False))
    chosen = connection.execute(
        update(submissions).where(mine, submissions.c.id.in_(set(numbers)), submissions.c.status != ERROR).values(selected=True))
    if chosen.rowcount != len(set(numbers)):
        raise Refused(404, "Submission not found")


def _described() -> Select:
    """Submissions with what their upload, user, team and competition say."""
    told = (upload_table.c.file_name, upload_table.c.bytes, users.c.name.label("user_name"),
            teams.c.name.label("team_name"), competitions.c.deadline)
    return (select(submissions, *told)
            .join(upload_table, upload_table.c.id == submissions.c.upload).join(users, users.c.id == submissions.c.user)
            .join(teams, teams.c.id == submissions.c.team)
            .join(competitions, competitions.c.id == submissions.c.competition))
