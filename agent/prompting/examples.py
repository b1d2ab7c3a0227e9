"""Writes docs/prompts: every prompt as it is rendered for two catalogue tasks, with the entries of real runs beside them."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.llm.edits import FORMAT
from agent.prompting.data_card import data_card, wanted_shape
from agent.prompting.failures import failing_lines, problem, tail, unplaced
from agent.prompting.kit_card import kit_card
from agent.prompting.prompts import Prompts
from agent.prompting.state import State, about, best_lines, failure_lines, idle_lines, ranked, shown
from agent.run import KIT, Options, prepare
from leaderboard.record import Entry, Record
from tasks import catalogue

DOCS = Path(__file__).parent.parent.parent / "docs" / "prompts"
FIT_SECONDS, LEFT = 14, 200.0
KEPT = 12
PURPOSES = ("read", "draft", "improve", "debug", "cross", "simplify", "tool", "explain")


def pages(task: str, public: Path, docs: Path = DOCS) -> dict[str, str]:
    """The files of docs/prompts/<task>: static.md, what every request begins with, and one a purpose."""
    known, prompts = prepare(public, Options()), Prompts()
    shape, greater = wanted_shape(known.task), known.task.greater_is_better
    page = data_card(known.task, known.roles, known.train, known.test, known.plan.to_json())
    entries = stored(docs / task / "entries.json")
    state = State(about(LEFT), FIT_SECONDS, len(known.plan.folds), best_lines(entries, greater_is_better=greater),
                  idle_lines(entries, greater_is_better=greater), failure_lines(entries))
    best = ranked(entries, greater_is_better=greater)
    facts: dict[str, Any] = {
        "state": state, "metric": known.task.metric, "edits": "", "idea": "", "attempt": 1, "attempts": 3,
        "parent": shown(best[0], entries, greater_is_better=greater),
        "other": shown(next(e for e in best if e.family != best[0].family), entries, greater_is_better=greater),
        **_failure(entries, shape),
    }
    made = {name: prompts.ask(name, **facts) for name in PURPOSES}
    made["improve-by-edits"] = prompts.ask("improve", **{**facts, "edits": FORMAT})
    made["static"] = prompts.system(kit=kit_card(KIT), card=page, shape=shape, lessons=prompts.lessons(known.traits))
    return {f"{name}.md": text for name, text in made.items()}


def stored(path: Path) -> list[Entry]:
    """The entries that a page shows, from a real run."""
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [Entry(**{**row, "parents": tuple(row["parents"]), "fold_scores": tuple(row["fold_scores"])}) for row in rows]


def keep(task: str, runs: Path, docs: Path = DOCS) -> None:
    """Store the first entries of the latest run of a task, without what is this machine's."""
    with Record(runs / "record.db") as record:
        entries = record.entries(record.runs(task)[-1].run)[:KEPT]
    rows = [{**asdict(entry), "folder": "", "run": "example", "log": unplaced(entry.log), "params": _nameless(entry.params)}
            for entry in entries]
    (docs / task).mkdir(parents=True, exist_ok=True)
    (docs / task / "entries.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _nameless(params: Mapping[str, Any]) -> dict[str, Any]:
    return {**params, "model": "a model"} if "model" in params else dict(params)


def _failure(entries: list[Entry], shape: str) -> dict[str, str]:
    """The latest failure that a model wrote, as the prompt to mend it shows it."""
    failed = next(entry for entry in reversed(entries) if entry.status == "error" and entry.params.get("model"))
    return {"hypothesis": failed.hypothesis, "problem": problem(failed.status, failed.log, shape=shape, seconds=FIT_SECONDS),
            "source": failed.source.rstrip(), "lines": failing_lines(failed.source, failed.log), "log": tail(failed.log)}


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    known = sorted(folder.name for folder in DOCS.iterdir() if folder.is_dir())
    parser = argparse.ArgumentParser(prog="python -m agent.prompting.examples", description=__doc__)
    parser.add_argument("tasks", nargs="*", default=known, metavar="TASK", help=f"default: {', '.join(known)}")
    parser.add_argument("--data", type=Path, default=Path("data"), help="where prepared tasks lie (default: data)")
    parser.add_argument("--keep", type=Path, metavar="RUNS", help="first store the entries of the latest run there")
    options = parser.parse_args(arguments)
    for task in options.tasks:
        if options.keep:
            keep(task, options.keep)
        public = catalogue.prepare(task, options.data, options.data / "cache") / "public"
        for name, text in pages(task, public).items():
            (DOCS / task / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
