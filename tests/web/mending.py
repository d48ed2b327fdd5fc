"""Repairs on stores in memory, for houses of the web: real flows, and a doer that remembers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from peers.memory_workflows import MemoryWorkflows
from peers.runbooks import Doer, house_actors
from twinhelm.aiops.flow.casework import claims_of
from twinhelm.aiops.flow.repairs.books import Books
from twinhelm.aiops.flow.repairs.desk import Desk
from twinhelm.aiops.flow.repairs.follow import Follower
from twinhelm.aiops.flow.repairs.judging import Judge
from twinhelm.aiops.flow.repairs.proposals import Proposals
from twinhelm.aiops.flow.repairs.walk import Walk
from twinhelm.aiops.records import load_incident, put_anomaly, put_claims, put_incident
from twinhelm.aiops.types import Anomaly, Direction, Incident, IncidentState, Resource, Suspect
from twinhelm.events.kinds.machines import IncidentOpened, IncidentResolved


def mending(house, *more, doer=None, folder=None, environment="production", measured=None):
    """Put repairs together for a house that has records, a journal and a clock."""
    doer = doer or Doer()
    told = (house.records, house.journal, house.clock)
    books = Books(*told, house_actors(doer, *more), folder, environment)
    judge = Judge(books, lambda *_: [])
    workflows = MemoryWorkflows(house.clock)
    desk = Desk(*told, workflows, Proposals(judge))
    walk = Walk(desk, measured or (lambda *_: []))
    walk.register()
    desk.load()
    return SimpleNamespace(
        books=books, judge=judge, desk=desk, walk=walk, doer=doer, workflows=workflows,
        follower=Follower(desk, house.journal),
    )  # fmt: skip


def blamed(house, number, entity="service:shop/cart", *, title="memory grows", resource="memory"):
    """Tell of an incident that one service is to blame for, and let the house's repairs hear."""
    now, parent = house.clock.now_ms(), f"incident/{number}"
    incident = Incident(
        number, IncidentState.OPEN, title, "critical", (entity,), now, now,
        members=(f"{number}:{now}",), verdict="conclusive",
    )  # fmt: skip
    labels = (("__name__", "process_memory_usage"), ("service_name", "cart"))
    (series,) = house.telemetry.intern([labels], tenant="default")
    sign = Anomaly(int(series), labels, entity, Resource(resource), Direction.UP, now, now, None,
                   1.0, 9.0, 1.0, 0.5, 1.5, 5.0, 10)  # fmt: skip
    suspect = Suspect(1, "service", entity, "process_memory_usage", "Memory", 0.9, ())
    with house.journal.writing("twinhelm") as write:
        put_incident(write, incident)
        put_anomaly(write, sign, number)
        put_claims(write, parent, "cause", claims_of(parent, [suspect], now))
        write.event(IncidentOpened(number, title, "critical", cause=entity))
    house.repairs.follower.look()


def calmed(house, number):
    """End an incident, as its signs have ended."""
    now = house.clock.now_ms()
    with house.journal.writing("twinhelm") as write:
        one = replace(load_incident(write, number), state=IncidentState.RESOLVED, resolved_ms=now)
        put_incident(write, replace(one, attributes={"calm": str(now)}))
        write.event(IncidentResolved(number, "the signs ended"))
    with house.repairs.desk.changed:
        house.repairs.desk.changed.notify_all()
