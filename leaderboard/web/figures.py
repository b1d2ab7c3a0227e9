"""Charts as data: a figure is a few named series of points. The page writes it as a table and draws it over that.

The table is what a reader without scripts has, and what a screen reader reads; static/page.js draws the same numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

COLOURS = 8  # c0..c7 are told apart, c8 is grey


@dataclass(frozen=True)
class Point:
    """x is a number, or the place of a name. low and high: an interval. tip: words on the point."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    tip: str = ""


@dataclass(frozen=True)
class Series:
    """kind: dots | steps | bars | ranges (dots with their intervals). colour: c0..c8 or ink."""

    name: str
    kind: str
    colour: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Figure:
    """One chart. names: what x = 0, 1, 2, ... are called; sideways: names are listed downwards; window: the y shown."""

    id: str
    title: str
    says: str  # the chart in a sentence
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    names: tuple[str, ...] = ()
    sideways: bool = False
    window: tuple[float, float] | None = None

    def data(self) -> dict[str, Any]:
        """What the script reads."""
        series = [{"name": one.name, "kind": one.kind, "colour": one.colour,
                   "points": [[p.x, p.y, p.low, p.high, p.tip] for p in one.points]} for one in self.series]
        return {"says": self.says, "x": self.x_label, "y": self.y_label, "names": self.names, "sideways": self.sideways,
                "window": self.window, "series": series}

    @property
    def intervals(self) -> bool:
        return any(point.low is not None for one in self.series for point in one.points)

    @property
    def told_apart(self) -> bool:
        """Whether the series have names of their own."""
        return len({one.name for one in self.series}) > 1

    @property
    def rows(self) -> list[tuple[str, str | float, Point]]:
        """The table: name of the series, name or number of x, the point."""
        every = [(one.name, point) for one in self.series for point in one.points]
        every = every if self.told_apart else sorted(every, key=lambda pair: pair[1].x)
        return [(name, self.names[int(point.x)] if self.names else point.x, point) for name, point in every]


def bars(id: str, title: str, says: str, names: Sequence[str], values: Sequence[float], y_label: str, *,
         colours: Sequence[str] = (), x_label: str = "name") -> Figure:
    """Named bars, listed downwards; where colours are given, a series for each colour."""
    told = list(colours) or ["c0"] * len(names)
    series = tuple(Series(y_label, "bars", colour, tuple(
        Point(at, values[at]) for at in range(len(names)) if told[at] == colour)) for colour in dict.fromkeys(told))
    return Figure(id, title, says, x_label, y_label, series, names=tuple(names), sideways=True)


def histogram(id: str, title: str, values: Sequence[float], label: str) -> Figure | None:
    """How many values lie where; None where there are fewer than two different ones."""
    finite = np.array([value for value in values if math.isfinite(value)])
    if len(set(finite.tolist())) < 2:
        return None
    counts, edges = np.histogram(finite, bins=min(20, max(5, round(2 * len(finite) ** 0.5))))
    names = tuple(f"{left:.4g} to {right:.4g}" for left, right in pairwise(edges.tolist()))
    fullest = int(counts.argmax())
    says = f"{len(finite)} teams from {finite.min():.5g} to {finite.max():.5g}; most, {counts[fullest]}, from {names[fullest]}."
    points = tuple(Point(at, int(count)) for at, count in enumerate(counts))
    return Figure(id, title, says, label, "teams", (Series("teams", "bars", "c0", points),), names=names)
