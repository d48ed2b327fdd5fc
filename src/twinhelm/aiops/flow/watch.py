"""The watch: every tick, what is new walks from detect to the records.

In come the blocks that :class:`~.intake.Intake` has kept, in order; before it takes them, each
tick calls ``derive``, which adds those that the house makes itself. Counters become rates (clean),
every sample of every series is judged (detect), and what left its range goes to
:class:`~.casework.Casework`, which opens, updates and closes incidents. All of it runs in one
thread; ``offer`` and ``welcome`` are the only methods for others.

State that took hours to learn is saved as one checkpoint. After a crash the watch takes the
newest checkpoint and reads from the store, series by series, what came after the sample judged
last, so none is judged twice and none is skipped; only the last tick's anomalies are found a
moment later than they would have been. Without a checkpoint the newest hours are learnt from.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar

import numpy as np
from pydantic import TypeAdapter

from twinhelm.aiops.clean import SignalMaker
from twinhelm.aiops.correlate import Levels
from twinhelm.aiops.detect import AnomalyTracker, Detector, Facts
from twinhelm.aiops.flow.casework import Casework
from twinhelm.aiops.flow.checkpoint import load_parts, save_parts
from twinhelm.aiops.flow.known import KnownSeries
from twinhelm.aiops.types import Anomaly, Described
from twinhelm.core import json
from twinhelm.core.arrays import U32, Array
from twinhelm.core.clock import Clock
from twinhelm.core.entities import Edge
from twinhelm.core.errors import BadInput, TwinhelmError
from twinhelm.core.labels import Labels
from twinhelm.core.meters import Meters
from twinhelm.core.own.tracing import span
from twinhelm.core.ports import Blobs, TelemetryStore
from twinhelm.core.settings import DetectSettings
from twinhelm.core.telemetry import SampleBlock

__all__ = ["CHECKPOINT", "Watch"]

_T = TypeVar("_T")
ANOMALIES = TypeAdapter(list[Anomaly])
NEVER = np.iinfo(np.int64).min

log = logging.getLogger(__name__)

CHECKPOINT = "watch/state"
LONGEST_REPLAY_MS = 86_400_000
"""What no checkpoint knows is judged up to this long before it."""
AFRESH_MS = 2 * 3_600_000
FRESH_MS = 15 * 60_000
"""Where no checkpoint can be read, so much is learnt from, and the newest minutes are judged."""
SERIES_AT_ONCE = 512
WINDOW_MS = 6 * 3_600_000
METAS_EVERY_S = 10.0
CLOSED_KEPT_MS = 30 * 60_000
ROWS_AT_ONCE = 131_072
"""What one step of the tick works on: enough to sort by series, and small enough to stay in the
processor's cache and in memory that is used again."""


