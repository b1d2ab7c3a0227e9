"""The rivals on the benchmark's page: scores beside ours on the same tasks and seeds, win rates, and how their runs ended."""

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import mean
from typing import Any

from leaderboard.reference import OURS
from tasks.metrics import metric

FEWER = "On fewer processors than the rivals, since more were not run, we had: {}."
Z = 1.96


def rival_lines(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """A section for each budget and number of processors that a rival was run with; none where none was."""
    made = []
    for budget, slots in sorted({_setting(r) for r in results if agent_of(r) != OURS and "error" not in r}, reverse=True):
        theirs = [r for r in results if _setting(r) == (budget, slots) and agent_of(r) != OURS and "error" not in r]
        ours = beside(results, budget, slots, {r["task"] for r in theirs})
        fewer = sorted({r["task"] for r in ours if r["slots"] < slots})
        made += [f"## Rivals, {budget:g} seconds, {slots} processor{'s' if slots > 1 else ''}", "",
                 *([FEWER.format(", ".join(fewer)), ""] if fewer else []), *_scores([*ours, *theirs]), "",
                 *_summary([*ours, *theirs]), ""]
    return made


def beside(
    results: Sequence[Mapping[str, Any]], budget: float, slots: int, tasks: Collection[str],
) -> list[Mapping[str, Any]]:
    """Our runs to compare a setting's rivals with: of each task those on as many processors, or where there are none those
    on the most of fewer, which is to our disadvantage."""
    made: list[Mapping[str, Any]] = []
    for task in sorted(tasks):
        mine = [r for r in results if agent_of(r) == OURS and r["task"] == task and r["budget"] == budget
                and r["slots"] <= slots and "error" not in r]
        made += [r for r in mine if r["slots"] == max(run["slots"] for run in mine)]
    return made


def wins(results: Sequence[Mapping[str, Any]], name: str) -> tuple[float, int]:
    """How many of the (task, seed) pairs that both ran we won, a tie by half, and how many pairs there are.

    A run without a score loses to one with a score; a pair without any is left out.
    """
    ours, theirs = ({(r["task"], r["seed"]): r for r in results if agent_of(r) == who} for who in (OURS, name))
    won, pairs = 0.0, 0
    for key in ours.keys() & theirs.keys():
        a, b = ours[key].get("private"), theirs[key].get("private")
        if a is None and b is None:
            continue
        pairs += 1
        sign = 1 if metric(theirs[key]["metric"]).greater_is_better else -1
        won += float(b is None) if a is None or b is None else 0.5 if a == b else float(sign * a > sign * b)
    return won, pairs


def interval(won: float, pairs: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    share, spread = won / pairs, Z**2 / pairs
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / pairs + spread / (4 * pairs)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def _scores(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Mean private score of each agent on each task; the best is bold."""
    agents = sorted({agent_of(r) for r in results}, key=lambda name: (name != OURS, name))
    lines = [f"| task | metric | {' | '.join(agents)} |", "|" + "---|" * (len(agents) + 2)]
    for task in sorted({r["task"] for r in results if agent_of(r) != OURS}):
        rows = [r for r in results if r["task"] == task]
        judge = metric(rows[0]["metric"])
        known = {name: [r["private"] for r in rows if agent_of(r) == name and r.get("private") is not None] for name in agents}
        means = {name: mean(scores) for name, scores in known.items() if scores}
        best = (max if judge.greater_is_better else min)(means.values(), default=None)
        shown = (_cell(means.get(name), best) for name in agents)
        lines.append(f"| {task} | {judge.name} {'↑' if judge.greater_is_better else '↓'} | {' | '.join(shown)} |")
    return lines


def _cell(score: float | None, best: float | None) -> str:
    return "" if score is None else f"**{score:.5g}**" if score == best else f"{score:.5g}"


def _summary(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each rival: our win rate against it and its runs by how they ended."""
    endings = ("ok", "overrun", "timeout", "crash", "invalid")
    lines = [f"| rival | we win | 95% | {' | '.join(endings)} | wall / budget, mean | CPU seconds, mean |",
             "|" + "---|" * (len(endings) + 5)]
    for name in sorted({agent_of(r) for r in results} - {OURS}):
        runs = [r for r in results if agent_of(r) == name]
        won, pairs = wins(results, name)
        low, high = interval(won, pairs) if pairs else (0.0, 1.0)
        counts = " | ".join(str(sum(r["status"] == ending for r in runs)) for ending in endings)
        wall, cpu = mean(r["seconds"] / r["budget"] for r in runs), mean(r["cpu_seconds"] for r in runs)
        share = f"{won:g} of {pairs} | {100 * low:.0f}% to {100 * high:.0f}%" if pairs else " | "
        lines.append(f"| {name} | {share} | {counts} | {wall:.2f} | {cpu:.0f} |")
    return lines


def agent_of(result: Mapping[str, Any]) -> str:
    """Whose result it is; ours do not say."""
    return str(result.get("agent", OURS))


def _setting(result: Mapping[str, Any]) -> tuple[float, int]:
    return result["budget"], result["slots"]
