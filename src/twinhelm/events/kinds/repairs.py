"""What happens to runbooks and repairs: proposals, answers, steps, ends, and the stop switch.

Subjects are ``repair/ID`` for one repair, ``runbook/NAME`` for a runbook, ``stop/all`` for the
switch. Who did it is the row's actor; ``twinhelm`` where nobody asked.
"""

from twinhelm.events.event import Event, event

__all__ = [
    "RepairAnswered", "RepairAsked", "RepairEnded", "RepairHeld", "RepairProposed",
    "RepairStarted", "RepairStepBegun", "RepairStepEnded", "RunbookChanged", "RunbookLevelSet",
    "RunbookRemoved", "StopPulled", "StopReleased",
]  # fmt: skip


@event("runbook.changed", "runbook/{runbook}")
class RunbookChanged(Event):
    """A version was taken, or committed since; ``source`` is library, folder or api."""

    runbook: str
    version: int
    digest: str
    source: str
    commit: str | None = None


@event("runbook.removed", "runbook/{runbook}")
class RunbookRemoved(Event):
    """A runbook is used no more; its versions and what they did stay."""

    runbook: str
    source: str


@event("runbook.level_set", "runbook/{runbook}")
class RunbookLevelSet(Event):
    """A person said how far a runbook may go by itself; empty: as its author says."""

    runbook: str
    before: str
    after: str


@event("repair.proposed", "repair/{repair}")
class RepairProposed(Event):
    """A runbook fits an incident; ``level`` says how far it goes by itself."""

    repair: str
    incident: int
    runbook: str
    target: str
    level: str
    text: str


@event("repair.held", "runbook/{runbook}")
class RepairHeld(Event):
    """A runbook fits an incident, and a limit keeps it back; told once an hour for each limit."""

    runbook: str
    incident: int
    rule: str
    reason: str


@event("repair.asked", "repair/{repair}")
class RepairAsked(Event):
    """So many people must agree by ``until_ms``, or one answer ``question``, asked half-way."""

    repair: str
    incident: int
    runbook: str
    needs: int
    until_ms: int
    question: str = ""


@event("repair.answered", "repair/{repair}")
class RepairAnswered(Event):
    """One person agreed or not, or chose an answer; ``state`` is what it came to."""

    repair: str
    incident: int
    agrees: bool
    note: str
    state: str
    choice: str = ""


@event("repair.started", "repair/{repair}")
class RepairStarted(Event):
    """A repair began to act."""

    repair: str
    incident: int
    runbook: str


@event("repair.step_begun", "repair/{repair}")
class RepairStepBegun(Event):
    """A deed is about to be done, or undone; if nothing follows, it was cut off."""

    repair: str
    step: str
    undo: bool
    says: str


@event("repair.step_ended", "repair/{repair}")
class RepairStepEnded(Event):
    """A deed ended: done, failed, unknown, undone or kept."""

    repair: str
    step: str
    outcome: str
    text: str


@event("repair.ended", "repair/{repair}")
class RepairEnded(Event):
    """A repair is over; ``escalated``: people must go on.

    ``seconds`` are those since the incident began, where it was verified.
    """

    repair: str
    incident: int
    runbook: str
    outcome: str
    reason: str
    escalated: bool
    seconds: float = 0.0


@event("stop.pulled", "stop/all")
class StopPulled(Event):
    """Somebody halted every repair; none begins until it is released."""

    reason: str
    halted: tuple[str, ...] = ()


@event("stop.released", "stop/all")
class StopReleased(Event):
    """Repairs may begin again; those that were halted stay so."""

    reason: str