@dataclass(slots=True)
class Watch:
    """Judges what is new; see the module for threads and crashes."""

    telemetry: TelemetryStore
    blobs: Blobs
    clock: Clock
    settings: DetectSettings
    meters: Meters
    casework: Casework
    derive: Callable[[int], None] = lambda now_ms: None
    detector: Detector = field(init=False)
    signals: SignalMaker = field(init=False)
    tracker: AnomalyTracker = field(init=False)
    known: KnownSeries = field(init=False)
    last_tick_ms: int = 0
    resumed: bool = False
    anomalies: dict[str, Anomaly] = field(default_factory=dict)
    _blocks: deque[SampleBlock] = field(default_factory=deque)
    _newcomers: deque[tuple[U32, Sequence[Labels]]] = field(default_factory=deque)
    _levels: Levels = field(default_factory=Levels)
    _facts: Facts = field(init=False)
    _typed_s: float = 0.0
    _saved_s: float = 0.0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Start with empty state; :meth:`resume` brings back what was saved."""
        self._begin()

    def _begin(self) -> None:
        self.detector = Detector(self.settings)
        self.signals = SignalMaker()
        self.tracker = AnomalyTracker()
        self._facts = Facts()
        self.known = KnownSeries(self.telemetry, self.clock)
        self.anomalies = {}

    def offer(self, block: SampleBlock) -> None:
        """Queue a block that the store has kept."""
        self._blocks.append(block)

    def welcome(self, ids: U32, labels: Sequence[Labels]) -> None:
        """Queue label sets and their ids; known ones cost nothing later."""
        self._newcomers.append((ids, labels))

    def tick(self) -> int:
        """Walk everything queued to its end; returns how many samples were judged."""
        with self._turn, span("tick"):
            began = self.clock.monotonic_s()
            now = self.clock.now_ms()
            self.derive(now)
            # Blocks first: a block's series were welcomed before the block was offered, so
            # taking newcomers second can only bring more than is needed, never less.
            blocks = _drain(self._blocks)
            self.known.introduce(_drain(self._newcomers), self.signals.declare)
            if began - self._typed_s >= METAS_EVERY_S:
                self._heed_types()
            judged = sum(self._judge(part, now) for part in _joined(blocks))
            self.meters.judged.inc(judged)
            self.casework.walk(
                self.anomalies.values(),
                self.known.described,
                self._levels.of(self.tracker.open),
                now,
            )
            self._drop_over(now)
            self.last_tick_ms = now
            if blocks:
                oldest = min(int(block.time_ms.min()) for block in blocks)
                self.meters.tick_lag_seconds.set((now - oldest) / 1000)
            self.meters.tick_seconds.observe(self.clock.monotonic_s() - began)
            if began - self._saved_s >= self.settings.checkpoint_s:
                self._save()
            return judged

    def saw(self, edges: Iterable[Edge]) -> None:
        """Take in edges that traces told of just now."""
        self.known.topology.saw(edges)

    def exists(self, entity: str) -> bool:
        """Say whether any known series belongs to an entity."""
        return entity in self.known.entities

    def resume(self) -> None:
        """Bring back the newest checkpoint and judge what the store took after it."""
        with self._turn:
            through_ms = self._restore()
            self.known.learn_types()
            try:
                self._catch_up(through_ms)
            except TwinhelmError as error:
                log.warning("what was kept meanwhile is not judged", extra={"reason": str(error)})
            self.resumed = True
            self._saved_s = self.clock.monotonic_s()

    def save(self) -> None:
        """Write a checkpoint now."""
        with self._turn:
            self._save()

    def relearn(self, ids: U32, start_ms: int) -> int:
        """Forget what was learnt of ``ids`` and learn them from the store's history.

        Nothing found on the way becomes an anomaly: the past is for learning. Returns the
        number of samples learnt from.
        """
        learnt = 0
        for part in _parts(np.unique(ids)):
            with self._turn:  # between two parts the tick has its turn
                self._heed_types()
                self._look_up(part)
                part = self.signals.with_twins(part)
                self.detector.forget(part)
                self.signals.forget(part)
                for block in self._history(part, start_ms):
                    learnt += len(self.detector.observe(self.signals.signals(block)).score)
        return learnt

    def run(self, stop: threading.Event) -> None:
        """Tick until told to stop, then save."""
        while not stop.wait(self.settings.tick_s):
            try:
                self.tick()
            except TwinhelmError as error:
                # The database or disk is away: what was judged stays in memory and is written
                # by the next tick that succeeds.
                log.warning("tick incomplete", extra={"reason": str(error)})
            except Exception:
                # A defect met by one tick's input must not blind us to all that follows.
                log.exception("tick failed")
        try:
            self.save()
        except TwinhelmError as error:
            log.warning("no last checkpoint", extra={"reason": str(error)})

    def describe(self, series: int) -> Described:
        """Say what a series is; asks the store for one not heard of since the start."""
        if series not in self.known.described:
            self._look_up(np.array([series], np.uint32))
        return self.known.described[series]

    def _judge(self, block: SampleBlock, now: int) -> int:
        signals = self.signals.signals(block)
        scores = self.detector.observe(signals)
        facts = self._facts.update(scores, self.describe)
        found = self.tracker.update(scores, self.describe, now)
        others = [anomaly for anomaly in found if not self._facts.owns(anomaly.series)]
        self.anomalies |= {anomaly.key: anomaly for anomaly in (*others, *facts)}
        self._levels.observe(scores)
        return len(signals)

    def _drop_over(self, now: int) -> None:
        """Forget what ended long ago, once casework has written down what became of it."""
        self.anomalies = {
            key: anomaly
            for key, anomaly in self.anomalies.items()
            if anomaly.end_ms is None or now - anomaly.end_ms <= CLOSED_KEPT_MS
        }

    def _heed_types(self) -> None:
        """Judge series anew as what they turn out to be: metadata often comes after samples."""
        self._typed_s = self.clock.monotonic_s()
        for series, labels, meta in self.known.retyped():
            self.signals.declare(series, labels, meta)
            self.detector.forget(np.array([series], np.uint32))

    def _look_up(self, ids: U32) -> None:
        self.known.look_up(ids, self.signals.declare)

    def _restore(self) -> int | None:
        """Take over the checkpoint; returns its time, or None where there is none to be read."""
        try:
            saved = self.blobs.get(CHECKPOINT)
            if saved is None:
                return None
            parts = load_parts(saved)
            self.detector.restore(parts["detector"])
            if not self.signals.restore(parts["signals"]):
                raise BadInput("the signals of the checkpoint are damaged")
            self.tracker.restore(parts["tracker"])
            saved_anomalies = json.loads(
                parts["anomalies"], max_bytes=len(parts["anomalies"]), what="checkpoint"
            )
            anomalies = ANOMALIES.validate_python(saved_anomalies)
            self.anomalies = {anomaly.key: anomaly for anomaly in anomalies}
            self._facts.resume(anomalies)
            return int(parts["through_ms"])
        except (TwinhelmError, KeyError, ValueError) as error:
            # A checkpoint that cannot be read costs hours of learning, not data.
            log.warning("detector starts afresh", extra={"reason": str(error)})
            self._begin()
            return None

    def _catch_up(self, through_ms: int | None) -> None:
        """Judge what the store kept and no checkpoint knows."""
        last = self.telemetry.last_times()
        ids = np.fromiter(sorted(last), np.uint32, len(last))
        newest = np.array([last[each] for each in ids.tolist()], np.int64)
        if through_ms is None:
            earliest = self.clock.now_ms() - FRESH_MS
            start_ms = earliest - AFRESH_MS
            learnt = ids[newest >= start_ms]
            self._look_up(learnt)
            for block in self._history(learnt, start_ms, earliest - 1):
                self.detector.observe(self.signals.signals(block))
        else:
            earliest = through_ms - LONGEST_REPLAY_MS
        seen = np.full(len(ids), NEVER)
        judged = self.detector.seen_ms()
        known = ids < len(judged)
        seen[known] = judged[ids[known]]
        since = np.maximum(seen + 1, earliest)
        behind = np.flatnonzero((newest >= since) & ~self.signals.mute(ids))
        # Alike ones together, so that no long stretch is read for the sake of one series.
        for part in _parts(behind[np.argsort(since[behind], kind="stable")]):
            self._look_up(ids[part])
            wanted = self.signals.with_twins(ids[part])
            for block in self._history(wanted, int(since[part].min())):
                # What no longer lasts is closed by the first tick, once all series are read.
                self._judge(block, NEVER)

    def _history(self, ids: U32, start_ms: int, end_ms: int | None = None) -> Iterator[SampleBlock]:
        """Read the samples of a few series, a stretch of time after another."""
        for part in _parts(ids):
            infos = self.telemetry.series(part)
            heard = [info for info in infos if info.last_ms]
            if not heard:
                continue
            at = max(start_ms, min(info.first_ms for info in heard))
            end = max(info.last_ms for info in heard)
            end = end if end_ms is None else min(end, end_ms)
            while at <= end:
                block = self.telemetry.read_samples(part, at, min(at + WINDOW_MS - 1, end))
                if len(block):
                    yield block
                at += WINDOW_MS

    def _save(self) -> None:
        self._saved_s = self.clock.monotonic_s()
        parts = {
            "detector": self.detector.snapshot(),
            "signals": self.signals.snapshot(),
            "tracker": self.tracker.snapshot(),
            "anomalies": json.dumps([asdict(anomaly) for anomaly in self.anomalies.values()]),
            "through_ms": str(self.clock.now_ms()).encode(),
        }
        self.blobs.put(CHECKPOINT, save_parts(parts))


def _parts(ids: Array) -> Iterator[Array]:
    for first in range(0, len(ids), SERIES_AT_ONCE):
        yield ids[first : first + SERIES_AT_ONCE]


def _drain(queue: deque[_T]) -> list[_T]:
    taken: list[_T] = []
    while queue:
        taken.append(queue.popleft())
    return taken


def _joined(blocks: Sequence[SampleBlock]) -> Iterator[SampleBlock]:
    """Join blocks into parts of ``ROWS_AT_ONCE`` rows or a little more, in order."""
    part: list[SampleBlock] = []
    rows = 0
    for place, block in enumerate(blocks, 1):
        part.append(block)
        rows += len(block)
        if rows >= ROWS_AT_ONCE or place == len(blocks):
            yield SampleBlock.joined(part)
            part, rows = [], 0
