"""A Solution: one readable solution.py, and the recipe (blocks, then a model) that the embedded proposer writes it from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sandbox import Cost

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Block:
    """A call of one kit block, `module.function`, with its options."""

    name: str
    options: Options = field(default_factory=dict)


SUPERVISED = frozenset({
    "encoders.target_mean", "features.group_aggregates", "features.pairs", "text.reduce", "calendar.lags",
    "forecast.past", "recommend.features", "groups.within", "history.around", "selection.telling",
})  # blocks that also take the target, cross-fitted inside the train rows

LOOKING = frozenset({"boosters", "forecast", "forests", "linear", "text"})

MAKERS = ("likeness.features", "likeness.same", "encoders.parts", "sequences.features", "encoders.levels", "groups.within",
          "history.around", "sentences.vectors", "backbone.vectors", "images.features", "sound.features", "signal.features",
          "calendar.features", "features.dates", "encoders.rare", "encoders.pairs", "calendar.lags",
          "forecast.past", "recommend.features", "selection.telling")
# blocks that make columns for others to work on, and the one that chooses among them: they come first, in this order


@dataclass(frozen=True)
class Recipe:
    """What a solution does: blocks in order, then the model."""

    model: str
    blocks: tuple[Block, ...] = ()
    params: Options = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The model's name without its module: `boosters.lightgbm` -> `lightgbm`."""
        return self.model.split(".")[-1]

    def has(self, name: str) -> bool:
        return any(block.name == name for block in self.blocks)

    def with_block(self, block: Block) -> "Recipe":
        """One more block, in its place: makers of columns first, then the order in which blocks were added."""
        return replace(self, blocks=tuple(sorted((*self.blocks, block), key=_place)))

    def without(self, name: str) -> "Recipe":
        return replace(self, blocks=tuple(b for b in self.blocks if b.name != name))

    def swapped(self, block: Block, other: Block) -> "Recipe":
        """The other block where the one was."""
        return replace(self, blocks=tuple(other if known == block else known for known in self.blocks))

    def with_params(self, **params: Any) -> "Recipe":
        return replace(self, params={**self.params, **params})

    @property
    def key(self) -> str:
        """A string that is equal for equal recipes."""
        return json.dumps(self.to_json(), sort_keys=True)

    def to_json(self) -> dict[str, Any]:
        blocks = [{"name": b.name, "options": dict(b.options)} for b in self.blocks]
        return {"model": self.model, "blocks": blocks, "params": dict(self.params)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Recipe":
        blocks = tuple(Block(b["name"], b["options"]) for b in data["blocks"])
        return cls(data["model"], blocks, data["params"])


@dataclass(frozen=True)
class Written:
    """How a model came to write a solution: which one, what it cost (dollars, tokens, seconds of waiting), what it said
    would follow, and what was seen before the first trial."""

    model: str
    tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0
    predicted: str = ""
    log: str = ""
    costs: tuple[Cost, ...] = ()  # of its smoke runs


@dataclass(frozen=True)
class Upon:
    """The entries whose predictions a solution is shown, the space they are shown in, their columns, and the file with these
    beside all others."""

    entries: tuple[int, ...]
    link: str
    columns: tuple[str, ...]
    file: Path

    def to_json(self) -> dict[str, Any]:
        return {"entries": list(self.entries), "link": self.link}


@dataclass(frozen=True)
class Solution:
    """A proposal: the source to run, where it came from and what it is expected to do. `failed`: there is nothing to run,
    and this is the status of the entry that says so."""

    source: str
    operator: str
    hypothesis: str
    family: str
    parents: tuple[int, ...] = ()
    recipe: Recipe | None = None
    seed: int = 0
    written: Written | None = None
    failed: str = ""
    upon: Upon | None = None
    must_beat: Recipe | None = None  # it differs from this one in one thing, and is run to know which is the better

    @property
    def is_variation(self) -> bool:
        """Whether it changes one thing of its parent. What a mind drafts or crosses is a view of its own, whatever its family."""
        return self.written is None or self.operator in ("improve", "simplify")

    @property
    def looks(self) -> bool:
        """Whether its model looks for rounds or a penalty before it fits, and another fold may take over what it found."""
        return self.recipe is not None and self.recipe.model.split(".")[0] in LOOKING


def _place(block: Block) -> int:
    return MAKERS.index(block.name) if block.name in MAKERS else len(MAKERS)


def render(recipe: Recipe, hypothesis: str) -> str:
    """The recipe as the text of a solution.py that runs wherever `kit` can be imported."""
    calls = [block.name for block in recipe.blocks] + [recipe.model]
    modules = ", ".join(sorted({name.split(".")[0] for name in calls}))
    lines = [f'"""{_one_line(hypothesis)}"""', "", f"from kit import {modules}", "", ""]
    lines.append("def fit_predict(train, target, predict, task):")
    lines += [f"    train, predict = {_call(b.name, b.name in SUPERVISED, b.options)}" for b in recipe.blocks]
    lines.append(f"    return {_call(recipe.model, True, recipe.params)}")
    return "\n".join(lines) + "\n"


def _call(name: str, takes_target: bool, options: Options) -> str:
    rows = "train, target, predict, task" if takes_target else "train, predict, task"
    return f"{name}({', '.join([rows, *(f'{key}={value!r}' for key, value in options.items())])})"


def _one_line(text: str) -> str:
    return " ".join(text.replace("\\", "/").replace('"', "'").split())
