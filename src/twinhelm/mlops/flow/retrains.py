"""A retraining that nobody asked for: begun where the product file lets it, told of either way.

The build is started first and the journal told after; the run itself is the proof of a retraining
that a crash kept from the journal, and counts for the cool-down. One refusal is told once, until
something else is said about the product's retraining.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from twinhelm.core.clock import Clock
from twinhelm.core.errors import TwinhelmError
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import RetrainTriggered
from twinhelm.mlops.records import find, need
from twinhelm.mlops.retrain import refusal
from twinhelm.mlops.types import Product, Run, Spec, Trigger

__all__ = ["Retrains"]

TOLD = 200
"""So many rows of the journal are looked through for the last retraining of a product."""


@dataclass(slots=True)
class Retrains:
    """See the module; ``start_build(product, by=, reason=)`` begins a build and returns it."""

    records: Records
    journal: Journal
    clock: Clock
    spec_of: Callable[[str], Spec | None]
    start_build: Callable[..., Run]
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def consider(self, product: str, trigger: Trigger, text: str) -> bool:
        """Begin a retraining if it may begin; tells whether it did. ``text`` says what happened.

        Raises :class:`NotFound` for an unknown product.
        """
        with self._turn:  # two at once would both find nothing running
            told = self.journal.read(
                subject=f"product/{product}",
                kind=RetrainTriggered.kind,
                newest_first=True,
                limit=TOLD,
            )
            last_ms = next((each.time_ms for each in told if each.body["started"]), None)
            with self.records.reading() as unit:
                found = need(unit, Product, product)
                runs = find(unit, Run, product=product, newest_first=True, limit=100)
            now_ms = self.clock.now_ms()
            spec = self.spec_of(product)
            why = refusal(found, spec, trigger, last_ms=last_ms, runs=runs, now_ms=now_ms)
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
            if not (why and told and told[0].body == event.body):
                with self.journal.writing("twinhelm") as write:
                    write.event(event)
            return not why
