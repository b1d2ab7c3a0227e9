"""Pages of the improvement loop: versions of the playbook, how much better they are, what was proposed and judged."""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from leaderboard.web import code
from leaderboard.web.figures import Figure, Point, Series
from leaderboard.web.improvement_facts import Improvement, Proposal, Release
from leaderboard.web.rendering import Missing, page, sources_of
from leaderboard.web.runs import pages_of
from leaderboard.web.words import percent

router = APIRouter(include_in_schema=False)
KINDS = {"": "all", "placebo": "placebos", "accepted": "accepted", "rejected": "rejected"}


def read(request: Request) -> Improvement:
    reader = sources_of(request).improvement
    if reader is None:
        raise Missing("This server shows no improvement loop: start it with `medalist serve`.")
    return reader()


@router.get("/improvement")
def overview(request: Request, show: str = "") -> HTMLResponse:
    """Lineage, improvement curve and ledger; `show`: only proposals of that kind."""
    found = read(request)
    kept = [line for line in found.proposals if show in ("", line.verdict) or (show == "placebo" and line.placebo)]
    return page(request, "improvement", known=found, curve=curve(found.releases, found.version_0), kinds=KINDS,
                show=show if show in KINDS else "", **pages_of(request, kept[::-1]))


@router.get("/improvement/proposals/{number}")
def one_proposal(request: Request, number: int) -> HTMLResponse:
    """One proposal with its difference and what it did on each gate task."""
    found = read(request)
    line = next((line for line in found.proposals if line.id == number), None)
    if line is None:
        raise Missing(f"The ledger has no proposal {number}; it has {len(found.proposals)} proposals.")
    return page(request, "proposal", line=line, changed=code.unified(line.diff.splitlines()), gains=gains(line))


def curve(releases: Sequence[Release], version_0: str) -> Figure | None:
    """Lower loss than version 0's on the vault, for each version that was released, with the interval."""
    known = [line for line in releases if line.against == version_0]
    if not known:
        return None
    points = tuple(Point(place, line.mean, line.low, line.high, f"{line.won:.0%} of {line.tasks} tasks won")
                   for place, line in enumerate(known))
    last = known[-1]
    says = (f"Version {last.version} has {percent(last.mean)} lower loss than version 0, "
            f"95% interval {percent(last.low)} to {percent(last.high)}.")
    return Figure("curve", "Against version 0", says, "version", "lower loss",
                  (Series("lower loss, 95% interval", "ranges", "c0", points),), names=tuple(line.version for line in known))


def gains(line: Proposal) -> Figure | None:
    """What a proposal gained on each gate task, the largest first."""
    if not line.gains:
        return None
    ranked = sorted(line.gains, key=lambda pair: -pair[1])
    won = sum(gain > 0 for _, gain in ranked)
    names = tuple(f"{place}. {family}" for place, (family, _) in enumerate(ranked, start=1))
    points = tuple(Point(place, round(gain, 5)) for place, (_, gain) in enumerate(ranked))
    says = f"{won} of {len(ranked)} tasks won, mean {percent(sum(gain for _, gain in ranked) / len(ranked))}."
    return Figure("gains", "Gain on each gate task", says, "task, by family", "gain",
                  (Series("gain", "bars", "c0", points),), names=names)
