"""Competes in a downloaded Kaggle competition and submits: hourly in long runs, and at the end, of a resumed run too."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent import run
from agent.envoy import Envoy
from agent.kaggle_run import Standing, client, submit
from agent.owed import SETTLED, a_day
from agent.run import Options, Outcome
from agent.spending import Unspent
from agent.view import View
from leaderboard.alive import alive
from leaderboard.kaggle import Kaggle, KaggleError
from leaderboard.kaggle.folder import facts
from leaderboard.record import Record, Run

FOR_GOOD = ("format", "notebook", "closed")  # failures that trying again does not mend
Ending = tuple[Outcome, Standing | None, KaggleError | None]


def compete(
    folder: Path, options: Options, *, runs: Path, view: View, started: float, say: Callable[[str], None],
) -> Ending:
    """A new run's outcome, where its submission brought the team, and what went wrong with submitting, if anything did.

    `say` is given one line where something is to be known meanwhile, such as why nothing was submitted.
    """
    def play(seen: View) -> Outcome:
        return run.start(folder, options, runs=runs, view=seen, started=started)

    return _submitting(play, folder, view, runs / "record.db", allowed=options.submissions_a_day, say=say)


def go_on(
    known: Run, *, runs: Path, budget: float | None, view: View, started: float, say: Callable[[str], None],
) -> Ending:
    """The same of a run that was stopped or killed: it ends as it would have ended. What it had submitted already, whether
    or not it heard of it, is found by the run's id and not sent again."""
    def play(seen: View) -> Outcome:
        return run.go_on(known.run, runs=runs, budget=budget, view=seen, started=started)

    return _submitting(play, Path(known.settings["folder"]), view, runs / "record.db", allowed=a_day(known), say=say)


def _submitting(
    play: Callable[[View], Outcome], folder: Path, view: View, record: Path, *, allowed: int, say: Callable[[str], None],
) -> Ending:
    about: dict[str, Any] = facts(folder)
    if not about:
        raise Unspent(f"the competition's folder {folder} is gone: `medalist compete kaggle:SLUG --plan` downloads it again")
    if about["notebooks_only"]:
        say(f"{about['slug']} takes submissions from notebooks only: this run ends with a solution/ to upload as one")
    with client(about["slug"]) as kaggle:
        envoy = Envoy(view, kaggle, record, a_day=allowed, say=say)
        outcome = play(envoy)
        envoy.close()
        standing, failure = _at_the_end(record, outcome.run, kaggle, allowed=allowed, say=say)
    if standing is not None:
        outcome = replace(outcome, public=standing.sent.public, private=standing.sent.private)
    return outcome, standing, failure


def _at_the_end(
    record_file: Path, run: str, kaggle: Kaggle, *, allowed: int, say: Callable[[str], None],
) -> tuple[Standing | None, KaggleError | None]:
    """The last submission of a run; a reason not to make it is said, a failure to make it is returned."""
    with Record(record_file) as record, alive(run, Path(record.run(run).folder)):
        made, failure = None, None
        try:
            made = submit(record, record.run(run), kaggle, a_day=allowed)
        except Unspent as why:
            say(str(why))
        except KaggleError as error:
            failure = error
        if failure is None or failure.kind in FOR_GOOD:
            record.event(run, SETTLED, {"ref": made.sent.ref if made else None})
        return made, failure
