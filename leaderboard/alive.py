"""Whether a run goes on. Its process holds the lock of a file in the run's folder: one that was killed holds it no more."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from leaderboard.locks import is_held, locked
from leaderboard.record import RecordError, Run

FILE = "alive"
PATIENCE_SECONDS = 2.0  # who looks at the lock holds it for a moment
GOING_ON, STOPPED = "going on", "stopped"


@contextmanager
def alive(run: str, folder: Path) -> Iterator[None]:
    """Say of a run, while this lasts, that it goes on. Raises RecordError where another process says so already, or the
    folder is gone."""
    with ExitStack() as held:
        _take(held, run, folder)
        yield


def _take(held: ExitStack, run: str, folder: Path) -> None:
    try:
        held.enter_context(locked(folder / FILE, seconds=PATIENCE_SECONDS))
    except FileNotFoundError as error:
        raise RecordError(f"the folder of run {run} is gone: {folder}; start another with `medalist compete`") from error
    except TimeoutError as error:
        raise RecordError(f"run {run} goes on in another process: let it end, or end it, then say it again") from error


def state(run: Run) -> str:
    """How a run ended, or for one that has not: whether it goes on, or was stopped before its end."""
    if run.status != "running":
        return run.status
    return GOING_ON if is_held(Path(run.folder) / FILE) else STOPPED
