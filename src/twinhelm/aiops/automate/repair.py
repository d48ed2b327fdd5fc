"""A repair: one run of a runbook for one incident, from its proposal to what came of it.

It is a record that leads: whoever goes on with a repair, also after ``kill -9``, reads here what
was done. A step is marked DOING before its deed and DONE or FAILED after; one that is found DOING
by somebody who did not begin it was cut off, and nobody knows whether it happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from twinhelm.aiops.automate.plan import Plan
from twinhelm.aiops.automate.runbook import Level

__all__ = ["OPEN", "UNDER_WAY", "Answer", "Repair", "RepairState", "StepRun", "StepState"]


class RepairState(StrEnum):
    """The life of a repair.

    PROPOSED: it is suggested; a person may start it. ASKED: people are asked whether it may begin
    or, while it runs, what to make of a step. RUNNING: steps are done. VERIFYING: it waits for
    the signs to end. UNDOING: steps are taken back. VERIFIED: the signs ended. USELESS: they did
    not, it was taken back. UNDONE: a step failed, what was done is taken back. FAILED: something
    could not be taken back. REFUSED: it never began. STOPPED: it was ended half-way by a person.
    """

    PROPOSED = "proposed"
    ASKED = "asked"
    RUNNING = "running"
    VERIFYING = "verifying"
    UNDOING = "undoing"
    VERIFIED = "verified"
    USELESS = "useless"
    UNDONE = "undone"
    FAILED = "failed"
    REFUSED = "refused"
    STOPPED = "stopped"

    @property
    def over(self) -> bool:
        """Tell whether nothing more happens by itself."""
        return self not in (*OPEN, *UNDER_WAY)


OPEN = (RepairState.PROPOSED, RepairState.ASKED)
UNDER_WAY = (RepairState.RUNNING, RepairState.VERIFYING, RepairState.UNDOING)


class StepState(StrEnum):
    """The life of a step.

    DOING and UNDOING are marks set before a deed. UNKNOWN: it was cut off, and a person is asked.
    KEPT: it was done, and there is no undo for it.
    """

    WAITING = "waiting"
    DOING = "doing"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNDOING = "undoing"
    UNDONE = "undone"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person said to a request or a question; ``choice`` is of a question."""

    by: str
    agrees: bool
    note: str
    time_ms: int
    choice: str = ""


@dataclass(frozen=True, slots=True)
class StepRun:
    """How one step went; ``text`` is what was said of it last, ``facts`` what its undo needs."""

    name: str
    do: str
    state: StepState = StepState.WAITING
    started_ms: int = 0
    ended_ms: int = 0
    text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Repair:
    """See the module.

    ``id`` is ``INCIDENT-N``. ``needs`` people must agree by ``until_ms``. ``question`` is open
    while it is asked half-way, about step ``at``. ``then`` is what an undoing ends in, ``walk``
    names the workflow that goes on with it. ``commit`` is that of the folder its runbook came
    from, None where that is no repository. ``checks``
    is what verification saw last, ``calm_ms`` when the signs had ended. Times are epoch ms, 0
    for not yet.
    """

    id: str
    incident: int
    runbook: str
    version: int
    digest: str
    environment: str
    level: Level
    state: RepairState
    plan: Plan
    why: tuple[str, ...]
    asked_by: str
    asked_ms: int
    until_ms: int
    needs: int
    incident_ms: int
    cost: float = 0.0
    answers: tuple[Answer, ...] = ()
    steps: tuple[StepRun, ...] = ()
    question: str = ""
    at: int = 0
    started_ms: int = 0
    verifying_ms: int = 0
    calm_ms: int = 0
    ended_ms: int = 0
    then: str = ""
    walk: str = "walk"
    reason: str = ""
    checks: tuple[str, ...] = ()
    commit: str | None = None

    @property
    def job(self) -> str:
        """Name who goes on with it: each taking back is a walk of its own."""
        return f"{self.id}-{self.walk}"

    @property
    def reach(self) -> tuple[str, ...]:
        """The entities that it touches, with its target."""
        return tuple(dict.fromkeys((self.plan.target, *self.plan.reach)))

    @property
    def repair_s(self) -> float | None:
        """How long the incident lasted, of a repair that was verified."""
        if self.state is not RepairState.VERIFIED:
            return None
        return (self.calm_ms - self.incident_ms) / 1000

    def with_step(self, number: int, **changes: Any) -> "Repair":
        """Return it with one step changed."""
        steps = list(self.steps)
        steps[number] = replace(steps[number], **changes)
        return replace(self, steps=tuple(steps))
