"""Hearing: rows of the journal become deliveries, and what nobody acknowledges climbs.

One transaction takes a page of rows, the deliveries that they ask for and the cursor behind them.
It judges nothing: which message a row is, who is behind a target and who is on call is
:mod:`twinhelm.aiops.notify`'s to say.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from twinhelm.aiops.clean import redacted
from twinhelm.aiops.flow.notices.kept import CURSOR, SHELF, still_told
from twinhelm.aiops.flow.notices.maintenance import MaintenanceDesk
from twinhelm.aiops.notify.document import Plan
from twinhelm.aiops.notify.messages import (
    TABLE,
    Act,
    Attempt,
    Climb,
    Delivery,
    DeliveryState,
    message_of,
)
from twinhelm.aiops.notify.routing import Receiver, digest_ms, receivers, routes_of
from twinhelm.aiops.records import load_incident
from twinhelm.core.clock import Clock
from twinhelm.core.ports import JournalRow, Record, Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.notices import EscalationSpent
from twinhelm.events.values import Reading

__all__ = ["Hearing"]

log = logging.getLogger(__name__)

PAGE_ROWS = 500
LATE_MS = 24 * 3_600_000
"""What is older than this when it is heard is nobody's news."""


@dataclass(slots=True)
class Hearing:
    """Follows the journal by the plan of the moment; called by one thread only."""

    records: Records
    journal: Journal
    clock: Clock
    maintenance: MaintenanceDesk

    def hear(self, plan: Plan) -> None:
        """Take in all that happened since the last time; without routes nothing is followed."""
        with self.records.reading() as unit:
            known = unit.get(*CURSOR)
        if not plan.routes:
            if known is not None:
                with self.records.writing() as write:
                    write.delete(*CURSOR)
            return
        seq = self.journal.head().seq if known is None else int(known.body["seq"])
        if known is None:
            with self.records.writing() as write:
                write.put(Record(*CURSOR, {"seq": seq}))
        while rows := self.journal.read(after_seq=seq, limit=PAGE_ROWS):
            seq = rows[-1].seq
            # Not through the journal: nothing is told of hearing, or it would hear itself.
            with self.records.writing() as write:
                for row in rows:
                    self._heard(plan, write, row)
                write.put(Record(*CURSOR, {"seq": seq}))

    def climb(self, plan: Plan) -> None:
        """Take the next step of each escalation whose time to wait is over."""
        now = self.clock.now_ms()
        with self.records.reading() as unit:
            due = unit.find("climb", state="climbing", until_ms=now, limit=5_000)
        for record in due:
            with self.journal.writing("twinhelm") as write:
                climb = SHELF.get(write, Climb, record.key)
                if climb is None or climb.state != "climbing" or climb.due_ms > now:
                    continue
                after = self._step(plan, write, climb, now)
                SHELF.put(write, after)
                if after.state == "spent":
                    _, _, number = climb.message.about.partition("/")
                    write.event(EscalationSpent(number, climb.escalation, after.step))

    def _heard(self, plan: Plan, write: Reading, row: JournalRow) -> None:
        now = self.clock.now_ms()
        try:
            incident = load_incident(write, number) if (number := _incident_of(row)) else None
            message = message_of(row, incident)
        except (ValueError, KeyError, TypeError):
            # A row that cannot be told must not keep those after it from being told.
            log.exception("row %d of the journal cannot be told", row.seq)
            return
        if message is None or now - row.time_ms > LATE_MS:
            return
        title, *lines = redacted([message.title, *message.lines])
        message = replace(message, title=title, lines=tuple(lines))
        told = still_told(write, message.about)
        made = Delivery("", message, "", "", "", now, 0)
        if message.act is not Act.OPEN and (
            message.act is not Act.TELL or (incident is not None and row.kind in TABLE)
        ):
            for one, first in told.items():  # who waits for a digest waits for this one too
                due = first.due_ms if first.digest and first.state is DeliveryState.WAITING else 0
                self._enqueue(plan, write, [one], replace(made, due_ms=due, digest=due > 0))
        if message.act in (Act.TAKEN, Act.OVER):
            state = "acknowledged" if message.act is Act.TAKEN else "over"
            for climb in SHELF.find(write, Climb, state="climbing", parent=message.about):
                SHELF.put(write, replace(climb, state=state))
            return
        expected = self.maintenance.expected(message.entities, now)
        for route in routes_of(plan, message, now):
            due = digest_ms(plan, route, now) if route.digest else 0
            for target in route.to:
                kind, _, name = target.partition(":")
                routed = replace(made, route=route.name, due_ms=due, digest=due > 0)
                if expected:
                    quiet, said = DeliveryState.QUIET, (Attempt(now, expected),)
                    routed = replace(routed, due_ms=now, state=quiet, attempts=said)
                    self._enqueue(plan, write, [(target, "")], routed)
                elif kind == "escalation":
                    known = SHELF.get(write, Climb, f"{message.about}/{name}")
                    if known is None or known.state != "climbing":
                        climb = Climb(message, name, route.name, 0, now)
                        SHELF.put(write, self._step(plan, write, climb, now))
                else:
                    grew = row.kind == "incident.updated"  # told to those who were not
                    found = [one for one in receivers(plan, target, now)
                             if not (grew and one in told)]  # fmt: skip
                    self._enqueue(plan, write, found, routed)

    def _step(self, plan: Plan, write: Reading, climb: Climb, now: int) -> Climb:
        """Tell whoever is next; a step behind which there is nobody takes no time."""
        known = plan.named("escalations", climb.escalation)
        steps = known.steps * known.rounds if known else ()
        while climb.step < len(steps):
            step, message = steps[climb.step], climb.message
            found = [one for target in step.to for one in receivers(plan, target, now)]
            if climb.step:
                message = replace(message, title=f"Not acknowledged yet: {message.title}")
            made = Delivery("", message, "", "", climb.route, now, now if climb.step else 0)
            self._enqueue(plan, write, found, made, step=climb.step)
            climb = replace(climb, step=climb.step + 1, due_ms=now + round(step.wait_min * 60_000))
            if found:
                return climb
        return replace(climb, state="spent")

    def _enqueue(
        self, plan: Plan, write: Reading, to: Iterable[Receiver], made: Delivery, *, step: int = 0
    ) -> None:
        """Write a delivery for each receiver; one that is due at 0 waits for company, or goes."""
        message = made.message
        for channel, person in to:
            key = f"{message.seq:010d}-{step}-{channel}-{person}"
            due, known = made.due_ms or made.made_ms, plan.named("channels", channel)
            if known and message.act is Act.OPEN and not made.due_ms:
                due = message.time_ms + round(known.gather_s * 1000)
            if write.get("delivery", key) is None:
                told = replace(made, id=key, channel=channel, person=person, due_ms=due)
                SHELF.put(write, told)


def _incident_of(row: JournalRow) -> int | None:
    thing, _, key = row.subject.partition("/")
    said = key if thing == "incident" else row.body.get("incident", "")
    return int(said) if str(said).isdigit() else None
