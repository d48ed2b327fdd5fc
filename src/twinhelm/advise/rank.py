"""How much is it worth, how sure is it, and so what comes first? What was found, as claims.

Worth is the hours a month that the draft would have saved. Confidence is that the next time is
like the last: by the rule of succession over the days on which it happened (a storm of one night
is one day), times how far so few days can speak at all, ``1 - 2^(-days/2)``: three days give at
most 0.52, five 0.70, ten 0.89. The order is worth times confidence times what risk leaves of it.

>>> round(confidence_of(5, 1.0), 2), round(confidence_of(10, 0.5), 2)
(0.71, 0.48)
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from twinhelm.advise.types import Found, Seen, days_of
from twinhelm.advise.words import discipline_of
from twinhelm.core.claims import Claim, Evidence

__all__ = ["ADVISER", "MATERIAL", "claim_of", "confidence_of", "ranked"]

ADVISER = "advice/1"
MATERIAL = 0.05
"""Less than three minutes a month is nobody's next step."""
MOST_NAMED = 20


def confidence_of(days: int, same: float) -> float:
    """Say in [0, 1] how sure it is; ``same`` is the share of times with the same answer."""
    return float((days * same + 1) / (days + 2) * (1 - 0.5 ** (days / 2)))


def ranked(found: Iterable[Found], seen: Seen, now_ms: int) -> list[Claim]:
    """Return the claims, the best first; what would save next to nothing falls away."""
    claims = [claim_of(one, seen, now_ms) for one in found]
    kept = [one for one in claims if one.facts["hours_month"] >= MATERIAL]
    return sorted(kept, key=lambda one: (-one.facts["score"], one.id))


def claim_of(found: Found, seen: Seen, now_ms: int) -> Claim:
    """Put one thing that was found as a claim; its facts are what pages and commands show."""
    days, people = days_of(found.times), sorted(filter(None, found.people))
    sure = confidence_of(days, found.same)
    worth = found.hours * found.saved / seen.months
    first, last = min(found.times), max(found.times)
    when = " to ".join(f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}" for at in (first, last))
    who = f" of {len(people)} people ({', '.join(people[:5])})" if people else ""
    numbers = f"{len(found.times)} times on {days} days, {when}; {found.hours:.1f} h{who}"
    level = "high" if found.risk >= 0.5 else "some" if found.risk >= 0.2 else "low"
    risk = f"risk of automating it: {level}, {found.risk:.2f}"
    discipline, why = discipline_of(found.text, found.subject)
    draft = found.draft and {
        "kind": found.draft.kind, "file": found.draft.file, "text": found.draft.text
    }  # fmt: skip
    return Claim(
        f"advice/{found.key}", "advice", found.subject, found.text, round(sure, 3), ADVISER, now_ms,
        tuple(Evidence(*each) for each in ((numbers, 1.0), *found.says_for)),
        tuple(Evidence(*each) for each in (*found.says_against, (risk, found.risk))),
        {
            "source": found.kind, "discipline": discipline.value, "why": why,
            "occurrences": len(found.times), "days": days, "people": people,
            "hours": round(found.hours, 2), "hours_month": round(worth, 2), "first_ms": first,
            "last_ms": last, "risk": round(found.risk, 2),
            "score": round(worth * sure * (1 - found.risk), 4),
            "covered": list(found.covered)[-MOST_NAMED:], "draft": draft,
        },
    )  # fmt: skip
