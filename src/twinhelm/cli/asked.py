"""What commands ask for alike: the options that many share, and how their words are read.

In: what somebody typed. Out: epoch ms, durations in ms, headers, roles. What cannot be read is a
usage error (exit status 2) that says what would do.

>>> duration_ms("90s"), duration_ms("1.5h")
(90000, 5400000)
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from twinhelm.core.roles import Role

__all__ = [
    "AsJson",
    "Data",
    "End",
    "Headers",
    "Last",
    "Limit",
    "Roles",
    "Selector",
    "ServerUrl",
    "Start",
    "TokenText",
    "duration_ms",
    "header",
    "moment_ms",
    "role",
]

_UNITS_MS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_LATEST_MS = 253_402_300_799_000  # the end of the year 9999


def duration_ms(text: str) -> int:
    """Read a duration such as ``90s``, ``15m``, ``1.5h``, ``2d`` or ``1w``; whole ms, above 0."""
    hit = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|min|m|h|d|w)", text.strip())
    found = round(float(hit[1]) * _UNITS_MS[hit[2]]) if hit else 0
    if not 0 < found <= _LATEST_MS:
        raise typer.BadParameter(f"{text[:40]!r} is no duration; write 90s, 15m, 1h, 2d or 1w")
    return found


def moment_ms(text: str) -> int:
    """Read a moment: ISO 8601 (in the local zone where it names none) or epoch seconds or ms."""
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text):
        number = float(text)
        found = round(number if number >= 1e11 else number * 1000)
    else:
        try:
            found = round(datetime.fromisoformat(text).timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            found = -1
    if not 0 <= found <= _LATEST_MS:
        raise typer.BadParameter(
            f"{text[:40]!r} is no moment; write 2024-06-01 or 2024-06-01T14:00"
        )
    return found


def header(text: str) -> tuple[str, str]:
    """Read ``Name: value``."""
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name.strip()):
        raise typer.BadParameter(f"{text[:40]!r} is no header; write 'Name: value'")
    return name.strip(), value.strip()


def role(text: str) -> Role:
    """Read a role; a hyphen does for a space."""
    try:
        return Role(text.strip().lower().replace("-", " "))
    except ValueError as error:
        names = ", ".join(each.value.replace(" ", "-") for each in Role)
        raise typer.BadParameter(f"{text[:40]!r} is no role; roles are {names}") from error


AsJson = Annotated[
    bool, typer.Option("--json", help="Answer in JSON: one document on standard output.")
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="The data directory.", show_default="as in the settings"),
]
ServerUrl = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="TWINHELM_SERVER",
        help="Address of the server.",
        show_default="the one that runs on the data directory",
    ),
]
TokenText = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="TWINHELM_TOKEN",
        help="Token to show to the server.",
        show_default="the one kept in the data directory",
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")]
Selector = Annotated[
    str, typer.Argument(help='Such as node_load1{host="a"}; nothing means everything.')
]
Last = Annotated[
    int | None,
    typer.Option("--last", parser=duration_ms, metavar="DURATION", help="How far back: 15m, 1h."),
]
Start = Annotated[
    int | None,
    typer.Option("--start", parser=moment_ms, metavar="TIME", help="From: ISO 8601 or epoch."),
]
End = Annotated[
    int | None,
    typer.Option("--end", parser=moment_ms, metavar="TIME", help="Up to: ISO 8601 or epoch."),
]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", help="'Name: value' to send along, such as Authorization."),
]
Roles = Annotated[
    list[str],
    typer.Option(
        "--role", help="viewer, operator, data-scientist, approver or admin; may be repeated."
    ),
]
