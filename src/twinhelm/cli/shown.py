"""How answers reach the reader: JSON, lines and dense tables, in colour only where it means much.

Text from telemetry passes :func:`clean` before a terminal sees it, since it may hold escape
sequences. On a terminal, tables take its width; in a pipe, a wide one. Times are told relative
and absolute, in the local zone.

>>> ago(0, 90_000), ago(90_000, 0), spark([0.0, None, 1.0])
('2 min ago', 'in 2 min', '▁ █')
"""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from twinhelm.core.clock import SystemClock

__all__ = [
    "Cell", "Column", "ago", "bars", "clean", "count", "emit", "heading", "listing", "name_of",
    "now_ms", "refuse", "rows", "say", "size", "spark", "styled", "table", "when",
]  # fmt: skip

PIPE_WIDTH = 180
"""Columns of a table that goes into a file or pipe."""
_BARS = "▁▂▃▄▅▆▇█"
_STEPS = ((60, 1, "s"), (3_600, 60, "min"), (172_800, 3_600, "h"), (math.inf, 86_400, "days"))
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_STYLES = {
    **dict.fromkeys(("open", "reopened", "critical", "failed", "failing", "fail"), "red"),
    **dict.fromkeys(("acknowledged", "warning", "drifted", "unknown"), "yellow"),
    **dict.fromkeys(("live", "good", "pass", "done"), "green"),
    **dict.fromkeys(("resolved", "cancelled"), "dim"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's cell with a style of its own."""

    text: str
    style: str = ""


Column = tuple[str, str] | tuple[str, str, Callable[[Any], str | Cell]]
"""A title, the field shown ("" for the whole row), and how it is written where it is not None."""


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
    """Write a line, wrapped by the terminal and not by us."""
    from rich.text import Text

    _console().print(Text(clean(text), style), soft_wrap=True)


def heading(text: str) -> None:
    """Write the title of a part, with an empty line before it."""
    say()
    say(text, "bold")


def styled(word: str) -> Cell:
    """Give a state or severity its colour."""
    return Cell(word, _STYLES.get(word, ""))


def table(titles: Sequence[str], rows: Iterable[Sequence[str | Cell]]) -> None:
    """Write a table; a title that begins with ``>`` is that of a column of numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for title in titles:
        number = title.startswith(">")
        side: Literal["right", "left"] = "right" if number else "left"
        made.add_column(title.lstrip(">"), justify=side, no_wrap=number, overflow="fold")
    for row in rows:
        cells = (each if isinstance(each, Cell) else Cell(each) for each in row)
        made.add_row(*(Text(clean(each.text), each.style) for each in cells))
    _console().print(made)


def listing(found: Sequence[Mapping[str, Any]], columns: Sequence[Column], empty: str) -> None:
    """Write a row for each that was found, or these words where nothing was."""
    if not found:
        say(empty)
        return

    def cell(row: Mapping[str, Any], column: Column) -> str | Cell:
        value = row[column[1]] if column[1] else row
        how = column[2] if len(column) == 3 else str
        return "" if value is None else how(value)

    table(
        [column[0] for column in columns],
        ([cell(row, column) for column in columns] for row in found),
    )


def rows(found: Sequence[Mapping[str, Any]], fields: str, empty: str) -> None:
    """Write a row for each that was found, of these fields, or these words for nothing.

    A field is ``name`` or ``title=name``; dots lead into what it holds, ``>`` before it marks
    numbers. Moments end in ``_ms`` and are written as such; numbers have four digits at most.
    """

    def column(field: str) -> Column:
        title, _, path = field.lstrip(">").rpartition("=")
        title = (title or path.rpartition(".")[2].removesuffix("_ms")).replace("_", " ")

        def shown(row: Any) -> str | Cell:
            for key in path.split("."):
                row = (row or {}).get(key)
            return "" if row is None else when(row) if path.endswith("_ms") else _cell(row)

        return ">" * field.startswith(">") + title, "", shown

    listing(found, [column(field) for field in fields.split()], empty)


@contextmanager
def bars(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows (name, done, total): a bar per name on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    if quiet or not sys.stderr.isatty():
        yield lambda _name, _done, _total: None
        return
    told = TextColumn("{task.description}", markup=False)
    columns = (told, BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, Any] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name)
            progress.update(tasks[name], completed=done, total=total or None)

        yield show


def now_ms() -> int:
    """Return the time."""
    return SystemClock().now_ms()


def ago(time_ms: int, now: int | None = None) -> str:
    """Say how long ago, or how far ahead."""
    now = now_ms() if now is None else now
    seconds = abs(now - time_ms) / 1000
    if seconds < 1:
        return "now"
    _, unit_s, unit = next(step for step in _STEPS if seconds < step[0])
    told = f"{round(seconds / unit_s)} {unit}"
    return f"{told} ago" if time_ms <= now else f"in {told}"


def when(time_ms: int, now: int | None = None) -> str:
    """Say when, relative and absolute: ``3 min ago, 14:02:11`` or with the date if not today."""
    now = now_ms() if now is None else now
    here, today = (datetime.fromtimestamp(ms / 1000, UTC).astimezone() for ms in (time_ms, now))
    form = "%H:%M:%S" if here.date() == today.date() else "%Y-%m-%d %H:%M"
    return f"{ago(time_ms, now)}, {here.strftime(form)}"


def count(number: int, one: str) -> str:
    """Write a number with its noun, such as ``2,000 samples``."""
    return f"{number:,} {one}{'s' * (number != 1)}"


def size(number: float) -> str:
    """Write bytes in the unit that suits, such as ``45.3 MB``."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.0f} B"


def name_of(labels: Mapping[str, str]) -> str:
    """Write labels as a selector that finds them, such as ``up{job="a"}``."""
    shown = ((name, text.translate(_ESCAPES)) for name, text in labels.items())
    rest = ", ".join(f'{name}="{text}"' for name, text in shown if name != "__name__")
    name = labels.get("__name__", "")
    return f"{name}{{{rest}}}" if rest or not name else name


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


def _cell(value: Any) -> Cell:
    return Cell(_told(value), _STYLES.get(str(value), ""))


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(_told, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_told(each)}" for name, each in value.items())
    return str(value)


def _console() -> Any:
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)
