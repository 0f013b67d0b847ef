"""Plots as plain SVG: lines over two logarithmic axes, several panels beside each other, one legend below them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
COLOURS = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#0072b2", "#7a7a7a")
DASHES = ("", "6 3", "2 3")
WIDTH, HEIGHT = 300, 260  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 34, 46
LEGEND_ROW, LEGEND_COLUMN = 20, 220

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    x_label: str
    y_label: str
    series: Mapping[str, Points]  # by name; values above 0


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic axis: values to pixels."""

    low: int  # exponents of ten
    high: int
    start: float  # pixels
    end: float

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        step = max(1, math.ceil((self.high - self.low) / 6))
        return [10.0**exponent for exponent in range(self.low, self.high + 1, step)]


def plot(panels: Sequence[Panel]) -> str:
    """Return an SVG of the panels in a row."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.series))
    columns = max(1, len(panels) * WIDTH // LEGEND_COLUMN)
    width = len(panels) * WIDTH
    height = HEIGHT + LEGEND_ROW * math.ceil(len(names) / columns) + 10
    drawn = "".join(
        f'<g transform="translate({index * WIDTH} 0)">{_panel(panel, names)}</g>' for index, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="11">'
        f'<rect width="{width}" height="{height}" rx="6" fill="#fff"/>{drawn}{_legend(names, columns)}</svg>\n'
    )


def _panel(panel: Panel, names: list[str]) -> str:
    points = [point for line in panel.series.values() for point in line]
    across = _scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _scale([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [_text(WIDTH / 2 + 20, 18, panel.title, weight="bold")]
    parts += [_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, panel.x_label)]
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts += [f'<g transform="rotate(-90 14 {middle})">{_text(14, middle, panel.y_label)}</g>']
    for tick in across.ticks:
        x = across.at(tick)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(_text(x, HEIGHT - BOTTOM + 15, _number(tick)))
    for tick in up.ticks:
        y = up.at(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 5, y + 4, _number(tick), anchor="end"))
    for name, line in panel.series.items():
        parts.append(_line([(across.at(x), up.at(y)) for x, y in sorted(line)], *_style(names.index(name))))
    return "".join(parts)


def _scale(values: list[float], start: float, end: float) -> Scale:
    low = math.floor(math.log10(min(values)) + 1e-9)
    return Scale(low, max(low + 1, math.ceil(math.log10(max(values)) - 1e-9)), start, end)


def _line(points: list[tuple[float, float]], colour: str, dash: str) -> str:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.8"{dashes}/>{dots}'


def _legend(names: list[str], columns: int) -> str:
    parts = []
    for index, name in enumerate(names):
        x, y = 20 + index % columns * LEGEND_COLUMN, HEIGHT + 8 + index // columns * LEGEND_ROW
        parts.append(_line([(x, y), (x + 26, y)], *_style(index)))
        parts.append(_text(x + 34, y + 4, name, anchor="start"))
    return "".join(parts)


def _style(index: int) -> tuple[str, str]:
    return COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="#222">{escape(text)}</text>'
    )


def _number(value: float) -> str:
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g}"
