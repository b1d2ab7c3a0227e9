"""Us against the best variant of a rival on each task: with the same budget, the same wall clock, the same processor seconds.

A rival that comes in variants (AutoGluon's presets) is as strong on a task as the better of them there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import mean, median
from typing import Any

from markupsafe import Markup

from agent.bench_rivals import agent_of, beside, interval
from agent.charts import bars
from tasks.metrics import metric

SHOWN = 6.0  # standard errors: larger leads are drawn as long
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Match:
    """One task: their better variant and our scores, means over the seeds. at_wall: in as much time as they took, where they
    took more than the budget; at_cpu: of what we had submitted within their processor seconds, None where our runs kept
    no curve or had nothing by then."""

    task: str
    metric: str
    theirs: Result
    seeds: int
    ours: float
    at_wall: float
    at_cpu: float | None
    error: float

    def lead(self, score: float) -> float:
        """How far ahead a score of ours is, in standard errors of our private score."""
        ahead = metric(self.metric).sign * (score - self.theirs["private"])
        return ahead / self.error if self.error else float(ahead > 0) - float(ahead < 0)


def families(results: Sequence[Result]) -> Iterator[tuple[str, float, list[Match]]]:
    """Rivals of which there are two variants, by name and budget, with the tasks that both of us have a score on."""
    known = [r for r in results if "error" not in r and "beside" not in r]
    theirs = sorted((r for r in known if "-" in agent_of(r)), key=lambda r: (_family(r), -r["budget"]))
    for (family, budget), rows in groupby(theirs, key=lambda r: (_family(r), r["budget"])):
        runs = list(rows)
        matches = [match for task in sorted({r["task"] for r in runs})
                   if (match := _match(results, known, [r for r in runs if r["task"] == task]))]
        if len({agent_of(r) for r in runs}) > 1 and matches:
            yield family, budget, matches


def better(runs: Sequence[Result]) -> Result | None:
    """The best of a rival's runs on one task; None where none has a score."""
    scored = [r for r in runs if r.get("private") is not None]
    return max(scored, key=lambda r: metric(r["metric"]).sign * r["private"]) if scored else None


def wall(run: Result, budget: float) -> float:
    """Seconds that a run of ours gets beside that one: the budget, or what it took where that was more."""
    return float(max(budget, round(run["seconds"], 1)))


def _match(results: Sequence[Result], known: Sequence[Result], runs: Sequence[Result]) -> Match | None:
    best = better(runs)
    if best is None:
        return None
    budget, task = best["budget"], best["task"]
    ours = [r for r in beside(known, budget, best["slots"], {task}) if r.get("private") is not None]
    if not ours:
        return None
    longer = [r["private"] for r in results if r.get("beside") == budget and r["task"] == task and r["slots"] == ours[0]["slots"]
              and r["budget"] == wall(best, budget) and r.get("private") is not None]
    plain = [r["private"] for r in ours]
    early = [score for r in ours if (score := _within(r, best["cpu_seconds"])) is not None]
    return Match(task, best["metric"], best, len(ours), mean(plain), mean(longer or plain), mean(early) if early else None,
                 mean(r.get("private_standard_error") or 0.0 for r in ours))


def _within(run: Result, cpu_seconds: float) -> float | None:
    """What a run of ours had submitted when its processors could have spent that many seconds."""
    points = [*map(tuple, run.get("curve", ())), (run["seconds"], run["private"])]
    return next((score for seconds, score in reversed(points) if seconds * run["slots"] <= cpu_seconds), None)


def family_lines(results: Sequence[Result], plots: Mapping[tuple[str, float], str]) -> list[str]:
    """A section for each rival with variants and each budget. plots: file names beside the page."""
    made = []
    for family, budget, matches in families(results):
        plot = plots.get((family, budget))
        made += [f"## The better preset of {family}, {budget:g} seconds", "",
                 f"On each task the better of {_variants(results, family, budget)} counts. Wall: where it took longer than the "
                 "budget, a run of ours in as much time, else our run of the budget. Processor seconds: what we had submitted "
                 "by then, of the runs that kept it. Lead: in standard errors of our private score.", "",
                 *_shares(matches), "", *([f"![Lead by task, same wall clock]({plot})", ""] if plot else []),
                 *_rows(matches), ""]
    return made


def _variants(results: Sequence[Result], family: str, budget: float) -> str:
    names = sorted({agent_of(r) for r in results if _family(r) == family and r["budget"] == budget})
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _shares(matches: Sequence[Match]) -> list[str]:
    lines = ["| with the same | we win, tasks | share | 95% | median lead |", "|---|---|---|---|---|"]
    for word, leads in (("budget", [m.lead(m.ours) for m in matches]), ("wall clock", [m.lead(m.at_wall) for m in matches]),
                        ("processor seconds", [m.lead(m.at_cpu) for m in matches if m.at_cpu is not None])):
        if leads:
            won = sum(1.0 if lead > 0 else 0.5 if lead == 0 else 0.0 for lead in leads)
            low, high = interval(won, len(leads))
            lines.append(f"| {word} | {won:g} of {len(leads)} | {won / len(leads):.0%} | {low:.0%} to {high:.0%} "
                         f"| {median(leads):+.1f} |")
    return lines


def _rows(matches: Sequence[Match]) -> list[str]:
    lines = ["| task | metric | medalist | seeds | in their wall clock | in their processor seconds | theirs | which | wall, s "
             "| processor, s | lead |", "|" + "---|" * 11]
    for match in sorted(matches, key=lambda match: match.lead(match.ours)):
        judge, theirs = metric(match.metric), match.theirs
        shown = " | ".join("" if score is None else f"**{score:.5g}**" if match.lead(score) > 0 else f"{score:.5g}"
                           for score in (match.at_wall, match.at_cpu))
        first = f"**{match.ours:.5g}**" if match.lead(match.ours) > 0 else f"{match.ours:.5g}"
        lines.append(f"| {match.task} | {judge.name} {'↑' if judge.greater_is_better else '↓'} | {first} | {match.seeds} "
                     f"| {shown} | {theirs['private']:.5g} | {agent_of(theirs).partition('-')[2]}, {theirs['slots']} processor"
                     f"{'s' if theirs['slots'] > 1 else ''} | {theirs['seconds']:.0f} | {theirs['cpu_seconds']:.0f} "
                     f"| {match.lead(match.ours):+.1f} |")
    return lines


def lead_plot(matches: Sequence[Match]) -> Markup | None:
    """A bar a task: our lead with the same wall clock, in standard errors."""
    if len(matches) < 2:
        return None
    ranked = sorted(matches, key=lambda match: -match.lead(match.at_wall))
    leads = [match.lead(match.at_wall) for match in ranked]
    drawn = [min(max(lead, -SHOWN), SHOWN) for lead in leads]
    return bars([match.task for match in ranked], drawn, [f"{lead:+.1f}" for lead in leads], "Lead by task",
                colours=["c0" if lead > 0 else "c1" for lead in leads])


def _family(result: Result) -> str:
    return agent_of(result).partition("-")[0]
