"""Housekeeping: what is done every so often and hurries nobody.

Every few seconds the meters of the store are read, and the journal hears when it stopped or
resumed taking telemetry; what was rejected is written down; alerts that fell silent end. Each
minute forecasts and topology are made anew. Each ten minutes the store applies retention and
settles. A chore that fails is put off until it is due again, and the others go on.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np

from twinhelm.aiops.flow.feedback import Learning
from twinhelm.aiops.flow.intake import Intake
from twinhelm.aiops.flow.watch import Watch
from twinhelm.aiops.forecast import Past, forecasts, is_candidate
from twinhelm.aiops.records import put_forecast, put_rejection
from twinhelm.aiops.types import Described, Received, Rejection
from twinhelm.core.clock import Clock
from twinhelm.core.errors import TwinhelmError
from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.core.meters import Meters
from twinhelm.core.own.memory import give_back_memory
from twinhelm.core.ports import Records, TelemetryStore
from twinhelm.core.telemetry import Alert
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import TakingResumed, TakingStopped
from twinhelm.events.values import load

__all__ = ["Housekeeping"]

log = logging.getLogger(__name__)

MINUTE_S = 60.0
TIDY_S = 600.0
FORECAST_HISTORY_MS = 3 * 86_400_000
MAX_FORECAST_SERIES = 2000
PASTS_AT_ONCE = 16
SELDOM = 5


@dataclass(slots=True)
class Housekeeping:
    """The chores; :meth:`run` does them until told to stop, :meth:`do_due` those that are due."""

    telemetry: TelemetryStore
    records: Records
    journal: Journal
    clock: Clock
    meters: Meters
    intake: Intake
    watch: Watch
    learning: Learning
    _stopped_s: float | None = None
    _restored: bool = False
    _noted: frozenset[Rejection] = frozenset()
    _due_s: dict[str, float] = field(default_factory=dict)
    _looks: int = 0
    _places: set[str] = field(default_factory=set)

    def run(self, stop: threading.Event) -> None:
        """Do each chore when it is due, until told to stop."""
        self.do_due()
        while not stop.wait(1.0):
            self.do_due()
        try:
            self.note_rejections()
        except TwinhelmError as error:
            log.warning("rejections not kept", extra={"reason": str(error)})

    def do_due(self) -> None:
        """Do each chore that is due; the first call only begins to count the time."""
        now_s = self.clock.monotonic_s()
        for name, every_s, chore in self._chores():
            if now_s < self._due_s.setdefault(name, now_s + every_s):
                continue
            self._due_s[name] = now_s + every_s
            try:
                chore()
            except TwinhelmError as error:
                log.warning("chore put off", extra={"chore": name, "reason": str(error)})
            except Exception:
                # One chore's defect must not keep the others from being done.
                log.exception("chore failed", extra={"chore": name})

    def restore(self) -> None:
        """Go on counting rejections where the last run ended; done once, before they are kept."""
        if self._restored:
            return
        with self.records.reading() as unit:
            rows = [load(Rejection, record) for record in unit.find("rejection")]
        self.intake.rejections.restore(rows)
        self._restored = True

    def measure(self) -> None:
        """Read the store's meters; tell the journal when it stops or resumes taking."""
        stats = self.telemetry.stats()
        for kind in ("series", "samples", "logs", "spans", "changes"):
            self.meters.stored.labels(kind).set(getattr(stats, kind))
        self.meters.stored_bytes.set(stats.disk_bytes)
        self.meters.taking.set(1 if stats.taking else 0)
        if stats.taking is (self._stopped_s is None):
            return
        now_s = self.clock.monotonic_s()
        with self.journal.writing("twinhelm") as write:
            if self._stopped_s is None:
                write.event(TakingStopped(stats.reason, stats.free_bytes))
            else:
                write.event(TakingResumed(now_s - self._stopped_s, stats.free_bytes))
        self._stopped_s = None if stats.taking else now_s

    def note_rejections(self) -> None:
        """Write down what was rejected since the last time."""
        self.restore()
        found = self.intake.rejections.snapshot()
        if rows := [row for row in found if row not in self._noted]:
            with self.journal.writing("twinhelm") as write:
                for row in rows:
                    put_rejection(write, row)
        self._noted = frozenset(found)

    def end_unheard_alerts(self) -> None:
        """End the alerts whose senders promised to repeat them and fell silent."""
        now = self.clock.now_ms()
        with self.records.reading() as unit:
            firing = [load(Alert, each) for each in unit.find("alert", state="firing", limit=5000)]
        over = [alert for alert in firing if alert.until_ms is not None and alert.until_ms < now]
        if over:
            ended = tuple(replace(alert, ends_ms=alert.until_ms) for alert in over)
            self.intake.take(Received(alerts=ended), door="silence", tenant=DEFAULT_TENANT)

    def look_ahead(self) -> None:
        """Forecast the series that can run out; those that will not any more are dropped.

        What will run out, and what is new, is looked at each time, the rest every fifth.
        """
        now = self.clock.now_ms()
        self._looks += 1
        likely = self.watch.known.select(is_candidate, limit=MAX_FORECAST_SERIES)
        places = {entity for _, entity, _ in likely.values()}
        with self.records.reading() as unit:
            told = {record.parent for record in unit.find("forecast", limit=MAX_FORECAST_SERIES)}
        turn = self._looks % SELDOM
        looked = {
            each
            for each in places
            if each in told or each not in self._places or crc32(each.encode()) % SELDOM == turn
        }
        self._places = places
        likely = {series: each for series, each in likely.items() if each[1] in looked}
        made = forecasts(self._pasts(likely, now), now_ms=now)
        made = [forecast for forecast in made if self.learning.tells(forecast)]
        kept = {str(forecast.series) for forecast in made}
        with self.journal.writing("twinhelm") as write:
            for record in write.find("forecast", limit=MAX_FORECAST_SERIES):
                if record.key not in kept and record.parent not in places - looked:
                    write.delete("forecast", record.key)
            for forecast in made:
                put_forecast(write, forecast, now)

    def _pasts(self, likely: Mapping[int, Described], now: int) -> Iterator[Past]:
        known = sorted(likely)
        for first in range(0, len(known), PASTS_AT_ONCE):
            ids = np.array(known[first : first + PASTS_AT_ONCE], np.uint32)
            block = self.telemetry.read_samples(ids, now - FORECAST_HISTORY_MS, now)
            edges = np.searchsorted(block.series, ids), np.searchsorted(block.series, ids, "right")
            for series, begin, end in zip(ids.tolist(), *edges, strict=True):
                if begin < end:
                    labels, entity, resource = likely[series]
                    times, values = block.time_ms[begin:end], block.value[begin:end]
                    yield Past(series, labels, entity, resource, times, values)

    def note_topology(self) -> None:
        """Write down what leans on what."""
        last = self.telemetry.last_times()
        with self.journal.writing("twinhelm") as write:
            self.watch.known.topology.keep(write, last)

    def tidy(self) -> None:
        """Let the store apply retention and settle."""
        self.telemetry.tidy(self.clock.now_ms())

    def _chores(self) -> tuple[tuple[str, float, Callable[[], None]], ...]:
        return (
            ("meters", 5.0, self.measure),
            ("rejections", 15.0, self.note_rejections),
            ("alerts", 15.0, self.end_unheard_alerts),
            ("forecasts", MINUTE_S, self.look_ahead),
            ("answers", MINUTE_S, self.learning.look),
            ("topology", MINUTE_S, self.note_topology),
            ("tidy", TIDY_S, self.tidy),
            ("memory", MINUTE_S, give_back_memory),
        )
