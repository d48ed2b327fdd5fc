"""How things stand: ``status``, ``rejected``, ``forecasts`` and ``decisions``."""

from __future__ import annotations

import typer

from twinhelm.cli.asked import AsJson, Data, Limit, ServerUrl, TokenText
from twinhelm.cli.shown import Cell, ago, count, emit, name_of, now_ms, say, size, table, when

__all__ = ["app"]

app = typer.Typer()


@app.command()
def status(
    data: Data = None, server: ServerUrl = None, token: TokenText = None, as_json: AsJson = False
) -> None:
    """Say how twinhelm is: whether it takes telemetry, what it holds, who you are to it."""
    from twinhelm.cli.server import reach

    with reach(server, token, data) as there:
        found = there.get("status")
    if as_json:
        emit(found)
        return
    store, now = found["store"], now_ms()
    state = "takes and judges telemetry" if found["ready"] else "is not ready yet"
    if not store["taking"]:
        state = f"takes no telemetry: {store['reason']}"
    good = found["ready"] and store["taking"]
    say(
        f"twinhelm {found['version']} at {there.url} ({found['environment']}) {state}",
        "green" if good else "red" if found["ready"] else "yellow",
    )
    states = [f"{number} {state}" for state, number in found["incidents"].items() if number]
    tick = found["last_tick_ms"]
    waiting = count(store["pending_rows"], "row")
    rows = (
        ("Incidents", ", ".join(states) or "none so far"),
        ("Watch", f"last looked {when(tick, now)}" if tick else "has not looked yet"),
        (
            "Store",
            f"{store['series']:,} series, {count(store['samples'], 'sample')}, "
            f"{count(store['logs'], 'log')}, {count(store['spans'], 'span')}, "
            f"{count(store['changes'], 'change')}; {waiting} not settled yet",
        ),
        ("Disk", f"{size(store['disk_bytes'])} used, {size(store['free_bytes'])} free"),
        ("You", f"{found['asker']} ({', '.join(found['roles']) or 'no role'})"),
    )
    for name, value in rows:
        say(f"{name:10} {value}")


@app.command()
def rejected(
    limit: Limit = 100,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """Show telemetry that was not kept, how much of it, and why."""
    from twinhelm.cli.server import reach

    with reach(server, token, data) as there:
        found = there.get("rejections", limit=limit)
    if as_json:
        emit(found)
        return
    if not found:
        say("Nothing was rejected since the server started.")
        return
    now = now_ms()
    table(
        ("count", "reason", "door", "tenant", "last", "example"),
        (
            (
                f"{each['count']:,}",
                each["reason"],
                each["door"],
                each["tenant"],
                when(each["last_ms"], now),
                each["example"],
            )
            for each in found
        ),
        right="r",
    )


@app.command()
def forecasts(
    data: Data = None, server: ServerUrl = None, token: TokenText = None, as_json: AsJson = False
) -> None:
    """Show what will run out next, and between when and when."""
    from twinhelm.cli.server import reach

    with reach(server, token, data) as there:
        found = there.get("forecasts")
    if as_json:
        emit(found)
        return
    if not found:
        say("Nothing is foreseen to run out: no trend is clear enough to speak of.")
        return
    from twinhelm.core.claims import certainty

    now = now_ms()
    table(
        ("runs out", "earliest", "latest", "confidence", "what", "series"),
        (
            (
                when(each["likely_ms"], now),
                ago(each["earliest_ms"], now),
                "perhaps never" if each["latest_ms"] is None else ago(each["latest_ms"], now),
                f"{certainty(each['confidence'])}, {each['confidence']:.2f}",
                each["text"],
                name_of(each["labels"]),
            )
            for each in found
        ),
    )


@app.command()
def decisions(
    limit: Limit = 50,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """Say why something was, or was not, made an incident."""
    from twinhelm.cli.server import reach

    with reach(server, token, data) as there:
        found = there.get("decisions", limit=limit)
    if as_json:
        emit(found)
        return
    if not found:
        say("Nothing was strange enough to decide about since the server started.")
        return
    now = now_ms()
    table(
        ("when", "outcome", "incident", "why"),
        (
            (
                when(each["time_ms"], now),
                Cell(each["outcome"], "bold" if each["incident"] else ""),
                str(each["incident"] or ""),
                each["text"],
            )
            for each in found
        ),
        right="  r",
    )
