"""The benchmark's page: a table a budget, where everybody stands, wins with intervals, anytime curves, and their plots.

Everything here is a function of the results in the JSON and of the tasks' field.csv.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from markupsafe import Markup

from agent.bench_curve import MARKS
from agent.bench_families import families, family_lines, lead_plot
from agent.bench_rivals import agent_of, interval, rival_lines, wins
from agent.charts import Axes, words
from agent.rival_run import LATE
from leaderboard.mlebench.medals import thresholds
from leaderboard.reference import OURS, read_field
from tasks import catalogue
from tasks.metrics import metric

RIVALS = ("default LightGBM", "default CatBoost", "tuned LightGBM")
DUMMY = "dummy"
LEAST, MOST = -1.0, 2.0  # that a task's normalised score counts in a mean
ENDINGS = ("ok", "overrun", "timeout", "crash", "invalid")
Result = Mapping[str, Any]
Setting = tuple[float, int]
STYLE = ("<style>svg{font:11px system-ui,sans-serif;background:#fff}text{fill:#444}.grid{stroke:#e4e4e4}.axis{stroke:#888}"
         ".line{fill:none;stroke-width:2}.c0{fill:#1769aa;stroke:#1769aa}.c1{fill:#c4572a;stroke:#c4572a}"
         ".c2{fill:#2e7d32;stroke:#2e7d32}.c3{fill:#7b4fa3;stroke:#7b4fa3}.c4{fill:#8a6d1d;stroke:#8a6d1d}"
         ".line.c0,.line.c1,.line.c2,.line.c3,.line.c4{fill:none}text.c0,text.c1,text.c2,text.c3,text.c4{stroke:none}</style>")


def page(
    results: Iterable[Result], *, plots: Mapping[Setting, Sequence[str]] | None = None,
    leads: Mapping[tuple[str, float], str] | None = None,
) -> str:
    """The results as a Markdown page. plots: file names beside the page, by setting; leads: by rival and budget."""
    known = list(results)
    every = [result for result in known if "beside" not in result]  # the rest had as much time as a late rival
    good = scored(every)
    lines = ["# Results", "", "Made by `make bench`. Private scores; mean over seeds. Bold: better than all three reference "
             "competitors of the table that have been run. Normalised: 0 is the dummy, 1 the best reference competitor.", "",
             *family_lines(known, leads or {})]
    for setting in sorted({_setting(result) for result in good if agent_of(result) == OURS}, reverse=True):
        chosen = [result for result in every if _setting(result) == setting and "error" not in result]
        budget, slots = setting
        lines += [f"## {budget:g} seconds, {slots} processor{'s' if slots > 1 else ''}", "",
                  *_table([result for result in scored(chosen) if agent_of(result) == OURS]), "", *standings(chosen),
                  *against_references(chosen), *curves(chosen)]
        lines += [line for name in (plots or {}).get(setting, ()) for line in (f"![{Path(name).stem}]({name})", "")]
    lines += rival_lines(every)
    return "\n".join(lines)


def scored(results: Iterable[Result]) -> list[Result]:
    return [result for result in results if result.get("private") is not None]


# --- one task

def _table(results: Sequence[Result]) -> list[str]:
    head = ["task", "metric", "medalist", "seeds", *RIVALS, "normalised", "honest estimate", "within 2 SE", "wall / budget"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name in sorted({result["task"] for result in results}):
        lines.append(f"| {' | '.join(_row(name, [r for r in results if r['task'] == name]))} |")
    return lines


def _row(name: str, runs: Sequence[Result]) -> list[str]:
    judge = metric(runs[0]["metric"])
    private, every = mean(run["private"] for run in runs), references(name)
    field = {rival: every[rival] for rival in RIVALS if rival in every}
    won = {rival for rival, score in field.items() if judge.sign * private > judge.sign * score}
    worth = normalised(private, every, judge.sign)
    return [
        name, f"{judge.name} {'↑' if judge.greater_is_better else '↓'}",
        f"**{private:.5g}**" if field and len(won) == len(field) else f"{private:.5g}", str(len(runs)),
        *(f"{field[rival]:.5g}{' ✓' if rival in won else ' ✗'}" if rival in field else "" for rival in RIVALS),
        "" if worth is None else f"{worth:.3f}",
        f"{mean(run['honest'] for run in runs):.5g}", f"{sum(map(calibrated, runs))} of {len(runs)}",
        f"{max(run['seconds'] / run['budget'] for run in runs):.3f}",
    ]


def references(name: str) -> dict[str, float]:
    """Private scores of the reference competitors of a catalogue task, single models all; none for a folder. Whole systems
    are not among them: they are the agents of the table."""
    field = read_field(Path(catalogue.__file__).parent / "catalog" / name / "field.csv")
    return {rival.name: rival.private for rival in field if rival.seconds is None}


def normalised(score: float, field: Mapping[str, float], sign: float) -> float | None:
    """0: the dummy's score, 1: that of the best reference competitor; None where the field has not both."""
    rest = [sign * known for name, known in field.items() if name != DUMMY]
    if DUMMY not in field or not rest or max(rest) <= sign * field[DUMMY]:
        return None
    floor = sign * field[DUMMY]
    return (sign * score - floor) / (max(rest) - floor)


