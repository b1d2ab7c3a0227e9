"""Grading reports with MLE-bench's own fields, their totals, and the figures that are published: mean ± SEM over seeds.

Source: CompetitionReport and aggregate_reports of openai/mle-bench, and its experiments/aggregate_grading_reports.py.
"""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leaderboard.mlebench.medals import Thresholds

DECIMALS = 5
PUBLISHED = ("any_medal", "gold_medal", "silver_medal", "bronze_medal", "above_median", "submission_exists",
             "valid_submission")


@dataclass(frozen=True)
class Report:
    """One graded run. Thresholds are None where no leaderboard is at hand; then nothing wins a medal."""

    competition_id: str
    score: float | None
    gold_threshold: float | None
    silver_threshold: float | None
    bronze_threshold: float | None
    median_threshold: float | None
    any_medal: bool
    gold_medal: bool
    silver_medal: bool
    bronze_medal: bool
    above_median: bool
    submission_exists: bool
    valid_submission: bool
    is_lower_better: bool
    created_at: str
    submission_path: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def report(
    id: str, submission: Path, score: float | None, marks: Thresholds | None, *, lower_is_better: bool,
    at: datetime | None = None,
) -> Report:
    """The report of a submission; `score` is None where it is missing or invalid, and counts with five decimals.

    lower_is_better: the metric's direction, used where there are no marks to tell it.
    """
    score = None if score is None else round(score, DECIMALS)
    medal = marks.medal(score) if marks else None
    exists = submission.is_file() and submission.suffix.lower() == ".csv"
    return Report(
        competition_id=id, score=score, gold_threshold=marks.gold if marks else None,
        silver_threshold=marks.silver if marks else None, bronze_threshold=marks.bronze if marks else None,
        median_threshold=marks.median if marks else None, any_medal=medal is not None,
        gold_medal=medal == "gold", silver_medal=medal == "silver", bronze_medal=medal == "bronze",
        above_median=bool(marks and marks.above_median(score)), submission_exists=exists,
        valid_submission=score is not None, is_lower_better=marks.lower_is_better if marks else lower_is_better,
        created_at=(at or datetime.now(UTC)).isoformat(), submission_path=str(submission),
    )


def totals(reports: Sequence[Report]) -> dict[str, Any]:
    """MLE-bench's summary of runs, with their reports."""
    counts = {
        "total_runs": len(reports),
        "total_runs_with_submissions": sum(known.submission_exists for known in reports),
        "total_valid_submissions": sum(known.valid_submission for known in reports),
        "total_medals": sum(known.any_medal for known in reports),
    }
    counts |= {f"total_{colour}_medals": sum(getattr(known, f"{colour}_medal") for known in reports)
               for colour in ("gold", "silver", "bronze")}
    counts["total_above_median"] = sum(known.above_median for known in reports)
    return {**counts, "competition_reports": [known.to_json() for known in reports]}


def published(seeds: Mapping[int, Sequence[Report]], competitions: Sequence[str]) -> dict[str, Any]:
    """Percentages over the named competitions, mean and standard error (ddof 1) over seeds.

    A competition without a report in a seed counts as nothing won, as in MLE-bench's `--pad-missing`.
    """
    asked = max(1, len(competitions))
    figures: dict[str, Any] = {"seeds": len(seeds), "competitions": len(competitions)}
    for name in PUBLISHED:
        shares = [100 * sum(getattr(known, name) for known in reports if known.competition_id in competitions) / asked
                  for reports in seeds.values()]
        error = statistics.stdev(shares) / len(shares) ** 0.5 if len(shares) > 1 else None
        figures[f"{name}_percentage"] = {"mean": statistics.mean(shares) if shares else None, "standard_error": error}
    return figures


def write_reports(reports: Mapping[int, Sequence[Report]], competitions: Sequence[str], into: Path) -> None:
    """A grading_report.json for each seed (MLE-bench's form) and for all, and submission.jsonl for `mlebench grade`."""
    into.mkdir(parents=True, exist_ok=True)
    for seed, known in sorted(reports.items()):
        _write(into / f"seed-{seed}_grading_report.json", totals(known))
    every = [known for _, seed in sorted(reports.items()) for known in seed]
    _write(into / "summary.json", {**published(reports, competitions), **totals(every)})
    (into / "submission.jsonl").write_text(submission_lines(every), encoding="utf-8")


def submission_lines(reports: Iterable[Report]) -> str:
    """The lines that `mlebench grade --submission` reads; a run without a submission has none to point to."""
    lines = [{"competition_id": known.competition_id,
              "submission_path": known.submission_path if known.submission_exists else None} for known in reports]
    return "".join(json.dumps(line) + "\n" for line in lines)


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
