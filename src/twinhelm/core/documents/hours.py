"""Local times of day as moments, right across changes of the clock.

In: dates, times of day and zones of the tz database; out: epoch ms. A local time that a change of
the clock leaves out is read with the offset before it (02:30 becomes 03:30), and one that comes
twice means the first, as in RFC 5545, section 3.3.5. Pure, but for the zone files.

>>> at_ms(date(2026, 3, 29), "02:30", zone_of("Europe/Berlin")) # there is no such time that day
1774747800000
>>> odd(datetime(2026, 3, 29, 2, 30), zone_of("Europe/Berlin"))
'does not exist: the clock goes forward'
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from twinhelm.core.documents.read import Part

__all__ = ["Clock", "Day", "Hours", "Until", "Zone", "at_ms", "days_around", "local", "odd",
           "within", "zone_of"]  # fmt: skip

Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Until = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]
"""A time of day, or the end of the day, which ``00:00`` is too."""
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Hours(Part):
    """A part of the week."""

    days: tuple[Day, ...] = DAYS
    """On which days it begins."""
    begin: Clock = "00:00"
    """From this time of day."""
    end: Until = "00:00"
    """Until this one; of the next day where it is not after ``begin``."""

    def on(self, day: date, zone: ZoneInfo) -> tuple[int, int] | None:
        """Return the moments between which it holds that began on a day."""
        if DAYS[day.weekday()] not in self.days:
            return None
        end = self.end.replace("24:", "00:")
        last = day if end > self.begin else day + timedelta(days=1)
        return at_ms(day, self.begin, zone), at_ms(last, end, zone)


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """Return a zone by its name; raises ValueError."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        said = f"there is no time zone {name[:60]!r} here; write such as Europe/Berlin or UTC"
        raise ValueError(said) from error


def at_ms(day: date, clock: str, zone: ZoneInfo) -> int:
    """Return the moment of a local time of day; see the module for changes of the clock."""
    return round(datetime.combine(day, time.fromisoformat(clock), zone).timestamp() * 1000)


def local(time_ms: int, zone: ZoneInfo) -> datetime:
    """Return what clocks in a zone show."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(zone)


def odd(moment: datetime, zone: ZoneInfo) -> str:
    """Say why a local time names no moment, or two; empty where it names one."""
    if moment.tzinfo is not None:
        return ""
    first = moment.replace(tzinfo=zone, fold=0)
    again = first.astimezone(UTC).astimezone(zone)
    if again.replace(tzinfo=None, fold=0) != moment:
        return "does not exist: the clock goes forward"
    later = moment.replace(tzinfo=zone, fold=1)
    return "comes twice: the clock goes back" if later.utcoffset() != first.utcoffset() else ""


def days_around(start_ms: int, end_ms: int, zone: ZoneInfo) -> Iterator[date]:
    """Yield the local days from the one before a range to the one after it."""
    day, last = local(start_ms, zone).date() - timedelta(days=1), local(end_ms, zone).date()
    while day <= last + timedelta(days=1):
        yield day
        day += timedelta(days=1)


def within(hours: Hours, time_ms: int, zone: ZoneInfo) -> bool:
    """Tell whether a moment lies within a part of the week."""
    spans = (hours.on(day, zone) for day in days_around(time_ms, time_ms, zone))
    return any(span is not None and span[0] <= time_ms < span[1] for span in spans)


Zone = Annotated[str, AfterValidator(lambda name: zone_of(name).key)]
"""The name of a zone that is known here."""
