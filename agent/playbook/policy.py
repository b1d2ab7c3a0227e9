"""What a playbook says to the search, read from its text once: portfolio, operators, time, stopping, tools.

The defaults are those of the hand-made version; a run without a playbook file behaves as it does with that one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from agent.playbook.bundle import Bundle, PlaybookError, read
from agent.playbook.scope import KEYS, holds
from agent.portfolio import basic_blocks, opening, rich_blocks
from agent.solution import Block, Recipe
from agent.traits import Traits

HAND, SHUFFLED = "by hand", "shuffled"
BLOCKS = ("none", "plain", "basic", "rich")


@dataclass(frozen=True)
class Shares:
    """How a run's time is shared out."""

    share: float = 0.12           # of the run's processor time that one entry may take, all fits together, up to easy_rows
    most_share: float = 0.3       # the same for large data, where few whole models beat many cut short
    easy_rows: float = 20_000.0
    shortest_trial: float = 4.0   # seconds a fold is always given
    blend_share: float = 0.08     # of the wall clock that blending may take while trials run
    worth: float = 0.02           # standard errors that the honest estimate must gain for an entry to have won
    prior_strength: float = 4.0   # pseudo-tries that what is known of an operator counts for

    def part(self, rows: int) -> float:
        """The part of a run's processor time that one entry may take: it grows with the square root of the rows."""
        return float(np.clip(self.share * (rows / self.easy_rows) ** 0.5, self.share, self.most_share))


@dataclass(frozen=True)
class Stopping:
    """How far a candidate may be behind the best: parts of the way from the constant to the best, and of the noise.
    `after`: what the first number is multiplied by after that many folds, as far as history has a say."""

    peer: tuple[float, float] = (0.03, 0.25)
    first: tuple[float, float] = (0.3, 1.0)  # the first of its family, since a blend gains from what errs elsewhere
    after: tuple[float, ...] = ()

    def rope(self, *, peers: int, folds: int) -> tuple[float, float]:
        reach, noise = self.peer if peers else self.first
        return reach * (self.after[min(folds, len(self.after)) - 1] if self.after and folds else 1.0), noise


@dataclass(frozen=True)
class Member:
    """One recipe of a portfolio, for any task that it fits: `blocks` names a set that depends on the columns."""

    model: str
    blocks: str = "basic"
    params: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""

    def recipe(self, traits: Traits) -> Recipe:
        return Recipe(self.model, named_blocks(self.blocks, traits), dict(self.params))


@dataclass(frozen=True)
class Opening:
    """What is tried first on tasks in scope."""

    scope: Mapping[str, Any]
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Portfolio:
    """The openings, the first that holds counts; then everything else that the task allows, in `otherwise`'s order."""

    openings: tuple[Opening, ...] = ()
    otherwise: str = HAND
    without: frozenset[str] = frozenset()  # models out of use
    features: bool = True  # whether recipes have more blocks than make the columns readable

    def moves(self, traits: Traits, seed: int) -> list[tuple[Recipe, str]]:
        """Recipes with their hypotheses, in the order in which they should run."""
        rest = opening(traits) if self.otherwise == HAND else shuffled(traits, seed)
        able = {recipe.model for recipe, _ in opening(traits)}
        said = next((known for known in self.openings if holds(known.scope, traits)), Opening({}, ()))
        first = [(member.recipe(traits), member.why or "What earlier tasks of this kind had best use of")
                 for member in said.members if member.model in able]
        moves: dict[str, tuple[Recipe, str]] = {}
        for recipe, why in (*first, *rest):
            kept = recipe if self.features else _readable(recipe, traits)
            moves.setdefault(kept.key, (kept, why))
        return [move for move in moves.values() if move[0].model not in self.without]


@dataclass(frozen=True)
class Policy:
    """All that a version says to the search."""

    portfolio: Portfolio = Portfolio()
    allocation: Shares = Shares()
    stopping: Stopping = Stopping()
    priors: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # wins and losses by operator
    learns: bool = True  # whether the record's wins and losses are added to the priors
    hints: bool = True  # whether a fold takes over what another one found
    blends: bool = True  # whether entries are blended; else the best single one is submitted
    layers: bool = True  # whether a second layer is fitted upon entries
    threads: bool = True  # whether a trial may have more than one
    unused: frozenset[str] = frozenset()
    macros: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tools: tuple[tuple[str, tuple[str, ...]], ...] = ()  # blocks of the version's own, `module.function`, and the roles they need


BY_HAND = Policy()


