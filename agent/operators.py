"""Operators: how a recipe that did well becomes the next one to try."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agent.portfolio import AROUND, SENSE, SEVERAL_COLUMNS, TELLING, TEXT, rich_blocks
from agent.solution import Block, Recipe
from agent.traits import Traits
from leaderboard.record import Entry

WIDE = 400
UNDRAWN = {"linear.regularised", "linear.support_vectors", "linear.biases", "text.ridge", "text.linear_model",
           "neighbours.knn"}  # the same from any seed, or nearly
READERS = ("text.reduce", "images.features", "sound.features")  # without them columns are not read
WHOLE = ("text.", "images.", "backbone.")  # models that read the columns themselves: blocks are nothing to them


@dataclass(frozen=True)
class Parent:
    """A recorded entry with the recipe that wrote it."""

    entry: Entry
    recipe: Recipe


@dataclass(frozen=True)
class Move:
    """One change: the new recipe, the parents, and what is expected of it."""

    recipe: Recipe
    hypothesis: str
    parents: tuple[int, ...]
    seed: int = 0


Operator = Callable[[Sequence[Parent], Traits, np.random.Generator], Move | None]


def menu(traits: Traits) -> list[Block]:
    """Every feature block that has columns to work on."""
    options = list(rich_blocks(traits))
    if traits.categorical >= 2:
        options += [Block("encoders.pairs"), Block("features.factorised")]
    if traits.categorical and traits.numeric:
        options.append(Block("features.group_aggregates"))
    if traits.numeric >= 2:
        options += [Block("features.missing"), Block("features.clusters"), Block("features.digits")]
    if 8 <= traits.numeric <= WIDE:
        options += [Block("features.row_statistics"), Block("features.svd")]
    if traits.numeric + traits.categorical >= SEVERAL_COLUMNS:
        options.append(TELLING)
    if traits.categorical:
        options.append(Block("encoders.rare"))
    if traits.panel:
        options.append(AROUND)
    if traits.names:
        options.append(TEXT)
    if traits.sentences:
        options.append(SENSE)
    if traits.datetime and traits.timed and not traits.one_year:
        options += [Block("calendar.features"), Block("calendar.lags")]
    return list({block.name: block for block in options}.values())


def add_feature(parents: Sequence[Parent], traits: Traits, rng: np.random.Generator) -> Move | None:
    """One more block on a good recipe."""
    parent = pick(parents, rng)
    missing = [block for block in menu(traits) if not parent.recipe.has(block.name)]
    if not missing or parent.recipe.model.startswith(WHOLE):
        return None
    block = missing[rng.integers(len(missing))]
    return Move(parent.recipe.with_block(block), f"{block.name} adds what entry {parent.entry.number} misses",
                (parent.entry.number,))


def drop_feature(parents: Sequence[Parent], traits: Traits, rng: np.random.Generator) -> Move | None:
    """One block fewer: an equal score with less is a gain."""
    parent = pick(parents, rng)
    fixed = {*READERS, "features.dates"} if traits.one_year else READERS  # without it days that have passed are a number
    droppable = [block.name for block in parent.recipe.blocks if block.name not in fixed]
    if not droppable:
        return None
    name = droppable[rng.integers(len(droppable))]
    return Move(parent.recipe.without(name), f"{name} is noise in entry {parent.entry.number}", (parent.entry.number,))


def change_family(parents: Sequence[Parent], traits: Traits, rng: np.random.Generator) -> Move | None:
    """The blocks of a good recipe under another good model."""
    return crossover(parents, traits, rng, keep_params=False)


def crossover(
    parents: Sequence[Parent], traits: Traits, rng: np.random.Generator, *, keep_params: bool = True
) -> Move | None:
    """The blocks of one parent with the model (and settings) of another family's best."""
    first = pick(parents, rng)
    others = [p for p in parents if p.recipe.family != first.recipe.family and "." in p.recipe.model]
    others = [p for p in others if not p.recipe.model.startswith(WHOLE)]
    if not others:
        return None
    second = pick(others, rng)
    recipe = Recipe(second.recipe.model, first.recipe.blocks, second.recipe.params if keep_params else {})
    words = "settings and all" if keep_params else "with its defaults"
    return Move(recipe, f"Features of entry {first.entry.number} under {second.recipe.family}, {words}",
                (first.entry.number, second.entry.number))


def other_seed(parents: Sequence[Parent], traits: Traits, rng: np.random.Generator) -> Move | None:
    """The same recipe from another seed: the mean of two runs has less variance. Of a model that draws nothing there is none."""
    drawn = [parent for parent in parents if parent.recipe.model not in UNDRAWN]
    if not drawn:
        return None
    parent = pick(drawn, rng, sharp=2.0)
    seed = int(rng.integers(1, 10_000))
    return Move(parent.recipe, f"A second seed of entry {parent.entry.number} averages noise away",
                (parent.entry.number,), seed)


def tune_block(parents: Sequence[Parent], traits: Traits, rng: np.random.Generator) -> Move | None:
    """Other options for one block."""
    parent = pick(parents, rng)
    fixed = {"features.dates"} if traits.one_year else set()
    tunable = [block for block in parent.recipe.blocks if block.name in BLOCK_OPTIONS.keys() - fixed]
    if not tunable:
        return None
    block = tunable[rng.integers(len(tunable))]
    option, values = BLOCK_OPTIONS[block.name][rng.integers(len(BLOCK_OPTIONS[block.name]))]
    choices = [value for value in values if value != block.options.get(option)]
    changed = Block(block.name, {**block.options, option: choices[rng.integers(len(choices))]})
    blocks = tuple(changed if b.name == block.name else b for b in parent.recipe.blocks)
    recipe = Recipe(parent.recipe.model, blocks, parent.recipe.params)
    return Move(recipe, f"{block.name} with {option}={changed.options[option]}", (parent.entry.number,))


BLOCK_OPTIONS: dict[str, list[tuple[str, list[object]]]] = {
    "encoders.target_mean": [("smoothing", [3, 10, 40, 100])],
    "text.reduce": [("components", [12, 48, 96])],
    "features.pairs": [("most", [4, 8, 12])],
    "sentences.vectors": [("components", [0, 16, 64])],
    "backbone.vectors": [("components", [0, 32, 64])],
    "features.clusters": [("count", [5, 20, 50])],
    "features.dates": [("absolute", [True, False])],
    "selection.telling": [("chance", [0.003, 0.05, 0.2])],
}

OPERATORS: dict[str, Operator] = {
    "add_feature": add_feature,
    "drop_feature": drop_feature,
    "change_family": change_family,
    "crossover": crossover,
    "seed": other_seed,
    "tune_block": tune_block,
}


def pick(parents: Sequence[Parent], rng: np.random.Generator, *, sharp: float = 1.0) -> Parent:
    """A parent drawn by rank (best first): weight 1 / rank ** sharp."""
    weights = 1.0 / np.arange(1, len(parents) + 1) ** sharp
    return parents[rng.choice(len(parents), p=weights / weights.sum())]
