"""From an incident to a repair that is suggested, asked for, or begun.

:meth:`Proposals.consider` is called for what the journal tells of incidents, :meth:`Proposals.run`
where a person wants it. Both end in one transaction: the repair and the events that tell of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twinhelm.aiops.automate.limits import needs
from twinhelm.aiops.automate.match import Case, chosen
from twinhelm.aiops.automate.plan import Plan
from twinhelm.aiops.automate.repair import Repair, RepairState, StepRun
from twinhelm.aiops.automate.runbook import Level, Runbook
from twinhelm.aiops.flow.repairs.cases import case_of
from twinhelm.aiops.flow.repairs.judging import Judge, Judged
from twinhelm.aiops.flow.repairs.kept import ACTOR, Book, ended, find_repairs, put_repair
from twinhelm.aiops.flow.repairs.standing import Past, past_of
from twinhelm.aiops.types import LIVE
from twinhelm.core.errors import Conflict, Denied
from twinhelm.core.policy import Verdict
from twinhelm.events.journal import JournalWriter
from twinhelm.events.kinds.repairs import RepairAsked, RepairHeld, RepairProposed, RepairStarted

__all__ = ["Proposals"]

TOLD_AGAIN_MS = 3_600_000


@dataclass(slots=True)
class Proposals:
    """See the module."""

    judge: Judge
    _told: dict[tuple[str, str], int] = field(default_factory=dict)

    def consider(
        self, write: JournalWriter, incident: int, shelf: Sequence[tuple[Book, Runbook]],
        past: Past,
    ) -> tuple[Repair | None, str]:  # fmt: skip
        """Propose what fits a live incident, once; returns the repair, or the limit that holds it.

        ``past`` grows by what is proposed. What begins at once is RUNNING already; the caller
        starts it after the transaction.
        """
        case = case_of(write, incident, self.judge.changes)
        known = any(each.incident == incident for each in past.repairs)
        if case.incident.state not in LIVE or known or find_repairs(write, incident=incident):
            return None, ""
        of = {runbook.name: (book, runbook) for book, runbook in shelf}
        for fit in chosen([runbook for _, runbook in shelf], case):
            if not fit.fits:
                break
            book, runbook = of[fit.runbook]
            made = self.judge.judged(write, book, runbook, case, fit, by=ACTOR, past=past)
            if made.verdict != Verdict.DENY and made.plan is not None:
                repair = self._propose(write, book, runbook, case, made, made.plan, ACTOR)
                past.repairs.append(repair)
                return repair, ""
            self._tell_held(write, incident, made)
            if made.rule != "barred":  # what this house cannot do at all leaves room for the next
                return None, made.rule
        return None, ""

    def run(
        self, name: str, incident: int, *, by: str, values: Mapping[str, str] | None = None,
    ) -> Repair:  # fmt: skip
        """Ask for a repair in a person's name, with values of theirs or those of the incident.

        Raises :class:`Conflict` where it does not fit, and :class:`Denied` where a limit says no.
        """
        with self.judge.books.journal.writing(by) as write:
            book, runbook, case, fit = self.judge.wanted(write, name, incident, values)
            if case.incident.state not in LIVE:
                raise Conflict(f"incident {incident} is resolved")
            past = past_of(write)
            if other := next((each for each in past.repairs if each.incident == incident
                              and not each.state.over), None):  # fmt: skip
                if other.state is not RepairState.PROPOSED:
                    said = f"repair {other.id} of incident {incident} is {other.state} already"
                    raise Conflict(said)
                why = f"{by} asked for another"
                past.repairs.remove(other)
                ended(write, other, RepairState.REFUSED, why, self.judge.books.clock.now_ms())
            made = self.judge.judged(write, book, runbook, case, fit, by=by, past=past)
            if made.plan is None:
                raise Conflict(f"{name} does not fit incident {incident}: {made.reason}")
            if made.verdict == Verdict.DENY:
                raise Denied(f"{name} may not run: {made.reason}", hint="a limit, or the policy")
            return self._propose(write, book, runbook, case, made, made.plan, by)

    def _propose(
        self, write: JournalWriter, book: Book, runbook: Runbook, case: Case, made: Judged,
        plan: Plan, by: str,
    ) -> Repair:  # fmt: skip
        incident, now, head = case.incident, self.judge.books.clock.now_ms(), runbook.runbook
        number = len(find_repairs(write, incident=incident.id)) + 1
        level, acts = made.autonomy.level, made.verdict == Verdict.ALLOW
        suggested = level is Level.SUGGEST and by == ACTOR
        state = RepairState.RUNNING if acts else RepairState.ASKED
        repair = Repair(
            f"{incident.id}-{number}", incident.id, book.name, book.version, book.digest,
            self.judge.books.environment, level, RepairState.PROPOSED if suggested else state,
            plan, (*made.fit.why, f"{level}: {made.autonomy.text}", made.reason), by, now,
            now + round(head.answer_within_s * 1000), 0 if acts else needs(plan),
            incident.since_ms, runbook.limits.cost,
            steps=tuple(StepRun(step.name, step.do) for step in plan.steps),
            started_ms=now if acts else 0, commit=book.commit,
        )  # fmt: skip
        put_repair(write, repair)
        text = f"{book.name} for incident {incident.id}: {head.says.rstrip('.')}"
        told = repair.id, incident.id, book.name
        write.event(RepairProposed(*told, plan.target, level, text))
        if repair.state is RepairState.ASKED:
            write.event(RepairAsked(*told, repair.needs, repair.until_ms))
        elif acts:
            write.event(RepairStarted(*told))
        return repair

    def _tell_held(self, write: JournalWriter, incident: int, made: Judged) -> None:
        now, key = self.judge.books.clock.now_ms(), (made.fit.runbook, made.rule)
        if now - self._told.get(key, -TOLD_AGAIN_MS) >= TOLD_AGAIN_MS:
            self._told[key] = now
            write.event(RepairHeld(made.fit.runbook, incident, made.rule, made.reason))
