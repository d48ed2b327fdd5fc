"""What people answer: call something right or wrong, see what that changes, take it back."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Body, Path, Query

from twinhelm.aiops.flow.feedback import Asked, Taught
from twinhelm.aiops.learn import Lessons, Trial
from twinhelm.web.api.words import By, Limit, Of, Router

__all__ = ["Difference", "router"]

router = Router(prefix="/feedback", tags=["feedback"])

Id = Annotated[int, Path(ge=1, le=(1 << 53) - 1)]
About = Annotated[str, Body(min_length=1, max_length=400)]
Reason = Annotated[str, Body(max_length=1000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Kind = Annotated[str, Body(embed=True, max_length=40)]


@dataclass(frozen=True, slots=True)
class Difference:
    """An anomaly that what is in shadow would have judged otherwise."""

    anomaly: str
    text: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is in force, what would be with all answers, its back-test, what differed since."""

    force: Lessons
    shadow: Lessons
    trials: list[Trial]
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class Applied:
    """What answers teach of a kind is in force, by this version."""

    of: str
    version: str


@router.get("")
def answers(house: Of, limit: Limit = 100, offset: Offset = 0) -> list[Taught]:
    """List answers, the newest first, undone ones too, with what each changes."""
    return house.learning.answers(limit, offset)


@router.post("")
def give(
    house: Of, by: By, about: About, right: Annotated[bool, Body()], reason: Reason = ""
) -> Taught:
    """Call an anomaly, a grouping, a suspect, an action or a forecast right or wrong."""
    return house.learning.give(about, right=right, reason=reason, by=by)


@router.get("/question")
def question(house: Of) -> Asked | None:
    """Say what to ask somebody about next: what an answer would teach most about."""
    return house.learning.question()


@router.get("/lessons")
def lessons(house: Of) -> Learnt:
    """Tell what the answers teach, what is in force of it, and what the rest would change."""
    with house.records.reading() as unit:
        found = unit.find("difference", newest_first=True, limit=100)
    apart = [Difference(one.key, str(one.body["text"]), one.time_ms) for one in found]
    return Learnt(*house.learning.lessons(), house.learning.trials(), apart)


@router.post("/lessons")
def apply(house: Of, by: By, of: Kind) -> Applied:
    """Put in force what the standing answers of one kind teach, without waiting."""
    return Applied(of, house.learning.apply(of, by=by))


@router.post("/{answer_id}/undo")
def undo(house: Of, by: By, answer_id: Id) -> Taught:
    """Take an answer back: all is judged as if it had never been given."""
    return house.learning.undo(answer_id, by=by)
