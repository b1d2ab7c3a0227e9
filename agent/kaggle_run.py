"""A competition on Kaggle from download to medal: fetch, compete, submit, wait for the score, say the rank."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.spending import Stake, Unspent, keep, spent_today, stake, worth
from leaderboard.host.medals import medals
from leaderboard.kaggle import Competition, Kaggle, Submission
from leaderboard.kaggle.client import tagged
from leaderboard.kaggle.environment import kaggle_environment
from leaderboard.kaggle.folder import facts, fetch
from leaderboard.record import Record, Run
from leaderboard.submissions import Sent, announce, note, now, sent
from tasks.metrics import metric
from tasks.spec import load_task
from tasks.submission import check_submission


@dataclass(frozen=True)
class Standing:
    """A submission and where it brought the team: `rank` among `teams` on the leaderboard that is shown now."""

    sent: Sent
    remaining: int
    rank: int | None
    teams: int
    medal: str | None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self.sent), "remaining": self.remaining, "rank": self.rank, "teams": self.teams,
                "medal": self.medal}

    def rows(self) -> list[tuple[str, str]]:
        """The table of a submission, as (name, value)."""
        place = f"{self.rank} of {self.teams} teams" if self.rank else "not known yet"
        return [("submission", f"{self.sent.ref} ({self.sent.tag})"), ("status", self.sent.status),
                ("honest estimate", f"{self.sent.honest:.5f} ± {self.sent.standard_error:.5f}"),
                ("public score", _number(self.sent.public)), ("private score", _number(self.sent.private)),
                ("rank", place), ("medal, as it stands", self.medal or "none"), ("submissions left today", str(self.remaining))]


def client(slug: str) -> Kaggle:
    """Kaggle with what this process's environment says of credentials and network; nothing else of it is passed on."""
    return Kaggle(slug, kaggle_environment(os.environ))


def download(slug: str, data: Path) -> Path:
    """The competition's folder, `data/kaggle/<slug>`, as Kaggle has it now."""
    with client(slug) as kaggle:
        return fetch(kaggle, data / "kaggle" / slug, data / "cache" / "kaggle")


def slug_of(run: Run, stated: str | None = None) -> str:
    """The competition whose folder a run read, or the one that is stated."""
    slug = stated or facts(Path(run.settings["folder"])).get("slug")
    if not slug:
        raise Unspent(f"run {run.run} did not read a Kaggle competition: say --competition SLUG")
    return str(slug)


def submit(
    record: Record, run: Run, kaggle: Kaggle, *, a_day: int, reserve: int = 0, anyway: bool = False,
) -> Standing:
    """Submit what the run has now, wait for its score, record both.

    a_day: the most of ours that may be submitted on one day (UTC). reserve: how many of the day's must be left after
    this one. anyway: also where the gain is within its noise. Raises Unspent where nothing was sent since it is not
    worth it or not allowed, KaggleError where Kaggle failed; the run's files stay as they are in any case.
    """
    with kaggle.alone(record.path.parent):  # two processes submit one after the other, and the second one knows of the first
        new = stake(record, run)
        about, listed = kaggle.ready()
        earlier = recall(record, kaggle.slug, listed)
        ours = next((known for known in earlier if known.tag == new.tag), None)
        if ours is None or ours.ref is None:
            last = next((known for known in reversed(earlier) if known.arrived), None)
            _check_worth(new, earlier, last, anyway=anyway)
            _check_allowed(about, listed, a_day=a_day, reserve=reserve)
            kaggle.check_open(about)
            ours = _send(record, new, kaggle)
    return follow(record, ours, kaggle)


def recall(record: Record, slug: str, listed: list[Submission]) -> list[Sent]:
    """The record's submissions to a competition, the oldest first, once what Kaggle lists is noted: a run that was killed
    never heard that its submission arrived."""
    for known in sent(record, slug=slug):
        found = tagged(listed, known.tag)
        if found is not None and note(record, known, found):
            into_summary(record, known.run)
    return sent(record, slug=slug)


def follow(record: Record, known: Sent, kaggle: Kaggle) -> Standing:
    """Wait for a submission's score and say where it brought us. KaggleError where Kaggle could not score the file."""
    assert known.ref is not None
    found = kaggle.scored(known.ref)
    note(record, known, found)
    known = _again(record, known)
    into_summary(record, known.run)
    if known.status == "ERROR":
        raise kaggle.failed("format", detail=" ".join(known.error.split()), ref=known.ref or 0)
    about = kaggle.competition()
    return Standing(known, about.allowance.remaining, about.rank, *place(record, known.run, kaggle, about))


def place(record: Record, run: str | None, kaggle: Kaggle, about: Competition) -> tuple[int, str | None]:
    """How many teams are on the leaderboard that is shown, and the medal of our rank on it. With the submissions that are
    left it becomes an event of the run that brought it up, where there is one."""
    teams = len(kaggle.leaderboard())
    medal = medals(teams).of(about.rank) if about.rank else None
    if run is not None:
        record.event(run, "standing", {"competition": about.slug, "rank": about.rank, "teams": teams, "medal": medal,
                                       "remaining": about.allowance.remaining, "used_today": about.allowance.used_today})
    return teams, medal


def _again(record: Record, known: Sent) -> Sent:
    """The submission as the record has it now."""
    return next(found for found in sent(record, run=known.run, slug=known.slug) if found.tag == known.tag)


def _check_worth(new: Stake, earlier: list[Sent], last: Sent | None, *, anyway: bool) -> None:
    same = next((known for known in earlier if known.sha256 == new.sha256 and known.arrived), None)
    if same is not None:
        raise Unspent(f"not submitted: the same file is submission {same.ref} already (public {_number(same.public)})")
    if not anyway:
        worth(new, last, metric(new.run.metric))


def _check_allowed(about: Competition, listed: list[Submission], *, a_day: int, reserve: int) -> None:
    """Unspent where the user's allowance, less the reserve, is used up."""
    used = spent_today(listed, about.allowance.used_today)
    left = min(a_day - used, about.allowance.remaining) - reserve
    if about.allowance.remaining and left <= 0:
        kept = f", {reserve} kept for the end" if reserve else ""
        raise Unspent(f"not submitted: {used} of the {a_day} submissions a day that you allow are used{kept}; more with "
                      f"--submissions-per-day")


def _send(record: Record, new: Stake, kaggle: Kaggle) -> Sent:
    file = keep(new, Path(new.run.folder) / "submissions" / new.sha256[:8])
    check_submission(load_task(Path(new.run.settings["folder"])), file)
    asked = Sent(new.run.run, new.run.task, kaggle.slug, new.tag, now(), str(file), new.sha256, new.cross_validated,
                 new.honest, new.standard_error, new.run.greater_is_better)
    announce(record, asked)
    found = kaggle.submit(file, tag=new.tag, note=f"honest {new.honest:.5f} cv {new.cross_validated:.5f}")
    note(record, asked, found)
    return _again(record, asked)


def into_summary(record: Record, run: str) -> None:
    """The run's closing figures hold its latest scores."""
    known = record.run(run)
    if known.summary is not None:
        record.finish_run(run, status=known.status, summary={**known.summary, **record.scores(run)})


def _number(value: float | None) -> str:
    return "not known yet" if value is None else f"{value:.5f}"