def within(worth: float) -> float:
    """What counts in a mean: where the best reference is hardly better than the dummy, one task would be all of it."""
    return min(max(worth, LEAST), MOST)


def calibrated(run: Result) -> bool:
    """Is the honest estimate within two standard errors (its own and the private score's) of the private score?"""
    return abs(run["honest"] - run["private"]) <= 2 * error_of(run)


def error_of(run: Result) -> float:
    """One standard error of the difference between the honest estimate and the private score."""
    return math.hypot(run["honest_standard_error"] or 0.0, run["private_standard_error"] or 0.0)


# --- all tasks

def standings(results: Sequence[Result]) -> list[str]:
    """A row for each agent: normalised score, rank, medals, first submission, processor time, error of the estimate, ends."""
    head = ["agent", "tasks", "normalised score, mean", "median", "mean rank", "gold, silver, bronze", "first submission, s",
            "CPU s", "honest error, median SE", *ENDINGS]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name in agents(results):
        runs = [result for result in results if agent_of(result) == name]
        lines.append(f"| {' | '.join([name, *_standing(name, runs, results)])} "
                     f"| {' | '.join(str(sum(ending(run) == end for run in runs)) for end in ENDINGS)} |")
    return [*lines, "", "Rank and medals: among the reference competitors of a task and all agents of this table, by MLE-bench's "
            "rule for a field of that size. In a mean a normalised score counts as -1 to 2. First submission and CPU: medians, "
            "of runs that kept them.", ""]


def ending(run: Result) -> str:
    """How a run ended; older results of ours do not say it."""
    return str(run.get("status") or ("overrun" if run["seconds"] > LATE * run["budget"] else "ok"))


def _standing(name: str, runs: Sequence[Result], results: Sequence[Result]) -> list[str]:
    worth = [value for task in tasks_of(runs) if (value := worth_of(runs, task)) is not None]
    places = [place for task in tasks_of(runs) if (place := place_of(name, task, results)) is not None]
    medals = [medal_of(runs, task) for task in tasks_of(runs)]
    errors = [abs(run["honest"] - run["private"]) / error for run in scored(runs)
              if run.get("honest") is not None and (error := error_of(run))]
    return [
        str(len(tasks_of(runs))), _mean(list(map(within, worth))), _median(worth, "{:.3f}"),
        f"{mean(place for place, _ in places):.2f} of {mean(size for _, size in places):.1f}" if places else "",
        ", ".join(str(medals.count(colour)) for colour in ("gold", "silver", "bronze")),
        _median([run["first_seconds"] for run in runs if run.get("first_seconds") is not None], "{:.1f}"),
        _median([run["cpu_seconds"] for run in runs if run.get("cpu_seconds") is not None], "{:.0f}"),
        _median(errors, "{:.2f}"),
    ]


def worth_of(runs: Sequence[Result], task: str) -> float | None:
    """The normalised score of an agent's mean on a task; a task without one score is worth nothing."""
    mine = [run for run in runs if run["task"] == task]
    private = [run["private"] for run in scored(mine)]
    sign, field = metric(mine[0]["metric"]).sign, references(task)
    if not private:
        return 0.0 if DUMMY in field else None
    return normalised(mean(private), field, sign)


