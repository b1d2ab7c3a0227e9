"""`medalist compete TASK`: a run, from reading the task to the graded or, on Kaggle, the scored submission."""

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.llm.arguments import add_options, addresses, limits
from agent.output import UsageError, positive, print_ending, print_outcome, print_plan, say, whole

if TYPE_CHECKING:
    from agent.attach import Choice
    from sandbox import Cluster

KAGGLE = "kaggle:"
MLEBENCH = "mlebench:"
MLEBENCH_DATA = Path("data/mlebench")
HELP = "compete in a task: a catalogue name, a folder with a Kaggle download, kaggle:SLUG or mlebench:ID"


def add(made: argparse.ArgumentParser) -> None:
    made.add_argument("task", help="catalogue name, folder with the files of a competition, kaggle:SLUG or mlebench:ID")
    made.add_argument("--budget", type=positive, default=300.0, metavar="SECONDS", help="wall clock, the one dial")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--until", type=float, metavar="SCORE", help="stop once the honest estimate reaches this")
    made.add_argument("--plan", action="store_true", help="print what would be done and what it costs; run nothing")
    made.add_argument("--executor", default="local", help="how trials run: local, ray, cold (default: local)")
    made.add_argument("--ray-address", default="auto", metavar="HOST:PORT",
                      help="the cluster of --executor ray (default: auto, RAY_ADDRESS or the one on this machine)")
    made.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto",
                      help="what trials compute on (default: auto, a GPU where there is one)")
    made.add_argument("--gpu-share", type=positive, default=1.0, metavar="PART",
                      help="the part of a GPU that a trial holds on a cluster (default: 1)")
    made.add_argument("--unsafe-no-sandbox", action="store_true",
                      help="run generated code with all your rights; said in every entry and in the report")
    made.add_argument("--slots", type=int, default=None, help="trials at once (default: one per processor)")
    made.add_argument("--memory", type=positive, default=4.0, metavar="GIB", help="memory of one trial (default: 4)")
    made.add_argument("--without", nargs="+", default=[], metavar="PART",
                      help="leave parts of the agent out, to see what each is worth; an unknown name lists all")
    add_options(made)
    made.add_argument("--playbook", default="current", metavar="HASH",
                      help="what to play by: a version, its folder, current or zero (default: current)")
    made.add_argument("--mlebench-data", type=Path, default=MLEBENCH_DATA, metavar="FOLDER",
                      help="where MLE-bench's prepared competitions lie (default: data/mlebench)")
    made.add_argument("--answers", type=Path, help="a file with the test rows' answers: grade at the end, never before")
    made.add_argument("--submit", action="store_true", help="submit to Kaggle at the end, and hourly in long runs")
    made.add_argument("--submissions-per-day", type=whole, default=2, metavar="N",
                      help="the most that are submitted a day, one of them kept for the end (default: 2)")


def run(options: argparse.Namespace, started: float) -> None:
    if options.submit and not options.task.startswith(KAGGLE):
        raise UsageError(f"--submit is for Kaggle's competitions and {options.task!r} is none: say kaggle:SLUG")
    folder, answers = locate(options.task, options.data, options.answers, options.mlebench_data)

    from agent import run  # takes seconds to import
    from agent.playbook.store import Store
    from agent.view import view

    ours = Path(options.task).is_dir() or options.task.startswith(MLEBENCH)
    started = started if ours else time.monotonic()  # preparing and downloading are not of the budget
    settings = run.Options(
        llm=choice(options),
        budget=options.budget, seed=options.seed, until=options.until, executor=options.executor, answers=answers,
        unsafe=options.unsafe_no_sandbox, device=options.device, cluster=cluster(options), without=tuple(options.without),
        memory_bytes=int(options.memory * 2**30), playbook=Store().folder(options.playbook),
        submissions_a_day=options.submissions_per_day if options.submit else 0,
        **({"slots": options.slots or 0} if options.slots or options.executor == "ray" else {}),
    )
    if options.plan:
        print_plan(run.plan_only(folder, settings), as_json=options.json)
        return
    if options.submit:
        _on_kaggle(options, folder, settings, started)
        return
    outcome = run.start(folder, settings, runs=options.runs, view=view(quiet=options.json), started=started)
    print_outcome(outcome, as_json=options.json)
    if options.playbook == "current":
        _watch(Store(), options.runs)


def _watch(store: Any, runs: Path) -> None:
    """The version in use answers for its real runs."""
    from agent.improve.ledger import summary
    from agent.improve.watch import watch

    if (line := watch(store, runs / "record.db")) is not None:
        print(summary(line), file=sys.stderr)


def _on_kaggle(options: argparse.Namespace, folder: Path, settings: Any, started: float) -> None:
    """Compete, submit, and say what came of it."""
    from agent.kaggle_compete import compete
    from agent.view import view

    print_ending(*compete(folder, settings, runs=options.runs, view=view(quiet=options.json), started=started, say=say),
                 as_json=options.json)


def cluster(options: argparse.Namespace) -> "Cluster | None":
    """Where trials run, if that is a cluster."""
    from sandbox import Cluster

    return Cluster(options.ray_address, options.gpu_share) if options.executor == "ray" else None


def choice(options: argparse.Namespace) -> "Choice":
    """The language models that were asked for, with their limits; none where none was."""
    from agent.attach import Choice

    models = tuple(options.llm or os.environ.get("MEDALIST_LLM", "").split())
    if not models:
        return Choice()
    bounds = limits(options)
    addresses(options, os.environ)  # says what cannot be read before anything runs
    return Choice(models, bounds.dollars, bounds.tokens, bounds.calls, options.llm_replay)


def locate(task: str, data: Path, answers: Path | None, mlebench_data: Path = MLEBENCH_DATA) -> tuple[Path, Path | None]:
    """The folder of a catalogue task (prepared now if need be), of a Kaggle competition (downloaded now), of one of
    MLE-bench's or of a user's own (laid out now where its files have other names and forms), and its answers."""
    from tasks import catalogue

    if task in (*catalogue.names(), *catalogue.traps()):
        public = catalogue.prepare(task, data, data / "cache") / "public"
        return _laid_out(public, data, name=task), public.parent / "private" / "answers.csv"
    if task.startswith(KAGGLE):
        from agent import kaggle_run

        return kaggle_run.download(task.removeprefix(KAGGLE), data), answers
    if task.startswith(MLEBENCH):
        from agent import mlebench

        place = mlebench.locate(task.removeprefix(MLEBENCH), mlebench_data=mlebench_data, data=data)
        return place.folder, answers or place.answers
    if os.sep in task or Path(task).is_dir():
        return _laid_out(Path(task), data), answers
    raise UsageError(f"no task {task!r}: it is neither a folder nor kaggle:SLUG nor mlebench:ID nor one of "
                     f"{', '.join(catalogue.names())}")


def _laid_out(folder: Path, data: Path, *, name: str = "") -> Path:
    """A folder as it is, or laid out below `data`/arranged where its files are not called and packed as usual, or more
    than one table or sounds belong to its rows. name: what to call it, for a task of the catalogue."""
    from tasks import layout

    if not folder.is_dir() or layout.is_plain(folder):
        return folder
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    return layout.arrange(folder, data / "arranged" / (name or f"{folder.resolve().name}-{place}"))
