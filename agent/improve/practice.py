"""Plays practice tasks to have something to learn from: the version in use and version 0 in turn, into a record of their own."""

from collections.abc import Callable, Sequence
from pathlib import Path

from agent.improve.evaluator import GateTask
from agent.improve.live import Live
from agent.playbook.store import Store
from leaderboard.record import Record


def practise(
    store: Store, tasks: Sequence[GateTask], count: int, *, evaluator: Live, runs: Path, cpu_seconds: float,
    say: Callable[[str], None],
) -> None:
    """Play those of the first `count` practice tasks that the record in `runs` does not have yet, each with both versions."""
    known = _known(runs / "record.db")
    todo = [(task, version) for task in tasks[:count] for version in dict.fromkeys((store.current, store.load("zero").short))
            if (task.name, version) not in known]
    if not todo:
        return
    runs.mkdir(parents=True, exist_ok=True)
    keeping = evaluator.keeping(runs)
    for place, (task, version) in enumerate(todo, start=1 + len(known)):  # another seed, so another order of what is tried
        arm = keeping.play(store.folder(version), task, seed=place, cpu_seconds=cpu_seconds)
        say(f"practice: {task.family} with {version}: {arm.entries} entries, loss {arm.loss:.4g} of {arm.floor:.4g}"
            if arm.loss is not None else f"practice: {task.family} with {version}: no score")


def _known(path: Path) -> frozenset[tuple[str, str]]:
    """Tasks and versions that were played to the end."""
    if not path.exists():
        return frozenset()
    with Record(path) as record:
        return frozenset((str(run.settings["cut"]), str(run.settings["playbook"])[:12]) for run in record.runs()
                         if run.status == "finished")
