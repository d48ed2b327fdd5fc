"""The data directory kept: ``backup``, ``restore``, and ``config``, which tells every setting."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
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
    missing, written = "", {}
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        missing = ", which does not exist"
    sources = {"flag": flags, "environment": _environment(), "file": written}
    found = list(_settings(settings, sources))

    def show() -> None:
        listing(found, _COLUMNS, "")
        say(f"Weakest first: default, file ({file}{missing}), environment, flag.", "dim")

    to.answer(found, show)


def _settings(settings: Settings, sources: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every setting with the strongest of the sources that hold it."""
    from pydantic import BaseModel

    from twinhelm.core.logs import strike_secrets

    def shown(value: Any) -> Any:
        return strike_secrets(str(value)) if isinstance(value, Path | str) else value

    for part in type(settings).model_fields:
        section = getattr(settings, part)
        whole = isinstance(section, BaseModel)
        owner = section if whole else settings
        for name in type(section).model_fields if whole else (part,):
            info = type(owner).model_fields[name]
            holders = (
                source
                for source, held in sources.items()
                if name in (held.get(part, ()) if whole else held)
            )
            yield {
                "name": f"{part}.{name}" if whole else name,
                "value": shown(getattr(owner, name)),
                "default": shown(info.get_default(call_default_factory=True)),
                "source": next(holders, "default"),
                "description": info.description or "",
            }


def _environment() -> dict[str, Any]:
    """Return what variables set, as a file would: each alone or a section in JSON."""
    from twinhelm.core import json

    found: dict[str, Any] = {}
    for key, value in os.environ.items():
        prefix, _, name = key.lower().partition("_")
        if prefix == "twinhelm":
            section, _, inner = name.partition("__")
            held = {inner: value} if inner else json.loads(value) if value[:1] == "{" else {}
            found.setdefault(section, {}).update(held)
    return found
