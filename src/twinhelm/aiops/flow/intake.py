"""Intake: what happens between a decoded request and its answer.

In comes what a decoder of :mod:`twinhelm.aiops.collect` made of one request. It is cleaned
(duplicates, late and impossible samples, secrets in log lines), appended to the store (from
then on it survives ``kill -9``), counted, and offered to :class:`~.watch.Watch`. Out goes a
:class:`Receipt` that the door answers from. Nothing that was good is lost because something
beside it was bad.

Order matters: the store is written before the watch hears of it, so that whatever was judged
can be read back. A crash between the two leaves samples that were kept and not judged; the
watch reads those from the store when it resumes.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from twinhelm.aiops.clean import (
    BAD_SERIES,
    NO_SERIES,
    Cleaner,
    Reason,
    RejectionBook,
    SeriesGate,
    admit_history,
    redacted,
)
from twinhelm.aiops.collect.openlineage import merge_runs
from twinhelm.aiops.collect.otlp.metrics import OtlpMetricsDecoder
from twinhelm.aiops.collect.remote_write import RemoteWriteDecoder
from twinhelm.aiops.records import put_alert, put_edge
from twinhelm.aiops.types import Intern, Received, Rejected
from twinhelm.core.arrays import U32
from twinhelm.core.clock import Clock
from twinhelm.core.entities import Edge
from twinhelm.core.labels import DEFAULT_TENANT, Labels
from twinhelm.core.meters import Meters
from twinhelm.core.ports import TelemetryStore
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import Alert, Change, SampleBlock
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import AlertReceived

__all__ = ["Decoders", "Intake", "Receipt"]

RUN_MS = 2 * 86_400_000
"""No pipeline run that we join lasts longer than two days."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one request: rows kept, by kind, and what was not kept and why."""

    samples: int = 0
    logs: int = 0
    spans: int = 0
    changes: int = 0
    alerts: int = 0
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Decoders:
    """The decoders of one tenant that remember the series they have seen."""

    intern: Intern
    remote_write: RemoteWriteDecoder
    otlp_metrics: OtlpMetricsDecoder


