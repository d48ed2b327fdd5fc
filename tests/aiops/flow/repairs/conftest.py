"""Repairs in memory: incidents as they are told, a clock that is moved, a doer that remembers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest

from peers.memory_records import MemoryRecords
from peers.memory_workflows import MemoryWorkflows
from peers.runbooks import RESTART, Doer, house_actors
from twinhelm.aiops.automate.repair import Repair, RepairState
from twinhelm.aiops.flow.casework import claims_of
from twinhelm.aiops.flow.repairs.books import Books
from twinhelm.aiops.flow.repairs.desk import Desk
from twinhelm.aiops.flow.repairs.follow import Follower
from twinhelm.aiops.flow.repairs.judging import Judge
from twinhelm.aiops.flow.repairs.proposals import Proposals
from twinhelm.aiops.flow.repairs.walk import Walk
from twinhelm.aiops.records import load_incident, put_anomaly, put_claims, put_incident
from twinhelm.aiops.types import Anomaly, Direction, Incident, IncidentState, Resource, Suspect
from twinhelm.core.clock import FakeClock
from twinhelm.core.ports import Record
from twinhelm.core.roles import Role
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import IncidentOpened, IncidentResolved

PATIENCE_S = 5.0
APPROVER = frozenset({Role.APPROVER})


@dataclass
class House:
    """All parts of repairs, put together as the house does."""

    clock: FakeClock = field(default_factory=FakeClock)
    doer: Doer = field(default_factory=Doer)
    measured: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self):
        self.records = MemoryRecords()
        self.journal = Journal(self.records, self.clock)
        self.actors = house_actors(self.doer)
        self.wire()
        with self.journal.writing("test") as write:
            for name in ("grace", "ada", "carl"):
                write.put(Record("person", name, {}))

    def wire(self):
        """Put the parts together; done again, it is what a restart leaves."""
        self.workflows = MemoryWorkflows(self.clock)
        told = (self.records, self.journal, self.clock)
        self.books = Books(*told, self.actors, environment="production")
        self.judge = Judge(self.books, lambda *_: [])
        self.desk = Desk(*told, self.workflows, Proposals(self.judge))
        self.walk = Walk(self.desk, lambda metric, _: self.measured.get(metric, []))
        self.walk.register()
        self.desk.load()
        self.follower = Follower(self.desk, self.journal)
        self.follower.look()

    def shelve(self, text=RESTART, *, level=None):
        """Take a runbook, and let it go as far as ``level`` by a person's word."""
        book = self.books.add(text, source="api", by="ada")
        if level is not None:
            self.books.set_level(book.name, level, by="grace")

    def open(self, number=1, entity="service:shop/cart", *, confidence=0.9, resource="memory"):
        """Tell of an incident that one service is to blame for."""
        now = self.clock.now_ms()
        incident = Incident(
            number, IncidentState.OPEN, "memory grows", "critical", (entity,), now, now,
            members=(f"{number}:{now}",), verdict="conclusive",
        )  # fmt: skip
        labels = (("__name__", "process_memory_usage"), ("service_name", "cart"))
        sign = Anomaly(
            number, labels, entity, Resource(resource), Direction.UP, now, now, None, 1.0, 9.0,
            1.0, 0.5, 1.5, 5.0, 10,
        )  # fmt: skip
        suspect = Suspect(1, "service", entity, "process_memory_usage", "Memory", confidence, ())
        with self.journal.writing("twinhelm") as write:
            put_incident(write, incident)
            put_anomaly(write, sign, number)
            put_claims(write, f"incident/{number}", "cause", claims_of(f"incident/{number}",
                       [suspect], now))  # fmt: skip
            write.event(IncidentOpened(number, incident.title, incident.severity, cause=entity))

    def resolve(self, number=1, *, calm=True):
        """End an incident: its signs ended, or a person says so."""
        now = self.clock.now_ms()
        with self.journal.writing("twinhelm") as write:
            one = load_incident(write, number)
            more = {"calm": str(now)} if calm else {}
            put_incident(write, replace(
                one, state=IncidentState.RESOLVED, resolved_ms=now, attributes=more
            ))  # fmt: skip
            write.event(IncidentResolved(number, "the signs ended"))
        with self.desk.changed:
            self.desk.changed.notify_all()

    def hear(self):
        """Let the follower hear what was told."""
        return self.follower.look()

    def agree(self, repair="1-1", by="grace", **said):
        return self.desk.answer(repair, agrees=True, note="", by=by, roles=APPROVER, **said)

    def until(self, state, repair="1-1") -> Repair:
        """Wait until a repair is in a state; the walk has threads of its own."""
        deadline = threading.Event()
        for _ in range(round(PATIENCE_S / 0.01)):
            found = self.desk.get(repair)
            if found.state is RepairState(state):
                return found
            deadline.wait(0.01)
        jobs = [(job.state, job.step, job.error) for job in self.workflows.list()]
        raise AssertionError(f"{repair} is {found.state}: {found.reason} {found.steps} {jobs}")

    def kinds(self, subject="repair/1-1"):
        return [row.kind for row in self.journal.read(subject=subject)]


@pytest.fixture
def house():
    made = House()
    yield made
    made.doer.hangs = False
    made.workflows.close()
