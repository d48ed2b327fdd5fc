"""How live versions fare: looked at from time to time, kept, published, told of where it changes.

For every version that has traffic the desk reads the newest predictions of its window, further
back where there are too few, and the newest ones with labels; :mod:`twinhelm.mlops.monitor`
judges. The latest health of a version is a record; past ones stay beside it, one a window. What
changed is told by events, the numbers go out as ordinary series, so that the machines' wing
watches them, and a version that drifts or fails is brought before the retraining.

A version is looked at when it answered more or was told more labels, at most six times a window.
At most some 200,000 rows, or 5,000 requests, are read for it: 1.5 s of CPU at 30 columns. After a
crash the next look starts anew; nothing is lost but the time since the last.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, TwinhelmError
from twinhelm.core.ports import Label, Labelling, Prediction, Predictions, Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import DriftFound, HealthChanged
from twinhelm.mlops.monitor import (
    Known,
    Profiles,
    Window,
    examine,
    know,
    read_window,
    waking,
    window_profiles,
)
from twinhelm.mlops.records import find, get, keep_past, load, past, put
from twinhelm.mlops.types import (
    Deployment,
    Health,
    HeldOut,
    Product,
    ProductVersion,
    Spec,
    Table,
    Tier,
    Trigger,
)
from twinhelm.mlops.types.spec import Purpose

__all__ = ["HealthDesk", "Row"]

log = logging.getLogger(__name__)

PROBE, MOST_REQUESTS, MOST_ROWS = 50, 5_000, 200_000
MOST_LABELLED = 20_000
MOST_PAST = 500
DAY_MS = 86_400_000
BACK_MS = 30 * DAY_MS
"""How far back predictions are looked for where the window holds too few."""
LOOKS = 6
"""So many times a window a busy version is looked at."""
ASK_AGAIN_MS = 3_600_000
"""When training and hold-out data that were not to be had are asked for again."""

Row = tuple[str, dict[str, str], int, float]
"""A sample for the series: name, labels, time in ms, value."""


@dataclass(slots=True)
class _Version:
    """What the desk remembers of a version between looks."""

    known: Known
    spec: Spec
    asked_ms: int
    complete: bool
    looked_ms: int = 0
    seen: tuple[int, int] = (-1, -1)
    good: tuple[int, Profiles] | None = None


@dataclass(slots=True)
class HealthDesk:
    """See the module; :meth:`look` belongs to one thread, the rest to any.

    ``training`` and ``held_out`` give what a version learnt on and what it answered to the
    hold-out, None where that is not known. ``measures`` gives counters of its workers, of which
    ``cpu_seconds`` is charged. ``consider`` is told what may start a retraining.
    """

    records: Records
    journal: Journal
    clock: Clock
    predictions: Predictions
    spec_of: Callable[[str], Spec | None]
    training: Callable[[str, str], Table | None]
    publish: Callable[[Sequence[Row]], None]
    held_out: Callable[[str, str], HeldOut | None] = lambda _product, _version: None
    measures: Callable[[str, str], Mapping[str, float]] = lambda _product, _version: {}
    consider: Callable[[str, Trigger, str], bool] = lambda _product, _trigger, _text: False
    _versions: dict[tuple[str, str], _Version] = field(default_factory=dict)
    _told: dict[str, int] = field(default_factory=dict)

    def look(self, now_ms: int) -> list[Health]:
        """Look at all that answers and has news; what cannot be judged now waits for the next."""
        with self.records.reading() as unit:
            deployed = find(unit, Deployment, limit=10_000)
        living = [(each.product, part.version) for each in deployed for part in each.parts]
        for gone in self._versions.keys() - set(living):
            del self._versions[gone]
        found = []
        for product, version in living:
            try:
                health = self._look(product, version, now_ms)
            except TwinhelmError as error:
                about = {"product": product, "version": version, "reason": str(error)}
                log.warning("health is not known", extra=about)
                continue
            if health is not None:
                found.append(health)
        return found

    def report(self, product: str, version: str = "") -> Health | None:
        """Return how a version fares; of the champion where none is named."""
        with self.records.reading() as unit:
            deployed = get(unit, Deployment, product)
            if version := version or (deployed.champion if deployed else ""):
                return get(unit, Health, f"{product}/{version}")
            return next(iter(find(unit, Health, product=product, newest_first=True, limit=1)), None)

    def history(self, product: str, limit: int = 100) -> list[Health]:
        """Return how versions of a product fared, the newest first, one a window."""
        with self.records.reading() as unit:
            return past(unit, product, limit=limit)

    def labels(
        self, product: str, rows: Sequence[tuple[str, float | str]], *, by: str
    ) -> list[Labelling]:
        """Keep what answered rows turned out to be, by id; says in order what became of each.

        Raises :class:`NotFound` for an unknown product and :class:`BadInput` for a value that is
        no number, keeping none.
        """
        load(self.records, Product, product)
        now_ms = self.clock.now_ms()
        for one, value in rows:
            if isinstance(value, float) and not math.isfinite(value):
                raise BadInput(f"the label of {one!r} is {value}", hint="leave it out until known")
        kept = self.predictions.label([Label(product, one, now_ms, value) for one, value in rows])
        new = kept.count(Labelling.KEPT)
        self._told[product] = self._told.get(product, 0) + new
        log.info("labels came", extra={"product": product, "kept": new, "by": by})
        return kept

    def prune(self, now_ms: int) -> int:
        """Forget predictions that retention says are over, but for legal holds; how many went."""
        with self.records.reading() as unit:
            products = find(unit, Product, limit=10_000)
        gone = 0
        for each in products:
            days = (self.spec_of(each.name) or _unframed(each.name)).retention.predictions_days
            if not each.hold:
                gone += self.predictions.prune(each.name, now_ms - int(days * DAY_MS))
        return gone

    def _look(self, product: str, version: str, now_ms: int) -> Health | None:
        spec = self.spec_of(product) or _unframed(product)
        held = self._held(product, version, spec, now_ms)
        counts = self.predictions.counts(product)
        seen = counts.get(version, 0), self._told.get(product, 0)
        window_ms = int(spec.monitor.window_minutes * 60_000)
        early = now_ms - held.looked_ms < window_ms // LOOKS and seen[1] == held.seen[1]
        if not seen[0] or seen == held.seen or early:
            return None
        health = self._examine(product, version, held, now_ms, window_ms)
        self._keep(health, spec)
        self.publish(list(self._rows(health, spec, seen[0])))
        held.looked_ms, held.seen = now_ms, seen
        if health.state in ("drifted", "failing"):
            trigger = Trigger.PERFORMANCE if health.state == "failing" else Trigger.DRIFT
            self.consider(product, trigger, health.says[0])
        return health

    def _held(self, product: str, version: str, spec: Spec, now_ms: int) -> _Version:
        held = self._versions.get((product, version))
        fresh = held is not None and (held.complete or now_ms - held.asked_ms < ASK_AGAIN_MS)
        if held is not None and fresh and held.spec == spec:
            return held
        made = load(self.records, ProductVersion, f"{product}/{version}")
        training, then = self.training(product, version), self.held_out(product, version)
        known = know(spec, made.schema, training, then)
        complete = training is not None and then is not None
        held = _Version(known, spec, now_ms, complete)
        self._versions[product, version] = held
        return held

    def _examine(
        self, product: str, version: str, held: _Version, now_ms: int, window_ms: int
    ) -> Health:
        spec, start_ms, end_ms = held.spec, now_ms - window_ms, now_ms + 1
        logged = self._read(product, version, start_ms, end_ms, MOST_ROWS)
        if sum(each.rows for each in logged) < spec.monitor.min_rows:
            older = self._read(product, version, now_ms - BACK_MS, end_ms, spec.monitor.min_rows)
            logged = older if len(older) > len(logged) else logged
            start_ms = min((each.time_ms for each in logged), default=start_ms)
        true = self._read(product, version, now_ms - BACK_MS, end_ms, MOST_LABELLED, labelled=True)
        return examine(
            held.known,
            self._window(logged, held),
            self._window(true, held),
            self.predictions.labels(product, [each.id for each in true]),
            product=product,
            version=version,
            span_ms=(min(start_ms, now_ms - window_ms), now_ms),
            spec=spec,
            good=self._good(product, version, held, start_ms),
            rng=np.random.default_rng(now_ms),
        )

    def _read(
        self,
        product: str,
        version: str,
        start_ms: int,
        end_ms: int,
        rows: int,
        *,
        labelled: bool = False,
    ) -> list[Prediction]:
        """Read the newest requests of about so many rows; a few tell how many rows one has."""
        newest = partial(
            self.predictions.read, product, version=version, start_ms=start_ms, end_ms=end_ms,
            newest_first=True, labelled=labelled,
        )  # fmt: skip
        some = newest(limit=PROBE)
        if len(some) < PROBE:
            return some
        limit = rows * len(some) // max(sum(each.rows for each in some), 1)
        return newest(limit=min(max(limit, PROBE), MOST_REQUESTS))

    def _window(self, logged: Sequence[Prediction], held: _Version) -> Window:
        kinds, classes = held.known.kinds, held.known.classes
        return read_window(logged, kinds, task=held.spec.data.task, classes=classes)

    def _good(self, product: str, version: str, held: _Version, before_ms: int) -> Profiles | None:
        """Prepare the last window that was good and over before this one began."""
        with self.records.reading() as unit:
            fared = past(unit, product, state="good", limit=50)
        mine = (each for each in fared if each.version == version and each.end_ms <= before_ms)
        last = next(mine, None)
        if last is None:
            return None
        if held.good is None or held.good[0] != last.end_ms:
            logged = self._read(product, version, last.start_ms, last.end_ms + 1, MOST_ROWS)
            window = self._window(logged, held)
            held.good = last.end_ms, window_profiles(window, held.spec, held.known)
        return held.good[1]

    def _keep(self, health: Health, spec: Spec) -> None:
        """Write the latest, the past and what changed in one transaction."""
        bad = health.state in ("drifted", "failing")
        told = health.product, health.version
        with self.journal.writing("twinhelm") as write:
            earlier = get(write, Health, "/".join(told))
            before = earlier.state if earlier else "unknown"
            put(write, health)
            kept = past(write, health.product, limit=50)
            last = next((each for each in kept if each.version == health.version), None)
            if last is None or before != health.state or health.start_ms >= last.end_ms:
                drifted = tuple(each for each in health.drift if each.drifted)
                keep_past(write, replace(health, drift=drifted), most=MOST_PAST)
            if before == health.state:
                return
            write.event(HealthChanged(*told, before, health.state, health.says[0]))
            loud = waking(health.drift, psi=spec.monitor.psi)
            if bad and loud:
                columns = tuple(dict.fromkeys(each.column for each in loud))
                write.event(DriftFound(*told, columns, health.says[0]))

    def _rows(self, health: Health, spec: Spec, requests: int) -> Iterator[Row]:
        """Say the numbers of a health as samples; what is not finite is no sample."""

        def row(name: str, value: float, **more: str) -> Iterator[Row]:
            if math.isfinite(value):
                labels = {"product": health.product, "version": health.version, **more}
                yield f"model_{name}", labels, health.end_ms, float(value)

        yield from row("logged_requests_total", requests)
        yield from row("window_rows", health.rows)
        for each in health.drift:
            if each.slice or each.against != health.drift[0].against:
                continue
            yield from row("drift_psi", each.psi, column=each.column)
            yield from row("drift_p", each.p, column=each.column)
            yield from row("drift_distance", each.distance, column=each.column)
            yield from row("missing_ratio", each.missing, column=each.column)
        for metric, found in health.performance.items():
            yield from row("performance", found[0], metric=metric)
        for metric, found in health.estimated.items():
            yield from row("estimated_performance", found[0], metric=metric)
        for gap, value in health.fairness.items():
            name, _, column = gap.partition(" ")
            yield from row("fairness_gap", value, gap=name, column=column)
        for what, value in health.quality.items():
            name, _, column = what.partition(" ")
            yield from row(f"{name}_ratio", value, **({"column": column} if column else {}))
        used = self.measures(health.product, health.version).get("cpu_seconds", 0.0)
        cost = requests * spec.monitor.cost_per_request
        cost += used / 3600.0 * spec.monitor.cost_per_cpu_hour
        if cost:
            yield from row("cost_total", cost)


def _unframed(product: str) -> Spec:
    """Stand in for the product file of what was registered without one."""
    unsaid = Purpose.model_construct(name=product, use_case="", decides="", owner="", tier=Tier.LOW)
    return Spec.model_construct(product=unsaid)
