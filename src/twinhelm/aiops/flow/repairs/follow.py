"""What the journal tells of incidents, heard in order and nothing of it twice, also over restarts.

What opened, came back or is known better now is considered for a repair; what was resolved ends
its requests. The place that was reached is a record, written in the transaction of what was
proposed. An incident that a limit held back is looked at again for an hour, since limits pass.
The past is not repaired: a house that begins to follow begins at the journal's end.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from twinhelm.aiops.automate.repair import OPEN
from twinhelm.aiops.flow.repairs.desk import Desk
from twinhelm.aiops.flow.repairs.kept import ACTOR, SHELF, Cursor, find_repairs
from twinhelm.aiops.flow.repairs.standing import past_of
from twinhelm.core.ports import JournalRow
from twinhelm.events.journal import Journal

__all__ = ["Follower"]

log = logging.getLogger(__name__)

KINDS = ("incident.opened", "incident.updated", "incident.reopened")
OVER = "incident.resolved"
ROWS = 1000
AT_ONCE = 50
"""Incidents considered in one transaction, so that others can write in between."""
OF_ALL = ("stop switch", "freeze", "closed", "running", "house hour")
"""Limits that are no matter of one incident."""
AGAIN_MS = 10_000
HELD_MS = 3_600_000
MAX_HELD = 2000


@dataclass(slots=True)
class Follower:
    """See the module; called by one thread."""

    desk: Desk
    journal: Journal
    _writes: int = -1
    _looked_ms: int = 0

    def look(self) -> list[str]:
        """Hear what is new; returns the repairs that were proposed."""
        now = self.desk.clock.now_ms()
        writes = self.journal.writes
        if writes == self._writes and now - self._looked_ms < AGAIN_MS:
            return []
        again = due = now - self._looked_ms >= AGAIN_MS
        made: list[str] = []
        while True:
            cursor, rows = self._news()
            made += self._hear(cursor, rows, now, again=again)
            if len(rows) < ROWS:
                break
            again = False
        self._looked_ms = now if due else self._looked_ms
        self.desk.expire()
        self._writes = writes
        return made

    def _news(self) -> tuple[Cursor, list[JournalRow]]:
        with self.desk.records.reading() as unit:
            cursor = SHELF.get(unit, Cursor, "repairs")
            if cursor is not None:
                return cursor, unit.read_journal(after_seq=cursor.seq, limit=ROWS)
            rows = unit.read_journal(newest_first=True, limit=1)
        cursor = Cursor(rows[0].seq if rows else 0)
        self._keep(cursor)
        return cursor, []

    def _keep(self, cursor: Cursor) -> None:
        with self.journal.writing(ACTOR) as write:
            SHELF.put(write, cursor)

    def _hear(
        self, cursor: Cursor, rows: Iterable[JournalRow], now: int, *, again: bool
    ) -> list[str]:
        """Take some rows: consider incidents in small transactions, then move on.

        ``again``: what was held is looked at once more.
        """
        seq, held = cursor.seq, dict(cursor.held)
        wanted, over = dict(held) if again else {}, set[int]()
        for row in rows:
            seq = row.seq
            if row.kind not in (*KINDS, OVER):
                continue
            one = int(row.body["incident"])
            if row.kind == OVER:
                over.add(one)
                wanted.pop(one, None)
            else:
                wanted[one] = held.get(one, now)
        if over:
            self._withdraw(over)
        held = {one: since for one, since in held.items() if one not in wanted.keys() | over}
        made: list[str] = []
        order = list(wanted)
        for start in range(0, len(order), AT_ONCE):
            part = order[start : start + AT_ONCE]
            proposed, kept = self._consider({one: wanted[one] for one in part}, now)
            made += proposed
            held |= kept
        held = dict(sorted(held.items(), key=lambda one: one[1])[-MAX_HELD:])
        moved = Cursor(seq, held)
        if moved != cursor:
            self._keep(moved)
        return made

    def _consider(self, incidents: Mapping[int, int], now: int) -> tuple[list[str], dict[int, int]]:
        """Propose in one transaction; what begins at once is begun after it.

        Where a limit of the whole house holds one back, it holds back all that follow.
        """
        proposals, made, held, rule = self.desk.proposals, [], {}, ""
        with self.journal.writing(ACTOR) as write:
            past, shelf = past_of(write), proposals.judge.books.sound(write)
            for one, since in incidents.items():
                if rule in OF_ALL:
                    held[one] = since
                    continue
                try:
                    repair, rule = proposals.consider(write, one, shelf, past)
                except Exception:
                    # A defect met by one incident must not keep the others from their repairs.
                    log.exception("incident %d cannot be considered", one)
                    continue
                if repair is not None:
                    made.append(repair)
                elif rule:
                    held[one] = since
        for repair in made:
            self.desk.begin(repair)
        young = {one: since for one, since in held.items() if now - since < HELD_MS}
        return [repair.id for repair in made], young

    def _withdraw(self, incidents: Iterable[int]) -> None:
        wanted = set(incidents)
        with self.desk.records.reading() as unit:
            waiting = find_repairs(unit, states=list(OPEN))
        self.desk.refuse(
            [each.id for each in waiting if each.incident in wanted],
            "the incident was resolved meanwhile",
        )
