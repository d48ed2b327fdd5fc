"""The program's entry: the Typer application and how errors reach the reader."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from twinhelm.core.errors import TwinhelmError

__all__ = ["app", "main"]

app = typer.Typer(
    name="twinhelm",
    help="One open platform that runs machines and models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """One open platform that runs machines and models."""


@app.command()
def up(
    data: Annotated[Path | None, typer.Option(help="The data directory.")] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT to serve on.")] = None,
    host: Annotated[bool, typer.Option(help="Watch this host.")] = True,
) -> None:
    """Start the server."""
    from twinhelm.app import open_house
    from twinhelm.core.logs import configure_logs
    from twinhelm.core.settings import load_settings
    from twinhelm.web.server import serve

    flags: dict[str, Any] = {}
    if data is not None:
        flags["data"] = str(data)
    if listen is not None:
        flags["server"] = {"listen": listen}
    if not host:
        flags["host"] = {"enabled": False}
    settings = load_settings(flags)
    configure_logs(settings.tracing)
    serve(open_house(settings))


def main() -> None:
    """Run a command; an error of ours is one message and exit status 1."""
    try:
        app()
    except TwinhelmError as error:
        sys.stderr.write(f"twinhelm: {error}\n")
        raise SystemExit(1) from error
