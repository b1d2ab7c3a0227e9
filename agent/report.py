"""Writes report.html: what a run did and how far its numbers can be trusted, in one file that needs no other.

Charts are inline SVG (agent/charts.py), diagnostics by kind are agent/diagnostics.py, the page is report.html.jinja.
All that comes from a competition's files is escaped and stripped of control characters.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from agent.charts import Axes, bars, plain, signed, spanned, tidy, whiskers
from agent.diagnostics import POINTS, Figure, diagnose
from agent.ensemble import climb_link
from agent.shift import Shift, told_shift
from agent.threads import comparison, threads_of
from leaderboard.host.medals import medals
from leaderboard.record import Entry
from leaderboard.web.run_facts import colours as family_colours
from tasks.metrics import metric
from tasks.spec import Task
from tasks.validation import FAR, SHIFTED

MOST_ENTRIES = 150  # in the tree: the best, with their ancestors
DEEPEST = 10        # steps of indentation
MOST_WEIGHTS = 24
SURE = 2.0          # standard errors


@dataclass(frozen=True)
class Branch:
    """An entry as a line of the tree. gain: how much better than its (first) parent, in units of the metric."""

    entry: Entry
    depth: int
    others: tuple[int, ...]
    gain: float | None
    weight: float | None
    colour: str


def write_report(
    path: Path, *, task: Task, plan: Mapping[str, Any], outcome: Mapping[str, Any], entries: Sequence[Entry],
    ensembles: Sequence[Mapping[str, Any]], truth: np.ndarray | None, out_of_fold: np.ndarray | None,
    rivals: Sequence[tuple[str, float]], warnings: Sequence[str],
) -> None:
    """Write the page to `path`.

    plan: Plan.to_json(); outcome: Outcome.to_json(); ensembles: events of kind "ensemble", the oldest first;
    truth (n,) or (n, k) and out_of_fold (n,) or (n, k): labels and the ensemble's raw blended predictions of the
    validated rows, in one order, or None; rivals: (name, private score) of the reference competitors;
    warnings: sentences on how far the numbers can be trusted, such as explain's.
    Raises ValueError where truth and out_of_fold differ in length.
    """
    colours = family_colours(entries)
    last = ensembles[-1] if ensembles else None
    weights = {int(number): float(weight) for number, weight in (last["weights"] if last else {}).items()}
    page = _template().render(
        task=task, plan=plan, outcome=outcome, last=last, direction=_direction(task), warnings=warnings,
        tiles=headline(outcome), surprised=abs(_steps(outcome) or 0.0) > SURE, estimates=_estimates(outcome),
        table=ranking(outcome, rivals, task.greater_is_better), shifted=SHIFTED,
        progress=_progress(task, entries, ensembles, colours),
        families=colours, tree=tree(entries, weights, colours, greater_is_better=task.greater_is_better),
        entries=entries, weights=_weights(weights, entries, colours), methods=_methods(last, task.greater_is_better),
        figures=_figures(task, truth, out_of_fold, last), rows_seen=_rows_seen(truth), costs=_costs(entries, colours),
        total=_totals(entries), model=outcome.get("llm"), model_costs=model_costs(outcome),
    )
    path.write_text(page, encoding="utf-8")


def explain(outcome: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    """Sentences on how the scores relate: is the private score what was promised, and if not, what may be why."""
    steps, said = _steps(outcome), []
    if steps is not None:
        greater = metric(outcome["metric"]).greater_is_better
        side = "better" if (steps > 0) == greater else "worse"
        numbers = (f"private {tidy(outcome['private'])}, honest estimate {tidy(outcome['honest'])}, "
                   f"{abs(steps):.1f} standard errors apart")
        if abs(steps) <= SURE:
            return [f"The private score is within 2 standard errors of the honest estimate ({numbers})."]
        said.append(f"The private score is {side} than the honest estimate by more than 2 standard errors ({numbers}).")
        said += _causes(outcome, plan)
    elif shift := told_shift(outcome.get("shift")):
        said.append(f"{_otherwise(shift)}: the score of the test may differ from the honest estimate.")
    return said + _optimism(outcome)


def _otherwise(shift: Shift) -> str:
    return f"The same models predict test rows otherwise than the rows they were validated on ({shift})"


def _causes(outcome: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    """What in the plan may make test rows unlike the validated ones."""
    auc, columns = plan["adversarial_auc"], ", ".join(map(plain, plan["adversarial_columns"]))
    said = []
    if auc is not None and auc >= SHIFTED:
        said.append(f"Train and test rows differ: a model tells them apart with AUC {auc:.2f}, most by {columns}.")
    if shift := told_shift(outcome.get("shift")):
        said.append(f"{_otherwise(shift)}: the test's rows are of another mix.")
    if (plan.get("nearer") or 0) >= FAR:
        said.append(f"Validated texts are nearer to what the models were fitted on than test texts are (in {plan['nearer']:.0%} "
                    f"of pairs): threads or copies lie on both sides of the folds, and the test has others.")
    if plan["scheme"] == "forward":
        said.append(f"The folds go forward in {plain(plan['time'])}: none knows what changes after the last one, and each "
                    f"is fitted on fewer rows than the final fit, so the honest estimate may as well be too dark.")
    if plan.get("unseen_months"):
        said.append("Most test rows are of months that train has once and no fold validates: no fold can say whether what "
                    "counts there is the time of the year or the time that has passed.")
    if "grouped" in plan["scheme"]:
        said.append(f"Rows come in groups ({plain(plan['group'] or plan['time'])}), and rows of a group err together: where the "
                    f"test has few groups, its score wanders with which ones they are.")
    if plan["validated"] < plan["n_train"]:
        said.append(f"Only {plan['validated']} of {plan['n_train']} train rows are validated by some fold.")
    wide, narrow = outcome["private_standard_error"], outcome["honest_standard_error"]
    if wide and narrow and wide > 2 * narrow:
        said.append(f"The private part of the test is small: its score alone wanders by ± {tidy(wide)}.")
    return said or ["Nothing in the plan says why: train and test rows look alike, and rows are taken as independent. "
                    "Rows that belong together without a column that says so would do it."]


def _optimism(outcome: Mapping[str, Any]) -> list[str]:
    """Whether picking the best of many noisy scores has made the apparent score look better than it is."""
    apparent, honest, error = outcome["ensemble"], outcome["honest"], outcome["honest_standard_error"]
    if apparent is None or honest is None or not error:
        return []
    sign = 1.0 if metric(outcome["metric"]).greater_is_better else -1.0
    if sign * (apparent - honest) <= error:
        return []
    return [f"The ensemble's apparent score ({tidy(apparent)}) is better than its honest estimate ({tidy(honest)}) by "
            f"more than a standard error: weights and winner were picked on the rows that the first is measured on."]


def _steps(outcome: Mapping[str, Any]) -> float | None:
    """Private score minus honest estimate in standard errors of that difference; None where one is not known."""
    errors = [outcome["honest_standard_error"], outcome["private_standard_error"]]
    error = math.hypot(*(error for error in errors if error))
    if outcome["honest"] is None or outcome["private"] is None or not error:
        return None
    return float(outcome["private"] - outcome["honest"]) / error


# --- numbers

def headline(outcome: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Tiles as (name, number, small print); what is not known is left out."""
    tiles = [
        ("Private score", outcome["private"], _plus_minus(outcome["private_standard_error"])),
        ("Honest estimate", outcome["honest"], _plus_minus(outcome["honest_standard_error"])),
        ("Public score", outcome["public"], ""),
        ("Ensemble, cross-validated", outcome["ensemble"], "apparent: chosen on the same rows"),
        ("Best single, cross-validated", outcome["cross_validated"],
         f"entry {outcome['best_entry']}, {_plus_minus(outcome['spread'])} over folds"),
    ]
    shown = [(name, tidy(value), small) for name, value, small in tiles if value is not None]
    if outcome["rank"]:
        of = f"among {outcome['rivals']} reference competitors"
        shown.append(("Rank", f"{outcome['rank']} of {outcome['rivals'] + 1}", of))
    done = f"{outcome['completed']} completed, {outcome['seconds']:.0f} s"
    return [*shown, ("Entries", str(outcome["entries"]), done)]


