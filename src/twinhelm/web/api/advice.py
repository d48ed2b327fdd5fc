"""Advice on what to automate next, and the guided assessment."""

from typing import Annotated

from fastapi import Body, Path, Query

from twinhelm.advise.assess import Answered
from twinhelm.advise.flow.assessments import Assessment
from twinhelm.advise.flow.desk import Advice
from twinhelm.web.api.words import By, Of, Router

__all__ = ["router"]

router = Router(tags=["advice"])

Key = Annotated[str, Path(min_length=1, max_length=100)]
Days = Annotated[float | None, Query(gt=0, le=400, description="How far back; 90 if left out.")]
Reason = Annotated[str, Body(embed=True, min_length=1, max_length=1000)]
Answers = Annotated[dict[str, int], Body(embed=True, max_length=100)]


@router.get("/advice")
def advice(house: Of) -> list[Advice]:
    """List what was found at the last look, the best first, what was dismissed last."""
    return house.advice.desk.advice()


@router.post("/advice")
def look(house: Of, days: Days = None) -> list[Advice]:
    """Look now, which else happens every hour."""
    return house.advice.desk.look(days)


@router.post("/advice/{key}/dismissal")
def dismiss(house: Of, by: By, key: Key, reason: Reason) -> Advice:
    """Silence it until there is much more of it."""
    return house.advice.desk.dismiss(key, reason=reason, by=by)


@router.delete("/advice/{key}/dismissal")
def take_up(house: Of, by: By, key: Key) -> Advice:
    """Hear of it again."""
    return house.advice.desk.take_up(key, by=by)


@router.get("/assessments")
def assessments(house: Of) -> list[Assessment]:
    """List the assessments that were kept, the newest first."""
    return house.advice.assessments.saved()


@router.get("/assessments/begun")
def begun(house: Of) -> list[Answered]:
    """Answer the questions by evidence alone."""
    return house.advice.assessments.begun()


@router.post("/assessments")
def save(house: Of, by: By, answers: Answers) -> Assessment:
    """Keep an assessment: levels from 0 to 3 by question; the rest is answered by evidence."""
    return house.advice.assessments.save(answers, by=by)