def _readable(recipe: Recipe, traits: Traits) -> Recipe:
    basic = basic_blocks(traits)
    return Recipe(recipe.model, tuple(block for block in recipe.blocks if block in basic), recipe.params)


def shuffled(traits: Traits, seed: int) -> list[tuple[Recipe, str]]:
    """Every model that the task allows, once, at its defaults and its plainest, each order as likely as any."""
    basic, plainest = basic_blocks(traits), dict[str, Recipe]()
    for recipe, _ in opening(traits):
        known = plainest.get(recipe.model)
        if known is None or len(recipe.blocks) < len(known.blocks):
            plainest[recipe.model] = Recipe(recipe.model, tuple(block for block in recipe.blocks if block in basic))
    order = np.random.default_rng(seed).permutation(sorted(plainest))
    return [(plainest[str(model)], "Nothing is known: any model may be the best") for model in order]


def named_blocks(name: str, traits: Traits) -> tuple[Block, ...]:
    """The blocks of that name for a task's columns."""
    basic = basic_blocks(traits)
    plain = tuple(block for block in basic if block.name not in ("encoders.levels", "text.reduce"))
    return {"none": (), "plain": plain, "basic": basic, "rich": rich_blocks(traits)}[name]


def name_of(blocks: Sequence[Block], traits: Traits) -> str | None:
    """The set that these blocks are on a task with these traits, None where they are none of them."""
    return next((name for name in BLOCKS if named_blocks(name, traits) == tuple(blocks)), None)


def policy_in(folder: Path) -> Policy:
    """The policy of the version in a folder."""
    return policy_of(read(folder))


def policy_of(bundle: Bundle) -> Policy:
    """Raises PlaybookError for what no playbook can say."""
    try:
        operators = bundle.table("operators.toml")
        _known(operators, ("learns", "unused", "macros", "priors", "tools"), "operators.toml")
        return Policy(
            portfolio=_portfolio(bundle.table("portfolio.toml")), allocation=_allocation(bundle.table("allocation.toml")),
            stopping=_stopping(bundle.table("stopping.toml")),
            priors={name: (float(prior["wins"]), float(prior["losses"]))
                    for name, prior in operators.get("priors", {}).items()},
            learns=bool(operators.get("learns", True)), unused=frozenset(operators.get("unused", ())),
            macros={name: tuple(steps) for name, steps in operators.get("macros", {}).items()},
            tools=tuple((tool["block"], tuple(tool.get("has", ()))) for tool in operators.get("tools", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlaybookError(f"playbook {bundle.short} cannot be read: {type(error).__name__} {error}") from error


def _portfolio(table: Mapping[str, Any]) -> Portfolio:
    _known(table, ("otherwise", "without", "opening"), "portfolio.toml")
    if (otherwise := table.get("otherwise", HAND)) not in (HAND, SHUFFLED):
        raise PlaybookError(f"portfolio.toml: otherwise = {otherwise!r} is none of {HAND!r}, {SHUFFLED!r}")
    openings = []
    for known in table.get("opening", ()):
        _known(known, ("scope", "members"), "portfolio.toml")
        _known(known["scope"], KEYS, "portfolio.toml, scope")
        openings.append(Opening(known["scope"], tuple(_member(member) for member in known["members"])))
    return Portfolio(tuple(openings), otherwise, frozenset(table.get("without", ())))


def _member(table: Mapping[str, Any]) -> Member:
    _known(table, ("model", "blocks", "params", "why"), "portfolio.toml, members")
    if table.get("blocks", "basic") not in BLOCKS:
        raise PlaybookError(f"portfolio.toml: blocks = {table['blocks']!r} is none of {', '.join(BLOCKS)}")
    return Member(table["model"], table.get("blocks", "basic"), table.get("params", {}), table.get("why", ""))


def _allocation(table: Mapping[str, Any]) -> Shares:
    _known(table, tuple(known.name for known in fields(Shares)), "allocation.toml")
    return Shares(**{name: float(value) for name, value in table.items()})


def _stopping(table: Mapping[str, Any]) -> Stopping:
    _known(table, ("peer", "first", "after"), "stopping.toml")
    pairs = {name: (float(table[name][0]), float(table[name][1])) for name in ("peer", "first") if name in table}
    return Stopping(**pairs, after=tuple(float(value) for value in table.get("after", ())))


def _known(table: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    if strange := sorted(set(table) - set(names)):
        raise PlaybookError(f"{where} has {strange[0]!r}; it may have: {', '.join(names)}")
