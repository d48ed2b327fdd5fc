"""The desk of messages: the plan as it stands, who is on call, what was sent, and answers to it.

The plan's file is read again whenever it changed; one that cannot be taken leaves the plan as it
was, and both the journal and the page say what is wrong with it.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from twinhelm.aiops.flow.incidents import take
from twinhelm.aiops.flow.notices.hearing import Hearing
from twinhelm.aiops.flow.notices.kept import SHELF, Bundle, Standing
from twinhelm.aiops.flow.notices.outbox import Outbox
from twinhelm.aiops.notify.document import Plan, read_plan
from twinhelm.aiops.notify.links import opened
from twinhelm.aiops.notify.messages import Act, Delivery, Message
from twinhelm.aiops.notify.rota import Turn, clock_changes, on_call
from twinhelm.aiops.notify.routing import Receiver
from twinhelm.aiops.records import load_incident
from twinhelm.aiops.types import IncidentState
from twinhelm.core.clock import Clock
from twinhelm.core.errors import Conflict, NotFound, TwinhelmError
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.notices import NoticeSent, PlanRead
from twinhelm.events.values import Reading

__all__ = ["Duty", "NoticeDesk"]


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on call of a rota, who is next, and what changes of the clock will do to it."""

    rota: str
    zone: str
    now: Turn
    next: Turn | None
    clock_changes: tuple[str, ...]


@dataclass(slots=True)
class NoticeDesk:
    """See the module; ``file`` is the plan's, and need not exist."""

    records: Records
    journal: Journal
    clock: Clock
    file: Path
    hearing: Hearing
    outbox: Outbox
    plan: Plan = field(default_factory=Plan)
    wrong: str = ""
    _stamp: tuple[int, int] | None = None

    def read(self) -> None:
        """Read the plan if its file changed; what is wrong with it stands in ``wrong``."""
        try:
            known = self.file.stat()
            stamp = known.st_mtime_ns, known.st_size
        except OSError:
            stamp = 0, 0
        if stamp == self._stamp:
            return
        try:
            text = self.file.read_text(encoding="utf-8") if stamp[0] else ""
            self.plan, self.wrong = read_plan(text, self.file.name, self.clock.now_ms()), ""
        except (TwinhelmError, OSError, UnicodeDecodeError) as error:
            self.wrong = str(error)
        if self._stamp is not None:
            with self.journal.writing("twinhelm") as write:
                named = tuple(one.name for one in self.plan.routes)
                write.event(PlanRead(named, self.wrong))
        self._stamp = stamp

    def look(self) -> dict[Receiver, list[Delivery]]:
        """Hear, let climb, and return what waits by receiver."""
        self.read()
        self.hearing.hear(self.plan)
        self.hearing.climb(self.plan)
        return self.outbox.waiting()

    def walk(self) -> int:
        """Look, and send all that is due, one receiver after another."""
        found = self.look()
        return sum(self.outbox.send_due(self.plan, *one) for one in found.items())

    def duties(self) -> list[Duty]:
        """List who is on call."""
        now, plan = self.clock.now_ms(), self.plan
        return [
            Duty(
                rota.name, rota.zone or plan.zone, *on_call(plan, rota, now),
                tuple(clock_changes(plan, rota, now)),
            )
            for rota in plan.rotas
        ]  # fmt: skip

    def deliveries(self, *, state: str | None = None, limit: int = 100) -> list[Delivery]:
        """List deliveries, the newest first."""
        with self.records.reading() as unit:
            return SHELF.find(unit, Delivery, state=state, newest_first=True, limit=limit)

    def standings(self) -> list[Standing]:
        """List how each receiver fares."""
        with self.records.reading() as unit:
            return SHELF.find(unit, Standing)

    def test(self, name: str, person: str, *, by: str) -> list[str]:
        """Send a test message by one channel now; returns what the receiver answered.

        Raises :class:`NotFound` for an unknown name, and what the receiver does.
        """
        channel, now = self.plan.named("channels", name), self.clock.now_ms()
        if channel is None or (person and self.plan.named("people", person) is None):
            known = ", ".join(one.name for one in self.plan.channels) or "none"
            said = f"the plan has no channel {name[:60]!r}" if channel is None else "no such person"
            raise NotFound(said, hint=f"channels: {known}; `twinhelm notify check` shows all")
        answers = []
        for act in (Act.TELL, Act.OPEN, Act.OVER):
            told = Message(now, "notice.test", f"test/{now}", act, "info", "A test of twinhelm",
                           (f"{by} asked for it.",), "/on-call", now)  # fmt: skip
            made = Delivery(f"test-{now}", told, name, person, "", now, now)
            parcel = self.outbox.parcel_of(channel, self.outbox.letter_of(self.plan, (made,)))
            if parcel is not None:
                answers.append(self.outbox.wire(parcel))
                if act is Act.TELL:
                    break
        if not answers:
            raise Conflict(f"{name} has nobody to send to", hint="name a person with an address")
        with self.journal.writing(by) as write:
            write.event(NoticeSent(f"test-{now}", name, person, f"test/{now}", 1, 1))
        return answers

    def asked(self, link: str) -> tuple[Delivery, tuple[int, ...]]:
        """Say which delivery a link came with and which incidents it acknowledges.

        Changes nothing. Raises :class:`Unauthenticated` for a link that is not ours or expired,
        and :class:`Conflict` for one that was used.
        """
        with self.records.reading() as unit:
            return self._asked(unit, link)

    def acknowledge(self, link: str) -> list[int]:
        """Acknowledge by a link, once, as whom the message was for; returns the incidents taken.

        Raises as :meth:`asked`. What is over or taken by somebody stays as it is.
        """
        known, _ = self.asked(link)
        by = known.person or f"channel:{known.channel}"
        with self.journal.writing(by) as write:
            known, numbers = self._asked(write, link)
            SHELF.put(write, replace(known, used_ms=self.clock.now_ms()))
            lasting = [
                number
                for number in numbers
                if (one := load_incident(write, number)) is not None
                and one.state in {IncidentState.OPEN, IncidentState.REOPENED}
            ]
            for number in lasting:
                take(write, number, by=by, now_ms=self.clock.now_ms(),
                     note=f"by the link in message {known.id}")  # fmt: skip
        return lasting

    def _asked(self, unit: Reading, link: str) -> tuple[Delivery, tuple[int, ...]]:
        key = opened(self.outbox.key, link, self.clock.now_ms())
        known = SHELF.get(unit, Delivery, key)
        if known is None or known.used_ms:
            raise Conflict("this link was used already", hint="the page of the incident tells more")
        bundle = SHELF.get(unit, Bundle, known.lead) if known.lead else None
        abouts = bundle.members if bundle else (known.message.about,)
        numbers = (about.partition("/")[2] for about in abouts)
        return known, tuple(int(each) for each in numbers if each.isdigit())
