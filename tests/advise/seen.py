"""Small pasts to look through: built by hand, days apart."""

from __future__ import annotations

from dataclasses import replace

from twinhelm.advise.types import DAY_MS, HOUR_MS, Deed, Firing, Past, Seen
from twinhelm.aiops.automate.match import Case, Sign
from twinhelm.aiops.automate.plan import Plan, PlannedStep
from twinhelm.aiops.automate.repair import Answer, Repair, RepairState
from twinhelm.aiops.automate.runbook import Level, read_runbook
from twinhelm.aiops.automate.steps import actors
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.core.own.secrets import Secrets
from twinhelm.core.settings import AutomateSettings
from twinhelm.core.telemetry import Change

MONTH = 30 * DAY_MS


def reader(folder):
    """Read a runbook as a house without any allowance does."""
    hands = actors(
        AutomateSettings(),
        Secrets(folder),
        name_of=lambda _pid: None,
        roll_back=lambda _product: {},
    )
    return lambda text, where: read_runbook(text, where, hands)


def deed(day, text, *, who="ann", entity="host:db-1", kind="command", hours=0.0):
    return Deed(day * DAY_MS, who, text, entity, kind, hours)


def past(day, *deeds, shows="DiskFull", entity="host:db-1", number=None, flaps=0):
    at = day * DAY_MS
    found = Incident(number or day, IncidentState.RESOLVED, f"{shows} fires", "critical", (entity,),
                     at, at, at + HOUR_MS, members=("f",), flaps=flaps)  # fmt: skip
    case = Case(found, (), (Sign(entity, "other", shows, {"alertname": shows}),))
    people = tuple(sorted({one.who for one in deeds}))
    return Past(case, entity, shows, deeds, people, 1.0 if deeds else 0.0)


def mending(day, *, agrees=True, verified=True, level="ask", **more):
    """A repair that this house asked for; somebody answered after 20 minutes."""
    at, began = day * DAY_MS, day * DAY_MS + HOUR_MS // 3
    step = PlannedStep(
        *("free", "command", "run prune --older 7d", (), (), ""),
        *(False, True, True, False, (), 9.0),
    )
    plan = Plan("prune", "host:db-1", {}, (step,), (), (), more.pop("dangerous", False), (), 9.0)
    state = RepairState.VERIFIED if verified else RepairState.USELESS
    made = Repair(
        f"{day}-1", day, "prune", 1, "d", "production", Level(level), state, plan, (), "twinhelm",
        at, began, 1, at, answers=(Answer("ann", agrees, "", began),), started_ms=began,
        ended_ms=began + HOUR_MS // 6,
    )  # fmt: skip
    return replace(made, **more)


def firing(day, minutes, *, acted=False, booked=False, name="HighLoad"):
    at = day * DAY_MS
    return Firing(name, "host:a", at, at + minutes * 60_000, acted, booked)


def job(day, commit, outcome, *, at_min=0, minutes=5, name="unit", **more):
    start = day * DAY_MS + at_min * 60_000
    told = {"type": "job", "repo": "acme/shop", "workflow": "ci", "job": name, "commit": commit}
    return Change(f"{name}/{commit}/{start}", start, "ci", "pipeline:acme/shop/ci", name, "github",
                  start + minutes * 60_000, outcome, told | more)  # fmt: skip


def run(day, outcome="success", *, hour=2, name="shop/orders"):
    start = day * DAY_MS + hour * HOUR_MS
    entity, end = f"pipeline:{name}", start + HOUR_MS // 3
    return Change(f"{name}/{start}", start, "pipeline", entity, name, "openlineage", end, outcome)


def seen(*, pasts=(), deeds=(), firings=(), changes=(), repairs=()):
    by_time = sorted(changes, key=lambda one: one.time_ms)
    return Seen(
        0, MONTH, tuple(pasts), tuple(deeds), tuple(firings), tuple(by_time), tuple(repairs)
    )
