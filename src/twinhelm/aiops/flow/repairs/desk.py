"""The desk where people answer for repairs: agree, refuse, choose, halt one, halt all, take back.

Each action is one transaction: the records in their new state and the journal's line that says who
did it. What begins or goes on afterwards is the walk's; :meth:`Desk.settle` finds what a crash
left between the two.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from twinhelm.aiops.automate.limits import may_answer
from twinhelm.aiops.automate.repair import OPEN, UNDER_WAY, Answer, Repair, RepairState, StepState
from twinhelm.aiops.flow.repairs.kept import (
    ACTOR,
    SHELF,
    Switch,
    ended,
    find_repairs,
    get_repair,
    put_repair,
    switch_of,
)  # fmt: skip
from twinhelm.aiops.flow.repairs.proposals import Proposals
from twinhelm.aiops.records import load_incident
from twinhelm.aiops.types import LIVE
from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Conflict, Denied, NotFound
from twinhelm.core.policy import Verdict
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.kinds.repairs import RepairAnswered, RepairStarted, StopPulled, StopReleased
from twinhelm.events.workflows import WorkflowPort

__all__ = ["CHOICES", "Desk", "asked_for"]

log = logging.getLogger(__name__)

MAX_NOTE = 2000
CHOICES = {
    "step": {"yes": "go on", "no": "undo what was done"},
    "forward": {"done": "it happened", "again": "do it now", "undo": "undo it, and the rest"},
    "back": {"done": "it is undone", "again": "undo it now", "leave": "leave it as it is"},
}
"""What may be answered half-way: to a step that asks, to a deed or to an undo that was cut off."""


@dataclass(slots=True)
class Desk:
    """See the module; ``switch`` is the stop switch as it stands, for those that ask all the time.

    ``changed`` is notified whenever something was decided here.
    """

    records: Records
    journal: Journal
    clock: Clock
    workflows: WorkflowPort
    proposals: Proposals
    switch: Switch = field(default_factory=Switch)
    changed: threading.Condition = field(default_factory=threading.Condition)
    _halted: set[str] = field(default_factory=set)

    def load(self) -> None:
        """Take the stop switch as it was left."""
        with self.records.reading() as unit:
            self.switch = switch_of(unit)

    def halted(self, job: str) -> str:
        """Say why the walk of a repair must halt at once, or nothing; costs next to nothing."""
        if self.switch.on:
            return f"the stop switch was pulled by {self.switch.by}"
        return "it was stopped" if job in self._halted else ""

    def get(self, repair_id: str) -> Repair:
        """Return a repair; raises :class:`NotFound`."""
        with self.records.reading() as unit:
            return get_repair(unit, repair_id)

    def list(
        self, *, states: Iterable[str] | None = None, incident: int | None = None, limit: int = 100
    ) -> list[Repair]:
        """List repairs, the newest first."""
        wanted = None if states is None else list(states)
        with self.records.reading() as unit:
            return find_repairs(unit, states=wanted, incident=incident, limit=limit)

    def run(
        self, name: str, incident: int, *, by: str, values: Mapping[str, str] | None = None
    ) -> Repair:
        """Ask for a repair in a person's name; see :meth:`Proposals.run`."""
        made = self.proposals.run(name, incident, by=by, values=values)
        self.begin(made)
        return made

    def answer(
        self,
        repair_id: str,
        *,
        agrees: bool,
        note: str,
        by: str,
        roles: Iterable[str],
        choice: str = "",
    ) -> Repair:
        """Agree, or refuse with a reason; half-way, give one of the choices that are asked for.

        Raises :class:`Denied` where ``by`` may not answer or a limit keeps it from beginning, and
        :class:`BadInput` where a reason or a choice is missing.
        """
        if len(note) > MAX_NOTE:
            raise BadInput(f"the note has {len(note)} characters", hint=f"at most {MAX_NOTE}")
        with self.journal.writing(by) as write:
            repair, now = get_repair(write, repair_id), self.clock.now_ms()
            incident = load_incident(write, repair.incident)
            resolved = not repair.started_ms and (incident is None or incident.state not in LIVE)
            person = write.get("person", by) is not None
            decision = may_answer(
                repair, by=by, roles=roles, person=person, resolved=resolved, now_ms=now
            )
            if decision.verdict is Verdict.DENY:
                raise Denied(f"{by} cannot answer for repair {repair_id}: {decision.reason}")
            if not agrees and not choice and not note.strip():
                raise BadInput("a refusal needs a reason", hint="say in the note why not")
            repair = replace(
                repair, answers=(*repair.answers, Answer(by, agrees, note, now, choice))
            )
            if repair.question:
                repair = _chosen(repair, choice, note)
            elif choice:
                raise BadInput("nothing is asked but whether it may begin", hint="agree or refuse")
            elif not agrees:
                repair = ended(write, repair, RepairState.REFUSED, f"{by}: {note}", now)
            elif sum(each.agrees for each in repair.answers) >= repair.needs:
                repair = self._let_begin(write, repair, now)
            put_repair(write, repair)
            write.event(
                RepairAnswered(repair_id, repair.incident, agrees, note, repair.state, choice)
            )
            if repair.state is RepairState.RUNNING and repair.started_ms == now:
                write.event(RepairStarted(repair_id, repair.incident, repair.runbook))
        self.begin(repair)
        self._notify()
        return repair

    def pull(self, *, by: str, reason: str) -> Switch:
        """Halt every repair, now: deeds under way end, nothing begins until it is released."""
        before = self.switch
        self.switch = made = Switch(True, by, reason[:MAX_NOTE], self.clock.now_ms())
        try:
            with self.journal.writing(by) as write:
                found = find_repairs(write, states=[*UNDER_WAY, *OPEN])
                under_way = [each for each in found if each.started_ms]
                for each in under_way:
                    ended(write, each, RepairState.STOPPED, self.halted(each.job), made.time_ms)
                SHELF.put(write, made)
                write.event(StopPulled(made.reason, tuple(each.id for each in under_way)))
            self._halted.update(each.job for each in under_way)
        except BaseException:
            self.switch = before
            raise
        self._notify()
        return made

    def release(self, *, by: str, reason: str) -> Switch:
        """Let repairs begin again; raises :class:`Conflict` where the switch is not pulled."""
        with self.journal.writing(by) as write:
            if not switch_of(write).on:
                hint = "what was halted stays so until `twinhelm repair undo`"
                raise Conflict("the stop switch is not pulled", hint=hint)
            made = Switch(False, by, reason[:MAX_NOTE], self.clock.now_ms())
            SHELF.put(write, made)
            write.event(StopReleased(made.reason))
        self.switch = made
        return made

    def stop(self, repair_id: str, *, by: str, reason: str) -> Repair:
        """End one repair where it stands; nothing of it is taken back until somebody says so."""
        with self.journal.writing(by) as write:
            repair = get_repair(write, repair_id)
            if repair.state.over:
                raise Conflict(f"repair {repair_id} is {repair.state} already")
            state = RepairState.STOPPED if repair.started_ms else RepairState.REFUSED
            said = f"stopped by {by}: {reason[:MAX_NOTE]}"
            repair = ended(write, repair, state, said, self.clock.now_ms())
        self._halted.add(repair.job)
        self._notify()
        return repair

    def undo(self, repair_id: str, *, by: str) -> Repair:
        """Take back what a stopped repair did; raises :class:`Conflict` for any other."""
        with self.journal.writing(by) as write:
            repair = get_repair(write, repair_id)
            if repair.state is not RepairState.STOPPED:
                raise Conflict(f"repair {repair_id} is {repair.state}, not stopped")
            if switch_of(write).on:
                raise Conflict("the stop switch is pulled", hint="`repair resume` releases it")
            walk, why = f"{repair.walk}-undo", f"taken back by {by}"
            repair = replace(repair, state=RepairState.UNDOING, then=RepairState.UNDONE, walk=walk,
                             reason=why, ended_ms=0)  # fmt: skip
            put_repair(write, repair)
        self.begin(repair)
        return repair

    def begin(self, repair: Repair) -> None:
        """See that somebody walks a repair that is under way; called again it is the same walk."""
        if repair.state in UNDER_WAY:
            told = {"id": repair.id, "walk": repair.walk}
            self.workflows.start("repair", told, key=repair.job)

    def over(self, job: str) -> bool | None:
        """Tell whether a walk is over; None where it never began."""
        try:
            return self.workflows.status(f"repair-{job}").state.over
        except NotFound:
            return None

    def settle(self) -> None:
        """Begin what a crash left without a walk; give up what its walk has left.

        To be called now and then, after workflows were resumed.
        """
        with self.records.reading() as unit:
            going = find_repairs(unit, states=[*UNDER_WAY, RepairState.ASKED])
        for each in going:
            if not each.started_ms:
                continue
            if (over := self.over(each.job)) is None:  # killed between the record and its walk
                self.begin(each)
            elif over:
                self._give_up(each.id)

    def expire(self) -> None:
        """End the requests that nobody answered in time."""
        now = self.clock.now_ms()
        with self.records.reading() as unit:
            waiting = find_repairs(unit, states=list(OPEN))
        late = [each.id for each in waiting if not each.started_ms and now > each.until_ms]
        self.refuse(late, "nobody answered in time")

    def refuse(self, repairs: Iterable[str], reason: str) -> None:
        """End requests that have not begun, in the house's name."""
        for each in repairs:
            with self.journal.writing(ACTOR) as write:
                repair = get_repair(write, each)
                if repair.state in OPEN and not repair.started_ms:
                    ended(write, repair, RepairState.REFUSED, reason, self.clock.now_ms())
        self._notify()

    def _let_begin(self, write: JournalWriter, repair: Repair, now: int) -> Repair:
        decision = self.proposals.judge.beginning(write, repair)
        if decision.verdict is Verdict.DENY:
            said = f"repair {repair.id} cannot begin now: {decision.reason}"
            raise Denied(said, hint="the request stays open; agree again later")
        return replace(repair, state=RepairState.RUNNING, started_ms=now)

    def _give_up(self, repair_id: str) -> None:
        with self.journal.writing(ACTOR) as write:
            repair = get_repair(write, repair_id)
            if not repair.state.over:
                why = "its workflow ended before it did; look at what was done"
                ended(write, repair, RepairState.FAILED, why, self.clock.now_ms())

    def _notify(self) -> None:
        with self.changed:
            self.changed.notify_all()


