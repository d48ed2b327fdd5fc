"""The few pictures of an evidence pack, as inline SVG: ranges beside limits, and a curve.

Numbers in, one ``<svg>`` out, all text escaped. Values that are not finite are left out; a chart
without any is the empty string. What is bad is told by a word beside the colour. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite

__all__ = ["Range", "curve", "ranges"]

_GOOD, _BAD, _LINE = "#2f6fde", "#a4262c", "#9aa5b4"
_LEFT, _WIDE, _ROW = 220, 320, 22


@dataclass(frozen=True, slots=True)
class Range:
    """One row: a value, the interval it lies in (its own value twice for none), good or not."""

    label: str
    value: float
    low: float
    high: float
    good: bool = True


def ranges(title: str, rows: Sequence[Range], *, limit: float | None = None) -> str:
    """Draw a dot and an interval per row on one axis from 0, with ``limit`` as a dashed line."""
    shown = [each for each in rows if all(map(isfinite, (each.value, each.low, each.high)))]
    if not shown:
        return ""
    start = min(0.0, *(each.low for each in shown))
    end = max(limit or 0.0, start + 1e-12, *(each.high for each in shown))
    tall = _ROW * len(shown) + 26

    def x(value: float) -> float:
        return _LEFT + _WIDE * (value - start) / (end - start)

    drawn = []
    for row, each in enumerate(shown):
        y, colour = 34 + _ROW * row, _GOOD if each.good else _BAD
        says = f"{each.value:.4g}{'' if each.good else ' fails'}"
        drawn.append(
            f'<text x="0" y="{y + 4}">{escape(each.label[:34])}</text>'
            f'<line x1="{x(each.low):.1f}" x2="{x(each.high):.1f}" y1="{y}" y2="{y}" '
            f'stroke="{colour}" stroke-width="3"/><circle cx="{x(each.value):.1f}" cy="{y}" r="4" '
            f'fill="{colour}"/><text x="{_LEFT + _WIDE + 10}" y="{y + 4}">{says}</text>'
        )
    if limit is not None:
        drawn.append(_dashed(x(limit), 22, x(limit), tall))
    return _svg(title, _LEFT + _WIDE + 100, tall, "".join(drawn))


def curve(title: str, points: Sequence[tuple[float, float]]) -> str:
    """Draw points in the unit square, joined, beside the diagonal where they should lie."""
    shown = [(px, py) for px, py in points if isfinite(px) and isfinite(py)]
    if not shown:
        return ""
    placed = [(20 + 200 * px, 226 - 200 * py) for px, py in shown]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in placed)
    dots = "".join(
        f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{_GOOD}"/>' for px, py in placed
    )
    line = f'<polyline points="{path}" fill="none" stroke="{_GOOD}" stroke-width="2"/>'
    return _svg(title, 240, 240, _dashed(20, 226, 220, 26) + line + dots)


def _dashed(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1}" x2="{x2:.1f}" y2="{y2}" stroke="{_LINE}" '
        'stroke-dasharray="4 3"/>'
    )


def _svg(title: str, wide: int, tall: int, drawn: str) -> str:
    named = escape(title)
    return (
        f'<svg viewBox="0 0 {wide} {tall}" width="{wide}" height="{tall}" role="img" '
        f'aria-label="{named}"><text x="0" y="14" font-weight="600">{named}</text>{drawn}</svg>'
    )
