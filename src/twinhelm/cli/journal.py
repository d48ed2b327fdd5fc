"""The journal: what happened and who did it, and whether the chain is whole.

Read straight from the data directory, server or not; from a server where one is named.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from twinhelm.cli.asked import AsJson, Data, Limit, ServerUrl, TokenText
from twinhelm.cli.place import ledger
from twinhelm.cli.shown import emit, now_ms, say, table, when

__all__ = ["app"]

app = typer.Typer(name="journal", help="What happened and who did it.")

Subject = Annotated[str | None, typer.Option(help="Only about this, such as incident/3.")]
Kind = Annotated[str | None, typer.Option(help="Only of this kind; docs/events.md lists them.")]


@app.callback(invoke_without_command=True)
def journal(
    context: typer.Context,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """Read the journal; without a command, list its newest rows."""
    if context.invoked_subcommand is None:
        _list(None, None, 50, data, server, token, as_json=as_json)


@app.command("list")
def list_(
    subject: Subject = None,
    kind: Kind = None,
    limit: Limit = 50,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """List the newest rows, the newest last."""
    _list(subject, kind, limit, data, server, token, as_json=as_json)


@app.command()
def verify(
    data: Data = None, server: ServerUrl = None, token: TokenText = None, as_json: AsJson = False
) -> None:
    """Walk the whole chain; exit status 1 where a row was altered, removed, added or moved."""
    if server is not None:
        from twinhelm.cli.server import reach

        with reach(server, token, data) as there:
            found = there.get("journal/verification")
    else:
        with ledger(data) as held:
            found = asdict(held.journal.verify())
    if as_json:
        emit(found)
    elif found["ok"]:
        say(f"The journal is whole: {found['rows']:,} rows, the newest of hash", "green")
        say(f"{found['head_hash']}")
        say("Keep number and hash elsewhere: with them, a journal written anew is found out.")
    else:
        say(f"The journal is broken at row {found['first_bad_seq']}: {found['reason']}", "red")
        say(f"{found['rows']:,} rows before it are as they were written.")
    if not found["ok"]:
        raise typer.Exit(1)


def _list(
    subject: str | None,
    kind: str | None,
    limit: int,
    data: Path | None,
    server: str | None,
    token: str | None,
    *,
    as_json: bool,
) -> None:
    found: list[dict[str, Any]]
    if server is not None:
        from twinhelm.cli.server import reach

        with reach(server, token, data) as there:
            found = there.get("journal", subject=subject, kind=kind, limit=limit, newest_first=True)
    else:
        with ledger(data) as held:
            rows = held.journal.read(subject=subject, kind=kind, limit=limit, newest_first=True)
            found = [asdict(row) for row in rows]
    if as_json:
        emit(found)
        return
    if not found:
        say("No row of the journal is like that.")
        return
    now = now_ms()
    table(
        ("row", "when", "who", "what", "about", "fields"),
        (
            (
                str(each["seq"]),
                when(each["time_ms"], now),
                each["actor"],
                each["kind"],
                each["subject"],
                ", ".join(f"{name}={value}" for name, value in each["body"].items()),
            )
            for each in reversed(found)
        ),
        right="r",
    )
