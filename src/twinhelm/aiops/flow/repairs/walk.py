"""How a repair is walked: step by step, verified, or taken back; the workflow ``repair``.

The record leads, and one turn does what it says comes next: look before, mark, act, mark, look
after; then wait for the signs to end; or take back in reverse. A turn is a step of the durable
workflow. The mark DOING (UNDOING) is committed before a deed and its outcome after it, each with
its event. ``kill -9`` at any point: what has an outcome is not done again; what is found marked
was cut off, and is done again where doing it twice is as once, else nobody knows whether it
happened and a person is asked; if nobody answers, it is undone. The stop switch is read in the
transaction of every mark, and by every deed ten times a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from twinhelm.aiops.automate.repair import UNDER_WAY, Repair, RepairState, StepRun, StepState
from twinhelm.aiops.automate.runbook import ASK, Deed, Runbook, Step
from twinhelm.aiops.automate.steps import Actor, Limit, Outcome, filled
from twinhelm.aiops.flow.repairs.desk import Desk
from twinhelm.aiops.flow.repairs.kept import ended, get_book, get_repair, put_repair
from twinhelm.aiops.flow.repairs.proposals import ACTOR
from twinhelm.aiops.records import load_incident
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.core.errors import BadInput
from twinhelm.events.journal import JournalWriter
from twinhelm.events.kinds.repairs import RepairAsked, RepairStepBegun, RepairStepEnded
from twinhelm.events.workflows import Run

__all__ = ["Walk"]

PAUSE_S = 0.2
MAX_ASKS_S = 24 * 3600.0

Measured = Callable[[str, Mapping[str, str]], list[float]]
"""Tell the newest value of each series of a name with these labels, those that are still told."""


@dataclass(slots=True)
class Walk:
    """See the module; ``measured`` looks at live telemetry."""

    desk: Desk
    measured: Measured

    def register(self) -> None:
        """Make the workflow known; repairs that were cut off go on from here."""
        self.desk.workflows.register("repair", self._repair)

    def _repair(self, run: Run, args: Mapping[str, Any]) -> str:
        turn = 0
        while run.step(f"turn {turn}", self._turn, run, args["id"]):
            turn += 1
        return self.desk.get(args["id"]).state

    def _turn(self, run: Run, repair_id: str) -> bool:
        """Do what comes next; False once nothing does."""
        repair = self.desk.get(repair_id)
        match repair.state:
            case RepairState.RUNNING:
                self._forward(run, repair)
            case RepairState.ASKED:
                self._wait(run, repair)
            case RepairState.VERIFYING:
                self._verify(run, repair)
            case RepairState.UNDOING:
                self._back(run, repair)
            case _:
                return False
        return True

    def _forward(self, run: Run, repair: Repair) -> None:
        left = [n for n, one in enumerate(repair.steps) if one.state is not StepState.DONE]
        if not left:
            self._change(repair, state=RepairState.VERIFYING, verifying_ms=self._now())
            return
        at = left[0]
        step, was = self._runbook(repair).steps[at], repair.steps[at]
        if step.do == ASK:
            question = str(self._filled(step, repair)["question"])
            self._ask(repair, at, was.state, question, self._runbook(repair))
            return
        if was.state is StepState.DOING and not self._actor(step).repeatable(step.arguments):
            question = f"{step.name} was cut off, and nobody knows whether it happened"
            self._ask(repair, at, StepState.UNKNOWN, question, self._runbook(repair))
            return
        for check in step.before:
            looked = self._act(run, repair, check, check.timeout_s)
            if not looked.ok:
                said = f"{step.name} was not begun: {looked.text}"
                self._fail(repair, at, StepState.WAITING, Outcome(False, said))
                return
        if not self._mark(repair, at, step, undo=False):
            return
        outcome = self._act(run, repair, step, step.timeout_s)
        if outcome.ok:
            outcome = self._looked_after(run, repair, step, outcome)
        if outcome.ok:
            self._end_step(repair, at, StepState.DONE, outcome)
        else:
            self._fail(repair, at, StepState.FAILED, outcome)

    def _looked_after(self, run: Run, repair: Repair, step: Step, outcome: Outcome) -> Outcome:
        """Look whether a deed worked, for as long as its checks say."""
        for check in step.after:
            limit = Limit(check.within_s, self._ended(run, repair))
            looked = self._act(run, repair, check, check.timeout_s)
            while not looked.ok and limit.wait(1.0):
                looked = self._act(run, repair, check, check.timeout_s)
            if not looked.ok:
                return Outcome(False, f"it was done, and then: {looked.text}", outcome.facts)
        return outcome

    def _wait(self, run: Run, repair: Repair) -> None:
        """Wait for an answer; undo where nobody gives one in time, or keep what is being undone."""
        while (now := self.desk.get(repair.id)).state is RepairState.ASKED:
            if self._now() > now.until_ms:
                with self.desk.journal.writing(ACTOR) as write:
                    now = get_repair(write, repair.id)
                    if now.state is not RepairState.ASKED:
                        return
                    then = RepairState.FAILED if now.then else RepairState.UNDONE
                    if now.then:
                        now = now.with_step(now.at, state=StepState.FAILED, text="nobody answered")
                    why = f"nobody answered: {now.question}"
                    put_repair(write, replace(now, state=RepairState.UNDOING, then=then,
                                              question="", reason=why))  # fmt: skip
                return
            self._pause(run)

    def _verify(self, run: Run, repair: Repair) -> None:
        """Wait until live telemetry says that it helped, or that it did not in time."""
        runbook = self._runbook(repair)
        until_ms = repair.verifying_ms + round(runbook.verify.within_s * 1000)
        while True:
            with self.desk.records.reading() as unit:
                incident = load_incident(unit, repair.incident)
                repair = get_repair(unit, repair.id)
            if repair.state is not RepairState.VERIFYING or incident is None:
                return
            calm, over, checks = self._seen(repair, runbook, incident)
            if over and not calm:
                why = "a person resolved the incident before it could be seen that the signs ended"
                self._end(repair, RepairState.STOPPED, why, checks)
            elif over and not any(check.startswith("not: ") for check in checks):
                calm_ms = int(incident.attributes.get("calm", self._now()))
                repair = replace(repair, calm_ms=calm_ms)
                self._end(repair, RepairState.VERIFIED, "the signs ended", checks)
            elif self._now() > until_ms:
                why = f"it did not help within {runbook.verify.within_s:g} s"
                self._change(repair, state=RepairState.UNDOING, then=RepairState.USELESS.value,
                             reason=why, checks=checks)  # fmt: skip
            else:
                run.progress(0, 0, checks[0])
                self._pause(run)
                continue
            return

    def _seen(
        self, repair: Repair, runbook: Runbook, incident: Incident
    ) -> tuple[bool, bool, tuple[str, ...]]:
        """Tell whether the signs ended, whether the incident is over, and what was checked."""
        over, calm = incident.state is IncidentState.RESOLVED, "calm" in incident.attributes
        checks = [f"{'' if over and calm else 'not: '}the signs have ended"]
        for one in runbook.verify.metrics:
            values = self.measured(one.metric, filled(dict(one.labels), repair.plan.values))
            good = bool(values) and all(
                (one.at_least is None or value >= one.at_least)
                and (one.at_most is None or value <= one.at_most)
                for value in values
            )
            told = ", ".join(f"{value:g}" for value in values[:5]) or "nothing"
            checks.append(f"{'' if good else 'not: '}{one.metric} is {told}")
        return calm, over, tuple(checks)

    def _back(self, run: Run, repair: Repair) -> None:
        """Take back the last thing that is not yet taken back, or end."""
        begun = (StepState.DONE, StepState.FAILED, StepState.UNKNOWN, StepState.UNDOING,
                 StepState.DOING)  # fmt: skip
        left = [n for n, one in enumerate(repair.steps) if one.state in begun and one.started_ms]
        if not left:
            self._end(repair, RepairState(repair.then), repair.reason)
            return
        at = left[-1]
        step, was = self._runbook(repair).steps[at], repair.steps[at]
        undo = step.undo
        if not isinstance(undo, Deed):
            said = f"it stays: {step.because}" if undo else "there is nothing to undo"
            self._end_step(repair, at, StepState.KEPT, Outcome(True, said, was.facts))
            return
        if was.state is StepState.UNDOING and not self._actor(undo).repeatable(undo.arguments):
            question = f"the undo of {step.name} was cut off, and nobody knows whether it happened"
            self._ask(repair, at, StepState.UNKNOWN, question, self._runbook(repair))
            return
        if not self._mark(repair, at, step, undo=True):
            return
        outcome = self._act(run, repair, undo, undo.timeout_s, was)
        if outcome.ok:
            self._end_step(repair, at, StepState.UNDONE, replace(outcome, facts=was.facts))
            return
        with self.desk.journal.writing(ACTOR) as write:
            now = get_repair(write, repair.id)
            said = f"it could not be undone: {outcome.text}"
            now = now.with_step(at, state=StepState.KEPT, text=said, ended_ms=self._now())
            why = f"{now.reason}; {step.name} could not be undone: {outcome.text}"
            put_repair(write, replace(now, then=RepairState.FAILED.value, reason=why))
            write.event(RepairStepEnded(repair.id, step.name, "failed", said))

    def _act(
        self, run: Run, repair: Repair, deed: Deed, timeout_s: float, was: StepRun | None = None
    ) -> Outcome:
        try:
            filled = self._filled(deed, repair, was)
        except BadInput as error:
            return Outcome(False, str(error))
        return self._actor(deed).act(filled, Limit(timeout_s, self._ended(run, repair)))

    def _ended(self, run: Run, repair: Repair) -> Callable[[], str]:
        def ended_now() -> str:
            run.progress(0, len(repair.steps))  # raises where the process is about to close
            return self.desk.halted(repair.id)

        return ended_now

    def _filled(self, deed: Deed, repair: Repair, was: StepRun | None = None) -> dict[str, Any]:
        did = {f"did.{name}": str(value) for name, value in (was.facts if was else {}).items()}
        return self._actor(deed).fill(deed.arguments, {**repair.plan.values, **did})

    def _mark(self, repair: Repair, at: int, step: Step, *, undo: bool) -> bool:
        """Write down that a deed is about to be done; False where it must not be any more."""
        deed = step.undo if undo and isinstance(step.undo, Deed) else step
        try:
            filled = self._filled(deed, repair, repair.steps[at] if undo else None)
            says = self._actor(deed).tell(filled)
        except BadInput as error:
            says = str(error)
        wanted = RepairState.UNDOING if undo else RepairState.RUNNING
        with self.desk.journal.writing(ACTOR) as write:
            now = get_repair(write, repair.id)
            if now.state is not wanted or self.desk.halted(repair.id):
                return self._halt(write, now)
            mark = StepState.UNDOING if undo else StepState.DOING
            one = now.steps[at]
            began = one.started_ms or self._now()
            now = now.with_step(at, state=mark, tries=one.tries + 1, started_ms=began, ended_ms=0)
            put_repair(write, now)
            write.event(RepairStepBegun(repair.id, step.name, undo, says))
        return True

    def _halt(self, write: JournalWriter, now: Repair) -> bool:
        if now.state in UNDER_WAY:
            ended(write, now, RepairState.STOPPED, self.desk.halted(now.id), self._now())
        return False

    def _end_step(
        self, repair: Repair, at: int, mark: StepState, outcome: Outcome, **then: Any
    ) -> None:
        """Write down how a deed ended, whatever became of the repair; ``then`` if it goes on."""
        with self.desk.journal.writing(ACTOR) as write:
            now = get_repair(write, repair.id)
            goes_on = then and now.state is repair.state
            now = self._noted(write, now, at, mark, outcome)
            if goes_on and (reason := self.desk.halted(repair.id)):
                ended(write, now, RepairState.STOPPED, reason, self._now())
            else:
                put_repair(write, replace(now, **then) if goes_on else now)

    def _fail(self, repair: Repair, at: int, mark: StepState, outcome: Outcome) -> None:
        """Write down that a step failed, and begin to take back what was done."""
        reason = f"{repair.steps[at].name}: {outcome.text}"
        self._end_step(repair, at, mark, outcome, state=RepairState.UNDOING,
                       then=RepairState.UNDONE.value, reason=reason)  # fmt: skip

    def _noted(
        self, write: JournalWriter, now: Repair, at: int, state: StepState, outcome: Outcome
    ) -> Repair:
        facts = outcome.facts or now.steps[at].facts
        write.event(RepairStepEnded(now.id, now.steps[at].name, state, outcome.text))
        return now.with_step(at, state=state, text=outcome.text, facts=facts, ended_ms=self._now())

    def _ask(
        self, repair: Repair, at: int, state: StepState, question: str, runbook: Runbook
    ) -> None:
        wait_ms = round(runbook.runbook.answer_within_s * 1000)
        with self.desk.journal.writing(ACTOR) as write:
            now = get_repair(write, repair.id)
            if now.state not in UNDER_WAY:
                return
            if state is StepState.UNKNOWN:
                now = self._noted(write, now, at, state, Outcome(False, question))
            began = now.steps[at].started_ms or self._now()
            now = now.with_step(at, started_ms=began)
            now = replace(now, state=RepairState.ASKED, question=question, at=at,
                          until_ms=self._now() + wait_ms)  # fmt: skip
            put_repair(write, now)
            write.event(RepairAsked(now.id, now.incident, now.runbook, 1, now.until_ms, question))

    def _change(self, repair: Repair, **changes: Any) -> None:
        """Change a repair, unless it was ended or halted meanwhile."""
        with self.desk.journal.writing(ACTOR) as write:
            now = get_repair(write, repair.id)
            if now.state is repair.state:
                put_repair(write, replace(now, **changes))

    def _end(
        self, repair: Repair, state: RepairState, reason: str, checks: tuple[str, ...] = ()
    ) -> None:
        with self.desk.journal.writing(ACTOR) as write:
            now = get_repair(write, repair.id)
            if now.state is repair.state:
                checks = checks or now.checks
                now = replace(now, checks=checks, calm_ms=repair.calm_ms)
                ended(write, now, state, reason, self._now())

    def _pause(self, run: Run) -> None:
        """Wait for a decision or a moment; ends the run where the process closes."""
        run.progress(0)
        with self.desk.changed:
            self.desk.changed.wait(PAUSE_S)

    def _runbook(self, repair: Repair) -> Runbook:
        with self.desk.records.reading() as unit:
            book = get_book(unit, repair.runbook, repair.version)
        return self.desk.proposals.books.runbook(book)

    def _actor(self, deed: Deed) -> Actor:
        return self.desk.proposals.books.actors[deed.do]

    def _now(self) -> int:
        return self.desk.clock.now_ms()
