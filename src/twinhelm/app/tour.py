"""The guided tour: how a fault of the lab is found, explained, repaired and over, told as it goes.

In: the lab, and what the house says of incidents. Out: the :class:`Story` so far, which pages show.
One story at a time goes by itself from step to step, in a thread of its own, whether anybody looks
or not; a person may begin a fault, repair it or begin anew before its time has come. The truth
about a fault stays here: it is held against twinhelm's first suspect and given to nobody else.

Wrong where something else breaks the shop meanwhile: the first incident after the fault is taken
for the fault's, or one that was open before once it names what is to blame.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from twinhelm.aiops.flow.incidents import IncidentDesk
from twinhelm.aiops.types import LIVE, Incident, IncidentState
from twinhelm.app.lab import Lab, LabFault
from twinhelm.core.claims import Claim, certainty
from twinhelm.core.clock import Clock
from twinhelm.core.entities import split_key
from twinhelm.core.errors import Conflict, NotFound, TwinhelmError, Unavailable
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import IncidentOpened, IncidentReopened

__all__ = ["Step", "Story", "Tour", "right"]

log = logging.getLogger(__name__)

QUIET_MS = 60_000
"""So long the shop must have been quiet: by then the detectors know what is usual."""
RESTLESS_MS = 90_000
"""After this the fault begins all the same."""
MISSED_MS = 120_000
REPAIR_MS = 40_000
"""So long a person has to repair what was found; less where finding it took long ..."""
STORY_MS = 45_000
"""... so that the fault lasts no longer than this and the story no longer than three minutes ..."""
LEAST_MS = 15_000
"""... but never less than this."""
START_MS = 60_000
TURN_S = 0.5
LONG_S = 15.0
RAISED = (IncidentOpened.kind, IncidentReopened.kind)
TOUR = "guided tour"


class Step(StrEnum):
    """Where the story is.

    STARTING: the lab comes up. QUIET: the shop runs, nothing is wrong. FAULT: something is, and
    twinhelm has said nothing yet. INCIDENT: it has. CAUSE: it names suspects. REPAIR: the fault is
    repaired. RESOLVED: the incident is over.
    """

    STARTING = "starting"
    QUIET = "quiet"
    FAULT = "fault"
    INCIDENT = "incident"
    CAUSE = "cause"
    REPAIR = "repair"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Story:
    """What happened so far; ``told`` are its moments (ms) in words, ``due_ms`` is the next step's.

    ``claim`` is the first suspect: as it stands now, or stood when the fault was repaired.
    """

    step: Step = Step.STARTING
    since_ms: int = 0
    due_ms: int | None = None
    trouble: str = ""
    fault: LabFault | None = None
    begun_ms: int = 0
    incident: Incident | None = None
    found_ms: int | None = None
    claim: Claim | None = None
    blamed_ms: int | None = None
    repaired_ms: int | None = None
    repaired_by: str = ""
    told: tuple[tuple[int, str], ...] = ()

    def tell(self, time_ms: int, text: str) -> "Story":
        """Add a moment."""
        return replace(self, told=(*self.told, (time_ms, text)))


@dataclass(slots=True)
class Tour:
    """Tells the story; :attr:`story` may be read from any thread."""

    lab: Lab
    desk: IncidentDesk
    journal: Journal
    clock: Clock
    story: Story = field(default_factory=Story)
    faults: dict[str, LabFault] = field(default_factory=dict)
    _quiet_ms: int = 0
    _after_seq: int = 0
    _before: tuple[int, ...] = ()
    _stop: threading.Event = field(default_factory=threading.Event)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the lab and the story; returns at once."""
        self._thread = threading.Thread(target=self._run, name="twinhelm-tour", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the story, then the lab, in order."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(LONG_S)
            self.lab.stop()  # which also ends a question that it was too slow to answer
            self._thread.join()

    def break_(self, fault: str, *, by: str) -> None:
        """Begin a fault now; raises :class:`Conflict` while another lasts."""
        with self._turn:
            if self.story.step not in (Step.QUIET, Step.RESOLVED):
                raise Conflict("a story is being told", hint="repair the fault that lasts first")
            if fault not in self.faults:
                raise NotFound(f"the lab knows no fault {fault!r}", hint="choose one of its own")
            self._break(self.faults[fault], by)

    def repair(self, *, by: str) -> None:
        """Repair the fault that lasts now; raises :class:`Conflict` where none does."""
        with self._turn:
            if self.story.step not in (Step.FAULT, Step.INCIDENT, Step.CAUSE):
                raise Conflict("nothing is broken any more, or yet")
            self._repair(by)

    def again(self) -> None:
        """Begin anew; raises :class:`Conflict` before the story is over."""
        with self._turn:
            if self.story.step is not Step.RESOLVED:
                raise Conflict("the story is not over yet")
            self._calm()

    def _run(self) -> None:
        try:
            self.lab.start()
            self.story = Story(since_ms=self.clock.now_ms())
            log.info("the lab is being started", extra={"log": str(self.lab.log)})
            while not self._stop.wait(TURN_S):
                try:
                    with self._turn:
                        over = not self._look()
                    if over:
                        break
                except TwinhelmError as error:
                    self.story = replace(self.story, trouble=str(error))
                except Exception:
                    # A defect of the story must not end it: what comes next may well be told.
                    log.exception("the tour could not go on")
        except Unavailable as error:
            self._fail(error)
        self._stop.wait()
        self.lab.stop()
        log.info("the lab has ended")

    def _look(self) -> bool:
        """See how things stand and go on where it is time; False once the lab is gone."""
        now, story = self.clock.now_ms(), self.story
        try:
            up = self.lab.up()
        except Unavailable as error:
            self._fail(error)
            return False
        if not up:
            slow = now - story.since_ms > START_MS
            said = f"the lab is not up after {START_MS // 1000} s; see {self.lab.log}"
            self.story = replace(story, trouble=said if slow else "")
            return True
        if story.step is Step.STARTING:
            self.faults = self.lab.faults()
            log.info("the lab is up", extra={"faults": len(self.faults)})
            self._calm()
        else:
            _STEPS[story.step](self, now)
        if self.story.trouble:
            self.story = replace(self.story, trouble="")
        return True

    def _fail(self, error: Unavailable) -> None:
        self.story = Story(trouble=str(error), told=self.story.told)
        log.warning("the tour is over", extra={"reason": str(error)})

    def _calm(self) -> None:
        now = self.clock.now_ms()
        self._quiet_ms = now
        fault = next(
            (one for one in self.faults.values() if _is_usual(one)),
            next(iter(self.faults.values())),
        )
        self.story = Story(Step.QUIET, now, now + QUIET_MS, fault=fault)

    def _quiet(self, now: int) -> None:
        story = self.story
        if any(_about_shop(one) for one in self.desk.incidents(states=LIVE)):
            self._quiet_ms = now
        due = min(self._quiet_ms + QUIET_MS, story.since_ms + RESTLESS_MS)
        self.story = replace(story, due_ms=due)
        if now >= due and story.fault is not None:
            self._break(story.fault, TOUR)

    def _break(self, fault: LabFault, by: str) -> None:
        now = self.clock.now_ms()
        self._before = tuple(one.id for one in self.desk.incidents(states=LIVE))
        newest = self.journal.read(newest_first=True, limit=1)
        self._after_seq = newest[0].seq if newest else 0
        self.lab.break_(fault.name)
        story = Story(Step.FAULT, now, now + MISSED_MS, fault=fault, begun_ms=now)
        self.story = story.tell(now, f"{fault.title} ({by})")

    def _fault(self, now: int) -> None:
        story, fault = self.story, self.story.fault
        anywhere = fault is not None and fault.service == "host"
        for row in self.journal.read(after_seq=self._after_seq):
            if row.kind in RAISED:
                incident = self.desk.file(int(row.subject.rpartition("/")[2])).incident
                if anywhere or _about_shop(incident):
                    opens = "reopens" if row.kind == IncidentReopened.kind else "opens"
                    self._found(incident, row.time_ms, opens, now)
                    return
        for number in self._before:
            file = self.desk.file(number)
            if file.claims and fault is not None and right(file.claims[0], fault):
                self._found(file.incident, now, "was open already", now)
                return
        if story.due_ms is not None and now >= story.due_ms:
            self.story = story.tell(now, f"No incident within {MISSED_MS // 1000} s")
            self._repair(TOUR)

    def _found(self, incident: Incident, at: int, opens: str, now: int) -> None:
        story = self.story.tell(at, f"Incident {incident.id} {opens}: {incident.title}")
        latest = max(story.begun_ms + STORY_MS, now + LEAST_MS)
        self.story = replace(
            story,
            step=Step.INCIDENT,
            since_ms=now,
            due_ms=min(now + REPAIR_MS, latest),
            incident=incident,
            found_ms=at,
        )

    def _blame(self, now: int) -> None:
        story = self.story
        if story.incident is not None:
            file = self.desk.file(story.incident.id)
            claim = file.claims[0] if file.claims else None
            before = story.claim.subject if story.claim else ""
            if claim is not None and claim.subject != before:
                first = "Now the first suspect" if before else "First suspect"
                sure = f"{certainty(claim.confidence)}, {claim.confidence:.2f}"
                at = max(claim.time_ms, story.found_ms or 0)
                story = story.tell(at, f"{first}: {claim.text} ({sure})")
                if story.step is Step.INCIDENT:
                    story = replace(story, step=Step.CAUSE, since_ms=now, blamed_ms=at)
            self.story = replace(story, incident=file.incident, claim=claim)
        if story.due_ms is not None and now >= story.due_ms:
            self._repair(TOUR)

    def _repair(self, by: str) -> None:
        fault, incident = self.story.fault, self.story.incident
        if fault is None:
            return
        self.story = replace(self.story, due_ms=None)
        try:
            self.lab.repair(fault.name)
        except TwinhelmError:
            # It lasts until the lab says otherwise: ask again, unless a person does so before.
            self.story = replace(self.story, due_ms=self.clock.now_ms() + LEAST_MS)
            raise
        now = self.clock.now_ms()
        self.story = replace(
            self.story.tell(now, f"{fault.repair} ({by})"),
            step=Step.REPAIR,
            since_ms=now,
            due_ms=None,
            repaired_ms=now,
            repaired_by=by,
        )
        if incident is not None:
            self.desk.comment(incident.id, by=by, text=f"Repaired: {fault.repair}")

    def _end(self, now: int) -> None:
        story = self.story
        incident = story.incident and self.desk.file(story.incident.id).incident
        over = incident is None or incident.state is IncidentState.RESOLVED
        if over:
            at = (incident.resolved_ms if incident else now) or now
            said = f"Incident {incident.id} is resolved" if incident else "The fault is over"
            story = replace(story.tell(at, said), step=Step.RESOLVED, since_ms=at)
        self.story = replace(story, incident=incident)

    def _rest(self, now: int) -> None:
        """Do nothing: a person says when the story begins anew."""


_STEPS: dict[Step, Callable[[Tour, int], None]] = {
    Step.QUIET: Tour._quiet,
    Step.FAULT: Tour._fault,
    Step.INCIDENT: Tour._blame,
    Step.CAUSE: Tour._blame,
    Step.REPAIR: Tour._end,
    Step.RESOLVED: Tour._rest,
}


def right(claim: Claim, fault: LabFault) -> bool:
    """Tell whether a suspect is what was really broken.

    >>> said = Claim("1", "cause", "service:shop/checkout", "", 0.9, "", 0)
    >>> right(said, LabFault("deploy", "", "", "checkout"))
    True
    """
    kind, name = split_key(claim.subject)
    named = kind if kind == "host" else name.rpartition("/")[2]
    truly = (fault.service, *(split_key(each)[1].rpartition("/")[2] for each in fault.also))
    return fault.blame and named in truly


def _is_usual(fault: LabFault) -> bool:
    """Tell whether it is what the story is about when nobody chooses: a bad deploy of checkout."""
    return (fault.service, fault.change) == ("checkout", "deploy")


def _about_shop(incident: Incident) -> bool:
    """Tell whether an incident is about more than the machine that all runs on."""
    return any(
        split_key(each)[0] not in {"host", "process", "device"} for each in incident.entities
    )