def place_of(name: str, task: str, results: Sequence[Result]) -> tuple[int, int] | None:
    """The place of an agent on a task and how many compete there; the last place without a score."""
    rows = [result for result in results if result["task"] == task]
    sign, rest = metric(rows[0]["metric"]).sign, list(references(task).values())
    means = {agent: _mean_private(rows, agent) for agent in agents(rows)}
    rest += [score for agent, score in means.items() if agent != name and score is not None]
    size = len(references(task)) + len(means)
    if size < 2:
        return None
    own = means[name]
    return (size if own is None else 1 + sum(sign * score > sign * own for score in rest)), size


def medal_of(runs: Sequence[Result], task: str) -> str | None:
    """The medal that an agent's mean takes from the field of reference competitors."""
    mine = [run for run in runs if run["task"] == task]
    sign, field = metric(mine[0]["metric"]).sign, references(task)
    own = _mean_private(mine, agent_of(mine[0]))
    board = sorted(field.values(), key=lambda score: -sign * score)
    if own is None or len(set(board)) < 2:
        return None
    return thresholds(board).medal(own)


def against_references(results: Sequence[Result]) -> list[str]:
    """Our tasks won against each reference competitor, with Wilson's interval."""
    names = tasks_of(scored(result for result in results if agent_of(result) == OURS))
    means = {name: _mean_private([r for r in results if r["task"] == name], OURS) for name in names}
    signs = {result["task"]: metric(result["metric"]).sign for result in results}
    fields = {name: references(name) for name in names}
    lines = ["| against | we win, tasks | 95% |", "|---|---|---|"]
    for rival in sorted({rival for field in fields.values() for rival in field}):
        met = [name for name in names if rival in fields[name]]
        won = sum(signs[name] * (means[name] or 0.0) > signs[name] * fields[name][rival] for name in met)
        low, high = interval(won, len(met))
        lines.append(f"| {rival} | {won} of {len(met)} | {100 * low:.0f}% to {100 * high:.0f}% |")
    for rival in agents(results)[1:]:
        share, pairs = wins(results, rival)
        if pairs:
            low, high = interval(share, pairs)
            lines.append(f"| {rival}, runs | {share:g} of {pairs} | {100 * low:.0f}% to {100 * high:.0f}% |")
    return [*lines, ""] if len(lines) > 2 else []


# --- anytime

def curves(results: Sequence[Result]) -> list[str]:
    """The mean normalised score of each agent at moments of its runs; a moment without a submission counts as the dummy."""
    known = {name: curve for name in agents(results) if (curve := anytime(results, name))}
    if not known:
        return []
    marks = sorted({mark for curve in known.values() for mark, _ in curve})
    lines = [f"| anytime: normalised score at | {' | '.join(f'{mark:g} s' for mark in marks)} |", "|" + "---|" * (len(marks) + 1)]
    for name, curve in known.items():
        at = dict(curve)
        lines.append(f"| {name} | {' | '.join(f'{at[mark]:.3f}' if mark in at else '' for mark in marks)} |")
    return [*lines, ""]


def anytime(results: Sequence[Result], name: str) -> list[tuple[float, float]]:
    """(seconds, mean normalised score over tasks) at the marks within the budget, of the runs that kept their curves: ours
    from the record; a rival's steps from nothing to its score when it ends."""
    runs = [run for run in scored(results) if agent_of(run) == name and DUMMY in references(run["task"])
            and (name != OURS or run.get("curve") is not None)]
    if not runs:
        return []
    budget = runs[0]["budget"]
    marks = [mark for mark in sorted({*MARKS, budget}) if mark <= budget]
    made = []
    for mark in marks:
        values = [value for run in runs if (value := _worth_at(run, mark)) is not None]
        made += [(mark, mean(map(within, values)))] if values else []
    return made


def _worth_at(run: Result, mark: float) -> float | None:
    sign, field = metric(run["metric"]).sign, references(run["task"])
    points = [*run.get("curve", ()), (min(run["seconds"], run["budget"]), run["private"])]
    before = [score for seconds, score in points if seconds <= mark]
    return normalised(before[-1], field, sign) if before else normalised(field[DUMMY], field, sign)


