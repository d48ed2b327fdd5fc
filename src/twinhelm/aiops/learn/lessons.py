"""All that the standing answers teach, as one value made of them and of nothing else.

Question: what is judged otherwise because of what people answered? In: answers. Out:
:class:`Lessons`, whose questions the flow hands to the rooms that judge: does a deviation count
(correlate), do two signs stay apart (correlate), how likely is such a suspect (diagnose), is such
a forecast told (forecast). The same answers give the same lessons, byte for byte in
:meth:`Lessons.document`, so that undoing one leaves exactly what would be without it. Answers to
actions teach nothing here: automate counts them.

>>> learn([]).document()
b'{"needs":[],"spared":[],"weights":[]}'
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import inf
from typing import Any

from twinhelm.aiops.learn.needs import Need, deviation_of, needs_of, spares
from twinhelm.aiops.types import Answer, Deviation
from twinhelm.core.json import dumps

__all__ = ["Lessons", "Weight", "learn"]

PARTS = {
    "grouping": (("one", "other"), ("metric", "other_metric")),
    "suspect": (("kind", "indicator", "entity"), ("kind", "indicator")),
    "forecast": (("series",), ("metric",)),
}
"""Per kind of answer the facts that make the narrowest kin, and the next."""
WIDE_LEAST = 2
"""So many different ones of a kin must have been answered to speak of all of it."""
MOST = 2.0
RIGHT_LEAST, SMALLEST = 3, 0.12


@dataclass(frozen=True, slots=True)
class Weight:
    """How much a kin of suspects, groupings or forecasts is believed: 1 as ever, less, or more."""

    of: str
    name: tuple[str, ...]
    factor: float
    because: tuple[int, ...]

    @property
    def text(self) -> str:
        """Say it in words."""
        kin = ", ".join(each.partition("=")[2] for each in self.name)
        if self.of == "grouping":
            return f"{kin}: {'apart' if self.factor < 1 else 'together'} from now on"
        return f"{self.of} of {kin}: believed {self.factor:.2g} times as much"


@dataclass(frozen=True, slots=True)
class Lessons:
    """What answers teach; see the module. ``spared`` are the deviations called right."""

    needs: tuple[Need, ...] = ()
    spared: tuple[Deviation, ...] = ()
    weights: tuple[Weight, ...] = ()

    def quiet(self, one: Deviation) -> tuple[int, ...]:
        """Return the answers by which a deviation does not count; none where it does."""
        covering = [need for need in self.needs if need.covers(one)]
        if not covering or any(spares(each, one) for each in self.spared):
            return ()
        return tuple(sorted({each for need in covering for each in need.because}))

    def sooner(self) -> float:
        """Return the size from which less surprise suffices: nearly all right ones were larger.

        Infinite until enough was called right, and something wrong.
        """
        sizes = sorted(each.size for each in self.spared)
        enough = self.needs and len(sizes) >= RIGHT_LEAST
        return sizes[int(SMALLEST * len(sizes))] if enough else inf

    def factor(self, of: str, facts: Mapping[str, Any]) -> float:
        """Say how much a suspect, a grouping or a forecast is believed, by its narrowest kin."""
        known = {weight.name: weight.factor for weight in self.weights if weight.of == of}
        return next((known[name] for name in _names(of, facts) if name in known), 1.0)

    def holds(self, of: str, facts: Mapping[str, Any]) -> bool:
        """Tell whether what was asserted would be asserted still."""
        if of == "anomaly":
            return not self.quiet(deviation_of(facts))
        return self.factor(of, facts) >= 1.0

    def told(self, one: Answer) -> tuple[str, ...]:
        """Say what an answer changes, alone or with others."""
        if one.of == "action":
            return ("counts where the runbook's autonomy is earned",)
        spared = "what is as large and as strange on this series always counts"
        mine = [spared] if one.of == "anomaly" and one.right else []
        mine += [need.text for need in self.needs if one.id in need.because]
        mine += [weight.text for weight in self.weights if one.id in weight.because]
        return tuple(mine)

    def document(self) -> bytes:
        """Write the whole, equal bytes for equal lessons."""
        return dumps(asdict(self))

    def version(self, of: str) -> str:
        """Name what is in force for one kind of judgement; empty where nothing is."""
        parts: list[Any] = [asdict(one) for one in self.weights if one.of == of]
        if of == "anomaly":
            parts += [asdict(need) for need in self.needs]
            parts += [asdict(right) for right in self.spared]
        return sha256(dumps(parts)).hexdigest()[:8] if parts else ""


def learn(answers: Iterable[Answer]) -> Lessons:
    """Make lessons of standing answers, in whatever order they come."""
    ordered = sorted(answers, key=lambda one: one.id)
    anomalies = [one for one in ordered if one.of == "anomaly"]
    spared = tuple(deviation_of(one.facts) for one in anomalies if one.right)
    return Lessons(needs_of(anomalies), spared, tuple(_weights(ordered)))


def _names(of: str, facts: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Name the kins that something belongs to, the narrowest first."""
    parts = PARTS.get(of, ())
    return tuple(tuple(f"{each}={facts.get(each, '')}" for each in part) for part in parts)


def _weights(answers: list[Answer]) -> Iterator[Weight]:
    """Count, per kin, what was called right and wrong; more of it moves the factor further."""
    told: dict[tuple[str, tuple[str, ...]], list[Answer]] = defaultdict(list)
    for one in answers:
        for name in _names(one.of, one.facts):
            told[one.of, name].append(one)
    for (of, name), those in sorted(told.items()):
        kinds = {_names(of, one.facts)[0] for one in those}
        wrong = sum(not one.right for one in those)
        factor = (1 + len(those) - wrong) / (1 + wrong)
        if factor != 1.0 and (name in kinds or len(kinds) >= WIDE_LEAST):
            factor = round(min(max(factor, 1 / MOST), MOST), 4)
            yield Weight(of, name, factor, tuple(one.id for one in those))
