"""What commands share: their options, how their words are read, their doors, and their answer.

A command is a function of :class:`Asked` and of its own options; :func:`command` adds the shared
options. What cannot be read is a usage error (exit status 2) that says what would do.

>>> duration_ms("90s"), duration_ms("1.5h")
(90000, 5400000)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinhelm.cli.place import Ledger, ledger
from twinhelm.cli.shown import emit, say
from twinhelm.core.roles import Role

if TYPE_CHECKING:
    from twinhelm.cli.server import Server

__all__ = [
    "LOCAL", "Asked", "Last", "Limit", "command", "duration_ms", "header", "moment_ms", "role",
]  # fmt: skip

LOCAL = ("data", "as_json")
"""The shared options of commands that need no server."""
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000}
_UNITS_MS |= {"d": 86_400_000, "w": 604_800_000}
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
    try:
        if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text):
            found = round(float(text) * (1 if float(text) >= 1e11 else 1000))
        else:
            found = round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        found = -1
    if not 0 <= found <= _LATEST_MS:
        told = f"{text[:40]!r} is no moment; write 2024-06-01 or 2024-06-01T14:00"
        raise typer.BadParameter(told)
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


Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")]
Last = Annotated[
    int | None,
    typer.Option("--last", parser=duration_ms, metavar="DURATION", help="How far back: 15m, 1h."),
]
_SERVER = "Address of the server; else the one that runs on the data directory."
_TOKEN = "Token to show to the server; else the one kept in the data directory."  # noqa: S105 - a help text
_JSON = "Answer in JSON: one document on standard output."
_SHARED: dict[str, tuple[Any, Any]] = {
    "data": (Path | None, typer.Option(None, help="The data directory.")),
    "server": (str | None, typer.Option(None, envvar="TWINHELM_SERVER", help=_SERVER)),
    "token": (str | None, typer.Option(None, envvar="TWINHELM_TOKEN", help=_TOKEN)),
    "as_json": (bool, typer.Option(False, "--json", help=_JSON)),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The shared options as given; what is opened here closes when the command ends."""

    data: Path | None
    server: str | None
    token: str | None
    as_json: bool
    opened: ExitStack

    def reach(self) -> Server:
        """Find the server and hold a connection to it."""
        from twinhelm.cli.server import reach

        return self.opened.enter_context(reach(self.server, self.token, self.data))

    def ledger(self, *, make: bool = False) -> Ledger:
        """Open records and journal of the data directory, as :func:`.place.ledger` does."""
        return self.opened.enter_context(ledger(self.data, make=make))

    def answer(self, document: Any, told: str | Callable[[], object]) -> None:
        """Answer with the document, or for people with words or what writes them."""
        if self.as_json:
            emit(document)
        elif isinstance(told, str):
            say(told)
        else:
            told()


def command(
    register: Callable[[Any], Any], shared: Sequence[str] = tuple(_SHARED)
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function of :class:`Asked` with its own and these shared options."""

    def made(function: Callable[..., None]) -> Callable[..., None]:
        def run(**given: Any) -> None:
            mine: dict[str, Any] = dict.fromkeys(_SHARED)
            mine |= {name: given.pop(name) for name in shared}
            with ExitStack() as opened:
                function(Asked(**mine, opened=opened), **given)

        _, *own = signature(function, eval_str=True).parameters.values()
        added = (
            Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=option)
            for name, (kind, option) in _SHARED.items()
            if name in shared
        )
        run.__signature__ = Signature([*own, *added])  # type: ignore[attr-defined]
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        register(run)
        return function

    return made
