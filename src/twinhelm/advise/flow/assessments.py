"""Assessments: the questions with what this house knows already, and the answers that were kept.

Each one that is saved is a record of its own (``assessment``, by its time), so that a team sees
how it moved; nothing is written over.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

from twinhelm.advise.assess import Answered, answered, scores
from twinhelm.advise.types import Seen
from twinhelm.core.clock import Clock
from twinhelm.core.ports import Record, Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.advice import AssessmentSaved
from twinhelm.events.values import load
from twinhelm.mlops.records import find
from twinhelm.mlops.types import Approval, Product

__all__ = ["Assessment", "Assessments"]

MOST = 100
OURS = "twinhelm"
"""The owner of our own algorithms, which speak for nobody's practice."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """A saved one: answers in the order of the questions, and the mean of each part, 0 to 3."""

    time_ms: int
    by: str
    answers: tuple[Answered, ...]
    scores: Mapping[str, float]


@dataclass(slots=True)
class Assessments:
    """See the module; ``seen`` gathers what happened lately."""

    records: Records
    journal: Journal
    clock: Clock
    seen: Callable[[], Seen]

    def begun(self) -> list[Answered]:
        """Answer the questions by evidence alone."""
        return answered(self.facts(), {}, "")

    def saved(self) -> list[Assessment]:
        """List those that were kept, the newest first."""
        with self.records.reading() as unit:
            found = unit.find("assessment", newest_first=True, limit=MOST)
        return [load(Assessment, record) for record in found]

    def save(self, given: Mapping[str, int], *, by: str) -> Assessment:
        """Keep an assessment; raises :class:`BadInput` for an answer to nothing."""
        answers = answered(self.facts(), given, by)
        made = Assessment(self.clock.now_ms(), by, tuple(answers), scores(answers))
        key = f"{made.time_ms:015d}"
        with self.journal.writing(by) as write:
            write.put(Record("assessment", key, asdict(made), time_ms=made.time_ms))
            write.event(AssessmentSaved(key, dict(made.scores)))
        return made

    def facts(self) -> dict[str, float]:
        """Measure what the questions ask of; a share of nothing is left out."""
        seen = self.seen()
        with self.records.reading() as unit:
            products = [one for one in find(unit, Product, limit=10_000) if one.owner != OURS]
            approvals = find(unit, Approval, limit=10_000)
            counted = {"entities": unit.count("entity"), "answers": unit.count("feedback")}
        specs = [one.spec for one in products]
        kinds = [one.kind for one in seen.changes]
        counted |= {
            "deeds": len(seen.deeds) + sum(len(past.deeds) for past in seen.pasts),
            "deploys": kinds.count("deploy"),
            "ci": kinds.count("ci"),
            "pipelines": len({one.entity for one in seen.changes if one.kind == "pipeline"}),
            "approvals": sum(bool(one.answers) for one in approvals),
        }
        shares = {
            "framed": _share(map(bool, specs)),
            "valued": _share(bool(each.get("success", {}).get("measure")) for each in specs),
            "owned": _share(bool(one.owner) for one in products),
            "contracts": _share(bool(each.get("data", {}).get("columns")) for each in specs),
            "taken": _share(bool(past.people) for past in seen.pasts),
            "booked": _share(one.booked for one in seen.firings),
            "noted": _share(any(deed.text for deed in past.deeds) for past in seen.pasts),
        }
        known = {name: value for name, value in shares.items() if value is not None}
        return {name: float(count) for name, count in counted.items()} | known


def _share(held: Iterable[bool]) -> float | None:
    found = list(held)
    return sum(found) / len(found) if found else None
