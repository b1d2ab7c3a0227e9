"""MLE-bench as a benchmark: a split times seeds, resumable and in parallel, with MLE-bench's reports at the end.

A run is done when its report lies in `out`; what failed before there was one is run again the next time.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import mlebench
from agent.rival_run import patience, result, run_rival
from agent.rivals import rival
from leaderboard.mlebench import MleBenchError, competition, ids, preparing
from leaderboard.mlebench.report import PUBLISHED, Report, published, write_reports
from leaderboard.reference import OURS


@dataclass(frozen=True)
class Plan:
    """What is to be run: who, where, on how much. `out` receives reports, submissions and logs."""

    agent: str
    data: Path
    mlebench_data: Path
    repository: Path | None
    runs: Path
    out: Path
    budget: float
    slots: int
    parallel: int
    seeds: int
    cache: Path
    model: str = ""


def standing(split: str, plan: Plan) -> list[dict[str, Any]]:
    """Every id of a split with its level, whether it is prepared, and the command that prepares it where it is not."""
    levels = {id: level for level in ("low", "medium", "high") for id in ids(level)}
    rows = []
    for id in ids(split):
        known = competition(id, plan.mlebench_data, repository=plan.repository)
        rows.append({"id": id, "split": levels[id], "prepared": known.prepared, "leaderboard": known.leaderboard is not None,
                     "prepare": "" if known.prepared else preparing(id, plan.mlebench_data)})
    return rows


def bench(competitions: Sequence[str], plan: Plan, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Run what has no report yet of the prepared ones, write the reports, return the published figures.

    Raises MleBenchError where none is prepared. Unprepared ones count as nothing won in the figures, as MLE-bench does.
    """
    known = {id: competition(id, plan.mlebench_data, repository=plan.repository) for id in competitions}
    ready = [id for id, one in known.items() if one.prepared]
    for id in (id for id in known if id not in ready):
        say(f"{id} is not prepared: {preparing(id, plan.mlebench_data)}")
    for id in (id for id in ready if known[id].leaderboard is None):
        say(f"{id} has no leaderboard, so no medals: say --mlebench-repo CHECKOUT, or put leaderboard.csv into "
            f"{plan.mlebench_data / id}")
    if not ready:
        raise MleBenchError(f"none of the {len(known)} competitions is prepared in {plan.mlebench_data}: "
                            f"run `{preparing(next(iter(known)), plan.mlebench_data)}`, or say --mlebench-data")
    cells = [(id, seed) for seed in range(plan.seeds) for id in ready if not _report_path(plan, id, seed).exists()]
    with ThreadPoolExecutor(plan.parallel) as threads:
        for line in threads.map(lambda cell: _run(cell[0], cell[1], plan), cells):
            say(line)
    reports = {seed: [kept for id in ready if (kept := _kept(plan, id, seed)) is not None] for seed in range(plan.seeds)}
    write_reports(reports, competitions, plan.out)
    return published(reports, competitions)


def lines(figures: dict[str, Any]) -> list[str]:
    """The published figures for people."""
    said = [f"{figures['competitions']} competitions, {figures['seeds']} seeds"]
    for name in PUBLISHED:
        share = figures[f"{name}_percentage"]
        error = "" if share["standard_error"] is None else f" ± {share['standard_error']:.1f}"
        said.append(f"{name.replace('_', ' ')}: {share['mean']:.1f}{error} %")
    return said


def _run(id: str, seed: int, plan: Plan) -> str:
    """One run, graded and kept; the line that says how it went. Our own failure is a line and no report."""
    try:
        place = mlebench.locate(id, mlebench_data=plan.mlebench_data, data=plan.data, repository=plan.repository)
        submission = plan.out / "submissions" / id / f"seed-{seed}" / "submission.csv"
        submission.unlink(missing_ok=True)
        compete = _ours if plan.agent == OURS else _rival
        told = compete(place, submission, seed, plan)
        if "error" in told:
            return f"{id} seed {seed}: not run: {told['error']}"
        known = mlebench.graded(place, submission)
    except Exception as error:  # one competition's layout must not end the others' runs
        return f"{id} seed {seed}: not run: {' '.join(str(error).split()) or type(error).__name__}"
    path = _report_path(plan, id, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    graded_here = place.answers is not None
    path.write_text(json.dumps({"report": known.to_json(), "run": told, "graded_here": graded_here}, indent=2) + "\n")
    medal = next((colour for colour in ("gold", "silver", "bronze") if getattr(known, f"{colour}_medal")), "no medal")
    how = f"{known.score} ({medal})" if graded_here else "only MLE-bench's own grader can grade it: submission.jsonl"
    why = f": {told['reason']}" if told.get("reason") else ""
    return f"{id} seed {seed}: {how}, {told.get('status', 'ok')} after {told['seconds']:.0f} s{why}"


def _ours(place: mlebench.Place, submission: Path, seed: int, plan: Plan) -> dict[str, Any]:
    command = [sys.executable, "-m", "agent.cli", "compete", f"{mlebench.PREFIX}{place.competition.id}", "--json",
               "--budget", str(plan.budget), "--seed", str(seed), "--slots", str(plan.slots), "--runs", str(plan.runs),
               "--data", str(plan.data), "--mlebench-data", str(plan.mlebench_data)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience(plan.budget))
    except subprocess.TimeoutExpired as expired:
        return {"error": f"killed after {expired.timeout:.0f} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    outcome = json.loads(done.stdout)
    submission.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(outcome["folder"]) / "submission.csv", submission)
    return {name: outcome[name] for name in ("run", "metric", "honest", "honest_standard_error", "entries", "seconds")}


def _rival(place: mlebench.Place, submission: Path, seed: int, plan: Plan) -> dict[str, Any]:
    return result(run_rival(rival(plan.agent), place.folder, submission, budget=plan.budget, threads=plan.slots, seed=seed,
                            cache=plan.cache, model=plan.model))


def _report_path(plan: Plan, id: str, seed: int) -> Path:
    return plan.out / "reports" / f"{id}-seed-{seed}.json"


def _kept(plan: Plan, id: str, seed: int) -> Report | None:
    path = _report_path(plan, id, seed)
    return Report(**json.loads(path.read_text())["report"]) if path.exists() else None
