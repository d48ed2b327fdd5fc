"""What tests of messages share: a teller with a clock that is moved, and incidents to tell of."""

from __future__ import annotations

from dataclasses import replace

from peers.memory_records import MemoryRecords
from twinhelm.aiops.flow.incidents import take
from twinhelm.aiops.flow.notices.desk import NoticeDesk
from twinhelm.aiops.flow.notices.hearing import Hearing
from twinhelm.aiops.flow.notices.maintenance import MaintenanceDesk
from twinhelm.aiops.flow.notices.outbox import Outbox
from twinhelm.aiops.notify.channels import send
from twinhelm.aiops.records import load_incident, put_incident
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import NotFound
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import IncidentOpened, IncidentReopened, IncidentResolved

KEY = b"k" * 32


class Crash(BaseException):
    """The process ends here."""


class Teller:
    """The desks of messages; :meth:`restart` loses what a crash would."""

    def __init__(self, folder, text, secrets):
        self.clock = FakeClock()
        self.records = MemoryRecords()
        self.journal = Journal(self.records, self.clock)
        self.file = folder / "notify.toml"
        self.secrets = secrets
        self.wire = send
        self.file.write_text(text)
        self.restart()
        self.walk()  # what was before counts for nothing

    def restart(self):
        self.maintenance = MaintenanceDesk(self.records, self.journal, self.clock)
        hearing = Hearing(self.records, self.journal, self.clock, self.maintenance)
        self.outbox = Outbox(
            self.records,
            self.journal,
            self.clock,
            KEY,
            lambda: "https://helm.example",
            self._secret,
            lambda parcel: self.wire(parcel),
        )
        self.desk = NoticeDesk(
            self.records, self.journal, self.clock, self.file, hearing, self.outbox
        )

    def _secret(self, name):
        if name not in self.secrets:
            raise NotFound(f"the secret {name} is not to be had")
        return self.secrets[name]

    def walk(self, seconds=0.0):
        """Let time pass, then hear and send."""
        self.clock.advance(seconds)
        return self.desk.walk()

    def open(self, number=1, title="checkout is slow", severity="critical", entity="service:shop"):
        now = self.clock.now_ms()
        made = Incident(number, IncidentState.OPEN, title, severity, (entity,), now, now)
        with self.journal.writing("twinhelm") as write:
            put_incident(write, made)
            write.event(IncidentOpened(number, title, severity, (entity,)))

    def change(self, number, state, event):
        with self.journal.writing("twinhelm") as write:
            put_incident(write, replace(load_incident(write, number), state=state))
            write.event(event)

    def resolve(self, number=1):
        self.change(number, IncidentState.RESOLVED, IncidentResolved(number, "the signs ended"))

    def reopen(self, number=1):
        self.change(number, IncidentState.REOPENED, IncidentReopened(number, "it is back", 1))

    def take(self, number=1, by="ada"):
        with self.journal.writing(by) as write:
            take(write, number, by=by, now_ms=self.clock.now_ms())

    def kinds(self):
        return [row.kind for row in self.journal.read(limit=100_000)]

    def states(self):
        return [one.state.value for one in self.desk.deliveries(limit=10_000)[::-1]]
