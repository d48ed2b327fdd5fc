"""The desk of advice: looks through what happened, keeps what it says, hears what people think.

Advice is a claim (record ``claim``, key ``advice/KEY``, parent ``advice``), replaced at each look;
what no longer holds goes. A dismissal (record ``dismissal``) holds the hours that it was said of:
the advice is silent until they have grown by half, and the journal says that it is back. All of a
look is one transaction, so a crash leaves the advice of the look before.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from twinhelm.advise.find import FINDERS
from twinhelm.advise.flow.gather import gathered
from twinhelm.advise.rank import ranked
from twinhelm.advise.trial import tried
from twinhelm.advise.types import DAY_MS, LEAST_DAYS, Seen, days_of
from twinhelm.aiops.automate.runbook import Runbook
from twinhelm.aiops.flow.repairs.cases import Changes
from twinhelm.core.claims import Claim
from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, NotFound
from twinhelm.core.ports import Record, Records
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.kinds.advice import AdviceDismissed, AdviceGiven, AdviceTakenUp
from twinhelm.events.values import Reading, load

__all__ = ["Advice", "AdviceDesk"]

LOOK_BACK_MS = 90 * DAY_MS
GROWN = 1.5
"""So many times the hours that were dismissed: then it is worth saying again."""
PARENT = "advice"
_ALL: dict[str, Any] = {"parent": PARENT, "limit": 1000}


@dataclass(frozen=True, slots=True)
class Advice:
    """A claim as people see it: its key, and why somebody dismissed it, if anybody did."""

    key: str
    claim: Claim
    dismissed: str = ""
    by: str = ""


@dataclass(slots=True)
class AdviceDesk:
    """See the module; ``changes`` tells what was done within a range, ``read`` reads a runbook."""

    records: Records
    journal: Journal
    clock: Clock
    changes: Changes
    read: Callable[[str, str], Runbook]
    looked_ms: int = 0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def seen(self, days: float | None = None) -> Seen:
        """Gather what happened in the last days, ninety unless told."""
        now = self.clock.now_ms()
        back = LOOK_BACK_MS if days is None else int(days * DAY_MS)
        return gathered(self.records, self.changes, now - back, now)

    def look(self, days: float | None = None) -> list[Advice]:
        """Look through what happened and keep what is to be said of it."""
        with self._turn:
            seen, now = self.seen(days), self.clock.now_ms()
            found = [
                tried(one, seen, self.read)
                for finder in FINDERS
                for one in finder(seen)
                if days_of(one.times) >= LEAST_DAYS
            ]
            with self.journal.writing("twinhelm") as write:
                self._keep(write, ranked(found, seen, now))
            self.looked_ms = now
        return self.advice()

    def advice(self) -> list[Advice]:
        """List what was found at the last look, the best first, what was dismissed last."""
        with self.records.reading() as unit:
            keys = [one.key.partition("/")[2] for one in unit.find("claim", **_ALL)]
            made = [_made(unit, key) for key in keys]
        return sorted(made, key=lambda one: (bool(one.dismissed), -one.claim.facts["score"]))

    def dismiss(self, key: str, *, reason: str, by: str) -> Advice:
        """Silence a piece of advice; raises :class:`NotFound`, :class:`BadInput` for no reason."""
        if not reason.strip():
            raise BadInput("nothing says why it is dismissed", hint="give a reason")
        with self.journal.writing(by) as write:
            hours = _made(write, key).claim.facts["hours_month"]
            body = {"reason": reason.strip(), "by": by, "hours_month": hours}
            write.put(Record("dismissal", key, body, time_ms=self.clock.now_ms()))
            write.event(AdviceDismissed(key, reason.strip()))
            return _made(write, key)

    def take_up(self, key: str, *, by: str) -> Advice:
        """Take a dismissal back; raises :class:`NotFound`."""
        with self.journal.writing(by) as write:
            _made(write, key)
            if write.get("dismissal", key) is not None:
                write.delete("dismissal", key)
                write.event(AdviceTakenUp(key))
            return _made(write, key)

    def _keep(self, write: JournalWriter, claims: list[Claim]) -> None:
        before = {record.key for record in write.find("claim", **_ALL)}
        for claim in claims:
            key, hours = claim.id.partition("/")[2], claim.facts["hours_month"]
            dismissal = write.get("dismissal", key)
            grown = dismissal is not None and hours >= GROWN * dismissal.body["hours_month"]
            if grown:
                write.delete("dismissal", key)
            if grown or claim.id not in before:
                told = claim.facts["discipline"], hours, claim.confidence, grown
                write.event(AdviceGiven(key, claim.text, *told))
            write.put(Record("claim", claim.id, asdict(claim), "advice", PARENT, claim.time_ms))
        for gone in before - {claim.id for claim in claims}:
            write.delete("claim", gone)


def _made(unit: Reading, key: str) -> Advice:
    record, dismissal = unit.get("claim", f"advice/{key}"), unit.get("dismissal", key)
    if record is None:
        raise NotFound(f"there is no advice {key!r}", hint="`twinhelm advise` lists it")
    body = dismissal.body if dismissal else {"reason": "", "by": ""}
    return Advice(key, load(Claim, record), body["reason"], body["by"])
