"""Tell when a text or a number says it was.

Every sender writes time differently: RFC 3339 text (Alertmanager, CloudEvents, OpenLineage), a
count of seconds, milliseconds, microseconds or nanoseconds since 1970 (files, flags). In goes
one of those; out goes UTC epoch milliseconds. Pure; about 0.5 us a call.

Wrong when a bare number lies before 1973 or after 5138: its unit is told from its size alone
(seconds stay below 1e11, milliseconds below 1e14, microseconds below 1e17).

Source: RFC 3339 section 5.6.

>>> instant_ms("2023-11-14T22:13:20Z"), epoch_ms(1700000000)
(1700000000000, 1700000000000)
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, tzinfo

from twinhelm.core.errors import BadInput

__all__ = ["epoch_ms", "instant_ms", "ms_per_unit"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def instant_ms(text: object, *, what: str = "time", zone: tzinfo | None = None) -> int:
    """Read an ISO 8601 date and time; digits past the microsecond are dropped.

    ``zone`` is where a time without one was meant; None refuses such times. Raises
    :class:`BadInput` that names ``what`` for anything that is not such a text.
    """
    if not isinstance(text, str):
        raise BadInput(
            f"the {what} is {str(text)[:60]!r}, a {type(text).__name__}",
            hint="write it as text such as 2023-11-14T22:13:20Z",
        )
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(
            f"the {what} {text[:60]!r} is not a date and time",
            hint="write it such as 2023-11-14T22:13:20Z",
        ) from None
    if moment.tzinfo is None:
        if zone is None:
            raise BadInput(
                f"the {what} {text[:60]!r} names no time zone", hint="end it with Z for UTC"
            )
        moment = moment.replace(tzinfo=zone)
    return (moment - EPOCH) // MILLISECOND


def ms_per_unit(number: float) -> float:
    """Tell from the size of an epoch number how many milliseconds its unit has."""
    size = abs(number)
    if size < 1e11:
        return 1e3
    if size < 1e14:
        return 1.0
    return 1e-3 if size < 1e17 else 1e-6


def epoch_ms(number: float, *, what: str = "time") -> int:
    """Read seconds, milliseconds, microseconds or nanoseconds since 1970, told by size.

    Raises :class:`BadInput` for NaN, infinities and what no 64 bits can hold.
    """
    if not math.isfinite(number) or abs(number) >= 2**63:
        raise BadInput(f"the {what} {number!r} is not a number of seconds since 1970")
    return round(number * ms_per_unit(number))