def ranking(
    outcome: Mapping[str, Any], rivals: Sequence[tuple[str, float]], greater_is_better: bool,
) -> list[tuple[int, str, str, str, bool]]:
    """Rows (place, name, private score, difference to this run, is it this run), the best first; ours before equals."""
    if not rivals or outcome["private"] is None:
        return []
    sign = -1.0 if greater_is_better else 1.0
    ours = float(outcome["private"])
    field = [(sign * ours, False, "this run", ours)]
    field += [(sign * score, True, name, score) for name, score in rivals if math.isfinite(score)]
    return [(place, name, tidy(score), signed(score - ours) if rival else "", not rival)
            for place, (_, rival, name, score) in enumerate(sorted(field), start=1)]


def _estimates(outcome: Mapping[str, Any]) -> Markup | None:
    """All scores of this run on one scale, with two standard errors to both sides."""
    rows = [
        ("best single, cross-validated", outcome["cross_validated"], None, "c8"),
        ("ensemble, cross-validated", outcome["ensemble"], None, "c8"),
        ("honest estimate", outcome["honest"], outcome["honest_standard_error"], "c0"),
        ("public score", outcome["public"], None, "c1"),
        ("private score", outcome["private"], outcome["private_standard_error"], "c1"),
    ]
    known = [row for row in rows if row[1] is not None and math.isfinite(row[1])]
    return whiskers(known, "Scores of this run") if len(known) > 1 else None


