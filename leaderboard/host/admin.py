"""What whoever owns the host's folder may do: make competitions, let users in, move the clock, end a competition."""

import csv
import json
import random
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection, func, insert, select, update

from leaderboard.host import accounts, clock, standings
from leaderboard.host.competitions import Competition, DataFile, InfoPage, all_competitions, competition
from leaderboard.host.home import Home
from leaderboard.host.refusal import HostError, Refused
from leaderboard.host.standings import Standing
from leaderboard.host.store import competitions, members, submissions, teams, users
from leaderboard.host.submissions import PENDING
from leaderboard.reference import competitors
from tasks.spec import Task, load_task
from tasks.submission import USAGE, read_answers

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
KEPT_BACK = ("task.toml", "description.md", "field.csv")  # the description becomes pages, as on Kaggle
PAGES = {"overview": "description", "dataset-description": "data-description"}
PUBLIC_SHARE = 0.3
LAST_TIME = 253370764800.0  # the year 9999, in seconds since 1970
NO_TEAM_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]|^[=+@\t-]")


@dataclass(frozen=True)
class Rules:
    """What a competition allows. `days`: until its deadline; `daily_limit`: submissions of a team a day; `finals`: how
    many of its submissions count in the end."""

    days: float = 30.0
    daily_limit: int = 5
    finals: int = 2
    notebooks_only: bool = False


def create(
    home: Home, public: Path, answers: Path, *, slug: str, rules: Rules | None = None, field: Path | None = None,
) -> Competition:
    """A competition of a task's public folder and its answers (columns as in tasks/submission.py), both copied.

    `field`: a field.csv (leaderboard/reference.py), whose rows become rival teams. Those without a public score stand
    on the leaderboard once the deadline has passed.
    Raises HostError, TaskError or SubmissionError where the slug is taken or the files do not fit.
    """
    if not SLUG.fullmatch(slug):
        raise HostError(f"{slug!r} is no name for a competition: small letters, digits and -; say --slug NAME")
    if slug in slugs(home):
        raise HostError(f"there is a competition {slug!r} already; say --slug NAME for another one")
    task = load_task(public)
    read_answers(task, answers)
    with tempfile.TemporaryDirectory(dir=home.folder / "competitions", prefix=".new-") as partial:
        _write_files(task, answers, Path(partial), slug)
        with home.store.writing() as connection:
            _insert(connection, task, slug, rules or Rules(), field)
            shutil.rmtree(home.competition(slug), ignore_errors=True)  # left by a creation that was killed
            (Path(partial) / "whole").rename(home.competition(slug))
            return competition(connection, slug)


def slugs(home: Home) -> list[str]:
    with home.store.reading() as connection:
        return sorted(one.slug for one in all_competitions(connection))


def accept_rules(home: Home, slug: str, name: str, *, team: str | None = None) -> str:
    """Enter a user into a competition, alone or into a team of that name; the team's name."""
    accounts.credentials(home, name)
    wanted = name if team is None else team.strip()
    if not 0 < len(wanted) <= 100 or NO_TEAM_NAME.search(wanted):
        raise HostError(f"{wanted!r} is no team name: 1 to 100 printable characters, the first none of = + - @")
    with home.store.writing() as connection:
        found = _competition(connection, home, slug)
        user = connection.scalar(select(users.c.id).where(users.c.name == name))
        mine = connection.execute(
            select(teams.c.id, teams.c.name).join(members, members.c.team == teams.c.id)
            .where(members.c.competition == found.id, members.c.user == user)).first()
        if mine is not None:
            return str(mine.name)
        connection.execute(insert(members).values(
            competition=found.id, user=user, team=_team(connection, found, wanted)))
    return wanted


def set_clock(home: Home, *, to: float | None = None, ahead: float = 0.0) -> float:
    """Move the host's clock `to` a time, or `ahead` by seconds from where it is; what it shows then. Raises HostError where no
    calendar has that time."""
    with home.store.writing() as connection:
        now = clock.now(connection)
        moved = to if to is not None else now + ahead
        if not 0 <= moved < LAST_TIME:
            raise HostError("the host's clock goes from 1970 to 9998")
        clock.set_offset(connection, clock.offset(connection) + moved - now)
        return clock.now(connection)


def reset_clock(home: Home) -> float:
    """Back to real time."""
    with home.store.writing() as connection:
        clock.set_offset(connection, 0.0)
        return clock.now(connection)


def read_clock(home: Home) -> float:
    with home.store.reading() as connection:
        return clock.now(connection)


