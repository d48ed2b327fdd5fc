"""The journal: read it, and have it verified."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from twinhelm.web.api.asking import Limit, Of
from twinhelm.web.api.models import JournalRowOut, VerificationOut

__all__ = ["router"]

router = APIRouter(prefix="/journal", tags=["journal"])

Word = Annotated[str, Query(max_length=300)]


@router.get("")
def journal(
    house: Of,
    after_seq: Annotated[int, Query(ge=0, le=(1 << 53) - 1)] = 0,
    subject: Word = "",
    kind: Word = "",
    newest_first: bool = False,
    limit: Limit = 100,
) -> list[JournalRowOut]:
    """Read rows, of one subject such as ``incident/3`` or of one kind, or all."""
    found = house.journal.read(
        after_seq=after_seq,
        subject=subject or None,
        kind=kind or None,
        newest_first=newest_first,
        limit=limit,
    )
    return [JournalRowOut.model_validate(each) for each in found]


@router.get("/verification")
def verification(house: Of) -> VerificationOut:
    """Walk the whole chain; takes some 10 s per million rows."""
    return VerificationOut.model_validate(house.journal.verify())