def _plus_minus(error: float | None) -> str:
    return "" if error is None else f"± {tidy(error)}"


def _direction(task: Task) -> str:
    return "larger is better" if task.greater_is_better else "smaller is better"


# --- entries

def tree(
    entries: Sequence[Entry], weights: Mapping[int, float], colours: Mapping[str, str], *, greater_is_better: bool,
) -> list[Branch]:
    """Entries under their first parent, depth first, in the order of their numbers; the best MOST_ENTRIES of many."""
    sign = 1.0 if greater_is_better else -1.0
    known = _kept(entries, weights, sign)
    children: dict[int | None, list[Entry]] = defaultdict(list)
    for entry in sorted(known.values(), key=lambda entry: entry.number):
        above = entry.parents[0] if entry.parents and entry.parents[0] in known else None
        children[above].append(entry)
    branches, waiting = [], [(entry, 0) for entry in reversed(children[None])]
    while waiting:
        entry, depth = waiting.pop()
        parent = known.get(entry.parents[0]) if entry.parents else None
        branches.append(Branch(entry, min(depth, DEEPEST), entry.parents[1:], _gain(entry, parent, sign),
                               weights.get(entry.number), colours[entry.family]))
        waiting += [(child, depth + 1) for child in reversed(children[entry.number])]
    return branches


def _kept(entries: Sequence[Entry], weights: Mapping[int, float], sign: float) -> dict[int, Entry]:
    known = {entry.number: entry for entry in entries}
    if len(known) <= MOST_ENTRIES:
        return known
    scored = sorted((e for e in entries if e.score is not None), key=lambda e: -sign * (e.score or 0.0))
    wanted = {*[entry.number for entry in scored[:MOST_ENTRIES]], *(number for number in weights if number in known)}
    waiting = list(wanted)
    while waiting:
        parents = [parent for parent in known[waiting.pop()].parents[:1] if parent in known and parent not in wanted]
        wanted.update(parents)
        waiting += parents
    return {number: known[number] for number in sorted(wanted)}


def _gain(entry: Entry, parent: Entry | None, sign: float) -> float | None:
    if parent is None or entry.score is None or parent.score is None:
        return None
    return sign * (entry.score - parent.score)


def _progress(
    task: Task, entries: Sequence[Entry], ensembles: Sequence[Mapping[str, Any]], colours: Mapping[str, str],
) -> Markup | None:
    """Score over time: entries as dots, the best so far and the ensemble's honest estimate as steps."""
    scored = [entry for entry in entries if entry.score is not None and math.isfinite(entry.score)]
    if not scored:
        return None
    times, scores = [entry.at_seconds for entry in scored], [float(entry.score or 0.0) for entry in scored]
    best = (np.maximum if task.greater_is_better else np.minimum).accumulate(scores).tolist()
    honest = [float(event["honest"]) for event in ensembles]
    events = [float(event["at_seconds"]) for event in ensembles]
    axes = Axes((0.0, max([*times, *events, 1.0]) * 1.02), _window(scores, honest, task.greater_is_better),
                "seconds", f"{task.metric} ({_direction(task)})", width=950, height=350)
    dots = [axes.dots([t], [s], colours[e.family] + " ringed", titles=[_tip(e)])
            for e, t, s in zip(scored, times, scores, strict=True)]
    return axes.draw(axes.steps(times, best, "faint-solid"), *dots, axes.steps(events, honest, "ink"),
                     title="Score over time")


def _window(scores: Sequence[float], honest: Sequence[float], greater_is_better: bool) -> tuple[float, float]:
    """The range in which the race is decided: what is far worse than the middle entry is drawn at the edge."""
    every = np.array([*scores, *[value for value in honest if math.isfinite(value)]])
    best = every.max() if greater_is_better else every.min()
    reach = max(3.0 * abs(best - float(np.median(scores))), 0.02 * abs(best - every).max())
    return spanned(np.clip(every, best - reach, best + reach))


def _tip(entry: Entry) -> str:
    return f"entry {entry.number}, {entry.operator}, {entry.family}: {tidy(entry.score)}. {entry.hypothesis}"


# --- blend and costs