def asked_for(repair: Repair) -> Mapping[str, str]:
    """Return what may be answered to the open question of a repair, each with what it means."""
    step = repair.steps[repair.at]
    if step.state is not StepState.UNKNOWN:
        return CHOICES["step"]
    return CHOICES["back" if repair.then else "forward"]


def _chosen(repair: Repair, choice: str, note: str) -> Repair:
    """Take an answer given half-way."""
    if choice not in (known := asked_for(repair)):
        hint = "; ".join(f"{name}: {means}" for name, means in known.items())
        raise BadInput(f"{choice[:40]!r} answers nothing that is asked", hint=hint)
    at, back = repair.at, bool(repair.then)
    repair = replace(repair, question="")
    said = note or known[choice]
    match choice:
        case "yes" | "done" if not back:
            repair = repair.with_step(at, state=StepState.DONE, text=said)
        case "done" | "leave":
            state = StepState.UNDONE if choice == "done" else StepState.FAILED
            repair = repair.with_step(at, state=state, text=said)
            then = repair.then if choice == "done" else RepairState.FAILED.value
            repair = replace(repair, then=then)
        case "again":
            state = StepState.DONE if back else StepState.WAITING
            repair = repair.with_step(at, state=state)
        case _:  # no, undo
            reason = f"at {repair.steps[at].name}: {said}"
            return replace(
                repair, state=RepairState.UNDOING, then=RepairState.UNDONE.value, reason=reason
            )
    return replace(repair, state=RepairState.UNDOING if back else RepairState.RUNNING)
