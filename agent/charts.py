"""Small charts as inline SVG: no script, no external file; colours come from the page's style sheet (classes c0..c8).

Every text is escaped and stripped of control characters; points that are not finite are left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from leaderboard.web.words import plain, tidy

LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 40
ROW = 22
LETTER = 6.4  # width of a letter in the charts' font, about


def short(text: object, length: int = 28) -> str:
    words = plain(text)
    return words if len(words) <= length else words[: length - 1] + "…"


def signed(value: float | None) -> str:
    """A difference; nothing where there is none."""
    if value is None or not math.isfinite(value):
        return ""
    if value == 0 or 1e-5 <= abs(value) < 1:
        return f"{value:+.5f}"
    return f"{'+' if value > 0 else '-'}{tidy(abs(value))}"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between low and high, about `count` of them."""
    step = 10.0 ** math.floor(math.log10((high - low) / count))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= count)
    return [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def spanned(*values: Sequence[float] | np.ndarray, room: float = 0.05) -> tuple[float, float]:
    """A range around all finite values, never empty."""
    every = np.concatenate([np.asarray(part, dtype=float).ravel() for part in values] or [np.zeros(0)])
    every = every[np.isfinite(every)]
    if not len(every):
        return 0.0, 1.0
    low, high = float(every.min()), float(every.max())
    margin = room * (high - low) or max(abs(low) * 0.05, 1e-6)
    return low - margin, high + margin


@dataclass(frozen=True)
class Axes:
    """A plane with ranges and labels; its methods give shapes, `draw` puts them together."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    width: int = 420
    height: int = 300
    x_names: tuple[str, ...] = ()  # names of x = 0, 1, 2, ... where x is no number

    def draw(self, *shapes: str, title: str) -> Markup:
        return svg(self.width, self.height, title, [*self._grid(), *shapes])

    def line(self, xs: Sequence[float] | np.ndarray, ys: Sequence[float] | np.ndarray, css: str) -> str:
        points = [f"{px:.1f},{py:.1f}" for px, py in self._points(xs, ys)]
        return f'<polyline class="line {css}" points="{" ".join(points)}"/>' if points else ""

    def steps(self, xs: Sequence[float], ys: Sequence[float], css: str) -> str:
        """A line that keeps each value until the next one, and the last until the right edge."""
        ends = [*xs[1:], self.x[1]]
        corners = [(x, y) for left, right, y in zip(xs, ends, ys, strict=True) for x in (left, right)]
        return self.line([x for x, _ in corners], [y for _, y in corners], css)

    def dots(
        self, xs: Sequence[float] | np.ndarray, ys: Sequence[float] | np.ndarray, css: str, *, radius: float = 4,
        titles: Sequence[str] = (),
    ) -> str:
        tips = [f"<title>{escape(plain(tip))}</title>" for tip in titles] or [""] * len(xs)
        shapes = []
        for x, y, tip in zip(xs, ys, tips, strict=True):
            for px, py in self._points([x], [y]):
                shapes.append(f'<circle class="{css}" cx="{px:.1f}" cy="{py:.1f}" r="{radius:g}">{tip}</circle>')
        return "".join(shapes)

    def columns(self, edges: Sequence[float] | np.ndarray, heights: Sequence[float] | np.ndarray, css: str) -> str:
        """A bar from zero between each two edges."""
        shapes = []
        base = self._py(max(0.0, self.y[0]))
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            if math.isfinite(height) and height != 0:
                px, top = self._px(float(left)), self._py(float(height))
                shapes.append(f'<rect class="{css}" x="{px + 0.5:.1f}" y="{min(top, base):.1f}" '
                              f'width="{max(0.5, self._px(float(right)) - px - 1):.1f}" '
                              f'height="{abs(base - top):.1f}"/>')
        return "".join(shapes)

    def cells(self, x_edges: np.ndarray, y_edges: np.ndarray, counts: np.ndarray, css: str) -> str:
        """A density: counts (columns, rows) as the opacity of cells."""
        top = max(1.0, float(counts.max(initial=0)))
        shapes = []
        for i, j in np.argwhere(counts > 0):
            px, py = self._px(float(x_edges[i])), self._py(float(y_edges[j + 1]))
            shapes.append(f'<rect class="{css}" x="{px:.1f}" y="{py:.1f}" '
                          f'width="{self._px(float(x_edges[i + 1])) - px:.1f}" '
                          f'height="{self._py(float(y_edges[j])) - py:.1f}" '
                          f'fill-opacity="{0.12 + 0.88 * math.sqrt(counts[i, j] / top):.2f}"/>')
        return "".join(shapes)

    def _points(
        self, xs: Sequence[float] | np.ndarray, ys: Sequence[float] | np.ndarray,
    ) -> list[tuple[float, float]]:
        pairs = ((float(x), float(y)) for x, y in zip(xs, ys, strict=True))
        return [(self._px(x), self._py(y)) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]

    def _px(self, x: float) -> float:
        share = (min(max(x, self.x[0]), self.x[1]) - self.x[0]) / (self.x[1] - self.x[0])
        return LEFT + share * (self.width - LEFT - RIGHT)

    def _py(self, y: float) -> float:
        share = (min(max(y, self.y[0]), self.y[1]) - self.y[0]) / (self.y[1] - self.y[0])
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)

    def _grid(self) -> list[str]:
        floor, right = self.height - BOTTOM, self.width - RIGHT
        shapes = []
        for value in ticks(*self.y):
            py = self._py(value)
            shapes.append(f'<path class="grid" d="M{LEFT} {py:.1f}H{right}"/>')
            shapes.append(words(LEFT - 7, py + 4, compact(value), anchor="end"))
        for value, name in self._x_ticks():
            shapes.append(words(self._px(value), floor + 16, name, anchor="middle"))
        shapes.append(f'<path class="axis" d="M{LEFT} {floor}H{right}"/>')
        shapes.append(words((LEFT + right) / 2, self.height - 5, self.x_label, anchor="middle"))
        middle = (TOP + floor) / 2
        shapes.append(f'<g transform="rotate(-90 11 {middle:.1f})">'
                      f'{words(11, middle + 3, self.y_label, anchor="middle")}</g>')
        return shapes

    def _x_ticks(self) -> list[tuple[float, str]]:
        if self.x_names:
            return list(enumerate(self.x_names))
        return [(value, compact(value)) for value in ticks(*self.x, count=max(3, self.width // 70))]


def bars(names: Sequence[str], values: Sequence[float], shown: Sequence[str], title: str, *,
         colours: Sequence[str] = (), low: float = 0.0) -> Markup:
    """Horizontal bars from `low` (negative ones to the left of it), with what is shown for each value at its end."""
    width, label = 420, min(190.0, 12 + LETTER * max((len(short(name)) for name in names), default=0))
    finite = [value for value in values if math.isfinite(value)]
    least, most = min([low, *finite]), max([low, *finite])
    scale = (width - label - 12 - LETTER * max(map(len, shown), default=0)) / ((most - least) or 1.0)
    zero = label + (low - least) * scale
    shapes = []
    for row, (name, value, text) in enumerate(zip(names, values, shown, strict=True)):
        css = colours[row] if colours else "c0"
        shapes.append(_bar(row, name, value if math.isfinite(value) else low, text, css, zero, scale, label, low))
    shapes.append(f'<path class="axis" d="M{zero:.1f} 0V{ROW * len(names)}"/>')
    return svg(width, ROW * len(names), title, shapes)


def _bar(row: int, name: str, value: float, text: str, css: str, zero: float, scale: float, label: float,
         low: float) -> str:
    end = zero + (value - low) * scale
    y = row * ROW
    return (words(label - 8, y + 15, short(name), anchor="end", tip=name)
            + f'<rect class="{css}" x="{min(zero, end):.1f}" y="{y + 4}" width="{abs(end - zero):.1f}" height="14" '
              f'rx="2"/>' + words(max(zero, end) + 6, y + 15, text))


def whiskers(rows: Sequence[tuple[str, float, float | None, str]], title: str) -> Markup:
    """One line a row: (name, value, error or None, class) as a dot, with two errors to both sides."""
    width, label = 470, 12 + LETTER * max((len(short(name, 36)) for name, *_ in rows), default=0)
    reach = [value + side * 2 * (error or 0.0) for _, value, error, _ in rows for side in (-1, 1)]
    low, high = spanned(reach)
    right = width - 66
    height = ROW * len(rows) + 24

    def at(value: float) -> float:
        return label + (value - low) / (high - low) * (right - label)

    shapes = []
    for value in ticks(low, high, count=4):
        shapes.append(f'<path class="grid" d="M{at(value):.1f} 0V{height - 20}"/>')
        shapes.append(words(at(value), height - 5, compact(value), anchor="middle"))
    for row, (name, value, error, css) in enumerate(rows):
        y = row * ROW + 11
        shapes.append(words(label - 10, y + 4, short(name, 36), anchor="end", tip=name))
        if error:
            start, end = at(value - 2 * error), at(value + 2 * error)
            shapes.append(f'<path class="line {css}" d="M{start:.1f} {y}H{end:.1f}"/>')
        shapes.append(f'<circle class="{css}" cx="{at(value):.1f}" cy="{y}" r="4.5"/>')
        shapes.append(words(right + 8, y + 4, tidy(value)))
    return svg(width, height, title, shapes)


def matrix(counts: np.ndarray, names: Sequence[str], title: str) -> Markup:
    """counts (k, k): rows are the truth, columns the prediction; colour is the share of the row."""
    count = len(names)
    size = max(14.0, min(56.0, 420.0 / count))
    label = min(150.0, 14 + LETTER * max(len(short(name, 20)) for name in names))
    under = label if count > 6 or label > size + 20 else 18.0
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shapes = []
    for i, name in enumerate(names):
        y, x = i * size, label + i * size
        shapes.append(words(label - 8, y + size / 2 + 4, short(name, 20), anchor="end", tip=name))
        shapes.append(_below(x + size / 2, count * size + 14, short(name, 20), turned=under > 18.0))
        for j in range(count):
            shapes.append(_cell(label + j * size, y, size, int(counts[i, j]), float(share[i, j]), i == j))
    return svg(int(label + count * size + 4), int(count * size + under + 8), title, shapes)


def _below(x: float, y: float, text: str, *, turned: bool) -> str:
    if not turned:
        return words(x, y, text, anchor="middle")
    return f'<g transform="rotate(-90 {x:.1f} {y - 6:.1f})">{words(x, y - 2, text, anchor="end")}</g>'


def _cell(x: float, y: float, size: float, count: int, share: float, right: bool) -> str:
    box = (f'<rect class="{"c0" if right else "c1"}" x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" width="{size - 1:.1f}" '
           f'height="{size - 1:.1f}" fill-opacity="{0.04 + 0.8 * share:.2f}"><title>{count}</title></rect>')
    if size < 26 or not count:
        return box
    return box + words(x + size / 2, y + size / 2 + 4, short(count, 7), anchor="middle", css="strong")


def words(x: float, y: float, text: object, *, anchor: str = "start", css: str = "", tip: object = None) -> str:
    """A text, escaped; `tip` is its whole form where it is cut."""
    title = f"<title>{escape(plain(tip))}</title>" if tip is not None else ""
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(plain(text))}{title}</text>'


def compact(value: float) -> str:
    """For ticks: 12k, 0.25, 1e-05."""
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-4:
        return f"{value:.3g}"
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:.6g}"


def svg(width: int, height: int, title: str, shapes: Sequence[str]) -> Markup:
    head = (f'<svg viewBox="0 0 {width} {height}" style="max-width:{width}px" role="img" '
            f'aria-label="{escape(plain(title))}">')
    return Markup(head + "".join(shapes) + "</svg>")
