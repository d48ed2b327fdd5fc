"""Settings and health: is the store well, how is everything set, who may come in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from twinhelm.aiops.words import quantity
from twinhelm.core.logs import strike_secrets
from twinhelm.core.ports import StoreStats
from twinhelm.core.roles import Right
from twinhelm.core.settings import Settings
from twinhelm.web import VERSION
from twinhelm.web.pages.elements import Node, When
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.live import Live, Region
from twinhelm.web.pages.people import people
from twinhelm.web.pages.pieces import table
from twinhelm.web.pages.sheet import Sheet

__all__ = ["listed", "settings"]


@dataclass(frozen=True, slots=True)
class Health:
    """How twinhelm is."""

    store: StoreStats
    ready: bool
    last_tick_ms: int


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, ready to be shown."""

    name: str
    value: str
    source: str
    description: str


async def settings(sheet: Sheet) -> None:
    """Build the page."""
    house = sheet.house
    with framed(sheet):
        title_row("Settings and health", f"twinhelm {VERSION}")
        with Node("div", classes="card"):
            Node("h2", "Health")
            health = Region()
        if sheet.visitor.may(Right.ADMIN):
            await people(sheet)
        else:
            with Node("section", classes="card"):
                Node("h2", "People and tokens")
                Node("p", sheet.visitor.why_not(Right.ADMIN), "muted")
        with Node("section", classes="card flush"):
            with Node("div", style="padding:16px 16px 8px"):
                Node("h2", "Settings")
                Node(
                    "p",
                    "Changed in twinhelm.toml, by environment variables TWINHELM_SECTION__NAME or "
                    "by flags; they hold from the next start.",
                    "muted prose",
                )
            heads: list[str | tuple[str, str]] = [
                "Setting",
                "Value",
                ("From", "tightcol"),
                "What it does",
            ]
            table(heads, list(listed(house.settings)), _setting)

        def ask() -> Health:
            return Health(house.telemetry.stats(), house.ready, house.watch.last_tick_ms)

        await Live(sheet, ask, lambda now: health.show(now, _health), every_s=5.0).start()


def _health(now: Health) -> None:
    store = now.store
    well = now.ready and store.taking
    with Node("p", classes="lead row", style="margin-bottom:8px"):
        Node("span", classes=f"dot {'green' if well else 'red'}", aria_hidden="true")
        if not now.ready:
            Node("span", "Starting: telemetry is kept, and judged once the watch stands")
        elif not store.taking:
            Node("span", f"No telemetry is taken: {store.reason}")
        else:
            Node("span", "Telemetry is taken and judged")
    with Node("dl", classes="facts wide"):
        Node("dt", "Last check")
        with Node("dd"):
            if now.last_tick_ms:
                When(now.last_tick_ms)
            else:
                Node("span", "not yet")
        counts = (
            ("Series", store.series),
            ("Samples", store.samples),
            ("Log lines", store.logs),
            ("Spans", store.spans),
            ("Changes", store.changes),
        )
        for name, count in counts:
            Node("dt", name)
            Node("dd", f"{count:,}")
        Node("dt", "On disk")
        Node(
            "dd",
            f"{quantity(store.disk_bytes, 'bytes')}, {quantity(store.free_bytes, 'bytes')} free",
        )
        if store.samples:
            Node("dt", "Waiting to be moved")
            Node("dd", f"{store.pending_rows:,} rows (safe in the append log)")


def listed(found: Settings) -> Iterator[Setting]:
    """List every setting with its value, secrets struck out, and where it came from."""
    file = Path(os.environ.get("TWINHELM_CONFIG", str(found.data / "twinhelm.toml")))
    return _section(found, "", str(file) if file.is_file() else "flags or file")


def _section(section: BaseModel, prefix: str, file: str) -> Iterator[Setting]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _section(value, f"{prefix}{name}.", file)
            continue
        whole = prefix + name
        variable = "TWINHELM_" + whole.upper().replace(".", "__")
        if variable in os.environ:
            source = variable
        elif value == field.get_default(call_default_factory=True):
            source = "default"
        else:
            source = file
        yield Setting(whole, _shown(value), source, field.description or "")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or "(none)"
    return strike_secrets(str(value)) or "(empty)"


def _setting(one: Setting) -> None:
    with Node("tr"):
        with Node("td", classes="tightcol"):
            Node("code", one.name)
        Node("td", one.value, "namecol")
        Node("td", one.source, "namecol" + (" muted" if one.source == "default" else ""))
        Node("td", one.description, "muted cutoff")
