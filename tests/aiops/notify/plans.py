"""A plan to begin from, read at a day in spring 2026."""

from __future__ import annotations

from datetime import UTC, datetime

from peers.plans import everything, rota
from twinhelm.aiops.notify.document import read_plan

NOW = round(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
SMALL = (
    """\
zone = "Europe/Berlin"
[[channels]]
name = "ops"
kind = "slack"
secret = "secret:slack"
[[people]]
name = "ada"
channels = ["ops"]
[[people]]
name = "bob"
channels = ["ops"]
"""
    + rota("2026-01-05", "ada", "bob", more='handover = "09:00"\n')
    + """\
[[rotas.overrides]]
person = "ada"
begin = 2026-05-01T09:00:00
end = 2026-05-02T09:00:00
"""
    + everything("rota:primary")
)


def plan(text):
    return read_plan(text, "n.toml", NOW)


def ms(*moment):
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)
