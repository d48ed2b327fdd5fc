"""How things stand: ``status``, the questions that one route answers, and the ``journal``.

The journal is read straight from the data directory, server or not; from a server where one is
named.
"""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from twinhelm.cli.asked import Asked, Limit, command
from twinhelm.cli.shown import Cell, Column, ago, count, listing, name_of, say, size, when
from twinhelm.core.claims import certainty

__all__ = [
    "app", "decisions", "forecasts", "group", "journal", "list_", "rejected", "status", "verify",
]  # fmt: skip

app = typer.Typer()
group = typer.Typer(name="journal", help="What happened and who did it.")


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


_ROWS: tuple[Column, ...] = (
    (">row", "seq"),
    ("when", "time_ms", when),
    ("who", "actor"),
    ("what", "kind"),
    ("about", "subject"),
    ("fields", "body", lambda body: ", ".join(f"{name}={body[name]}" for name in body)),
)


@command(group.callback(invoke_without_command=True))
def journal(to: Asked, context: typer.Context) -> None:
    """Read the journal; without a command, list its newest rows."""
    if context.invoked_subcommand is None:
        list_(to)


@command(group.command("list"))
def list_(
    to: Asked,
    subject: Annotated[str | None, typer.Option(help="Only about this, as incident/3.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only of this kind; docs/events.md lists them.")
    ] = None,
    limit: Limit = 50,
) -> None:
    """List the newest rows, the newest last."""
    wanted: dict[str, Any] = {"subject": subject, "kind": kind, "limit": limit}
    wanted["newest_first"] = True
    if to.server is None:
        found = [asdict(row) for row in to.ledger().journal.read(**wanted)]
    else:
        found = to.reach().get("journal", **wanted)
    to.answer(found, lambda: listing(found[::-1], _ROWS, "No row of the journal is like that."))


@command(group.command())
def verify(to: Asked) -> None:
    """Walk the whole chain; exit status 1 where a row was altered, removed, added or moved."""
    if to.server is None:
        found = asdict(to.ledger().journal.verify())
    else:
        found = to.reach().get("journal/verification")
    to.answer(found, lambda: _say_chain(found))
    if not found["ok"]:
        raise typer.Exit(1)


def _say_chain(found: dict[str, Any]) -> None:
    if found["ok"]:
        say(f"The journal is whole: {found['rows']:,} rows, the newest of hash", "green")
        say(f"{found['head_hash']}")
        say("Keep number and hash elsewhere: with them, a journal written anew is found out.")
    else:
        say(f"The journal is broken at row {found['first_bad_seq']}: {found['reason']}", "red")
        say(f"{found['rows']:,} rows before it are as they were written.")
