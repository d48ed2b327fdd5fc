"""How far out of range a deviation must be before it counts, from what people answered.

Question: is this deviation like those that were called wrong? In: answers to anomalies and a
:class:`Deviation`. Out: :class:`Need` s. An answer "wrong" speaks of its own series first: what is
neither larger nor stranger nor longer by much does not count any more; at the same half hour of
the day or week it may be larger still. Several wrong answers to different series of one kin, or of
any, speak of all of it, more carefully: of sizes below every one that was called right. An answer
"right" spares what is as large and as strange on its series, whatever else was said. Pure.

Wrong where trouble looks just like what was called wrong, and nothing like it was called right.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from twinhelm.aiops.types import Answer, Deviation

__all__ = ["Need", "deviation_of", "needs_of", "own_need", "spares"]

LARGER, LONGER = 1.2, 2.0
"""So much more than what was called wrong still is like it; double that at the same hour."""
LEAST_S = 60.0
WIDE = {"kin": (2, 0.5), "all": (4, 0.7)}
"""So many different series must have been called wrong to speak of a kin, or of all series, and
of sizes up to this share of the largest of them only."""
DAY, NEAR = 48, 1
"""Half hours."""


@dataclass(frozen=True, slots=True)
class Need:
    """A deviation of one kin, up to these amounts, does not count; None bounds nothing.

    ``reach`` says how wide it speaks: series, hour (of a series), kin, all. ``because`` are the
    answers.
    """

    reach: str
    name: str
    way: str
    size: float
    surprise: float | None
    lasted_s: float | None
    hour: int | None
    because: tuple[int, ...]

    @property
    def text(self) -> str:
        """Say it in words."""
        where = {"kin": f"{self.name}, wherever it is measured,", "all": "all series"}
        hour = {"hour": "at this time of the day "}.get(self.reach, "")
        lasted = f" and {self.lasted_s:.0f} s" if self.lasted_s is not None else ""
        way = f" {self.way}" if self.way else ""
        at = where.get(self.reach, "this series")
        return f"{at}{way}: up to {self.size:.2g} times its bar{lasted} {hour}it counts no more"

    def covers(self, one: Deviation) -> bool:
        """Tell whether a deviation is so small a one."""
        name = {"kin": one.kin, "all": ""}.get(self.reach, one.series)
        return (
            self.name == name
            and self.way in ("", one.way)
            and one.size <= self.size
            and (self.surprise is None or one.surprise <= self.surprise)
            and (self.lasted_s is None or one.lasted_s <= self.lasted_s)
            and (self.hour is None or _near(self.hour, one.hour))
        )


def deviation_of(facts: Mapping[str, Any]) -> Deviation:
    """Read what an answered anomaly looked like."""
    return Deviation(**{name: facts[name] for name in Deviation.__slots__})


def spares(right: Deviation, one: Deviation) -> bool:
    """Tell whether what was called right was of this series, and no larger and no stranger."""
    same = (right.series, right.way) == (one.series, one.way)
    return same and right.size <= one.size and right.surprise <= one.surprise


def needs_of(answers: Sequence[Answer]) -> tuple[Need, ...]:
    """Say what answers to anomalies make of deviations like them."""
    seen = [(one, deviation_of(one.facts)) for one in answers]
    wrong = [pair for pair in seen if not pair[0].right]
    right = [each for one, each in seen if one.right]
    kins: dict[tuple[str, str], list[tuple[Answer, Deviation]]] = defaultdict(list)
    for pair in wrong:
        kins[pair[1].kin, pair[1].way].append(pair)
    found = [
        own_need(each, (one.id,), hour=hour) for one, each in wrong for hour in (None, each.hour)
    ]
    for (kin, way), pairs in kins.items():
        spared = [each.size for each in right if (each.kin, each.way) == (kin, way)]
        found += _wide("kin", kin, way, pairs, min(spared, default=inf))
    spared = [each.size for each in right]
    found += _wide("all", "", "", wrong, min(spared, default=-inf))
    return tuple(found)


def own_need(each: Deviation, because: tuple[int, ...] = (), *, hour: int | None = None) -> Need:
    """Say what one deviation called wrong makes of its series, or of it at that hour."""
    times = 1 if hour is None else 2
    return Need(
        "series" if hour is None else "hour",
        each.series,
        each.way,
        each.size * LARGER**times,
        each.surprise * LARGER**times,
        max(each.lasted_s, LEAST_S) * LONGER**times,
        hour,
        because,
    )


def _wide(
    reach: str, name: str, way: str, pairs: Sequence[tuple[Answer, Deviation]], spared: float
) -> Iterator[Need]:
    """Speak of a whole kin, or of all, where enough was called wrong below what was right."""
    least, share = WIDE[reach]
    below = [pair for pair in pairs if pair[1].size < spared]
    if len({(each.series, each.way) for _, each in below}) >= least:
        size = share * max(each.size for _, each in below)
        yield Need(reach, name, way, size, None, None, None, tuple(one.id for one, _ in below))


def _near(one: int, other: int) -> bool:
    """Tell whether two half hours of the week are close, on the same day or on any."""
    apart = (one - other) % DAY
    return min(apart, DAY - apart) <= NEAR
