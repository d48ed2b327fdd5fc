"""What several protocols say in the same words: names, severities, moments, refusals.

Pure. Sources: OpenTelemetry "Prometheus and OpenMetrics Compatibility" (names) and logs data
model, "Severity Fields" (severities); RFC 3339 section 5.6 (moments).

>>> label_name("k8s.pod.name"), severity_of("Warning"), instant_ms("2023-11-14T22:13:20Z")
('k8s_pod_name', 13, 1700000000000)
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, TypeVar

from twinhelm.aiops.types import Rejected
from twinhelm.core.errors import BadInput

__all__ = ["Refusals", "given", "instant_ms", "label_name", "severity_of", "texts"]

T = TypeVar("T", dict[str, Any], list[Any], str)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
LONGEST_EXAMPLE = 200
KINDS: dict[type, str] = {dict: "an object", list: "an array", str: "text"}
SEVERITIES = {
    word: number
    for number, words in {
        1: "trace trc finest verbose t",
        5: "debug dbug dbg fine d",
        9: "info information informational inf i",
        10: "notice",
        13: "warn warning wrn w",
        17: "error err eror e",
        18: "critical crit severe dpanic",
        19: "alert",
        21: "fatal emergency emerg panic f",
    }.items()
    for word in words.split()
}
STEPS = {
    f"{word}{step}": SEVERITIES[word] + step - 1
    for word in ("trace", "debug", "info", "warn", "error", "fatal")
    for step in (2, 3, 4)
}


@lru_cache(maxsize=4096)
def label_name(name: str) -> str:
    """Write any text as a label name; one that starts with a digit gets ``key_`` in front."""
    clean = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return f"key_{clean}" if clean[:1].isdigit() else clean


def severity_of(word: str) -> int:
    """Return the OpenTelemetry severity number (1-24) of a level word in any case; 0 for none."""
    word = word.strip().lower()
    return SEVERITIES.get(word) or STEPS.get(word, 0)


def instant_ms(text: object, *, what: str = "time", zone: tzinfo | None = None) -> int:
    """Read an ISO 8601 date and time as epoch ms; digits past the microsecond are dropped.

    ``zone`` is where a time without one was meant; None refuses such times. Raises
    :class:`BadInput` that names ``what`` for anything that is not such a text.
    """
    hint = "write it as text such as 2023-11-14T22:13:20Z"
    if not isinstance(text, str):
        raise BadInput(f"the {what} is {str(text)[:60]!r}, a {type(text).__name__}", hint=hint)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(f"the {what} {text[:60]!r} is not a date and time", hint=hint) from None
    if moment.tzinfo is None:
        if zone is None:
            raise BadInput(f"the {what} {text[:60]!r} names no time zone", hint="end it with Z")
        moment = moment.replace(tzinfo=zone)
    return (moment - EPOCH) // MILLISECOND


def given(value: object, kind: type[T], what: str) -> T:
    """Return what must be an object, an array or text; raises :class:`BadInput` otherwise."""
    if not isinstance(value, kind):
        raise BadInput(f"{what} is {str(value)[:60]}, {KINDS[kind]} is needed")
    return value


def texts(value: object, what: str) -> dict[str, str]:
    """Return what must be an object of texts; raises :class:`BadInput` otherwise."""
    found = given(value, dict, what)
    for name, text in found.items():
        given(text, str, f"{what} {name[:40]!r}")
    return found


class Refusals:
    """Counts what one request brought that cannot be kept, by reason, while the rest is.

    The reasons are those of :class:`twinhelm.aiops.clean.Reason`: here ``bad_labels``,
    ``line_too_long``, ``malformed``, ``too_far_ahead`` and ``too_large``.
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, reason: str, example: str, count: int = 1) -> None:
        """Count ``count`` more for ``reason``; its first example stands."""
        if count:
            known, first = self._found.get(reason, (0, example[:LONGEST_EXAMPLE]))
            self._found[reason] = (known + count, first)

    def listed(self) -> tuple[Rejected, ...]:
        """Return what was counted, in the order it was first met."""
        return tuple(Rejected(reason, *found) for reason, found in self._found.items())
