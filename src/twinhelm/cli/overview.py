"""How things stand: ``status``, and the questions that one route answers with one table."""

from typing import Any

import typer

from twinhelm.cli.asked import Asked, Limit, command
from twinhelm.cli.shown import Cell, Column, ago, count, listing, name_of, say, size, when
from twinhelm.core.claims import certainty

__all__ = ["app", "decisions", "forecasts", "rejected", "status"]

app = typer.Typer()


@command(app.command())
def status(to: Asked) -> None:
    """Say how twinhelm is: whether it takes telemetry, what it holds, who you are to it."""
    there = to.reach()
    found = there.get("status")
    to.answer(found, lambda: _say_status(there.url, found))


def _say_status(url: str, found: dict[str, Any]) -> None:
    store, tick = found["store"], found["last_tick_ms"]
    state, style = "is not ready yet", "yellow"
    if found["ready"]:
        state, style = "takes and judges telemetry", "green"
    if not store["taking"]:
        state, style = f"takes no telemetry: {store['reason']}", "red"
    say(f"twinhelm {found['version']} at {url} ({found['environment']}) {state}", style)
    states = [f"{number} {state}" for state, number in found["incidents"].items() if number]
    held = (count(store[f"{noun}s"], noun) for noun in ("sample", "log", "span", "change"))
    waiting = count(store["pending_rows"], "row")
    for name, value in (
        ("Incidents", ", ".join(states) or "none so far"),
        ("Watch", f"last looked {when(tick)}" if tick else "has not looked yet"),
        ("Store", f"{store['series']:,} series, {', '.join(held)}; {waiting} not settled yet"),
        ("Disk", f"{size(store['disk_bytes'])} used, {size(store['free_bytes'])} free"),
        ("You", f"{found['asker']} ({', '.join(found['roles']) or 'no role'})"),
    ):
        say(f"{name:10} {value}")


@command(app.command())
def rejected(to: Asked, limit: Limit = 100) -> None:
    """Show telemetry that was not kept, how much of it, and why."""
    _list(to, "rejections", limit=limit)


@command(app.command())
def forecasts(to: Asked) -> None:
    """Show what will run out next, and between when and when."""
    _list(to, "forecasts")


@command(app.command())
def decisions(to: Asked, limit: Limit = 50) -> None:
    """Say why something was, or was not, made an incident."""
    _list(to, "decisions", limit=limit)


_LISTS: dict[str, tuple[str, tuple[Column, ...]]] = {
    "rejections": (
        "Nothing was rejected since the server started.",
        (
            (">count", "count", "{:,}".format),
            ("reason", "reason"),
            ("door", "door"),
            ("tenant", "tenant"),
            ("last", "last_ms", when),
            ("example", "example"),
        ),
    ),
    "forecasts": (
        "Nothing is foreseen to run out: no trend is clear enough to speak of.",
        (
            ("runs out", "likely_ms", when),
            ("earliest", "earliest_ms", ago),
            ("latest", "", lambda e: ago(e["latest_ms"]) if e["latest_ms"] else "perhaps never"),
            ("confidence", "confidence", lambda value: f"{certainty(value)}, {value:.2f}"),
            ("what", "text"),
            ("series", "labels", name_of),
        ),
    ),
    "decisions": (
        "Nothing was strange enough to decide about since the server started.",
        (
            ("when", "time_ms", when),
            ("outcome", "", lambda each: Cell(each["outcome"], "bold" if each["incident"] else "")),
            (">incident", "incident"),
            ("why", "text"),
        ),
    ),
}
"""By route: the words for nothing, and the columns."""


def _list(to: Asked, route: str, **wanted: Any) -> None:
    found = to.reach().get(route, **wanted)
    to.answer(found, lambda: listing(found, _LISTS[route][1], _LISTS[route][0]))