def finalise(home: Home, slug: str) -> list[Standing]:
    """End a competition now unless it is over, and give the final standings with their medals.

    Raises HostError while submissions are still being scored.
    """
    with home.store.writing() as connection:
        found = _competition(connection, home, slug)
        waiting = connection.scalar(select(func.count()).select_from(submissions).where(
            submissions.c.competition == found.id, submissions.c.status == PENDING))
        if waiting:
            raise HostError(f"{waiting} submissions to {slug!r} are not scored yet: try again while the host runs")
        if not standings.final(connection, found):
            now = clock.now(connection) - 0.001  # the clock's own step: over means after the deadline
            connection.execute(update(competitions).where(competitions.c.id == found.id).values(deadline=now))
            found = competition(connection, slug)
        return standings.read(connection, found)


def _competition(connection: Connection, home: Home, slug: str) -> Competition:
    try:
        return competition(connection, slug)
    except Refused:
        known = ", ".join(one.slug for one in all_competitions(connection)) or "none yet"
        raise HostError(f"no competition {slug!r}; there are: {known}. Make one: medalist host create TASK") from None


def _team(connection: Connection, found: Competition, name: str) -> int:
    """The id of the team of that name, made where there is none; a rival's name is taken."""
    known = connection.execute(select(teams).where(teams.c.competition == found.id, teams.c.name == name)).first()
    if known is not None and known.rival:
        raise HostError(f"{name!r} is a rival team in {found.slug!r}; say --team NAME")
    if known is not None:
        return int(known.id)
    made = insert(teams).values(competition=found.id, name=name, created=clock.now(connection), rival=False)
    return connection.execute(made.returning(teams.c.id)).scalar_one()


def _insert(connection: Connection, task: Task, slug: str, rules: Rules, field: Path | None) -> None:
    now = clock.now(connection)
    if now + rules.days * clock.DAY >= LAST_TIME:
        raise HostError(f"{rules.days:g} days from now no calendar has a deadline: say fewer --days")
    number = connection.execute(insert(competitions).values(
        slug=slug, title=task.title, metric=task.metric, greater_is_better=task.greater_is_better, created=now,
        deadline=now + rules.days * clock.DAY, daily_limit=rules.daily_limit, finals=rules.finals,
        notebooks_only=rules.notebooks_only).returning(competitions.c.id)).scalar_one()
    for rival in competitors(field) if field else ():
        connection.execute(insert(teams).values(
            competition=number, name=rival.name, created=now, rival=True, public=rival.public, private=rival.private))


def _write_files(task: Task, answers: Path, partial: Path, slug: str) -> None:
    """Everything of a competition's folder, in partial/whole."""
    whole = partial / "whole"
    whole.mkdir(mode=0o700)
    shutil.copytree(task.folder, whole / "task")
    (whole / "private").mkdir(mode=0o700)
    _write_answers(answers, whole / "private" / "answers.csv", seed=slug)
    files = list(_data_files(whole / "task"))
    _write_bundle(whole / "task", files, whole / "bundle.zip")
    _write_json(whole / "files.json", [asdict(file) for file in files])
    _write_json(whole / "pages.json", [asdict(page) for page in pages_of(task)])


def _write_answers(answers: Path, target: Path, *, seed: str) -> None:
    """A copy that says of each row whether it is public; where nobody has said so, 30% are, by chance."""
    with answers.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    if USAGE not in rows[0]:
        public = set(random.Random(seed).sample(range(1, len(rows)), round(PUBLIC_SHARE * (len(rows) - 1))))
        rows = [[*rows[0], USAGE], *([*row, "Public" if n in public else "Private"] for n, row in enumerate(rows[1:], 1))]
    target.touch(mode=0o600)
    with target.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _data_files(folder: Path) -> Iterable[DataFile]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in KEPT_BACK and not any(part.startswith(".") for part in name.split("/")):
            yield DataFile(name, path.stat().st_size, path.stat().st_mtime)


def _write_bundle(folder: Path, files: Sequence[DataFile], target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in files:
            archive.write(folder / file.name, file.name)


def pages_of(task: Task) -> list[InfoPage]:
    """The description's chapters as Kaggle's pages: description, evaluation, data-description, ..., rules."""
    path = task.folder / "description.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else f"# {task.title}\n"
    head, *chapters = re.split(r"(?m)^## +(?=\S)", text)
    pages = [InfoPage("description", head.strip())]
    for chapter in chapters:
        title, _, body = chapter.partition("\n")
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "more"
        pages.append(InfoPage(PAGES.get(slug, slug), f"## {title}\n{body}".strip()))
    if pages[1:] and pages[1].name == "description":
        pages[:2] = [InfoPage("description", f"{pages[0].content}\n\n{pages[1].content}")]
    return [*pages, InfoPage("rules", "One account each. No private sharing outside teams.")]


def _write_json(path: Path, rows: object) -> None:
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
