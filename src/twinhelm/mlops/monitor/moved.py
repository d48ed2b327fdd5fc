"""Whether what a version is asked, or answers, moved from what it learnt on or a good window.

In: prepared columns by slice, of the window and of each reference (``training``, ``last good``).
Out: a :class:`~twinhelm.mlops.types.Drift` per column, slice and reference. All tests of a report
are corrected together (Holm), so a report on rows that did not drift tells of any drift at most
``false_alarms`` of the time. Slices below 50 rows are left out. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from twinhelm.mlops.monitor.known import Profiles
from twinhelm.mlops.types import Drift
from twinhelm.stats.drift import Shift, compare
from twinhelm.stats.tails import holm

__all__ = ["CAUTION", "moved", "waking"]

MIN_ROWS = 50
CAUTION = 0.8
"""The part of the level that is used: p are asymptotic, the share of false alarms is promised."""


def moved(
    window: Profiles, references: Mapping[str, Profiles], *, false_alarms: float
) -> tuple[Drift, ...]:
    """Compare what both know, the most drifted first."""
    found: list[tuple[str, str, str, Shift]] = [
        (against, part, name, compare(before, after))
        for against, known in references.items()
        for part, columns in known.items()
        for name, before in columns.items()
        if (after := window.get(part, {}).get(name)) is not None
        and type(after) is type(before)
        and min(after.rows, before.rows) >= MIN_ROWS
    ]
    corrected = holm([shift.p for *_, shift in found])
    drifts = [
        Drift(
            column=name,
            slice=part,
            against=against,
            test=shift.test,
            psi=shift.psi,
            distance=shift.distance if math.isfinite(shift.distance) else 1e300,
            p=p,
            drifted=p < CAUTION * false_alarms,
            missing=shift.missing,
            new_values=shift.new_values,
        )
        for (against, part, name, shift), p in zip(found, corrected, strict=True)
    ]
    return tuple(sorted(drifts, key=lambda each: (not each.drifted, -each.psi)))


def waking(drifts: tuple[Drift, ...], *, psi: float) -> list[Drift]:
    """Return the drift that is beyond chance and large: from training, if that is known at all."""
    against = "training" if any(each.against == "training" for each in drifts) else "last good"
    return [d for d in drifts if d.drifted and d.psi >= psi and d.against == against]
