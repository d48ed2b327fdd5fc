"""A retraining that nobody asked for: begun where the product file lets it, told of either way.

Health raises ``drift`` and ``performance``. :meth:`Retrains.look` raises the rest: ``schedule``;
``data`` while the training data is not what the newest run learnt on; ``incident`` while an
incident of the machines' wing, as the journal tells, has the product for its cause. What lasts is
raised at each look, so a cool-down or a crash delays it and loses nothing.

The build is started first and the journal told after; the run itself is the proof of a retraining
that a crash kept from the journal, and counts for the cool-down. One refusal is told once, until
a retraining has begun.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from twinhelm.core.clock import Clock
from twinhelm.core.errors import TwinhelmError
from twinhelm.core.ports import Records
from twinhelm.core.telemetry import Change
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import (
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
    IncidentUpdated,
)
from twinhelm.events.kinds.products import RetrainTriggered
from twinhelm.mlops.records import find, need
from twinhelm.mlops.retrain import blamed, may_write, refusal
from twinhelm.mlops.types import Product, Run, Spec, Trigger

__all__ = ["Retrains"]

TOLD = 200
"""So many rows of the journal are looked through for the last retraining of a product."""
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
INCIDENTS = (IncidentOpened, IncidentUpdated, IncidentReopened, IncidentResolved)
MOST_TOLD = 1000
"""So many rows of each kind are read at a start: older incidents are not followed."""


@dataclass(slots=True)
class Retrains:
    """See the module; :meth:`look` belongs to one thread, the rest to any.

    ``start_build(product, by=, reason=)`` begins a build and returns it. ``digest_of(product)``
    names the training data as it lies there now; ``changes(start_ms, end_ms)`` tells what was done
    to systems, of which the runs of pipelines count here.
    """

    records: Records
    journal: Journal
    clock: Clock
    spec_of: Callable[[str], Spec | None]
    start_build: Callable[..., Run]
    digest_of: Callable[[str], str]
    changes: Callable[[int, int], Sequence[Change]]
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _blamed: dict[int, str] = field(default_factory=dict)
    _seq: int = 0
    _ended: frozenset[str] = frozenset()
    _looked: dict[str, int] = field(default_factory=dict)

    def look(self, now_ms: int) -> None:
        """Raise what is there to be raised; to be called now and then."""
        self._follow()
        with self.records.reading() as unit:
            products = [each for each in find(unit, Product, limit=10_000) if not each.retired]
        framed = [(each, spec) for each in products if (spec := self.spec_of(each.name))]
        hears = any(Trigger.DATA in spec.retrain.on for _, spec in framed)
        written = self._written(now_ms) if hears else []
        for product, spec in framed:
            try:
                for trigger, text in self._raised(product, spec, written, now_ms):
                    self.consider(product.name, trigger, text)
            except TwinhelmError as error:
                why = f"its data cannot be looked at: {error}"
                self.consider(product.name, Trigger.DATA, "", why)

    def consider(self, product: str, trigger: Trigger, text: str, why: str = "") -> bool:
        """Begin a retraining if it may begin; tells whether it did.

        ``text`` says what happened, ``why`` what is known already to stand in the way. Raises
        :class:`NotFound` for an unknown product.
        """
        with self._turn:  # two at once would both find nothing running
            asked: dict[str, Any] = {"subject": f"product/{product}", "kind": RetrainTriggered.kind}
            told = self.journal.read(**asked, newest_first=True, limit=TOLD)
            at = next((at for at, each in enumerate(told) if each.body["started"]), None)
            last_ms = None if at is None else told[at].time_ms
            with self.records.reading() as unit:
                found = need(unit, Product, product)
                runs = find(unit, Run, product=product, newest_first=True, limit=100)
            now_ms = self.clock.now_ms()
            spec = self.spec_of(product)
            why = why or refusal(found, spec, trigger, last_ms=last_ms, runs=runs, now_ms=now_ms)
            if not why:
                try:
                    run = self.start_build(product, by="twinhelm", reason=trigger.value)
                except TwinhelmError as error:
                    why = f"the build could not begin: {error}"
                else:
                    text = f"{text} Run {run.number} began."
            if why:
                text = f"Not retrained: {why}."
            event = RetrainTriggered(product, trigger, text, not why)
            if not (why and any(each.body == event.body for each in told[:at])):
                with self.journal.writing("twinhelm") as write:
                    write.event(event)
            return not why

    def _raised(
        self, product: Product, spec: Spec, written: list[str], now_ms: int
    ) -> Iterator[tuple[Trigger, str]]:
        """Yield what calls for a retraining of a product now, with its sentence."""
        with self.records.reading() as unit:
            runs = find(unit, Run, product=product.name, newest_first=True, limit=100)
        if runs and runs[0].state == "running":
            return
        every = spec.build.every_hours
        begun_ms = runs[0].started_ms if runs else product.framed_ms
        if every and now_ms - begun_ms >= every * HOUR_MS:
            yield Trigger.SCHEDULE, f"{every:g} h have passed since the last run."
        if Trigger.INCIDENT in spec.retrain.on:
            for incident, name in self._blamed.items():
                if name == product.name:
                    yield Trigger.INCIDENT, f"Incident {incident} has it for its cause."
        learnt = next((each.data["train"] for each in runs if "train" in each.data), "")
        if Trigger.DATA not in spec.retrain.on or not learnt:
            return
        heard = any(may_write(each, spec.data.train) for each in written)
        since_ms = now_ms - self._looked.get(product.name, 0)
        if heard or since_ms >= spec.retrain.data_every_minutes * 60_000:
            self._looked[product.name] = now_ms
            digest = self.digest_of(product.name)
            with self.records.reading() as unit:
                known = unit.get("data", digest)
            broken = known is not None and known.body["problems"]  # was told, and would fail again
            if digest != learnt and not broken:
                yield Trigger.DATA, f"New training data arrived ({digest[:12]})."

    def _follow(self) -> None:
        """Read on in the journal which incidents last, and what they blame."""
        head = self.journal.head().seq
        asked: dict[str, Any] = {"after_seq": self._seq, "newest_first": True, "limit": MOST_TOLD}
        found = [row for kind in INCIDENTS for row in self.journal.read(kind=kind.kind, **asked)]
        rows = sorted((row for row in found if row.seq <= head), key=lambda row: row.seq)
        self._blamed, self._seq = blamed(self._blamed, rows), head

    def _written(self, now_ms: int) -> list[str]:
        """Name the data sets that pipelines wrote in runs whose success is new since last time."""
        runs = {
            each.id: each
            for each in self.changes(now_ms - DAY_MS, now_ms + HOUR_MS)
            if each.kind == "pipeline" and each.outcome == "success"
        }
        new, self._ended = runs.keys() - self._ended, frozenset(runs)
        return [name for one in new for name in runs[one].attributes.get("outputs", "").split("\n")]
