"""What each part of the agent is worth: tasks x seeds, whole and with each part left out. Writes docs/ablations.md and .json.

`make bench-ablation TASKS="a b" SEEDS="0 1" BUDGET=60`; ARGS="--tables borehole hastie" adds generated tables. Resumable: a
run that is in the JSON is not made again. A part whose absence costs nothing over tasks and seeds has not earned its place.
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from agent import bench_tables
from agent.ablation import PARTS
from tasks.metrics import metric

DOCS = Path(__file__).parent.parent / "docs"
WHOLE = "nothing"
KEPT = ("metric", "private", "private_standard_error", "honest", "entries", "completed", "seconds")


@dataclass(frozen=True)
class Cell:
    """One run: a task, a seed, the part left out."""

    task: str
    seed: int
    without: str


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    path = options.out.with_suffix(".json")
    results: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    have = {(r["task"], r["seed"], r["without"], r["budget"], r["slots"]) for r in results if "error" not in r}
    names = [*options.tasks, *options.tables]
    cells = [Cell(name, seed, part) for seed in options.seeds for name in names for part in (WHOLE, *options.parts)]
    for cell in cells:
        if (cell.task, cell.seed, cell.without, options.budget, options.slots) in have:
            continue
        results.append(_run(cell, options))
        path.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{cell.task} seed {cell.seed} without {cell.without}: {results[-1].get('private', results[-1].get('error'))}",
              file=sys.stderr, flush=True)
    options.out.write_text(page(results))
    print(page(results))
    return 0


def _run(cell: Cell, options: argparse.Namespace) -> dict[str, Any]:
    target, graded = [cell.task], list[str]()
    if cell.task in bench_tables.NAMES:
        folder, answers = bench_tables.write_table(cell.task, options.data / "tables")
        target, graded = [str(folder)], ["--answers", str(answers)]
    command = [sys.executable, "-m", "agent.cli", "compete", *target, *graded, "--budget", str(options.budget), "--json",
               "--seed", str(cell.seed), "--slots", str(options.slots), "--data", str(options.data), "--runs",
               str(options.runs / cell.without), *(["--without", cell.without] if cell.without != WHOLE else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    made = {"task": cell.task, "seed": cell.seed, "without": cell.without, "budget": options.budget, "slots": options.slots}
    if done.returncode:
        return {**made, "error": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    outcome = json.loads(done.stdout)
    return {**made, **{name: outcome[name] for name in KEPT}}


def losses(results: Sequence[dict[str, Any]], part: str) -> list[float]:
    """By how many of the whole run's private standard errors leaving the part out is worse, a number a task and seed."""
    found = []
    good = [r for r in results if r.get("private") is not None]
    whole = {(r["task"], r["seed"], r["budget"], r["slots"]): r for r in good if r["without"] == WHOLE}
    for result in (r for r in good if r["without"] == part):
        mark = whole.get((result["task"], result["seed"], result["budget"], result["slots"]))
        if mark is not None and mark["private_standard_error"]:
            sign = 1.0 if metric(mark["metric"]).greater_is_better else -1.0
            found.append(sign * (mark["private"] - result["private"]) / mark["private_standard_error"])
    return found


def page(results: Sequence[dict[str, Any]]) -> str:
    """docs/ablations.md: for catalogue and generated tables and each budget a line a part with its mean loss, then every run."""
    lines = ["# Ablations", "", "What private scores lose when one part is left out, in standard errors of the whole run's "
             "private score; positive: the part earns its place. Made by `make bench-ablation`."]
    for made, budget, slots in sorted({_group(r) for r in results}):
        some = [r for r in results if _group(r) == (made, budget, slots)]
        lines += ["", f"## {'Generated tables' if made else 'Catalogue'}, {budget:g} seconds, "
                  f"{slots} processor{'s' if slots > 1 else ''}", "",
                  "| without | mean loss | its standard error | median | largest | worse in | mean entries, whole -> without |",
                  "|---" * 7 + "|", *_parts(some)]
    lines += ["", "## Runs", "", "| task | seed | s | processors | without | metric | private | honest estimate | entries |",
              "|---" * 9 + "|"]
    for r in sorted(results, key=lambda r: (r["task"], r["seed"], r["budget"], r["without"] != WHOLE, r["without"])):
        scores = r["error"] if "error" in r else f"{r['private']:.5g} | {r['honest']:.5g} | {r['entries']}"
        lines.append(f"| {r['task']} | {r['seed']} | {r['budget']:g} | {r['slots']} | {r['without']} | {r.get('metric', '')} | "
                     f"{scores} |")
    return "\n".join(lines) + "\n"


def _group(result: dict[str, Any]) -> tuple[bool, float, int]:
    return result["task"] in bench_tables.NAMES, result["budget"], result["slots"]


def _parts(results: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each part that was left out; entries are counted on the tasks and seeds that it was left out of."""
    lines = []
    for part in sorted({r["without"] for r in results} - {WHOLE}):
        if not (lost := losses(results, part)):
            continue
        error = f"{stdev(lost) / math.sqrt(len(lost)):.2f}" if len(lost) > 1 else ""
        mine = {(r["task"], r["seed"]) for r in results if r["without"] == part and "error" not in r}
        counts = [mean(r["entries"] for r in results if r["without"] == name and (r["task"], r["seed"]) in mine)
                  for name in (WHOLE, part)]
        lines.append(f"| {part} | {mean(lost):+.2f} | {error} | {median(lost):+.2f} | {max(lost):+.2f} | "
                     f"{sum(loss > 0 for loss in lost)} of {len(lost)} | {counts[0]:.0f} -> {counts[1]:.0f} |")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="*", default=[], help="catalogue names")
    parser.add_argument("--tables", nargs="*", choices=bench_tables.NAMES, default=[], help="generated tables")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--out", type=Path, default=DOCS / "ablations.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
