"""Traits: what the proposer may know of a task. Sizes and kinds only, never a name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Traits:
    """Sizes and kinds of a task's data; counts are columns by role. `coded`: numeric columns that look like codes."""

    kind: str
    metric: str
    rows: int
    classes: int
    numeric: int
    categorical: int
    text: int
    datetime: int
    image: int
    top_levels: int
    grouped: bool
    timed: bool
    forward: bool = False
    coded: int = 0
    pixels: bool = False
    sound: bool = False
    paired: bool = False
    channels: int = 0
    counted: bool = False
    sentences: bool = False
    photographs: bool = False
    one_year: bool = False
    pretrained: bool = False
    parted: bool = False
    alike: bool = False
    same: bool = False
    panel: bool = False
    names: bool = False
    sequences: bool = False

    @property
    def columns(self) -> int:
        return self.numeric + self.categorical + self.text + self.datetime + self.image

    @classmethod
    def of(cls, card: Mapping[str, Any], *, rows: int, top_levels: int, forward: bool, coded: int, pixels: bool = False,
           sound: bool = False, paired: bool = False, channels: int = 0,
           counted: bool = False, sentences: bool = False, photographs: bool = False, one_year: bool = False,
           pretrained: bool = False, parted: bool = False, alike: bool = False, same: bool = False,
           panel: bool = False, names: bool = False, sequences: bool = False) -> "Traits":
        """Read from a task card; `top_levels`: levels of its widest categorical column, or of the widest whole-number
        column that looks like a code; `coded`: how many of the latter there are; `pixels`: its numeric columns are the
        pixels of small images; `sound`: its images are spectrograms; `paired`: its rows are of a user and an item each;
        `channels`: signals that lie in numbered columns; `counted`: the target is an amount, skewed or often zero, and
        squared errors count; `sentences`: it has texts that a pretrained transformer can read, and there is one;
        `photographs`: it has images, and there is a network trained on photographs to look at them;
        `one_year`: the test returns to months that train has once, and train has none twice; `pretrained`: the weights of a
        pretrained model for tables are present; `parted`: a column holds codes of several parts; `alike`: two columns hold
        texts that have to do with each other; `same`: two hold levels of one kind; `panel`: rows are of things at moments, and
        train knows most of the test's things at others; `names`: its texts are names, beside many other columns;
        `sequences`: a column holds words over few letters, as DNA."""
        roles = list(card["roles"].values())
        counts = {role: roles.count(role) for role in ("numeric", "categorical", "text", "datetime", "image")}
        return cls(
            kind=card["kind"], metric=card["metric"], rows=rows, classes=len(card["classes"]) or len(card["targets"]),
            **counts, top_levels=top_levels, grouped=bool(card.get("group")), timed=bool(card.get("time")),
            forward=forward, coded=coded, pixels=pixels, sound=sound, paired=paired, channels=channels, counted=counted,
            sentences=sentences, photographs=photographs, one_year=one_year, pretrained=pretrained,
            parted=parted, alike=alike, same=same, panel=panel, names=names,
            sequences=sequences,
        )
