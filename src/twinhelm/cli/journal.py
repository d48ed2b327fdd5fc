"""The journal: what happened and who did it, and whether the chain is whole.

Read straight from the data directory, server or not; from a server where one is named.
"""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from twinhelm.cli.asked import Asked, Limit, command
from twinhelm.cli.shown import Column, listing, say, when

__all__ = ["app", "journal", "list_", "verify"]

app = typer.Typer(name="journal", help="What happened and who did it.")

_COLUMNS: tuple[Column, ...] = (
    (">row", "seq"),
    ("when", "time_ms", when),
    ("who", "actor"),
    ("what", "kind"),
    ("about", "subject"),
    ("fields", "body", lambda body: ", ".join(f"{name}={body[name]}" for name in body)),
)


@command(app.callback(invoke_without_command=True))
def journal(to: Asked, context: typer.Context) -> None:
    """Read the journal; without a command, list its newest rows."""
    if context.invoked_subcommand is None:
        list_(to)


@command(app.command("list"))
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
    to.answer(found, lambda: listing(found[::-1], _COLUMNS, "No row of the journal is like that."))


@command(app.command())
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
