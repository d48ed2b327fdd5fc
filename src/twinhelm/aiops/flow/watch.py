"""The watch: every tick, what is new walks from detect to the records.

In come the blocks that :class:`~.intake.Intake` has kept, in order. Counters become rates
(clean), every sample of every series is judged (detect), and what left its range goes to
:class:`~.casework.Casework`, which opens, updates and closes incidents. All of it runs in one
thread; ``offer`` and ``welcome`` are the only methods for others.

State that took hours to learn is saved as one checkpoint. After a crash the watch takes the
newest checkpoint and reads from the store what came after it, so no sample is judged twice and
none is skipped; only the last tick's anomalies are found a moment later than they would have
been.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np

from twinhelm.aiops.clean import (
    BAD_SERIES,
    NO_SERIES,
    SignalMaker,
    entity_of,
    families,
    resource_of,
)
from twinhelm.aiops.detect import AnomalyTracker, Detector
from twinhelm.aiops.flow.casework import Casework
from twinhelm.aiops.flow.checkpoint import load_parts, save_parts
from twinhelm.aiops.flow.context import Described
from twinhelm.aiops.flow.topology import Topology
from twinhelm.aiops.types import Anomaly, Resource, Scores
from twinhelm.core.arrays import U32
from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, TwinhelmError
from twinhelm.core.labels import Labels, metric_name
from twinhelm.core.meters import Meters
from twinhelm.core.ports import Blobs, TelemetryStore
from twinhelm.core.settings import DetectSettings
from twinhelm.core.telemetry import SampleBlock

__all__ = ["CHECKPOINT", "Watch"]

_T = TypeVar("_T")

log = logging.getLogger(__name__)

CHECKPOINT = "watch/state"
REPLAY_MARGIN_MS = 15 * 60_000
"""Senders run late by minutes at most; older samples that arrive are kept but not judged."""
REPLAY_SERIES = 4096
CLOSED_KEPT_MS = 30 * 60_000
LEVEL_SAMPLES = 3
"""The median of this many is what a strange series stands at: one spike is not its level."""


@dataclass(slots=True)
class Watch:
    """Judges what is new; see the module for threads and crashes."""

    telemetry: TelemetryStore
    blobs: Blobs
    clock: Clock
    settings: DetectSettings
    meters: Meters
    casework: Casework
    detector: Detector = field(init=False)
    signals: SignalMaker = field(init=False)
    tracker: AnomalyTracker = field(init=False)
    last_tick_ms: int = 0
    resumed: bool = False
    anomalies: dict[str, Anomaly] = field(default_factory=dict)
    topology: Topology = field(default_factory=Topology)
    _known: dict[int, Described] = field(default_factory=dict)
    _blocks: deque[SampleBlock] = field(default_factory=deque)
    _newcomers: deque[tuple[U32, Sequence[Labels]]] = field(default_factory=deque)
    _newest: dict[int, deque[float]] = field(default_factory=dict)
    _saved_s: float = 0.0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Start with empty state; :meth:`resume` brings back what was saved."""
        self._begin()

    def _begin(self) -> None:
        self.detector = Detector(self.settings)
        self.signals = SignalMaker()
        self.tracker = AnomalyTracker()

    def offer(self, block: SampleBlock) -> None:
        """Queue a block that the store has kept."""
        self._blocks.append(block)

    def welcome(self, ids: U32, labels: Sequence[Labels]) -> None:
        """Queue label sets and their ids; known ones cost nothing later."""
        self._newcomers.append((ids, labels))

    def tick(self) -> int:
        """Walk everything queued to its end; returns how many samples were judged."""
        with self._turn:
            began = self.clock.monotonic_s()
            now = self.clock.now_ms()
            # Blocks first: a block's series were welcomed before the block was offered, so
            # taking newcomers second can only bring more than is needed, never less.
            block = _joined(_drain(self._blocks))
            self._introduce(_drain(self._newcomers))
            judged = self._judge(block, now)
            self.casework.walk(self.anomalies.values(), self._known, self._levels(), now)
            self.last_tick_ms = now
            if len(block):
                self.meters.tick_lag_seconds.set((now - int(block.time_ms.min())) / 1000)
            self.meters.judged.inc(judged)
            self.meters.tick_seconds.observe(self.clock.monotonic_s() - began)
            if began - self._saved_s >= self.settings.checkpoint_s:
                self._save()
            return judged

    def resume(self) -> None:
        """Bring back the newest checkpoint and judge what the store took after it."""
        with self._turn:
            saved = self.blobs.get(CHECKPOINT)
            if saved is not None:
                try:
                    parts = load_parts(saved)
                    self.detector.restore(parts["detector"])
                    if not self.signals.restore(parts["signals"]):
                        raise BadInput("the signals of the checkpoint are damaged")
                    self.tracker.restore(parts["tracker"])
                    self._replay(int(parts["through_ms"]) - REPLAY_MARGIN_MS)
                except (TwinhelmError, KeyError, ValueError) as error:
                    # A checkpoint that cannot be read costs hours of learning, not data.
                    log.warning("detector starts afresh", extra={"reason": str(error)})
                    self._begin()
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
        with self._turn:
            learnt = 0
            self._describe_all(ids)
            self.detector.forget(ids)
            self.signals.forget(ids)
            for block in self._history(ids, start_ms):
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
        self.save()

    def series_of(
        self, wanted: Callable[[Labels, Resource], bool], *, limit: int
    ) -> dict[int, Described]:
        """Return the known series that ``wanted`` takes, at most ``limit``."""
        known = list(self._known.items())
        chosen = ((series, each) for series, each in known if wanted(each[0], each[2]))
        return dict(islice(chosen, limit))

    def describe(self, series: int) -> Described:
        """Say what a series is; asks the store for one not heard of since the start."""
        known = self._known.get(series)
        if known is None:
            self._describe_all(np.array([series], np.uint32))
            known = self._known[series]
        return known

    def _judge(self, block: SampleBlock, now: int) -> int:
        signals = self.signals.signals(block)
        scores = self.detector.observe(signals)
        self._note(self.tracker.update(scores, self.describe, now), now)
        self._follow(scores)
        return len(signals)

    def _follow(self, scores: Scores) -> None:
        """Keep the newest signals of each series that is strange just now."""
        strange = {anomaly.series for anomaly in self.tracker.open}
        for series in self._newest.keys() - strange:
            del self._newest[series]
        if not strange:
            return
        for at in np.flatnonzero(np.isin(scores.series, list(strange))).tolist():
            newest = self._newest.setdefault(int(scores.series[at]), deque(maxlen=LEVEL_SAMPLES))
            newest.append(float(scores.signal[at]))

    def _levels(self) -> dict[str, float]:
        return {
            anomaly.key: float(np.median(self._newest[anomaly.series]))
            for anomaly in self.tracker.open
            if anomaly.series in self._newest
        }

    def _note(self, changed: Iterable[Anomaly], now: int) -> None:
        for anomaly in changed:
            self.anomalies[anomaly.key] = anomaly
        over = [
            key
            for key, anomaly in self.anomalies.items()
            if anomaly.end_ms is not None and now - anomaly.end_ms > CLOSED_KEPT_MS
        ]
        for key in over:
            del self.anomalies[key]

    def _introduce(self, groups: Iterable[tuple[U32, Sequence[Labels]]]) -> None:
        metas = None
        for ids, group in groups:
            for series, labels in zip(ids.tolist(), group, strict=True):
                if series in self._known or series >= int(min(NO_SERIES, BAD_SERIES)):
                    continue
                metas = metas if metas is not None else self.telemetry.metric_meta()
                name = metric_name(labels)
                self._known[series] = (labels, entity_of(labels), resource_of(name, labels))
                meta = next((metas[each] for each in families(name) if each in metas), None)
                self.signals.declare(series, labels, meta)
                self.topology.note(series, labels, self.clock.now_ms())

    def _describe_all(self, ids: U32) -> None:
        missing = np.array([each for each in ids.tolist() if each not in self._known], np.uint32)
        if len(missing):
            labels = [info.labels for info in self.telemetry.series(missing)]
            self._introduce([(missing, labels)])

    def _replay(self, start_ms: int) -> None:
        last = self.telemetry.last_times()
        ids = np.array(sorted(each for each, at in last.items() if at > start_ms), np.uint32)
        self._describe_all(ids)
        for block in self._history(ids, start_ms):
            # Both rooms pass over what they have seen, so the margin costs no second judgement.
            self._judge(block, int(block.time_ms.max()))

    def _history(self, ids: U32, start_ms: int) -> Iterable[SampleBlock]:
        for first in range(0, len(ids), REPLAY_SERIES):
            part = ids[first : first + REPLAY_SERIES]
            block = self.telemetry.read_samples(part, start_ms, self.clock.now_ms() + 86_400_000)
            if len(block):
                yield block

    def _save(self) -> None:
        self._saved_s = self.clock.monotonic_s()
        parts = {
            "detector": self.detector.snapshot(),
            "signals": self.signals.snapshot(),
            "tracker": self.tracker.snapshot(),
            "through_ms": str(self.clock.now_ms()).encode(),
        }
        self.blobs.put(CHECKPOINT, save_parts(parts))


def _drain(queue: deque[_T]) -> list[_T]:
    taken: list[_T] = []
    while queue:
        taken.append(queue.popleft())
    return taken


def _joined(blocks: Sequence[SampleBlock]) -> SampleBlock:
    if not blocks:
        return SampleBlock.empty()
    if len(blocks) == 1:
        return blocks[0]
    return SampleBlock(
        np.concatenate([block.series for block in blocks]),
        np.concatenate([block.time_ms for block in blocks]),
        np.concatenate([block.value for block in blocks]),
    )
