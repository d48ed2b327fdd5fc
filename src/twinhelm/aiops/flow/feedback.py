"""What people answer, kept; what answers teach, tried, applied, and handed to those who judge.

An answer is a record that stands until it is undone. What is in force is a pure function of the
standing answers that were applied, what runs in shadow of all that stand: nothing else is kept, so
an undone answer leaves nothing behind. Where the two judge an anomaly otherwise, that is noted
once. Answers are applied by a person, or by themselves once they were in shadow for their time
and the back-test of their kind (:mod:`twinhelm.aiops.learn.trial`) passes.

Any thread may call; a crash loses at most notes of what would have been different.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from twinhelm.aiops.correlate import Sign
from twinhelm.aiops.flow.answered import (
    TAKEN,
    deviation,
    facts_of,
    named,
    pair_of,
    suspect_facts,
    taken,
)
from twinhelm.aiops.learn import Lessons, Trial, learn, next_question, own_need, try_out
from twinhelm.aiops.records import STANDING, UNDONE, find_answers, incident_key, put_answer
from twinhelm.aiops.types import Anomaly, Answer, Forecast, Suspect
from twinhelm.aiops.words import spoken
from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Conflict, NotFound
from twinhelm.core.labels import metric_name
from twinhelm.core.ports import Record, Records
from twinhelm.core.settings import DetectSettings, LearnSettings
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.learning import (
    FeedbackGiven,
    FeedbackUndone,
    LessonsApplied,
    LessonsDiffer,
)
from twinhelm.events.values import load

__all__ = ["TAUGHT", "Asked", "Learning", "Taught"]

TAUGHT = ("anomaly", "grouping", "suspect", "forecast")
"""The kinds of answers that teach; answers to actions are counted where autonomy is earned."""
MAX_REASON = 1000
MOST_NOTES = 1000
MOST_SEEN = 300
SURE = 0.45
"""A forecast that is believed less is told only where it is as sure as this after all."""


@dataclass(frozen=True, slots=True)
class Taught:
    """An answer and, in words, what it changes; ``state`` is standing or undone."""

    answer: Answer
    state: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to ask somebody about next; called wrong it would silence ``silences`` known signs."""

    about: str
    text: str
    incident: int
    time_ms: int
    silences: int


