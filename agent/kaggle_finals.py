"""The finals of one competition of the record: reads what was submitted and scored, chooses, records the choice."""

from pathlib import Path

from agent.finals import Choice, choose, stated_share
from agent.spending import Unspent
from leaderboard.record import Record
from leaderboard.submissions import calibration, sent
from tasks.metrics import metric


def select(record: Record, slug: str | None) -> tuple[str, Choice]:
    """The competition and the choice among its scored submissions. Nothing is asked of Kaggle: `medalist sync` is."""
    known = sent(record, slug=slug)
    if not known:
        of = f" to {slug!r}" if slug else ""
        raise Unspent(f"the record knows of no submission{of}: make one with `medalist submit`")
    name, run = known[-1].slug, record.run(known[-1].run)
    scored = [one for one in known if one.slug == name and one.public is not None]
    pages = Path(run.settings["folder"]) / "description.md"
    share = stated_share(pages.read_text(encoding="utf-8") if pages.is_file() else "")
    choice = choose(scored, calibration(record), metric(run.metric), public_share=share)
    record.event(run.run, "finals", {"competition": name, "refs": [one.sent.ref for one in choice.chosen],
                                     "why": list(choice.why)})
    return name, choice
