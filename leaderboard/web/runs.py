"""Pages of runs: the history, one run with what it does at this moment, one entry with its source and its difference."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool

from leaderboard.alive import state
from leaderboard.record import Entry, Record, RecordError, Run
from leaderboard.submissions import sent
from leaderboard.web import code, run_facts
from leaderboard.web.rendering import Missing, page, sources_of
from leaderboard.web.words import count, tidy

ON_A_PAGE = 50
MOST_CHARTED = 200     # of a task's runs, the newest
LOOK_SECONDS = 0.5    # how often a live page looks for news

router = APIRouter(include_in_schema=False)


def record_file(request: Request) -> Path:
    runs = sources_of(request).runs
    if runs is None:
        raise Missing("This server shows no runs: start it with `medalist serve`.")
    return runs / "record.db"


@router.get("/runs")
def history(request: Request, task: str = "", status: str = "") -> HTMLResponse:
    """All runs, the newest first, or those of a task or a status."""
    path = record_file(request)
    runs = known_runs(path)
    states = {run.run: state(run) for run in runs}
    kept = [run for run in runs if task in ("", run.task) and status in ("", states[run.run])]
    part = pages_of(request, kept)
    charted = kept[:MOST_CHARTED][::-1] if task else []
    scores = scores_of(path, {run.run: run for run in [*part["rows"], *charted]})
    return page(request, "runs", tasks=sorted({run.task for run in runs}), statuses=sorted(set(states.values())),
                task=task, status=status, states=states, scores=scores, figure=run_facts.history(charted, scores), **part)


@router.get("/runs/{name}")
def one_run(request: Request, name: str, order: str = "tree") -> HTMLResponse:
    """One run; `order`: the tree of its entries, or a column of it."""
    path = record_file(request)
    run, entries, ensembles, scores, submissions = read_run(path, name)
    weights, told = run_facts.weights_of(ensembles), run_facts
    lines = told.ordered(run, told.branches(run, entries, weights), order)
    return page(
        request, "run", run=run, pulse=told.pulse(run, entries), tiles=told.tiles(run, entries, ensembles, scores),
        progress=told.progress(run, entries, ensembles), blend=told.blend(weights, entries),
        methods=told.methods(run, ensembles), costs=told.costs(entries), totals=told.totals(entries), plan=_plan(run),
        order=order if order in told.ORDERS else "tree", submissions=submissions, count=len(entries),
        **pages_of(request, lines))


@router.get("/runs/{name}/entries/{number}")
def one_entry(request: Request, name: str, number: int, against: int | None = None) -> HTMLResponse:
    """One entry, its difference from its first parent, or from entry `against`."""
    run, entries, ensembles, _, _ = read_run(record_file(request), name)
    known = {entry.number: entry for entry in entries}
    if number not in known:
        raise Missing(f"Run {name} has no entry {number}; it has {len(entries)}.")
    entry = known[number]
    other = known.get(against if against is not None else next(iter(entry.parents), -1))
    return page(request, "entry", run=run, entry=entry, other=other, gain=run_facts.gain(run, entry, known),
                parents=[known[parent] for parent in entry.parents if parent in known],
                children=[child for child in entries if number in child.parents],
                weight=run_facts.weights_of(ensembles).get(number), source=code.source(entry.source),
                changed=code.difference(other.source, entry.source) if other else None, log=code.log(entry.log))


@router.get("/runs/{name}/live")
async def live(request: Request, name: str) -> EventSourceResponse:
    """Server-sent events: `news` with a sentence whenever the record has something new of the run, `end` once it is over."""
    path = record_file(request)
    run, *_ = await run_in_threadpool(read_run, path, name)  # an unknown run is a 404, not an empty stream
    return EventSourceResponse(_news(path, run), headers={"Cache-Control": "no-store"})


async def _news(path: Path, run: Run) -> AsyncIterator[dict[str, str]]:
    seen, said = None, ""
    while True:
        if (found := (_stamp(path), state(run))) != seen:
            seen = found
            sentence, over = await run_in_threadpool(_sentence, path, run.run)
            if over or sentence != said:
                yield {"event": "end" if over else "news", "data": sentence}
            if over:
                return
            said = sentence
        await asyncio.sleep(LOOK_SECONDS)


def _stamp(path: Path) -> list[tuple[int, int]]:
    """Changes whenever somebody commits to the record."""
    files = (path, path.with_name(path.name + "-wal"))
    return [(found.st_mtime_ns, found.st_size) for file in files if file.exists() and (found := file.stat())]


def _sentence(path: Path, name: str) -> tuple[str, bool]:
    """Where the run stands, in words, and whether it is over."""
    run, entries, ensembles, _, _ = read_run(path, name)
    pulse, winner = run_facts.pulse(run, entries), run_facts.best(run, entries)
    many = count(len(entries), "entry", "entries")
    words = [many if pulse.live else f"{pulse.state} with {many}"]
    words += [f"the best has {tidy(winner.score)}"] if winner else []
    words += [f"honest estimate {tidy(ensembles[-1]['honest'])}"] if ensembles else []
    return ", ".join(words), not pulse.live


def read_run(path: Path, name: str) -> tuple[Run, list[Entry], list[dict[str, Any]], dict[str, float], list[Any]]:
    """A run, its entries, its blends, its scores, its submissions. Raises Missing where there is none of that name."""
    if not path.exists():
        raise Missing(f"There is no run {name}: there is no record yet.")
    with Record(path) as record:
        try:
            run = record.run(name)
        except RecordError:
            raise Missing(f"There is no run {name}.") from None
        return run, record.entries(name), record.events(name, "ensemble"), record.scores(name), sent(record, run=name)


def known_runs(path: Path) -> list[Run]:
    """All runs, the newest first; none where there is no record."""
    if not path.exists():
        return []
    with Record(path) as record:
        return record.runs()[::-1]


def scores_of(path: Path, names: Iterable[str]) -> dict[str, dict[str, float]]:
    """The scores of these runs."""
    if not path.exists():
        return {}
    with Record(path) as record:
        return {name: record.scores(name) for name in names}


def pages_of(request: Request, rows: list[Any]) -> dict[str, Any]:
    """The page of rows that `page` in the address asks for, and links to others that keep the rest of the address."""
    last, text = max(1, -(-len(rows) // ON_A_PAGE)), request.query_params.get("page", "1")
    number = min(max(1, int(text) if text.isdecimal() and len(text) < 8 else 1), last)
    first = (number - 1) * ON_A_PAGE
    return {"rows": rows[first:first + ON_A_PAGE], "found": len(rows), "first": first + 1, "number": number, "last": last,
            "link": lambda **changes: "?" + request.url.include_query_params(**changes).query}


def _plan(run: Run) -> dict[str, Any] | None:
    """The validation plan as tasks/arrays.py wrote it (which would load scikit-learn to read it); None where the run's
    folder is not at hand."""
    try:
        return json.loads((Path(run.folder) / "private" / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
