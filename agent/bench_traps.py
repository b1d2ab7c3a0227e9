"""The agent on the trap tasks: its honest estimate beside naive cross-validation, each against its own private score.

`python -m agent.bench_traps` (or `make bench-traps`) writes docs/traps.md and its JSON; resumable like the benchmark. Naive
is what the trap's trap.toml describes, by a plain LightGBM (tasks/traps/table.py).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.bench import DOCS, Result, Store, line
from agent.bench_page import calibrated, error_of, scored
from agent.bench_run import Cell, made_of, run_cell
from agent.output import UsageError, positive, whole
from tasks import catalogue
from tasks.traps.table import Row, compare


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    strange = [name for name in options.names if name not in catalogue.traps()]
    if strange:
        raise UsageError(f"no trap {strange[0]!r}; there are: {', '.join(catalogue.traps())}")
    store = Store(options.out.with_suffix(".json"))
    for name in options.names or catalogue.traps():
        cell = Cell(name, name, None, options.seed)
        if not store.has(cell, options.budget, options.slots, of=made_of, anew=options.anew):
            made = run_cell(cell, options)
            store.add(made)
            print(line(made), file=sys.stderr, flush=True)
    known = [result for result in scored(store.results)
             if (result["budget"], result["slots"]) == (options.budget, options.slots)]
    rows = {result["task"]: compare(result["task"], options.data) for result in known}
    text = page(known, rows)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


def page(results: Sequence[Result], rows: dict[str, Row]) -> str:
    """The table in Markdown. rows: naive estimates by trap."""
    budget = f"{results[0]['budget']:g} seconds, {results[0]['slots']} processor(s) a run" if results else "no runs"
    head = ["trap", "what it is", "metric", "naive CV", "its private score", "", "honest estimate", "private score", ""]
    lines = ["# Traps", "", f"Made by `make bench-traps`: {budget}. Intervals are two standard errors, of the estimate and of "
             "the private score together; right is an estimate whose private score lies within.", "",
             f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for result in sorted(results, key=lambda known: (known["task"], known["seed"])):
        lines.append(f"| {' | '.join(_cells(result, rows[result['task']]))} |")
    naive, honest = sum(row.naive.right for row in rows.values()), sum(map(calibrated, results))
    return "\n".join([*lines, "", f"Right: naive {naive} of {len(rows)}, the agent {honest} of {len(results)}.", ""])


def _cells(result: Result, row: Row) -> list[str]:
    naive = f"{row.naive.cv:.3f} ± {2 * row.naive.standard_error:.3f}"
    honest = f"{result['honest']:.3f} ± {2 * error_of(result):.3f}"
    return [row.name, row.trap, row.metric, naive, f"{row.naive.private:.3f}", _word(row.naive.right), honest,
            f"{result['private']:.3f}", _word(calibrated(result))]


def _word(right: bool) -> str:
    return "right" if right else "**wrong**"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-traps", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TRAP", help="trap tasks; all when left out")
    parser.add_argument("--budget", type=positive, default=60.0, help="seconds of a run (default: 60)")
    parser.add_argument("--slots", type=whole, default=1, help="processors of a run (default: 1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=DOCS / "traps.md")
    parser.add_argument("--anew", action="store_true", help="also what older code of ours has a result of")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UsageError as wrong:
        print(f"bench-traps: {wrong}", file=sys.stderr)
        sys.exit(2)