@dataclass(slots=True)
class Learning:
    """The desk of answers; see the module. ``published`` is told when what is in force changed."""

    records: Records
    journal: Journal
    clock: Clock
    settings: LearnSettings
    detect: DetectSettings
    published: Callable[[], None] = lambda: None
    _known: tuple[int, Lessons, Lessons] | None = None
    _turn: int = 0
    _notes: dict[str, LessonsDiffer] = field(default_factory=dict)
    _noted: set[str] = field(default_factory=set)

    def lessons(self) -> tuple[Lessons, Lessons]:
        """Return what is in force, and what would be with all that stands."""
        known, turn = self._known, self._turn
        if known is None or known[0] != turn:
            with self.records.reading() as unit:
                standing = find_answers(unit)
            known = turn, learn(one for one in standing if one.applied), learn(standing)
            self._known = known
        return known[1:]

    def answers(self, limit: int = 1000, offset: int = 0) -> list[Taught]:
        """List the answers, the newest first, with what each changes."""
        with self.records.reading() as unit:
            found = unit.find("feedback", newest_first=True, limit=limit, offset=offset)
        lessons = self.lessons()[1]
        read = [(load(Answer, record), record.state) for record in found]
        return [
            Taught(one, state, lessons.told(one) if state == STANDING else ())
            for one, state in read
        ]

    def give(self, about: str, *, right: bool, reason: str = "", by: str) -> Taught:
        """Take an answer; the same one again is no news.

        Raises :class:`NotFound` for what does not exist, :class:`BadInput` for what cannot be
        answered, and :class:`Conflict` where the opposite stands.
        """
        if len(reason) > MAX_REASON:
            raise BadInput(f"the reason has {len(reason)} characters", hint=f"write {MAX_REASON}")
        with self.journal.writing(by) as write:
            of, facts = facts_of(write, about, self.detect.sensitivity)
            said = [
                one
                for one in find_answers(write, about=about)
                if of != "suspect" or one.facts == facts  # ranks are given anew
            ]
            if any(one.right != right for one in said):
                was = said[0]
                hint = f"undo it first: twinhelm feedback undo {was.id}"
                other = "right" if was.right else "wrong"
                raise Conflict(f"{was.by} called {about} {other} (answer {was.id})", hint=hint)
            if said:
                made = said[0]
            else:
                id_, now = write.count("feedback") + 1, self.clock.now_ms()
                made = Answer(id_, of, about, right, reason.strip(), by, now, facts)
                put_answer(write, made)
                write.event(FeedbackGiven(id_, of, about, right, made.reason))
        self._turn += 1
        return Taught(made, STANDING, self.lessons()[1].told(made))

    def undo(self, answer_id: int, *, by: str) -> Taught:
        """Take an answer back: from now on all is judged as if it had never been given.

        Raises :class:`NotFound`, or :class:`Conflict` where it is undone already.
        """
        with self.journal.writing(by) as write:
            record = write.get("feedback", incident_key(answer_id))
            if record is None:
                hint = "`twinhelm feedback list` lists them"
                raise NotFound(f"there is no answer {answer_id}", hint=hint)
            if record.state == UNDONE:
                raise Conflict(f"answer {answer_id} is undone already")
            one = load(Answer, record)
            put_answer(write, one, UNDONE)
            write.event(FeedbackUndone(one.id, one.about))
        self._turn += 1
        if one.applied:
            self.published()
        return Taught(one, UNDONE, ())

    def question(self) -> Asked | None:
        """Say which of the newest signs of incidents an answer would teach most about."""
        with self.records.reading() as unit:
            rows = unit.find("anomaly", newest_first=True, limit=MOST_SEEN)
            said = {one.about: one.right for one in find_answers(unit) if one.of == TAKEN}
        known = [load(Anomaly, row) for row in rows]
        seen = [deviation(one, self.detect.sensitivity) for one in known]
        at = next_question(seen, {
            place: said[about] for place, one in enumerate(known)
            if (about := f"anomaly/{one.key}") in said
        })  # fmt: skip
        if at is None:
            return None
        one, need, incident = known[at], own_need(seen[at]), rows[at].parent.partition("/")[2]
        silences = sum(map(need.covers, seen))
        return Asked(f"anomaly/{one.key}", spoken(one), int(incident), one.start_ms, silences)

    def trials(self) -> list[Trial]:
        """Back-test what is in shadow on what was answered and on what people took up."""
        with self.records.reading() as unit:
            standing = find_answers(unit)
            known = taken(unit, self.detect.sensitivity)
        return [
            try_out(of, standing, known if of == TAKEN else {})
            for of in TAUGHT
            if any(one.of == of and not one.applied for one in standing)
        ]

    def apply(self, of: str, *, by: str, because: str = "a person applied it") -> str:
        """Put in force what the standing answers of one kind teach; returns the version.

        Raises :class:`BadInput` for an unknown kind, :class:`Conflict` where nothing is new.
        """
        if of not in TAUGHT:
            raise BadInput(f"{of[:40]!r} is no kind of answers", hint=f"kinds: {', '.join(TAUGHT)}")
        with self.journal.writing(by) as write:
            standing = find_answers(write)
            mine = [one for one in standing if one.of == of]
            if all(one.applied for one in mine):
                raise Conflict(f"all that the answers about {of} teach is in force already")
            for one in mine:
                put_answer(write, replace(one, applied=True))
            force = [replace(one, applied=one.applied or one.of == of) for one in standing]
            version = learn(one for one in force if one.applied).version(of)
            write.event(LessonsApplied(of, version, [one.id for one in mine], because))
        self._turn += 1
        self.published()
        return version

    def look(self) -> None:
        """Write down what would have been different, and apply what has passed its time."""
        if notes := [self._notes.pop(key) for key in list(self._notes)]:
            with self.journal.writing("twinhelm") as write:
                for note in notes:
                    if write.get("difference", note.anomaly) is None:
                        body = {"text": note.text, "answers": note.answers}
                        now = self.clock.now_ms()
                        write.put(Record("difference", note.anomaly, body, "", "", now))
                        write.event(note)
        if self.settings.apply != "tested":
            return
        with self.records.reading() as unit:
            waiting = [one for one in find_answers(unit) if not one.applied]
        until = self.clock.now_ms() - self.settings.shadow_hours * 3_600_000
        for of in {one.of for one in waiting} & set(TAUGHT):
            if any(one.of == of and one.time_ms > until for one in waiting):
                continue
            for trial in self.trials():
                if trial.of == of and trial.passed:
                    told = f"{trial.wrong_before - trial.wrong_after} of {trial.wrong} wrong ones"
                    self.apply(of, by="twinhelm", because=f"the back-test cut {told}, lost none")

    # What those who judge ask.

    def answered(self, anomaly: Anomaly) -> str:
        """Say why an anomaly does not count by what people said of its like; empty where it does.

        Notes where what is in shadow would judge otherwise.
        """
        now, then = self.lessons()
        if not (now.needs or then.needs):
            return ""
        one = deviation(anomaly, self.detect.sensitivity)
        by, would = now.quiet(one), then.quiet(one)
        if bool(by) != bool(would) and one.size >= 1.0 and anomaly.key not in self._noted:
            if len(self._noted) >= MOST_NOTES:
                self._noted.clear()
            self._noted.add(anomaly.key)
            said = "would not count" if would else "would count again"
            text = f"{spoken(anomaly)}: {said}, {_because(would or by)}"
            self._notes[anomaly.key] = LessonsDiffer(anomaly.key, text, [*(would or by)])
        return _because(by) if by else ""

    def apart(self, one: Sign, other: Sign) -> bool:
        """Tell whether people said that two such signs do not belong together."""
        now = self.lessons()[0]
        if not now.weights:
            return False
        a, b = ((named(each.labels), each.entity) for each in (one, other))
        return now.factor("grouping", pair_of(a, b)) < 1.0

    def prior(self, suspect: Suspect) -> float:
        """Say by how much to believe a suspect more or less."""
        facts = suspect_facts(suspect.kind, suspect.indicator, suspect.entity)
        return self.lessons()[0].factor("suspect", facts)

    def tells(self, forecast: Forecast) -> bool:
        """Tell whether a forecast is still worth telling."""
        facts = {"series": str(forecast.series), "metric": metric_name(forecast.labels)}
        factor = self.lessons()[0].factor("forecast", facts)
        return factor >= 1.0 or forecast.confidence * factor >= SURE

    def says(self, name: str, *of: str) -> str:
        """Name a method with the version of what it was taught, as claims give it."""
        version = "".join(self.lessons()[0].version(each) for each in of)
        return f"{name}+{version}" if version else name

    def taught(self, *of: str) -> Mapping[str, str]:
        """Return the facts of that version, for the register: which answers are in force."""
        with self.records.reading() as unit:
            mine = [one for one in find_answers(unit) if one.applied and one.of in of]
        return {"answers": ", ".join(str(one.id) for one in mine)} if mine else {}


def _because(ids: tuple[int, ...]) -> str:
    said = ", ".join(str(each) for each in ids[:5]) + (" and others" if len(ids) > 5 else "")
    return f"by answer{'s' * (len(ids) > 1)} {said} such is usual"
