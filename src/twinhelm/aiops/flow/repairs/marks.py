"""What is written down of a walk: each mark with its event, in one transaction that looks again.

What goes on is only written where the repair stands as the walk knew it, for a person may have
ended it meanwhile; the stop switch is read in the transaction of every mark.
"""

from dataclasses import replace
from typing import Any

from twinhelm.aiops.automate.repair import UNDER_WAY, Repair, RepairState, StepState
from twinhelm.aiops.automate.steps import Outcome
from twinhelm.aiops.flow.repairs.desk import Desk
from twinhelm.aiops.flow.repairs.kept import ACTOR, ended, get_repair, put_repair
from twinhelm.events.journal import JournalWriter
from twinhelm.events.kinds.repairs import RepairAsked, RepairStepBegun, RepairStepEnded

__all__ = ["ask", "begin", "change", "end", "end_step", "fail", "not_undone", "unanswered"]


def begin(desk: Desk, repair: Repair, at: int, says: str, *, undo: bool) -> bool:
    """Write down that a deed is about to be done; False where it must not be any more."""
    wanted = RepairState.UNDOING if undo else RepairState.RUNNING
    with desk.journal.writing(ACTOR) as write:
        now = get_repair(write, repair.id)
        if (now.state, now.job) != (wanted, repair.job):
            return False
        if desk.halted(repair.job):
            _halt(desk, write, now)
            return False
        one, mark = now.steps[at], StepState.UNDOING if undo else StepState.DOING
        began = one.started_ms or desk.clock.now_ms()
        now = now.with_step(at, state=mark, tries=one.tries + 1, started_ms=began, ended_ms=0)
        put_repair(write, now)
        write.event(RepairStepBegun(repair.id, one.name, undo, says))
    return True


def end_step(
    desk: Desk, repair: Repair, at: int, mark: StepState, outcome: Outcome, **then: Any
) -> None:
    """Write down how a deed ended, whatever became of the repair; ``then`` if it goes on."""
    with desk.journal.writing(ACTOR) as write:
        now = get_repair(write, repair.id)
        goes_on = then and now.state is repair.state
        now = _noted(desk, write, now, at, mark, outcome)
        if goes_on and desk.halted(repair.job):
            _halt(desk, write, now)
        else:
            put_repair(write, replace(now, **then) if goes_on else now)


def fail(desk: Desk, repair: Repair, at: int, mark: StepState, outcome: Outcome) -> None:
    """Write down that a step failed, and begin to take back what was done."""
    reason = f"{repair.steps[at].name}: {outcome.text}"
    end_step(desk, repair, at, mark, outcome, state=RepairState.UNDOING,
                  then=RepairState.UNDONE.value, reason=reason)  # fmt: skip


def not_undone(desk: Desk, repair: Repair, at: int, text: str) -> None:
    """Write down that an undo failed; what else was done is taken back none the less."""
    with desk.journal.writing(ACTOR) as write:
        now = get_repair(write, repair.id)
        name, said = now.steps[at].name, f"it could not be undone: {text}"
        now = now.with_step(at, state=StepState.KEPT, text=said, ended_ms=desk.clock.now_ms())
        why = f"{now.reason}; {name} could not be undone: {text}"
        put_repair(write, replace(now, then=RepairState.FAILED.value, reason=why))
        write.event(RepairStepEnded(repair.id, name, "failed", said))


def ask(
    desk: Desk, repair: Repair, at: int, state: StepState, question: str, wait_s: float
) -> None:
    """Ask people, for so long; an unknown end of a step is written down as its outcome."""
    with desk.journal.writing(ACTOR) as write:
        now = get_repair(write, repair.id)
        if now.state not in UNDER_WAY:
            return
        if state is StepState.UNKNOWN:
            now = _noted(desk, write, now, at, state, Outcome(False, question))
        now = now.with_step(at, started_ms=now.steps[at].started_ms or desk.clock.now_ms())
        now = replace(now, state=RepairState.ASKED, question=question, at=at,
                      until_ms=desk.clock.now_ms() + round(wait_s * 1000))  # fmt: skip
        put_repair(write, now)
        write.event(RepairAsked(now.id, now.incident, now.runbook, 1, now.until_ms, question))


def unanswered(desk: Desk, repair: Repair) -> None:
    """Undo what nobody answered for, or keep what is being undone."""
    with desk.journal.writing(ACTOR) as write:
        now = get_repair(write, repair.id)
        if now.state is not RepairState.ASKED:
            return
        then = RepairState.FAILED if now.then else RepairState.UNDONE
        if now.then:
            now = now.with_step(now.at, state=StepState.FAILED, text="nobody answered")
        why = f"nobody answered: {now.question}"
        put_repair(write, replace(now, state=RepairState.UNDOING, then=then, question="",
                                  reason=why))  # fmt: skip


def change(desk: Desk, repair: Repair, **changes: Any) -> None:
    """Change a repair, unless it was ended or halted meanwhile."""
    with desk.journal.writing(ACTOR) as write:
        now = get_repair(write, repair.id)
        if now.state is repair.state:
            put_repair(write, replace(now, **changes))


def end(
    desk: Desk, repair: Repair, state: RepairState, reason: str, checks: tuple[str, ...] = ()
) -> None:
    """End a repair, unless it was ended or halted meanwhile."""
    with desk.journal.writing(ACTOR) as write:
        now = get_repair(write, repair.id)
        if now.state is repair.state:
            now = replace(now, checks=checks or now.checks, calm_ms=repair.calm_ms)
            ended(write, now, state, reason, desk.clock.now_ms())


def _halt(desk: Desk, write: JournalWriter, now: Repair) -> None:
    ended(write, now, RepairState.STOPPED, desk.halted(now.job), desk.clock.now_ms())


def _noted(
    desk: Desk, write: JournalWriter, now: Repair, at: int, state: StepState, outcome: Outcome
) -> Repair:
    facts = outcome.facts or now.steps[at].facts
    write.event(RepairStepEnded(now.id, now.steps[at].name, state, outcome.text))
    return now.with_step(
        at, state=state, text=outcome.text, facts=facts, ended_ms=desk.clock.now_ms()
    )
