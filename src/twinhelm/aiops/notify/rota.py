"""Says who is on call when, and when nobody is.

In: a :class:`~.document.Rota` and a range in epoch ms; out: :class:`Turn` s without holes, in
which nobody is named "". Turns change at moments, never by counting hours, so that the one across
a change of the clock is an hour longer or shorter and nobody is skipped. Pure; cost in proportion
to the days of the range.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from twinhelm.aiops.notify.document import Plan, Rota, Shift
from twinhelm.core.documents.hours import at_ms, days_around, local, odd

__all__ = ["Turn", "clock_changes", "gaps", "on_call", "turns"]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
YEAR_MS = 370 * DAY_MS
NEXT_MS = 35 * DAY_MS


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody, or nobody (""), is on call from ``start_ms`` to ``end_ms`` (not included)."""

    person: str
    start_ms: int
    end_ms: int


def turns(plan: Plan, rota: Rota, start_ms: int, end_ms: int) -> list[Turn]:
    """List the turns that touch a range, cut to it."""
    zone = plan.zone_of(rota)
    days = list(days_around(start_ms, end_ms, zone))
    handovers = [at_ms(day, rota.handover, zone) for day in days]
    spans = [[span for day in days if (span := each.hours.on(day, zone))] for each in rota.shifts]
    stands = [
        (_moment(one.begin, zone), _moment(one.end, zone), one.person) for one in rota.overrides
    ]
    edges = {start_ms, *handovers, *(edge for each in spans for span in each for edge in span)}
    edges |= {edge for one in stands for edge in one[:2]}
    cuts = sorted(edge for edge in edges if start_ms <= edge < end_ms)
    found: list[Turn] = []
    for at, cut in enumerate(cuts):
        until = cuts[at + 1] if at + 1 < len(cuts) else end_ms
        day = days[max(bisect_right(handovers, cut) - 1, 0)]
        person = next((who for begin, end, who in reversed(stands) if begin <= cut < end), "")
        for each, covered in zip(reversed(rota.shifts), reversed(spans), strict=True):
            if not person and any(begin <= cut < end for begin, end in covered):
                person = _whose(each, (day - rota.starts).days)
        if found and found[-1].person == person:
            found[-1] = replace(found[-1], end_ms=until)
        else:
            found.append(Turn(person, cut, until))
    return found


def on_call(plan: Plan, rota: Rota, now_ms: int) -> tuple[Turn, Turn | None]:
    """Return the turn of now and the next one, if it comes within five weeks."""
    found = turns(plan, rota, now_ms - NEXT_MS, now_ms + NEXT_MS)
    at = next(at for at, turn in enumerate(found) if turn.start_ms <= now_ms < turn.end_ms)
    return found[at], found[at + 1] if at + 1 < len(found) else None


def gaps(plan: Plan, rota: Rota, now_ms: int) -> list[str]:
    """Say when nobody is on call in the next year, in the rota's own time; at most three."""
    zone = plan.zone_of(rota)
    first_ms = now_ms or at_ms(rota.starts, rota.handover, zone)  # 0: nobody has set it yet
    empty = [turn for turn in turns(plan, rota, first_ms, first_ms + YEAR_MS) if not turn.person]
    return [
        f"from {_said(turn.start_ms, zone)} to {_said(turn.end_ms, zone)}" for turn in empty[:3]
    ]


def clock_changes(plan: Plan, rota: Rota, now_ms: int) -> list[str]:
    """Say what changes of the clock do to a rota in the next year: a sentence for each."""
    zone = plan.zone_of(rota)
    told = []
    for day in days_around(now_ms, now_ms + YEAR_MS, zone):
        hours = (
            at_ms(day + timedelta(days=1), "00:00", zone) - at_ms(day, "00:00", zone)
        ) / HOUR_MS
        if hours == 24:
            continue
        says = f"{day} has {hours:g} hours in {zone.key}, and so has a turn of a day"
        if why := odd(datetime.combine(day, time.fromisoformat(rota.handover)), zone):
            at = local(at_ms(day, rota.handover, zone), zone)
            says += f"; {rota.handover} {why}, turns change at {at:%H:%M %Z}"
        told.append(says)
    return told


def _moment(moment: datetime, zone: ZoneInfo) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return round(aware.timestamp() * 1000)


def _whose(shift: Shift, day: int) -> str:
    """Name whose turn a day is, counted from the first of the rota; nobody's before it."""
    turn = day // (7 if shift.every == "week" else 1)
    return shift.people[turn % len(shift.people)] if day >= 0 else ""


def _said(time_ms: int, zone: ZoneInfo) -> str:
    return f"{local(time_ms, zone):%Y-%m-%d %H:%M %Z}"
