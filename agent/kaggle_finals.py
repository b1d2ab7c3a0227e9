"""The finals of one competition of the record: reads what was submitted and scored, chooses, records the choice, marks it."""

from dataclasses import dataclass
from pathlib import Path

from agent.finals import Choice, choose, stated_share
from agent.spending import Unspent
from leaderboard.kaggle import Kaggle, KaggleError
from leaderboard.kaggle.failures import SITE
from leaderboard.record import Record
from leaderboard.submissions import calibration, sent
from tasks.metrics import metric


@dataclass(frozen=True)
class Marks:
    """Which submissions are marked to count in the end, None where that is not known; and the line that says what was done
    or is left to do."""

    refs: tuple[int, ...] | None
    line: str


def select(record: Record, slug: str | None, *, finals: int = 2) -> tuple[str, Choice]:
    """The competition, by itself that of the latest scored submission, and the choice among those that are scored. Nothing is
    asked of Kaggle: `medalist sync` is."""
    known = sent(record, slug=slug)
    if not known:
        of = f" to {slug!r}" if slug else ""
        raise Unspent(f"the record knows of no submission{of}: make one with `medalist submit`")
    latest = next((one for one in reversed(known) if one.public is not None), known[-1])
    name, run = latest.slug, record.run(latest.run)
    scored = [one for one in known if one.slug == name and one.public is not None]
    pages = Path(run.settings["folder"]) / "description.md"
    share = stated_share(pages.read_text(encoding="utf-8") if pages.is_file() else "")
    choice = choose(scored, calibration(record), metric(run.metric), public_share=share, finals=finals)
    record.event(run.run, "finals", {"competition": name, "refs": [one.sent.ref for one in choice.chosen],
                                     "why": list(choice.why)})
    return name, choice


def mark(kaggle: Kaggle, choice: Choice) -> Marks:
    """Mark the chosen ones on a host of our own. Kaggle has no call for it: there the line says where they are ticked, and
    whether they are. What goes wrong is in the line, since the choice stands in any case."""
    wanted = sorted(known.sent.ref for known in choice.chosen if known.sent.ref is not None)
    page, named = f"{SITE}/competitions/{kaggle.slug}/submissions", " and ".join(map(str, wanted))
    try:
        if kaggle.own_host:
            kaggle.mark_finals(wanted)
        marked = tuple(sorted(kaggle.finals()))
    except KaggleError as error:
        return Marks(None, f"not marked: {error}" if kaggle.own_host else
                     f"tick {named} at {page}: Kaggle's client cannot ({error})")
    if kaggle.own_host:
        return Marks(marked, f"{named} marked to count in the end; until the deadline another choice takes its place")
    if list(marked) == wanted:
        return Marks(marked, f"{named} ticked already, see {page}")
    ticked = " and ".join(map(str, marked)) or "none"
    return Marks(marked, f"tick {named} at {page}: Kaggle's client cannot; ticked there now: {ticked}")
