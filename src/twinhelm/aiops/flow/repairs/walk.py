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

from twinhelm.aiops.automate.repair import Repair, RepairState, StepRun, StepState
from twinhelm.aiops.automate.runbook import ASK, Deed, Runbook, Step
from twinhelm.aiops.automate.steps import Actor, Limit, Outcome, filled
from twinhelm.aiops.flow.repairs import marks
from twinhelm.aiops.flow.repairs.desk import Desk
from twinhelm.aiops.flow.repairs.kept import get_repair
from twinhelm.aiops.records import load_incident
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.core.errors import BadInput
from twinhelm.events.workflows import Run

__all__ = ["Walk"]

PAUSE_S = 0.2

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
        turn, walk = 0, args["walk"]
        run.step("after what was halted", self._after, run, args["id"], walk)
        while run.step(f"turn {turn}", self._turn, run, args["id"], walk):
            turn += 1
        return self.desk.get(args["id"]).state

    def _after(self, run: Run, repair_id: str, walk: str) -> None:
        """Let the walk before this one end, if there was one: its deed may take a moment."""
        before = walk.removesuffix("-undo")
        while before != walk and self.desk.over(f"{repair_id}-{before}") is False:
            self._pause(run)

    def _turn(self, run: Run, repair_id: str, walk: str) -> bool:
        """Do what comes next; False once nothing does, or another walk takes it back."""
        repair = self.desk.get(repair_id)
        turns = {
            RepairState.RUNNING: self._forward, RepairState.ASKED: self._wait,
            RepairState.VERIFYING: self._verify, RepairState.UNDOING: self._back,
        }  # fmt: skip
        goes_on = repair.state in turns and repair.walk == walk
        if goes_on:
            turns[repair.state](run, repair)
        return goes_on

    def _forward(self, run: Run, repair: Repair) -> None:
        left = [n for n, one in enumerate(repair.steps) if one.state is not StepState.DONE]
        if not left:
            now = self.desk.clock.now_ms()
            marks.change(self.desk, repair, state=RepairState.VERIFYING, verifying_ms=now)
            return
        at = left[0]
        step, was = self._runbook(repair).steps[at], repair.steps[at]
        if step.do == ASK:
            question = str(self._filled(step, repair)["question"])
            self._ask(repair, at, was.state, question)
            return
        if was.state is StepState.DOING and not self._actor(step).repeatable(step.arguments):
            question = f"{step.name} was cut off, and nobody knows whether it happened"
            self._ask(repair, at, StepState.UNKNOWN, question)
            return
        for check in step.before:
            looked = self._act(run, repair, check)
            if not looked.ok:
                said = f"{step.name} was not begun: {looked.text}"
                marks.fail(self.desk, repair, at, StepState.WAITING, Outcome(False, said))
                return
        if not marks.begin(self.desk, repair, at, self._says(step, repair), undo=False):
            return
        outcome = self._act(run, repair, step)
        if outcome.ok:
            outcome = self._looked_after(run, repair, step, outcome)
        if outcome.ok:
            marks.end_step(self.desk, repair, at, StepState.DONE, outcome)
        else:
            marks.fail(self.desk, repair, at, StepState.FAILED, outcome)

    def _looked_after(self, run: Run, repair: Repair, step: Step, outcome: Outcome) -> Outcome:
        """Look whether a deed worked, for as long as its checks say."""
        for check in step.after:
            limit = Limit(check.within_s, self._ended(run, repair))
            while not (looked := self._act(run, repair, check)).ok:
                if not limit.wait(1.0):
                    return Outcome(False, f"it was done, and then: {looked.text}", outcome.facts)
        return outcome

    def _wait(self, run: Run, repair: Repair) -> None:
        """Wait for an answer; undo where nobody gives one in time, or keep what is being undone."""
        while (now := self.desk.get(repair.id)).state is RepairState.ASKED:
            if self.desk.clock.now_ms() > now.until_ms:
                marks.unanswered(self.desk, repair)
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
                marks.end(self.desk, repair, RepairState.STOPPED, why, checks)
            elif over and not any(check.startswith("not: ") for check in checks):
                calm_ms = int(incident.attributes.get("calm", self.desk.clock.now_ms()))
                repair = replace(repair, calm_ms=calm_ms)
                marks.end(self.desk, repair, RepairState.VERIFIED, "the signs ended", checks)
            elif self.desk.clock.now_ms() > until_ms:
                why = f"it did not help within {runbook.verify.within_s:g} s"
                marks.change(self.desk, repair, state=RepairState.UNDOING, reason=why,
                             then=RepairState.USELESS.value, checks=checks)  # fmt: skip
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
            marks.end(self.desk, repair, RepairState(repair.then), repair.reason)
            return
        at = left[-1]
        step, was = self._runbook(repair).steps[at], repair.steps[at]
        undo = step.undo
        if not isinstance(undo, Deed):
            said = f"it stays: {step.because}" if undo else "there is nothing to undo"
            marks.end_step(self.desk, repair, at, StepState.KEPT, Outcome(True, said, was.facts))
            return
        if was.state is StepState.UNDOING and not self._actor(undo).repeatable(undo.arguments):
            question = f"the undo of {step.name} was cut off, and nobody knows whether it happened"
            self._ask(repair, at, StepState.UNKNOWN, question)
            return
        if not marks.begin(self.desk, repair, at, self._says(undo, repair, was), undo=True):
            return
        outcome = self._act(run, repair, undo, was)
        if outcome.ok:
            marks.end_step(
                self.desk, repair, at, StepState.UNDONE, replace(outcome, facts=was.facts)
            )
            return
        if not self.desk.halted(repair.job):  # else it was cut off, and its mark says so
            marks.not_undone(self.desk, repair, at, outcome.text)

    def _act(self, run: Run, repair: Repair, deed: Deed, was: StepRun | None = None) -> Outcome:
        try:
            filled = self._filled(deed, repair, was)
        except BadInput as error:
            return Outcome(False, str(error))
        return self._actor(deed).act(filled, Limit(deed.timeout_s, self._ended(run, repair)))

    def _ended(self, run: Run, repair: Repair) -> Callable[[], str]:
        def ended_now() -> str:
            run.progress(0, len(repair.steps))  # raises where the process is about to close
            return self.desk.halted(repair.job)

        return ended_now

    def _filled(self, deed: Deed, repair: Repair, was: StepRun | None = None) -> dict[str, Any]:
        did = {f"did.{name}": str(value) for name, value in (was.facts if was else {}).items()}
        return self._actor(deed).fill(deed.arguments, {**repair.plan.values, **did})

    def _says(self, deed: Deed, repair: Repair, was: StepRun | None = None) -> str:
        try:
            return self._actor(deed).tell(self._filled(deed, repair, was))
        except BadInput as error:
            return str(error)

    def _ask(self, repair: Repair, at: int, state: StepState, question: str) -> None:
        wait_s = self._runbook(repair).runbook.answer_within_s
        marks.ask(self.desk, repair, at, state, question, wait_s)

    def _pause(self, run: Run) -> None:
        """Wait for a decision or a moment; ends the run where the process closes."""
        run.progress(0)
        with self.desk.changed:
            self.desk.changed.wait(PAUSE_S)

    def _runbook(self, repair: Repair) -> Runbook:
        with self.desk.records.reading() as unit:
            return self.desk.proposals.judge.runbook(unit, repair)

    def _actor(self, deed: Deed) -> Actor:
        return self.desk.proposals.judge.books.actors[deed.do]
