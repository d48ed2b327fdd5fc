"""Derive: the series that the house makes itself of spans, log lines and pipeline runs.

The intake hands on what it has kept of those; each tick of the watch closes the windows whose
senders had their time (``detect.derive_wait_s``), and what :mod:`twinhelm.aiops.clean` made of
them goes through the intake like anybody's samples, by the door ``derived``: interned, cleaned,
kept, judged. What came too late is counted by ``twinhelm_derive_left_out_rows_total``; the spans
and lines themselves are kept in any case. Edges found in traces go to the
topology.

Nothing here reads a clock: the tick says what time it is, so a replay derives the same. A crash
loses the windows that were open (some seconds of derived samples); pipelines are recalled from the
changes in the store.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from twinhelm.aiops.clean import WINDOW_MS, Calls, Lines, Runs
from twinhelm.aiops.flow.intake import Intake
from twinhelm.aiops.types import Received
from twinhelm.core.entities import Edge
from twinhelm.core.errors import TwinhelmError
from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.core.meters import Meters
from twinhelm.core.telemetry import Change, MetricMeta, MetricType, SampleBlock

__all__ = ["Derive"]

log = logging.getLogger(__name__)

DOOR = "derived"
DAY_MS = 86_400_000
RECALLED_DAYS, RECALLED_CHANGES = 35, 20_000
EDGE_TTL_MS = 3_600_000
MOST_WAITING = 500_000
"""Spans and lines that may wait for a tick; past it new ones are only counted."""

FAMILIES = {
    "traces_requests_per_second": "Server and consumer spans that ended, per second.",
    "traces_errors_ratio": "Share of server and consumer spans that failed.",
    "traces_duration_mean_seconds": "Mean duration of server and consumer spans.",
    "traces_self_duration_mean_seconds": "Mean duration less the calls made meanwhile.",
    "traces_edge_requests_per_second": "Calls from client to server, per second.",
    "traces_edge_errors_ratio": "Share of calls from client to server that failed.",
    "traces_edge_duration_mean_seconds": "Mean duration of calls, as the client sees it.",
    "logs_lines_per_second": "Log lines, per second.",
    "logs_errors_per_second": "Log lines of severity ERROR and above, per second.",
    "pipeline_run_seconds": "Duration of a pipeline run.",
    "pipeline_failed": "1 for a run that failed or was aborted, 0 for one that succeeded.",
    "pipeline_output_rows": "Rows that a run wrote to a data set.",
    "pipeline_late_ratio": "Time since the last successful run over the usual time between two.",
}


@dataclass(slots=True)
class Derive:
    """See the module. :meth:`hear` may be called by any thread, :meth:`walk` by the watch's.

    ``tell`` is told of edges found in traces; ``exists`` says whether metrics tell of an entity.
    """

    intake: Intake
    meters: Meters
    wait_s: float
    tell: Callable[[Iterable[Edge]], None]
    exists: Callable[[str], bool]
    _heard: list[tuple[Received, str]] = field(default_factory=list)
    _waiting: int = 0
    _books: dict[str, tuple[Calls, Lines]] = field(default_factory=dict)
    _runs: Runs = field(default_factory=Runs)
    _next: int = 0
    _walked_ms: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, kept: Received, tenant: str) -> None:
        """Queue spans, log lines and changes that the store has kept."""
        spans, logs = len(kept.spans or ()), len(kept.logs or ())
        with self._lock:
            room = self._waiting + spans + logs <= MOST_WAITING
            if room:
                self._waiting += spans + logs
                self._heard.append((kept, tenant))
        if not room:
            self._leave_out("spans", {"full": spans})
            self._leave_out("logs", {"full": logs})

    def walk(self, now_ms: int) -> None:
        """Take in what was heard, close the windows whose time is over, and hand on their series.

        Never raises: what cannot be derived now is lost to the derived series alone, and told to
        our own log.
        """
        with self._lock:
            heard, self._heard, self._waiting = self._heard, [], 0
        until = (now_ms - int(self.wait_s * 1000)) // WINDOW_MS
        if not self._walked_ms:
            self._next, self._walked_ms = until, now_ms
            self._attempt(self._begin, heard, now_ms)
        for kept, tenant in heard:
            self._attempt(self._take, kept, tenant, now_ms)
        windows = range(self._next, until)
        self._next = max(self._next, until)
        for tenant, books in self._books.items():
            self._attempt(self._close, tenant, *books, windows)
        self._attempt(self._tell_lateness, self._walked_ms, now_ms)
        self._walked_ms = now_ms

    def _attempt(self, deed: Callable[..., None], *given: object) -> None:
        """Do one part of the work; one sender's odd spans must not keep others' from being told."""
        try:
            deed(*given)
        except TwinhelmError as error:
            log.warning("not derived", extra={"reason": str(error)})
        except Exception:
            log.exception("not derived")

    def _begin(self, heard: Sequence[tuple[Received, str]], now_ms: int) -> None:
        """Say what the series are, and recall the newest runs that were told of before."""
        metas = (MetricMeta(name, MetricType.GAUGE, help=text) for name, text in FAMILIES.items())
        self.intake.take(Received(metas=tuple(metas)), door=DOOR, tenant=DEFAULT_TENANT)
        new = {change.id for kept, _ in heard for change in kept.changes}
        days: list[list[Change]] = []
        for day in range(RECALLED_DAYS):
            end_ms = now_ms - day * DAY_MS
            found = self.intake.telemetry.read_changes(
                end_ms - DAY_MS + 1, end_ms, limit=RECALLED_CHANGES
            )
            days.append([change for change in found if change.id not in new])
            if sum(map(len, days)) >= RECALLED_CHANGES:
                break
        self._runs.recall(change for found in reversed(days) for change in found)

    def _take(self, kept: Received, tenant: str, now_ms: int) -> None:
        if tenant not in self._books:
            intern = self.intake.decoders(tenant).intern
            self._books[tenant] = Calls(intern, self.exists), Lines(intern)
        calls, lines = self._books[tenant]
        if kept.spans is not None:
            self._leave_out("spans", calls.take(kept.spans, self._next, now_ms))
        if kept.logs is not None:
            self._leave_out("logs", lines.take(kept.logs, self._next, now_ms))
        found = [one for change in kept.changes for one in self._runs.take(change)]
        self._hand_on(
            self.intake.block([one for one in found if not isinstance(one, Change)]),
            changes=tuple(one for one in found if isinstance(one, Change)),
        )

    def _close(self, tenant: str, calls: Calls, lines: Lines, windows: range) -> None:
        blocks = []
        for window in windows:
            if calls.idle and lines.idle:
                break
            blocks += [calls.close(window), lines.close(window)]
        self._hand_on(SampleBlock.joined(blocks), tenant=tenant)
        edges, calls.edges = calls.edges, {}
        self.tell(
            Edge(client, server, "calls", "traces", confidence, last_ms, EDGE_TTL_MS)
            for (client, server), (last_ms, confidence) in edges.items()
        )

    def _tell_lateness(self, after_ms: int, now_ms: int) -> None:
        self._hand_on(self.intake.block(list(self._runs.lateness(after_ms, now_ms))))

    def _hand_on(
        self, block: SampleBlock, *, tenant: str = DEFAULT_TENANT, changes: tuple[Change, ...] = ()
    ) -> None:
        if len(block) or changes:
            received = Received(samples=block, changes=changes)
            self.intake.take(received, door=DOOR, tenant=tenant)

    def _leave_out(self, kind: str, counts: Mapping[str, int]) -> None:
        for reason, count in counts.items():
            if count:
                self.meters.left_out.labels(kind, reason).inc(count)
