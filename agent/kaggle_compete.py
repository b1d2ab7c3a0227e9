"""Competes in a downloaded Kaggle competition and submits: hourly in long runs, and at the end."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent import run
from agent.envoy import Envoy
from agent.kaggle_run import Standing, client, submit
from agent.run import Options, Outcome
from agent.spending import Unspent
from agent.view import View
from leaderboard.kaggle import Kaggle, KaggleError
from leaderboard.kaggle.folder import facts
from leaderboard.record import Record


def compete(
    folder: Path, options: Options, *, runs: Path, view: View, started: float, a_day: int, say: Callable[[str], None],
) -> tuple[Outcome, Standing | None, KaggleError | None]:
    """The run's outcome, where its submission brought the team, and what went wrong with submitting, if anything did.

    `say` is given one line where something is to be known meanwhile, such as why nothing was submitted.
    """
    about = facts(folder)
    if about["notebooks_only"]:
        say(f"{about['slug']} takes submissions from notebooks only: this run ends with a solution/ to upload as one")
    with client(about["slug"]) as kaggle:
        envoy = Envoy(view, kaggle, runs / "record.db", a_day=a_day, say=say)
        outcome = run.start(folder, options, runs=runs, view=envoy, started=started)
        envoy.close()
        standing, failure = _at_the_end(runs / "record.db", outcome.run, kaggle, a_day=a_day, say=say)
    if standing is not None:
        outcome = replace(outcome, public=standing.sent.public, private=standing.sent.private)
    return outcome, standing, failure


def _at_the_end(
    record_file: Path, run: str, kaggle: Kaggle, *, a_day: int, say: Callable[[str], None],
) -> tuple[Standing | None, KaggleError | None]:
    """The last submission of a run; a reason not to make it is said, a failure to make it is returned."""
    with Record(record_file) as record:
        try:
            return submit(record, record.run(run), kaggle, a_day=a_day), None
        except Unspent as why:
            say(str(why))
            return None, None
        except KaggleError as failure:
            return None, failure
