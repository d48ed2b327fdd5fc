"""What would a repair of an incident be? Matched, planned and limited, changing nothing.

:meth:`Judge.judged` says it for a fit; :meth:`Judge.dry_run` for what a person wants,
:meth:`Judge.trial` for a runbook that is not kept, :meth:`Judge.backtest` for past incidents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twinhelm.aiops.automate.limits import Autonomy, facts_of, judge
from twinhelm.aiops.automate.match import Case, Fit, chosen, fits
from twinhelm.aiops.automate.pattern import taken
from twinhelm.aiops.automate.plan import Plan, plan_of
from twinhelm.aiops.automate.repair import Repair, RepairState
from twinhelm.aiops.automate.runbook import Level, Runbook
from twinhelm.aiops.flow.repairs.books import Books
from twinhelm.aiops.flow.repairs.cases import Changes, case_of
from twinhelm.aiops.flow.repairs.kept import ACTOR, Book, get_book, switch_of
from twinhelm.aiops.flow.repairs.standing import Past, autonomy, past_of
from twinhelm.aiops.records import find_incidents
from twinhelm.core.errors import BadInput
from twinhelm.core.policy import Decision, Verdict
from twinhelm.events.values import Reading

__all__ = ["Judge", "Judged", "PastFit"]


OUTCOMES = {Verdict.ALLOW: "act", Verdict.ASK: "ask", Verdict.DENY: "held"}


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
class Judge:
    """See the module."""

    books: Books
    changes: Changes

    def judged(
        self, unit: Reading, book: Book, runbook: Runbook, case: Case, fit: Fit, *,
        by: str, past: Past,
    ) -> Judged:  # fmt: skip
        """Plan a run and judge it."""
        far = autonomy(self.books, book, runbook, past)
        if not fit.fits:
            return Judged(fit, None, far, "no", "; ".join(fit.why), "fit", {})
        plan = plan_of(runbook, fit.values, fit.target, self.books.actors)
        decision, facts = self._decided(unit, runbook, plan, case, past.repairs,
                                        level=far.level, by=by)  # fmt: skip
        return Judged(fit, plan, far, decision.verdict, decision.reason, decision.rule, facts)

    def runbook(self, unit: Reading, repair: Repair) -> Runbook:
        """Return what the version says that a repair goes by."""
        return self.books.runbook(get_book(unit, repair.runbook, repair.version))

    def beginning(self, unit: Reading, repair: Repair) -> Decision:
        """Judge once more, with what is known now, a repair that was agreed to."""
        case = case_of(unit, repair.incident, self.changes)
        past = [each for each in past_of(unit).repairs if each.id != repair.id]
        return self._decided(unit, self.runbook(unit, repair), repair.plan, case, past,
                             level=repair.level, by=repair.asked_by, beginning=True)[0]  # fmt: skip

    def wanted(
        self, unit: Reading, name: str, incident: int, values: Mapping[str, str] | None
    ) -> tuple[Book, Runbook, Case, Fit]:
        """Find what a person wants to run, with their values or those of the incident."""
        book = next((each for each in self.books.used(unit) if each.name == name), None)
        if book is None:
            raise BadInput(f"no runbook {name[:80]!r} is in use", hint="`twinhelm runbook list`")
        runbook, case = self.books.runbook(book), case_of(unit, incident, self.changes)
        fit = fits(runbook, case)
        return book, runbook, case, _with_values(runbook, case, fit, values) if values else fit

    def dry_run(
        self, name: str, incident: int, *, by: str, values: Mapping[str, str] | None = None
    ) -> Judged:
        """Say exactly what a run would do, and whether it may."""
        with self.books.records.reading() as unit:
            found = self.wanted(unit, name, incident, values)
            return self.judged(unit, *found, by=by, past=past_of(unit))

    def trial(self, runbook: Runbook, incident: int, *, by: str) -> Judged:
        """Say the same of one that is not kept: a new version, which has earned nothing yet."""
        with self.books.records.reading() as unit:
            kept = next((each for each in self.books.used(unit) if each.name == runbook.name), None)
            book = Book(runbook.name, 0, "", "", "api", by, 0, kept.level if kept else None)
            case = case_of(unit, incident, self.changes)
            found = book, runbook, case, fits(runbook, case)
            return self.judged(unit, *found, by=by, past=past_of(unit))

    def fitting(self, incident: int) -> list[Judged]:
        """Say of every runbook in use what it would be for an incident, those that fit first."""
        with self.books.records.reading() as unit:
            case, past = case_of(unit, incident, self.changes), past_of(unit)
            of = {runbook.name: (book, runbook) for book, runbook in self.books.sound(unit)}
            return [
                self.judged(unit, *of[fit.runbook], case, fit, by=ACTOR, past=past)
                for fit in chosen([runbook for _, runbook in of.values()], case)
            ]

    def backtest(self, runbook: Runbook, *, limit: int = 200) -> list[PastFit]:
        """Say what a runbook would have done about the newest past incidents, the newest first.

        Judged by what was known in the end, with its limits and freezes at the times they would
        have met; as if it were alone, might act by itself, and nobody had resolved anything.
        """
        with self.books.records.reading() as unit:
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
                    decision, _ = self._decided(None, runbook, plan, case, ran,
                                                level=Level.ACT, by=ACTOR)  # fmt: skip
                    outcome = OUTCOMES[decision.verdict]
                    if outcome == "held":
                        why = (decision.reason,)
                    else:
                        ran.append(_imagined(runbook, plan, case))
                found.append(PastFit(incident.id, incident.title, incident.started_ms, outcome,
                                     why, fit.values, says))  # fmt: skip
        return found[::-1]

    def _decided(
        self, unit: Reading | None, runbook: Runbook, plan: Plan, case: Case,
        past: Sequence[Repair], *, level: Level, by: str, beginning: bool = False,
    ) -> tuple[Decision, dict[str, object]]:  # fmt: skip
        """Judge by the facts of now; without ``unit``, of when the incident began."""
        incident, books = case.incident, self.books
        facts = facts_of(
            runbook, plan, books.policy, past, incident=incident.id, severity=incident.severity,
            environment=books.environment, level=level, by=by,
            stopped=unit is not None and switch_of(unit).on,
            calm=unit is not None and "calm" in incident.attributes,
            now_ms=incident.started_ms if unit is None else books.clock.now_ms(),
        )  # fmt: skip
        return judge(runbook, books.policy, facts, beginning=beginning), facts


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
