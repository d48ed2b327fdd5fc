"""``backup`` while the server runs, ``restore`` while it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twinhelm.cli.asked import AsJson, Data, ServerUrl, TokenText
from twinhelm.cli.place import actor, settings_of
from twinhelm.cli.shown import emit, say

__all__ = ["app"]

app = typer.Typer()


@app.command()
def backup(
    target: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="An empty or absent directory.", show_default=False),
    ],
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """Write a complete copy while the server goes on serving.

    The directory is the server's, should that be on another machine. While no server runs, a
    copy of the data directory does as well.
    """
    from twinhelm.cli.server import reach

    with reach(server, token, data) as there:
        taken = there.post("backups", {"target": str(target.absolute())}, patient=True)
    if as_json:
        emit(taken)
    else:
        say(f"The backup lies in {taken['target']}.")


@app.command()
def restore(
    source: Annotated[
        Path, typer.Argument(metavar="DIR", help="What backup wrote.", show_default=False)
    ],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Fill an empty data directory from a backup; the server starts on it afterwards."""
    settings = settings_of(data)
    from twinhelm.app import restore_backup

    restore_backup(source, settings, by=actor())
    if as_json:
        emit({"source": str(source.absolute()), "data": str(settings.data.absolute())})
    else:
        say(f"Restored. Start it: twinhelm up --data {settings.data}")
