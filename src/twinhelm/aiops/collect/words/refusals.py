"""Count what one request brought that cannot be kept, by reason, while the rest is.

The reasons are those of :class:`twinhelm.aiops.clean.Reason`: here ``bad_labels``,
``line_too_long``, ``malformed``, ``too_far_ahead`` and ``too_large``.

>>> refusals = Refusals()
>>> refusals.add("malformed", "span without an id", 2)
>>> refusals.listed()[0].count
2
"""

from __future__ import annotations

from twinhelm.aiops.types import Rejected
from twinhelm.core.labels import LabelLimits
from twinhelm.core.settings import LimitSettings

__all__ = ["Refusals", "label_limits"]

LONGEST_EXAMPLE = 200


class Refusals:
    """The counts of one request, with the first example of each reason."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, str] = {}

    def add(self, reason: str, example: str, count: int = 1) -> None:
        """Count ``count`` more for ``reason``; nothing where ``count`` is 0."""
        if count:
            self._counts[reason] = self._counts.get(reason, 0) + count
            self._examples.setdefault(reason, example[:LONGEST_EXAMPLE])

    def listed(self) -> tuple[Rejected, ...]:
        """Return what was counted, in the order it was first met."""
        return tuple(
            Rejected(reason, count, self._examples[reason])
            for reason, count in self._counts.items()
        )


def label_limits(limits: LimitSettings) -> LabelLimits:
    """Put the settings' limits in the shape that labels are checked against."""
    return LabelLimits(limits.max_labels, limits.max_label_name_bytes, limits.max_label_value_bytes)
