"""The reference competitors of a task: who they are, what they score, and the place of a run among them.

`python -m leaderboard.reference house-prices` writes tasks/catalog/house-prices/field.csv. The models, in
reference_models.py, are loaded for that only: a run reads field.csv and nothing else. What the benchmark measured of whole
systems, AutoGluon's rows and our own, joins by `--results docs/results.json`: these rows say how many seconds they took.
"""

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from leaderboard.grade import Grade, grade
from tasks import catalogue
from tasks.metrics import metric
from tasks.spec import Task, load
from tasks.submission import write_submission

COLUMNS = ("name", "settings", "budget", "private", "public", "seconds")
OURS = "medalist"


@dataclass(frozen=True)
class Rival:
    """A row of field.csv. `budget`: what it was given, in words; `private`: its private score; `public`: its public one,
    where it is known; `seconds`: wall clock that a whole system took, None of a single model."""

    name: str
    settings: str
    budget: str
    private: float
    public: float | None = None
    seconds: float | None = None

    @property
    def own(self) -> bool:
        """An earlier run of ours: to be seen beside a new one, no competitor of it."""
        return self.name.split()[0] == OURS


def read_field(path: Path) -> list[Rival]:
    """The rows of a field.csv; none where there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [Rival(row["name"], row.get("settings") or "", row.get("budget") or "", float(row["private"]),
                  _number(row.get("public")), _number(row.get("seconds"))) for row in rows]


def competitors(path: Path) -> list[Rival]:
    """The rows of a field.csv that a run of ours is ranked among."""
    return [rival for rival in read_field(path) if not rival.own]


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def rank(field: Iterable[Rival], private: float, greater_is_better: bool) -> tuple[int, tuple[str, ...]]:
    """The place of a private score among the rivals (1 is first; a tie is no win) and the names it beats."""
    ahead = [(rival.private < private) if greater_is_better else (rival.private > private) for rival in field]
    beaten = tuple(rival.name for rival, won in zip(field, ahead, strict=True) if won)
    return 1 + len(ahead) - len(beaten), beaten


def write_field(
    public: Path, private: Path, field: Path, *, names: Sequence[str] = (), threads: int = 2,
) -> list[Rival]:
    """Run the competitors (all, or those named) and write their rows, after each one; other rows of the file stay."""
    from leaderboard.reference_models import COMPETITORS, CannotEnter, predictions, table_of

    task, tables = load(public)
    table = table_of(task, tables)
    rivals = {rival.name: rival for rival in read_field(field)}
    for competitor in COMPETITORS:
        if names and competitor.name not in names:
            continue
        try:
            made = predictions(competitor, table, threads=threads)
        except CannotEnter as reason:
            print(f"{task.name}: {competitor.name} cannot enter: {reason}", file=sys.stderr)
            continue
        scores = _graded(task, made.raw, private / "answers.csv")
        if scores.private is not None:
            rivals[competitor.name] = Rival(competitor.name, made.settings, made.budget, scores.private, scores.public)
            order = [known.name for known in COMPETITORS if known.name in rivals]
            _write([rivals[name] for name in (*order, *(name for name in rivals if name not in order))], field)
    return list(rivals.values())


def add_results(results: Sequence[Mapping[str, Any]], task: str, field: Path) -> list[Rival]:
    """Write a row for each agent and budget that the benchmark has scores of on that task; other rows of the file stay."""
    mine = [run for run in results if run["task"] == task and run.get("private") is not None]
    rivals = {rival.name: rival for rival in read_field(field)}
    for agent, budget in sorted({(run.get("agent", OURS), run["budget"]) for run in mine}):
        runs = [run for run in mine if (run.get("agent", OURS), run["budget"]) == (agent, budget)]
        rivals[f"{agent} {budget:g} s"] = _measured(agent, budget, runs)
    if mine:
        _write(list(rivals.values()), field)
    return list(rivals.values())


def _measured(agent: str, budget: float, runs: Sequence[Mapping[str, Any]]) -> Rival:
    """The mean over seeds on so many processors as most seeds were run on; of several the most processors."""
    by_slots = {slots: [run for run in runs if run["slots"] == slots] for slots in sorted({run["slots"] for run in runs})}
    slots = max(by_slots, key=lambda count: (len(by_slots[count]), count))
    chosen = by_slots[slots]
    made = next((run["versions"] for run in chosen if run.get("versions")), "the embedded proposer" if agent == OURS else "")
    public = [run["public"] for run in chosen if run.get("public") is not None]
    given = f"{budget:g} s on {slots} processor{'s' if slots > 1 else ''}; {len(chosen)} seed{'s' if len(chosen) > 1 else ''}"
    return Rival(f"{agent} {budget:g} s", made, given, mean(run["private"] for run in chosen), mean(public) if public else None,
                 mean(run["seconds"] for run in chosen))


def submitted(task: Task, raw: np.ndarray) -> np.ndarray:
    """The submitted form by plain rules: the likeliest class, 0.5, of several labels those likelier than on average, the
    nearest level, nothing below 0 under a log."""
    judge = metric(task.metric)
    if task.submission == "top_k":
        return np.argsort(-raw, axis=1)[:, : judge.k or 1]
    if task.submission == "label":
        return raw.argmax(axis=1) if raw.ndim == 2 else np.rint(raw).astype(int)
    if task.submission in ("probabilities", "tags", "labels") and judge.labels:
        return (raw >= raw.mean(axis=0) - 1e-9).astype(int)  # equal ones are above their mean or below by rounding
    return np.maximum(raw, 0.0) if judge.loss == "log_squared" else raw


def _graded(task: Task, raw: np.ndarray, answers: Path) -> Grade:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "submission.csv"
        write_submission(task, submitted(task, raw), path)
        return grade(task, path, answers)


def _write(rivals: Sequence[Rival], field: Path) -> None:
    with field.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_row(rival) for rival in rivals)


def _row(rival: Rival) -> dict[str, str]:
    public = "" if rival.public is None else f"{rival.public:.6g}"
    seconds = "" if rival.seconds is None else f"{rival.seconds:.1f}"
    return {**asdict(rival), "private": f"{rival.private:.6g}", "public": public, "seconds": seconds}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes field.csv of the named catalogue tasks, which are prepared when they are not yet."""
    parser = argparse.ArgumentParser(prog="python -m leaderboard.reference", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="catalogue tasks")
    parser.add_argument("--all", action="store_true", help="every catalogue task")
    parser.add_argument("--only", nargs="*", default=(), metavar="COMPETITOR", help="these only; other rows stay")
    parser.add_argument("--data", type=Path, default=Path("data"), help="where prepared tasks lie (default: data)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, metavar="JSON", help="run nothing: add rows of what the benchmark measured")
    options = parser.parse_args(arguments)
    if not options.names and not options.all:
        parser.error(f"name tasks, or say --all; there are: {', '.join(catalogue.names())}")
    if unknown := sorted(set(options.names) - set(catalogue.names())):
        parser.error(f"no task {', '.join(unknown)}; there are: {', '.join(catalogue.names())}")
    names = catalogue.names() if options.all else options.names
    if options.results:
        try:
            results = json.loads(options.results.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            parser.error(f"{options.results} holds no results of the benchmark ({error})")
        for name in names:
            add_results(results, name, catalogue.folder(name) / "field.csv")
        return 0
    for name in names:
        built = catalogue.prepare(name, options.data, options.data / "cache")
        rivals = write_field(built / "public", built / "private", catalogue.folder(name) / "field.csv",
                             names=options.only, threads=options.threads)
        print(name, *(f"{rival.name} {rival.private:.5g}" for rival in rivals), sep="\n  ", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