def _weights(weights: Mapping[int, float], entries: Sequence[Entry], colours: Mapping[str, str]) -> Figure | None:
    """The heaviest members of the last blend; a linear stack may give negative weights."""
    if not weights:
        return None
    families = {entry.number: entry.family for entry in entries}
    ranked = sorted(weights, key=lambda number: -abs(weights[number]))
    kept = ranked[:MOST_WEIGHTS]
    names = [f"{number} {families.get(number, '')}" for number in kept]
    chart = bars(names, [weights[number] for number in kept], [f"{weights[number]:.3f}" for number in kept],
                 "Weights of the blend", colours=[colours.get(families.get(number, ""), "c8") for number in kept])
    rest = f"; {len(ranked) - len(kept)} lighter ones are not shown" if len(ranked) > len(kept) else ""
    return Figure("Weights", chart, f"entry and family, {len(ranked)} members{rest}")


def _methods(last: Mapping[str, Any] | None, greater_is_better: bool) -> list[tuple[str, str, str, bool]]:
    """Rows (method, cross-fitted score, behind the best by, is it the one chosen), the best first."""
    scores = last["by_method"] if last else {}
    ranked = sorted(scores.items(), key=lambda item: item[1], reverse=greater_is_better)
    return [(name, tidy(score), tidy(abs(score - ranked[0][1])), last is not None and name == last["method"])
            for name, score in ranked]


def _costs(entries: Sequence[Entry], colours: Mapping[str, str]) -> list[Figure]:
    return [
        _cost("Processor seconds by family", entries, [entry.family for entry in entries], colours),
        _cost("Processor seconds by status", entries, [entry.status for entry in entries], {"ok": "c0"}),
    ] if entries else []


def _cost(title: str, entries: Sequence[Entry], keys: Sequence[str], colours: Mapping[str, str]) -> Figure:
    seconds: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for entry, key in zip(entries, keys, strict=True):
        seconds[key] += entry.cost_cpu_seconds
        counts[key] += 1
    names = sorted(seconds, key=lambda key: -seconds[key])
    return Figure(title, bars([f"{name} ({counts[name]})" for name in names], [seconds[name] for name in names],
                              [f"{seconds[name]:.1f} s" for name in names], title,
                              colours=[colours.get(name, "c8") for name in names]), "in brackets: entries")


def _totals(entries: Sequence[Entry]) -> dict[str, str]:
    known = comparison(entries)
    return {
        "trials' wall clock": f"{sum(entry.cost_wall_seconds for entry in entries):.1f} s",
        "trials' processor time": f"{sum(entry.cost_cpu_seconds for entry in entries):.1f} s",
        "largest trial": f"{max((entry.peak_memory_bytes for entry in entries), default=0) / 2**20:.0f} MiB",
        **({"threads": str(known)} if known else {}),
    }


def model_costs(outcome: Mapping[str, Any]) -> dict[str, str]:
    """What the language model's work came to: in all, for each entry, and for the medal that the rank would be."""
    facts = outcome.get("llm")
    if not facts:
        return {}
    dollars, used = facts["dollars"], len(facts["in_blend"])
    won = medals(outcome["rivals"] + 1).of(outcome["rank"]) if outcome["rank"] else None
    return {
        "in all": f"${dollars:.4f}, {facts['tokens']:,} tokens in {facts['calls']} calls",
        "an entry": _share(dollars, facts["entries"], "entries"),
        "a completed entry": _share(dollars, facts["completed"], "completed entries"),
        "an entry in the blend": _share(dollars, used, "in the blend"),
        "a medal": f"${dollars:.4f} ({won} among the reference competitors)" if won else "none among the reference competitors",
    }


def _share(dollars: float, count: int, what: str) -> str:
    return f"${dollars / count:.4f} ({count} {what})" if count else f"none: no {what}"


# --- out-of-fold

def _figures(
    task: Task, truth: np.ndarray | None, out_of_fold: np.ndarray | None, last: Mapping[str, Any] | None,
) -> list[Figure]:
    if truth is None or out_of_fold is None:
        return []
    ordered = bool(last and last["method"] == "hill climbing" and climb_link(metric(task.metric)) == "rank")
    return diagnose(task.kind, truth, out_of_fold, classes=task.classes, targets=task.targets, ordered=ordered)


def _rows_seen(truth: np.ndarray | None) -> str:
    rows = 0 if truth is None else len(truth)
    return f"{POINTS:,} of {rows:,} validated rows, drawn at random" if rows > POINTS else f"{rows:,} validated rows"


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                              finalize=lambda value: value if isinstance(value, Markup) else plain(value))
    environment.filters |= {"tidy": tidy, "signed": signed, "threads": threads_of}
    return environment.from_string(Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8"))
