"""How answers reach the reader: JSON, lines and dense tables, in colour only where it means much.

Text from telemetry passes :func:`clean` before a terminal sees it, since it may hold escape
sequences. On a terminal, tables take its width; in a pipe, a wide one. Times are told relative
and absolute, in the local zone.

>>> ago(0, 90_000), ago(90_000, 0), spark([0.0, None, 1.0])
('2 min ago', 'in 2 min', '▁ █')
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twinhelm.core.clock import SystemClock

__all__ = [
    "STATE_STYLES",
    "Cell",
    "ago",
    "clean",
    "count",
    "emit",
    "heading",
    "name_of",
    "now_ms",
    "refuse",
    "say",
    "size",
    "spark",
    "table",
    "when",
]

PIPE_WIDTH = 180
"""Columns of a table that goes into a file or pipe."""
_BARS = "▁▂▃▄▅▆▇█"
_STEPS = ((60, 1, "s"), (3_600, 60, "min"), (172_800, 3_600, "h"), (math.inf, 86_400, "days"))

STATE_STYLES = {
    "open": "red",
    "reopened": "red",
    "critical": "red",
    "failed": "red",
    "acknowledged": "yellow",
    "warning": "yellow",
    "resolved": "dim",
    "cancelled": "dim",
}
"""What a state or severity is coloured, beside its word."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's cell with a style of its own."""

    text: str
    style: str = ""


def emit(value: Any) -> None:
    """Write one JSON document."""
    from twinhelm.core import json

    sys.stdout.write(json.dumps(value, indent=True).decode() + "\n")
    sys.stdout.flush()


def refuse(message: str, hint: str, *, as_json: bool) -> None:
    """Say why it did not work and what to try: on standard error, or as the JSON document."""
    if as_json:
        emit({"error": message, "hint": hint})
        return
    sys.stderr.write(f"twinhelm: {clean(message)}\n" + (f"  try: {clean(hint)}\n" if hint else ""))


def say(text: str = "", style: str = "") -> None:
    """Write one line, wrapped by the terminal and not by us."""
    from rich.text import Text

    _console().print(Text(clean(text), style), soft_wrap=True)


def heading(text: str) -> None:
    """Write the title of a part, with an empty line before it."""
    say()
    say(text, "bold")


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Cell]], *, right: str = "") -> None:
    """Write a table; ``right`` names the columns of numbers, by their letters' position.

    ``right`` holds one character per column: ``r`` to align it right, anything else left.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        to_right = right[place : place + 1] == "r"
        made.add_column(
            column, justify="right" if to_right else "left", no_wrap=to_right, overflow="fold"
        )
    for row in rows:
        cells = (each if isinstance(each, Cell) else Cell(each) for each in row)
        made.add_row(*(Text(clean(each.text), each.style) for each in cells))
    _console().print(made)


def now_ms() -> int:
    """Return the time."""
    return SystemClock().now_ms()


def ago(time_ms: int, now: int) -> str:
    """Say how long ago, or how far ahead."""
    seconds = abs(now - time_ms) / 1000
    limit, unit_s, unit = next(step for step in _STEPS if seconds < step[0])
    if limit == 60 and seconds < 1:
        return "now"
    told = f"{round(seconds / unit_s)} {unit}"
    return f"{told} ago" if time_ms <= now else f"in {told}"


def when(time_ms: int, now: int) -> str:
    """Say when, relative and absolute: ``3 min ago, 14:02:11`` or with the date if not today."""
    here = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone()
    today = datetime.fromtimestamp(now / 1000, UTC).astimezone().date() == here.date()
    return (
        f"{ago(time_ms, now)}, {here:%H:%M:%S}"
        if today
        else f"{ago(time_ms, now)}, {here:%Y-%m-%d %H:%M}"
    )


def count(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun: ``1 series``, ``2,000 samples``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """Write bytes in the unit that suits.

    >>> size(45_300_000)
    '45.3 MB'
    """
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.0f} B"


def name_of(labels: Mapping[str, str]) -> str:
    """Write labels as a selector that finds them.

    >>> name_of({"__name__": "up", "job": "a"})
    'up{job="a"}'
    """
    rest = ", ".join(
        f'{name}="{_escaped(value)}"' for name, value in labels.items() if name != "__name__"
    )
    name = labels.get("__name__", "")
    return f"{name}{{{rest}}}" if rest or not name else name


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def spark(values: Sequence[float | None]) -> str:
    """Draw values as bars from their lowest to their highest; what is missing stays a gap."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(
        " " if value is None else _BARS[round((value - low) * scale)] for value in values
    )


def clean(text: str) -> str:
    """Make text harmless for a terminal: line breaks stay, other control characters are shown."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else f"\\x{ord(letter):02x}"
        for letter in text
    )


def _console() -> Any:
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)
