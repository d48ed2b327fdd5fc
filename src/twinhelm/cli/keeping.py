"""The data directory kept: ``backup``, ``restore``, and ``config``, which tells every setting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinhelm.cli.asked import LOCAL, Asked, command
from twinhelm.cli.place import actor, data_directory, read_beacon, settings_of
from twinhelm.cli.shown import Cell, Column, listing, say

if TYPE_CHECKING:
    from twinhelm.core.settings import Settings

__all__ = ["app", "backup", "config", "restore"]

app = typer.Typer()
_FOLDER: dict[str, Any] = {"metavar": "DIR", "show_default": False}
Target = Annotated[Path, typer.Argument(help="An empty or absent directory.", **_FOLDER)]
Source = Annotated[Path, typer.Argument(help="What backup wrote.", **_FOLDER)]


@command(app.command())
def backup(to: Asked, target: Target) -> None:
    """Write a complete copy while the server goes on serving.

    The directory is the server's, should that be on another machine. While no server runs, a
    copy of the data directory does as well.
    """
    taken = to.reach().post("backups", {"target": str(target.absolute())}, patient=True)
    to.answer(taken, f"The backup lies in {taken['target']}.")


@command(app.command(), LOCAL)
def restore(to: Asked, source: Source) -> None:
    """Fill an empty data directory from a backup; the server starts on it afterwards."""
    settings = settings_of(to.data)
    from twinhelm.app import restore_backup

    restore_backup(source, settings, by=actor())
    document = {"source": str(source.absolute()), "data": str(settings.data.absolute())}
    to.answer(document, f"Restored. Start it: twinhelm up --data {settings.data}")


_COLUMNS: tuple[Column, ...] = (
    ("setting", "name"),
    ("value", "value", lambda value: ", ".join(value) if isinstance(value, list) else str(value)),
    ("from", "source", lambda source: Cell(source, "dim" if source == "default" else "blue")),
    ("what for", "description"),
)


@command(app.command(), LOCAL)
def config(to: Asked) -> None:
    """Show every setting: its value, where that came from, and what it is for.

    The flags of a server that runs on the data directory count; passwords are struck out.
    """
    beacon = read_beacon(data_directory(to.data))
    flags: dict[str, Any] = dict(beacon.flags) if beacon else {}
    if to.data is not None:
        flags["data"] = str(to.data)
    settings = settings_of(None, flags)
    file = Path(os.environ.get("TWINHELM_CONFIG") or settings.data / "twinhelm.toml")
    missing = ""
    try:
        file.stat()  # which says so where no file could be there at all
    except FileNotFoundError:
        missing = ", which does not exist"
    found = list(_settings(settings))

    def show() -> None:
        listing(found, _COLUMNS, "")
        say(f"Weakest first: default, file ({file}{missing}), environment, flag.", "dim")

    to.answer(found, show)


def _settings(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield every setting with the source that it is from."""
    from pydantic import BaseModel, SecretStr

    from twinhelm.core.logs import strike_secrets

    def shown(value: Any) -> Any:
        if isinstance(value, SecretStr):
            return "***" if value.get_secret_value() else ""
        return strike_secrets(str(value)) if isinstance(value, Path | str) else value

    for part in type(settings).model_fields:
        section = getattr(settings, part)
        whole = isinstance(section, BaseModel)
        owner = section if whole else settings
        for name in type(section).model_fields if whole else (part,):
            info = type(owner).model_fields[name]
            full = f"{part}.{name}" if whole else name
            yield {
                "name": full,
                "value": shown(getattr(owner, name)),
                "default": shown(info.get_default(call_default_factory=True)),
                "source": settings.source_of(full),
                "description": info.description or "",
            }