# --- plots

def write_plots(results: Sequence[Result], out: Path) -> dict[Setting, list[str]]:
    """SVG files beside the page, by setting: normalised scores by task, and the anytime curves where some are known."""
    made: dict[Setting, list[str]] = {}
    results = [result for result in results if "beside" not in result]
    for setting in {_setting(result) for result in scored(results) if agent_of(result) == OURS}:
        chosen = [result for result in results if _setting(result) == setting and "error" not in result]
        for kind, drawn in (("normalised", _normalised_plot(chosen)), ("anytime", _anytime_plot(chosen))):
            if drawn is not None:
                name = f"{out.stem}-{kind}-{setting[0]:g}s-{setting[1]}.svg"
                _write(drawn, out.parent / name)
                made.setdefault(setting, []).append(name)
    return made


def write_leads(results: Sequence[Result], out: Path) -> dict[tuple[str, float], str]:
    """SVG files beside the page, by rival and budget: our lead over its better variant on each task."""
    made = {}
    for family, budget, matches in families(results):
        if (drawn := lead_plot(matches)) is not None:
            made[family, budget] = f"{out.stem}-{family}-{budget:g}s.svg"
            _write(drawn, out.parent / made[family, budget])
    return made


def _write(drawn: Markup, path: Path) -> None:
    text = str(drawn).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(">", f">{STYLE}", 1)
    path.write_text(text + "\n", encoding="utf-8")


def _normalised_plot(results: Sequence[Result]) -> Markup | None:
    """A dot for each agent and task; scores below the dummy are drawn at its line, above two at two."""
    shown = {name: {task: value for task in tasks_of(runs) if (value := worth_of(runs, task)) is not None}
             for name in agents(results) if (runs := [r for r in results if agent_of(r) == name])}
    tasks = sorted(shown.get(OURS, {}), key=lambda task: shown[OURS][task])
    if len(tasks) < 2:
        return None
    axes = Axes((-0.5, len(tasks) - 0.5), (0.0, MOST), "tasks, by our score", "normalised score", width=640,
                x_names=tuple("" for _ in tasks))
    dots = [axes.dots([tasks.index(task) for task in values if task in tasks], [v for t, v in values.items() if t in tasks],
                      _colour(place), titles=[f"{name}, {task}: {v:.3f}" for task, v in values.items() if task in tasks])
            for place, (name, values) in enumerate(shown.items())]
    return axes.draw(*dots, *_legend(list(shown)), title="Normalised score by task")


def _anytime_plot(results: Sequence[Result]) -> Markup | None:
    known = {name: curve for name in agents(results) if len(curve := anytime(results, name)) > 1}
    if not known:
        return None
    values = [value for curve in known.values() for _, value in curve]
    axes = Axes((0.0, max(mark for curve in known.values() for mark, _ in curve)), (min(0.0, *values), max(1.0, *values)),
                "seconds", "normalised score", width=640)
    drawn = [axes.line([mark for mark, _ in curve], [value for _, value in curve], _colour(place))
             for place, curve in enumerate(known.values())]
    return axes.draw(*drawn, *_legend(list(known)), title="Normalised score over time")


def _legend(names: Sequence[str]) -> list[str]:
    return [words(520, 150 + 16 * place, name, css=_colour(place)) for place, name in enumerate(names)]


def _colour(place: int) -> str:
    return f"c{place % 5}"


# --- small words

def agents(results: Iterable[Result]) -> list[str]:
    """Whose results there are, we first."""
    return sorted({agent_of(result) for result in results}, key=lambda name: (name != OURS, name))


def tasks_of(results: Iterable[Result]) -> list[str]:
    return sorted({result["task"] for result in results})


def _mean_private(rows: Sequence[Result], name: str) -> float | None:
    known = [row["private"] for row in scored(rows) if agent_of(row) == name]
    return mean(known) if known else None


def _mean(values: Sequence[float]) -> str:
    return f"{mean(values):.3f}" if values else ""


def _median(values: Sequence[float], form: str) -> str:
    return form.format(median(values)) if values else ""


def _setting(result: Result) -> Setting:
    return result["budget"], result["slots"]