@dataclass(slots=True)
class Intake:
    """The one way in for telemetry; safe to call from any thread.

    ``newcomers`` is told of label sets and their ids as they are interned, ``offer`` of each
    block that was kept, in the order kept; ``heard`` of the logs, spans and changes that were
    kept, and of their tenant.
    """

    telemetry: TelemetryStore
    journal: Journal
    clock: Clock
    limits: LimitSettings
    meters: Meters
    newcomers: Callable[[U32, Sequence[Labels]], None]
    offer: Callable[[SampleBlock], None]
    heard: Callable[[Received, str], None] | None = None
    rejections: RejectionBook = field(init=False)
    _cleaner: Cleaner = field(init=False)
    _gate: SeriesGate = field(init=False)
    _decoders: dict[str, Decoders] = field(default_factory=dict)
    _own: dict[Labels, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Start where the store stands, so that a retried request is known for one."""
        self.rejections = RejectionBook(self.clock)
        self._cleaner = Cleaner(self.limits)
        self._gate = SeriesGate(self.telemetry, self.limits)
        self._cleaner.prime(self.telemetry.last_times())

    def decoders(self, tenant: str) -> Decoders:
        """Return the tenant's decoders, made when first asked for."""
        known = self._decoders.get(tenant)
        if known is not None:
            return known
        with self._lock:
            gate = self._gate

            def intern(labels: list[Labels]) -> U32:
                ids = gate.intern(labels, tenant=tenant)
                self.newcomers(ids, labels)
                return ids

            made = Decoders(
                intern,
                RemoteWriteDecoder(intern, self.limits),
                OtlpMetricsDecoder(intern, self.limits),
            )
            return self._decoders.setdefault(tenant, made)

    def block(self, rows: Sequence[tuple[Labels, int, float]]) -> SampleBlock:
        """Make a block of what the house measures itself: labels, time in ms, value.

        Such series know no tenant; their ids are remembered.
        """
        new = list({labels: None for labels, _, _ in rows if labels not in self._own})
        if new:
            ids = self.decoders(DEFAULT_TENANT).intern(new)
            self._own.update(zip(new, ids.tolist(), strict=True))
        return SampleBlock(
            np.array([self._own[labels] for labels, _, _ in rows], np.uint32),
            np.array([time_ms for _, time_ms, _ in rows], np.int64),
            np.array([value for _, _, value in rows], np.float64),
        )

    def take(self, received: Received, *, door: str, tenant: str, digest: bytes = b"") -> Receipt:
        """Clean and keep what one request brought.

        ``digest`` identifies the body, so that a retry adds no second copy of logs and spans.
        Raises :class:`StoreFull` or :class:`DatabaseDown` with nothing of the failing part
        written; what was written before is recognised when the sender tries again.
        """
        rejected = list(received.rejected)
        if received.metas:
            self.telemetry.put_metric_meta(received.metas)
        samples = 0
        if len(received.samples):
            samples, refused = self._take_samples(received.samples)
            rejected.extend(refused)
        logs = spans = 0
        kept = Received()
        if received.logs is not None and len(received.logs):
            lines = received.logs
            lines = replace(lines, body=redacted(lines.body), attributes=redacted(lines.attributes))
            if self.telemetry.append_logs(lines, tenant=tenant, digest=digest):
                logs = len(lines)
                kept = replace(kept, logs=lines)
        if received.spans is not None and len(received.spans):
            traced = received.spans
            traced = replace(traced, attributes=redacted(traced.attributes))
            if self.telemetry.append_spans(traced, tenant=tenant, digest=digest):
                spans = len(traced)
                kept = replace(kept, spans=traced)
        if received.changes:
            with self._lock:  # two events of one run at once would each miss the other
                titles = redacted([change.title for change in received.changes])
                named = zip(received.changes, titles, strict=True)
                changes = self._joined([replace(one, title=title) for one, title in named])
                self.telemetry.append_changes(changes)
            kept = replace(kept, changes=tuple(changes))
        if self.heard is not None and (logs or spans or kept.changes):
            self.heard(kept, tenant)
        if received.alerts or received.edges:
            self._record(received.alerts, received.edges, door)
        receipt = Receipt(
            samples, logs, spans, len(received.changes), len(received.alerts), tuple(rejected)
        )
        self._count(receipt, door, tenant)
        return receipt

    def take_history(self, received: Received, *, door: str, tenant: str) -> Receipt:
        """Keep samples of the past that are not in the store yet; the watch is not told.

        A sender that tells of the same stretch later adds nothing twice.
        """
        if received.metas:
            self.telemetry.put_metric_meta(received.metas)
        samples = received.samples
        named = samples.series < min(BAD_SERIES, NO_SERIES)
        timely = samples.time_ms <= self.clock.now_ms() + int(self.limits.max_future_s * 1000)
        block = samples.rows(named & timely)
        with self._lock:
            kept = self._append_missing(block) if len(block) else 0
            self._cleaner.prime(_newest(block))
        refused = (
            Rejected(Reason.SERIES_LIMIT, int(np.count_nonzero(~named)), "history"),
            Rejected(Reason.TOO_FAR_AHEAD, int(np.count_nonzero(named & ~timely)), "history"),
        )
        rejected = (*received.rejected, *(part for part in refused if part.count))
        receipt = Receipt(samples=kept, rejected=rejected)
        self._count(receipt, door, tenant)
        return receipt

    def _take_samples(self, block: SampleBlock) -> tuple[int, Sequence[Rejected]]:
        with self._lock:
            admission = self._cleaner.admit(
                block, self.clock.now_ms(), examples=self._gate.examples
            )
            if len(admission.fresh):
                try:
                    self.telemetry.append_samples(admission.fresh)
                except BaseException:
                    # Nothing was written, so the cleaner must forget that it saw them, or the
                    # sender's next try would be dropped as a duplicate.
                    self._cleaner.revert(admission.fresh.series, self.telemetry.last_times())
                    raise
                self.offer(admission.fresh)
            late = self._append_missing(admission.late) if len(admission.late) else 0
        rejected = list(admission.rejected)
        if late < len(admission.late):
            example = (
                f"series {int(admission.late.series[0])} at {int(admission.late.time_ms[0])} ms"
            )
            rejected.append(Rejected(Reason.LATE, len(admission.late) - late, example))
        return len(admission.fresh) + late, rejected

    def _joined(self, changes: Sequence[Change]) -> list[Change]:
        """Join what is told of a pipeline run with what was told of it before."""
        joined = []
        for change in changes:
            if change.kind == "pipeline":
                around = self.telemetry.read_changes(
                    change.time_ms - RUN_MS, change.time_ms + RUN_MS, entity=change.entity
                )
                told = next((before for before in around if before.id == change.id), None)
                change = merge_runs(told, change) if told is not None else change
            joined.append(change)
        return joined

    def _append_missing(self, block: SampleBlock) -> int:
        ids = np.unique(block.series)
        start, end = int(block.time_ms.min()), int(block.time_ms.max())
        existing = self.telemetry.read_samples(ids, start, end)
        missing = admit_history(existing, block)
        if len(missing):
            self.telemetry.append_samples(missing)
        return len(missing)

    def _record(self, alerts: Sequence[Alert], edges: Sequence[Edge], door: str) -> None:
        with self.journal.writing(f"door:{door}") as write:
            for alert in alerts:
                before = write.get("alert", alert.fingerprint)
                put_alert(write, alert)
                firing = alert.ends_ms is None
                if before is None or before.state != ("firing" if firing else "resolved"):
                    name = dict(alert.labels).get("alertname", "an alert")
                    write.event(
                        AlertReceived(
                            alert.fingerprint, name, alert.source, firing, alert.starts_ms
                        )
                    )
            for edge in edges:
                put_edge(write, edge)

    def _count(self, receipt: Receipt, door: str, tenant: str) -> None:
        received = self.meters.received
        for kind in ("samples", "logs", "spans", "changes", "alerts"):
            kept = getattr(receipt, kind)
            if kept:
                received.labels(door, kind).inc(kept)
        for part in receipt.rejected:
            self.meters.rejected.labels(door, part.reason).inc(part.count)
        if receipt.rejected:
            self.rejections.add(door, tenant, receipt.rejected)


def _newest(block: SampleBlock) -> Mapping[int, int]:
    """Say when each series of a block ends."""
    ids, at = np.unique(block.series, return_inverse=True)
    times = np.full(len(ids), np.iinfo(np.int64).min)
    np.maximum.at(times, at, block.time_ms)
    return dict(zip(ids.tolist(), times.tolist(), strict=True))
