"""``twinhelm config``: every setting, its value, and which of four sources it came from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from twinhelm.cli.asked import AsJson, Data
from twinhelm.cli.place import (
    data_directory,
    file_settings,
    read_beacon,
    settings_file,
    settings_of,
)
from twinhelm.cli.shown import Cell, emit, say, table

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["app"]

app = typer.Typer()


@app.command()
def config(data: Data = None, as_json: AsJson = False) -> None:
    """Show every setting: its value, where that came from, and what it is for.

    The flags of a server that runs on the data directory count; passwords are struck out.
    """
    beacon = read_beacon(data_directory(data))
    flags: dict[str, Any] = dict(beacon.flags) if beacon else {}
    if data is not None:
        flags["data"] = str(data)
    settings = settings_of(None, flags)
    file = settings_file(settings.data)
    found = list(_settings(settings, "", flags, file_settings(file)))
    if as_json:
        emit(found)
        return
    table(
        ("setting", "value", "from", "what for"),
        (
            (each["name"], _told(each["value"]), _source(each["source"]), each["description"])
            for each in found
        ),
    )
    there = "" if file.is_file() else ", which does not exist"
    say(f"Weakest first: default, file ({file}{there}), environment, flag.", "dim")


def _settings(
    section: BaseModel, prefix: str, flags: Mapping[str, Any], file: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    from pydantic import BaseModel

    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _settings(value, f"{prefix}{name}.", _part(flags, name), _part(file, name))
            continue
        if name in flags:
            source = "flag"
        elif _in_environment(prefix + name):
            source = "environment"
        else:
            source = "file" if name in file else "default"
        yield {
            "name": prefix + name,
            "value": _shown(value),
            "default": _shown(info.get_default(call_default_factory=True)),
            "source": source,
            "description": info.description or "",
        }


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return found if isinstance(found, Mapping) else {}


def _in_environment(name: str) -> bool:
    """Tell whether a variable sets it, alone or with its whole section as JSON."""
    section, dot, _ = name.partition(".")
    wanted = {f"TWINHELM_{name.replace('.', '__')}".upper()}
    if dot:
        # A section in one variable counts only for the names it holds.
        held = {key.upper(): value for key, value in os.environ.items()}
        text = held.get(f"TWINHELM_{section}".upper(), "")
        if f'"{name.rpartition(".")[2]}"' in text:
            return True
    return any(key.upper() in wanted for key in os.environ)


def _shown(value: Any) -> Any:
    """Show a value; addresses may carry passwords, which are struck out."""
    from twinhelm.core.logs import strike_secrets

    if isinstance(value, Path | str):
        return strike_secrets(str(value))
    return value


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _source(source: str) -> Cell:
    return Cell(source, "dim" if source == "default" else "blue")
