"""From an incident to a repair that is suggested, asked for, or begun: matched, planned, limited.

:meth:`Proposals.consider` is called for what the journal tells of incidents, :meth:`Proposals.run`
where a person wants it. Both end in one transaction: the repair and the events that tell of it.
:meth:`Proposals.dry_run` and :meth:`Proposals.backtest` say what would be, and change nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from twinhelm.aiops.automate.limits import Autonomy, autonomy_of, facts_of, judge, needs
from twinhelm.aiops.automate.match import Case, Fit, chosen, fits
from twinhelm.aiops.automate.pattern import taken
from twinhelm.aiops.automate.plan import Plan, plan_of
from twinhelm.aiops.automate.repair import OPEN, UNDER_WAY, Repair, RepairState, StepRun
from twinhelm.aiops.automate.runbook import Level, Runbook
from twinhelm.aiops.flow.repairs.books import Books
from twinhelm.aiops.flow.repairs.cases import Changes, case_of
from twinhelm.aiops.flow.repairs.kept import (
    Book,
    ended,
    find_repairs,
    get_book,
    put_repair,
    switch_of,
)
from twinhelm.aiops.records import find_answers, find_incidents
from twinhelm.aiops.types import LIVE
from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Conflict, Denied, TwinhelmError
from twinhelm.core.policy import Decision, Verdict
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.kinds.repairs import RepairAsked, RepairHeld, RepairProposed, RepairStarted
from twinhelm.events.values import Reading

__all__ = ["ACTOR", "Judged", "Past", "PastFit", "Proposals", "Shelved"]

ACTOR = "twinhelm"
TOLD_AGAIN_MS = 3_600_000
PAST = 500
"""So many of the newest repairs are looked at; more than a week of a house at its limits."""


@dataclass(frozen=True, slots=True)
class Past:
    """The repairs that limits look at, and what people said of them, by id."""

    repairs: list[Repair]
    spoken: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a run would be: whether it fits, the plan, how far it goes by itself, the decision."""

    fit: Fit
    plan: Plan | None
    autonomy: Autonomy
    verdict: str
    reason: str
    rule: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shelved:
    """A runbook with its repairs, the newest first; ``fault`` says why it can be used no more."""

    book: Book
    says: str = ""
    owner: str = ""
    dangerous: bool = False
    autonomy: Autonomy | None = None
    repairs: tuple[Repair, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class PastFit:
    """What would have become of a past incident: ``outcome`` is act, ask, held or no."""

    incident: int
    title: str
    started_ms: int
    outcome: str
    why: tuple[str, ...]
    values: Mapping[str, str]
    says: tuple[str, ...]


@dataclass(slots=True)
class Proposals:
    """See the module."""

    records: Records
    journal: Journal
    clock: Clock
    books: Books
    environment: str
    changes: Changes
    _told: dict[tuple[str, str], int] = field(default_factory=dict)

    def autonomy(self, unit: Reading, book: Book, runbook: Runbook, past: Past) -> Autonomy:
        """Say how far a runbook goes by itself here.

        What its author says counts as far as "ask", in a folder, where it was reviewed, whole.
        """
        said = runbook.runbook.level
        if book.level is not None:
            said = book.level
        elif book.source != "folder" and said is Level.ACT:
            said = Level.ASK
        return autonomy_of(
            runbook, book.digest, said, self.environment, self.books.policy, past.repairs,
            past.spoken,
        )  # fmt: skip

    def past(self, unit: Reading) -> Past:
        """Read the newest repairs, whatever is not over, and what people said of them."""
        found = [*find_repairs(unit, limit=PAST), *find_repairs(unit, states=[*OPEN, *UNDER_WAY])]
        said = {
            each.about.removeprefix("repair/"): each.right
            for each in find_answers(unit)
            if each.of == "action"
        }
        return Past(list({each.id: each for each in found}.values()), said)

    def shelf(self, name: str = "") -> list[Shelved]:
        """Say how the runbooks in use stand, by name, or one whether in use or not.

        Raises :class:`NotFound`.
        """
        with self.records.reading() as unit:
            past = self.past(unit)
            used = [get_book(unit, name)] if name else self.books.used(unit)
            found = [self._shelved(unit, book, past) for book in used]
        return sorted(found, key=lambda one: one.book.name)

    def _shelved(self, unit: Reading, book: Book, past: Past) -> Shelved:
        own = [one for one in past.repairs if one.runbook == book.name]
        repairs = tuple(sorted(own, key=lambda one: -one.asked_ms))
        try:
            read = self.books.runbook(book)
        except TwinhelmError as error:
            return Shelved(book, repairs=repairs, fault=str(error))
        head, autonomy = read.runbook, self.autonomy(unit, book, read, past)
        return Shelved(book, head.says, head.owner, head.dangerous, autonomy, repairs)

    def judged(
        self, unit: Reading, book: Book, runbook: Runbook, case: Case, fit: Fit, *,
        by: str, past: Past,
    ) -> Judged:  # fmt: skip
        """Plan a run and judge it, changing nothing."""
        autonomy = self.autonomy(unit, book, runbook, past)
        if not fit.fits:
            return Judged(fit, None, autonomy, "no", "; ".join(fit.why), "fit", {})
        plan = plan_of(runbook, fit.values, fit.target, self.books.actors)
        facts = self._facts(unit, runbook, plan, case, past, level=autonomy.level, by=by)
        decision = judge(runbook, self.books.policy, facts)
        return Judged(fit, plan, autonomy, decision.verdict, decision.reason, decision.rule, facts)

    def consider(
        self, write: JournalWriter, incident: int, shelf: Sequence[tuple[Book, Runbook]],
        past: Past,
    ) -> tuple[Repair | None, str]:  # fmt: skip
        """Propose what fits a live incident, once; returns the repair, or the limit that holds it.

        ``past`` grows by what is proposed. What begins at once is RUNNING already; the caller
        starts it after the transaction.
        """
        case = case_of(write, incident, self.changes)
        known = any(each.incident == incident for each in past.repairs)
        if case.incident.state not in LIVE or known or find_repairs(write, incident=incident):
            return None, ""
        of = {runbook.name: (book, runbook) for book, runbook in shelf}
        for fit in chosen([runbook for _, runbook in shelf], case):
            if not fit.fits:
                break
            book, runbook = of[fit.runbook]
            made = self.judged(write, book, runbook, case, fit, by=ACTOR, past=past)
            if made.verdict != Verdict.DENY and made.plan is not None:
                repair = self._propose(write, book, runbook, case, made, by=ACTOR)
                past.repairs.append(repair)
                return repair, ""
            self._tell_held(write, fit.runbook, incident, made)
            if made.rule != "barred":  # what this house cannot do at all leaves room for the next
                return None, made.rule
        return None, ""

    def run(
        self, name: str, incident: int, *, by: str, values: Mapping[str, str] | None = None,
    ) -> Repair:  # fmt: skip
        """Ask for a repair in a person's name, with values of theirs or those of the incident.

        Raises :class:`Conflict` where it does not fit, and :class:`Denied` where a limit says no.
        """
        with self.journal.writing(by) as write:
            book, runbook, case, fit = self._wanted(write, name, incident, values)
            if case.incident.state not in LIVE:
                raise Conflict(f"incident {incident} is resolved")
            past = self.past(write)
            if other := next((each for each in past.repairs if each.incident == incident
                              and not each.state.over), None):  # fmt: skip
                if other.state is not RepairState.PROPOSED:
                    said = f"repair {other.id} of incident {incident} is {other.state} already"
                    raise Conflict(said)
                why = f"{by} asked for another"
                past.repairs.remove(other)
                ended(write, other, RepairState.REFUSED, why, self.clock.now_ms())
            if not fit.fits:
                raise Conflict(f"{name} does not fit incident {incident}: {'; '.join(fit.why)}")
            made = self.judged(write, book, runbook, case, fit, by=by, past=past)
            if made.verdict == Verdict.DENY:
                raise Denied(f"{name} may not run: {made.reason}", hint="a limit, or the policy")
            return self._propose(write, book, runbook, case, made, by=by)

    def dry_run(
        self, name: str, incident: int, *, by: str, values: Mapping[str, str] | None = None
    ) -> Judged:
        """Say exactly what a run would do, and whether it may."""
        with self.records.reading() as unit:
            book, runbook, case, fit = self._wanted(unit, name, incident, values)
            return self.judged(unit, book, runbook, case, fit, by=by, past=self.past(unit))

    def trial(self, runbook: Runbook, incident: int, *, by: str) -> Judged:
        """Say the same of one that is not kept: a new version, which has earned nothing yet."""
        with self.records.reading() as unit:
            kept = next((each for each in self.books.used(unit) if each.name == runbook.name), None)
            book = Book(runbook.name, 0, "", "", "api", by, 0, kept.level if kept else None)
            case = case_of(unit, incident, self.changes)
            fit = fits(runbook, case)
            return self.judged(unit, book, runbook, case, fit, by=by, past=self.past(unit))

    def fitting(self, incident: int) -> list[Judged]:
        """Say of every runbook in use what it would be for an incident, those that fit first."""
        with self.records.reading() as unit:
            case, past = case_of(unit, incident, self.changes), self.past(unit)
            shelf = self.books.sound(unit)
            of = {runbook.name: (book, runbook) for book, runbook in shelf}
            return [
                self.judged(unit, *of[fit.runbook], case, fit, by=ACTOR, past=past)
                for fit in chosen([runbook for _, runbook in shelf], case)
            ]

    def beginning(self, unit: Reading, repair: Repair, runbook: Runbook) -> Decision:
        """Judge once more, with what is known now, a repair that was agreed to."""
        case = case_of(unit, repair.incident, self.changes)
        past = Past([each for each in self.past(unit).repairs if each.id != repair.id])
        facts = self._facts(unit, runbook, repair.plan, case, past, level=repair.level,
                            by=repair.asked_by)  # fmt: skip
        return judge(runbook, self.books.policy, facts, beginning=True)

    def backtest(self, runbook: Runbook, *, limit: int = 200) -> list[PastFit]:
        """Say what a runbook would have done about the newest past incidents, the newest first.

        Judged by what was known in the end, with its limits and freezes at the times they would
        have met; as if it were alone, might act by itself, and nobody had resolved anything.
        """
        with self.records.reading() as unit:
            incidents = sorted(find_incidents(unit, limit=limit), key=lambda one: one.started_ms)
            ran: list[Repair] = []
            found = []
            for incident in incidents:
                case = case_of(unit, incident.id, self.changes)
                fit, outcome = fits(runbook, case), "no"
                why, says = fit.why, tuple[str, ...]()
                if fit.fits:
                    plan = plan_of(runbook, fit.values, fit.target, self.books.actors)
                    says = tuple(step.says for step in plan.steps)
                    decision = judge(runbook, self.books.policy, facts_of(
                        runbook, plan, self.books.policy, ran, incident=incident.id,
                        severity=incident.severity, environment=self.environment,
                        level=Level.ACT, by=ACTOR, stopped=False, calm=False,
                        now_ms=incident.started_ms,
                    ))  # fmt: skip
                    outcome = {Verdict.ALLOW: "act", Verdict.ASK: "ask"}.get(
                        decision.verdict, "held"
                    )
                    if outcome == "held":
                        why = (decision.reason,)
                    else:
                        ran.append(_imagined(runbook, plan, case))
                found.append(PastFit(incident.id, incident.title, incident.started_ms, outcome,
                                     why, fit.values, says))  # fmt: skip
        return found[::-1]

    def _wanted(
        self, unit: Reading, name: str, incident: int, values: Mapping[str, str] | None
    ) -> tuple[Book, Runbook, Case, Fit]:
        book = next((each for each in self.books.used(unit) if each.name == name), None)
        if book is None:
            raise BadInput(f"no runbook {name[:80]!r} is in use", hint="`twinhelm runbook list`")
        runbook, case = self.books.runbook(book), case_of(unit, incident, self.changes)
        fit = fits(runbook, case)
        if values:
            fit = _with_values(runbook, case, fit, values)
        return book, runbook, case, fit

    def _facts(
        self, unit: Reading, runbook: Runbook, plan: Plan, case: Case, past: Past, *,
        level: Level, by: str,
    ) -> dict[str, object]:  # fmt: skip
        incident = case.incident
        return facts_of(
            runbook, plan, self.books.policy, past.repairs, incident=incident.id,
            severity=incident.severity, environment=self.environment, level=level, by=by,
            stopped=switch_of(unit).on, calm="calm" in incident.attributes,
            now_ms=self.clock.now_ms(),
        )  # fmt: skip

    def _propose(
        self, write: JournalWriter, book: Book, runbook: Runbook, case: Case, made: Judged, *,
        by: str,
    ) -> Repair:  # fmt: skip
        incident, now, head = case.incident, self.clock.now_ms(), runbook.runbook
        number = len(find_repairs(write, incident=incident.id)) + 1
        plan, level = made.plan, made.autonomy.level
        if plan is None:
            raise Conflict(f"{book.name} does not fit incident {incident.id}")
        acts = made.verdict == Verdict.ALLOW
        suggested = level is Level.SUGGEST and by == ACTOR
        state = RepairState.RUNNING if acts else RepairState.ASKED
        repair = Repair(
            f"{incident.id}-{number}", incident.id, book.name, book.version, book.digest,
            self.environment, level, RepairState.PROPOSED if suggested else state, plan,
            (*made.fit.why, f"{level}: {made.autonomy.text}", made.reason), by, now,
            now + round(head.answer_within_s * 1000), 0 if acts else needs(plan),
            incident.since_ms, runbook.limits.cost,
            steps=tuple(StepRun(step.name, step.do) for step in plan.steps),
            started_ms=now if acts else 0, commit=book.commit,
        )  # fmt: skip
        put_repair(write, repair)
        text = f"{book.name} for incident {incident.id}: {head.says}"
        told = repair.id, incident.id, book.name
        write.event(RepairProposed(*told, plan.target, level, text))
        if repair.state is RepairState.ASKED:
            write.event(RepairAsked(*told, repair.needs, repair.until_ms))
        elif acts:
            write.event(RepairStarted(*told))
        return repair

    def _tell_held(self, write: JournalWriter, name: str, incident: int, made: Judged) -> None:
        now, key = self.clock.now_ms(), (name, made.rule)
        if now - self._told.get(key, -TOLD_AGAIN_MS) >= TOLD_AGAIN_MS:
            self._told[key] = now
            write.event(RepairHeld(name, incident, made.rule, made.reason))


def _with_values(runbook: Runbook, case: Case, fit: Fit, values: Mapping[str, str]) -> Fit:
    """Take a person's values in place of facts; the patterns hold for people too."""
    if unknown := sorted(values.keys() - runbook.parameters.keys()):
        raise BadInput(f"{runbook.name} has no parameter {unknown[0][:60]!r}")
    found = dict(fit.values)
    for name, each in runbook.parameters.items():
        said = values.get(name, "")
        value = taken(each.pattern, said) or ""
        if said and not value:
            raise BadInput(f"{name} is {said[:60]!r}", hint=f"it must match {each.pattern}")
        found[name] = value or found.get(name, "") or each.default
    if lacking := [name for name, value in found.items() if not value]:
        raise BadInput(f"no value is known for {', '.join(lacking)}", hint="give it")
    target = fit.target or (case.suspects[0].entity if case.suspects else "other:by hand")
    return replace(fit, fits=True, values=found, target=target, why=("a person gave its values",))


def _imagined(runbook: Runbook, plan: Plan, case: Case) -> Repair:
    """Make a repair as if it had run and helped, for limits to look at."""
    at = case.incident.started_ms
    return Repair(
        f"{case.incident.id}-1", case.incident.id, runbook.name, 0, "", "", Level.ACT,
        RepairState.VERIFIED, plan, (), ACTOR, at, at, 0, at, runbook.limits.cost,
        started_ms=at, ended_ms=at,
    )  # fmt: skip
