"""Turns spans into series: how often, how well and how fast services answer and call each other.

In: :class:`~twinhelm.core.telemetry.SpanBlock` as they come, of any service, in any order. Out,
for each window of 2 s by the spans' end, a :class:`~twinhelm.core.telemetry.SampleBlock`:

* of each service, from its server and consumer spans: ``traces_requests_per_second``,
  ``traces_errors_ratio``, ``traces_duration_mean_seconds``, and
  ``traces_self_duration_mean_seconds``: the time in which none of its own client or producer spans
  below (through internal spans too) was under way;
* of each operation of it (label ``operation``): requests per second and mean duration;
* of each pair of entities that call each other (labels ``client`` and ``server``, entity keys; the
  series belongs to the one called): ``traces_edge_requests_per_second``,
  ``traces_edge_errors_ratio``, ``traces_edge_duration_mean_seconds``, as the caller sees it.

A client span and the server span whose parent it is are joined across requests and services; for
the rest :mod:`.callees` says who is called. A queue stands between: its producers call it, and it
calls its consumers (those edges last as long as the work on a message).

Spans wait in memory, 46 bytes each: until their window is closed, then for half a minute more, for
spans that end later and refer to them; at most ``MOST`` of them. What ends before the oldest open
window is late, and only counted. About 2 us a span. Wrong where clocks of two machines differ by
more than a window; a client that gives up before its callee ends is joined by address only. A span
without a kind is taken for an internal one.

Source: Tom Wilkie's RED method; OpenTelemetry semantic conventions for span kinds.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np

from twinhelm.aiops.clean.callees import NOBODY, Callees, Caller, Entities
from twinhelm.aiops.clean.operations import Operations
from twinhelm.aiops.clean.tally import AHEAD_MS, WINDOW_MS, Measure, Tally
from twinhelm.aiops.types import Intern
from twinhelm.core.arrays import BOOL, I64, U8, U64, Array
from twinhelm.core.labels import Labels
from twinhelm.core.telemetry import SampleBlock, SpanBlock

__all__ = ["Calls"]

MOST = 500_000
MOST_TEXTS = 5_000
KEPT_WINDOWS = 15
SKEW_NS = 1_000_000_000
DEPTH = 8
"""So many internal spans may stand between a server span and its client span."""
REACH_NS = 1 << 40
"""Self time of a span longer than 18 minutes counts calls of its first 18 minutes only."""
WINDOW_NS = WINDOW_MS * 1_000_000
JOINED, NAMED = 0.95, 0.85
"""Confidence in an edge that two spans tell of, and in one that the caller alone tells of."""

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
NO_PARENT = "0" * 16
ROW = np.dtype(
    [("span", "u8"), ("parent", "u8"), ("start", "i8"), ("end", "i8"),
     ("who", "i4"), ("operation", "i4"), ("callee", "i4"), ("kind", "u1"), ("failed", "?")]
)  # fmt: skip
VOID = np.dtype((np.void, ROW.itemsize))
"""Rows as bytes: numpy copies these at once, and rows field by field."""


class Calls:
    """The spans of one tenant that are being waited for; for one thread.

    ``exists`` says whether metrics tell of an entity.
    """

    def __init__(self, intern: Intern, exists: Callable[[str], bool]) -> None:
        requests, slow = "traces_requests_per_second", Measure("traces_duration_mean_seconds", True)
        self._services = Tally(
            intern, Measure(requests), Measure("traces_errors_ratio", True), slow,
            Measure("traces_self_duration_mean_seconds", True),
        )  # fmt: skip
        self._by_operation = Tally(intern, Measure(requests), slow)
        self._between = Tally(
            intern, Measure("traces_edge_requests_per_second"),
            Measure("traces_edge_errors_ratio", True),
            Measure("traces_edge_duration_mean_seconds", True),
        )  # fmt: skip
        self._tallies = self._services, self._by_operation, self._between
        self._entities = Entities()
        self._callees = Callees(self._entities, exists)
        self._operations: dict[int, Operations] = {}
        self._callers: dict[Labels, Caller] = {}
        self._told: dict[tuple[int, str], int] = {}
        self._rows: dict[int, list[Array]] = {}
        self._held = 0
        self.edges: dict[tuple[str, str], tuple[int, float]] = {}
        """Who called whom: end of the newest window in ms, confidence; for the taker to clear."""

    @property
    def idle(self) -> bool:
        """True while nothing waits and nothing lives."""
        return not (self._held or any(len(one) for one in self._tallies))

    def take(self, block: SpanBlock, oldest: int, now_ms: int) -> Counter[str]:
        """Keep spans until their window is closed; ``oldest`` is the first that is open.

        Returns how many were left out, by reason: ``late``, ``ahead`` of the clock by more than
        ten minutes, ``unnamed`` senders, and ``full``, of the windows closed since too.
        """
        callers = [self._caller(labels) for labels in block.resources]
        who = np.array([caller.who for caller in callers], np.int32)[block.resource]
        window = block.end_ns // WINDOW_NS
        late = window < oldest
        ahead = block.end_ns > (now_ms + AHEAD_MS) * 1_000_000
        good = np.flatnonzero(~late & ~ahead & (who != NOBODY))
        left_out = Counter(late=int(late.sum()), ahead=int(ahead.sum()))
        left_out["unnamed"] = len(block) - len(good) - left_out.total()
        left_out["full"] = max(len(good) - (MOST - self._held), 0)
        for tally in self._tallies:
            left_out["full"] += tally.left_out
            tally.left_out = 0
        good = good[: max(MOST - self._held, 0)]
        if len(good):
            rows = self._made(block, good, who, callers, now_ms)
            for one in np.unique(window[good]).tolist():
                part = rows.view(VOID)[window[good] == one].view(ROW)
                self._rows.setdefault(one, []).append(part)
            self._held += len(rows)
        return +left_out

    def close(self, window: int) -> SampleBlock:
        """Tell of one window, the oldest that is open, and let go of what nobody can refer to."""
        mine = _together(self._rows.get(window, ()))
        first = int(mine["start"].min(initial=window * WINDOW_NS)) - SKEW_NS
        since = max(first // WINDOW_NS, window - KEPT_WINDOWS)
        others = [self._rows.get(one, ()) for one in range(since, window + 2) if one != window]
        near, size = _together([mine, *chain.from_iterable(others)]), len(mine)
        end_ms = (window + 1) * WINDOW_MS
        told = [*self._of_services(near, size, end_ms), self._of_edges(near, size, end_ms)]
        for old in [one for one in self._rows if one <= window - KEPT_WINDOWS]:
            self._held -= sum(map(len, self._rows.pop(old)))
        return SampleBlock.joined(told)

    def _made(
        self, block: SpanBlock, good: I64, who: Array, callers: Sequence[Caller], now_ms: int
    ) -> Array:
        """Turn the good spans of a block into rows."""
        rows = np.zeros(len(good), ROW)
        kind = block.kind[good]
        rows["span"] = _ids(block.span_id)[good]
        rows["parent"] = _ids([each or NO_PARENT for each in block.parent_id])[good]
        rows["start"], rows["end"] = block.start_ns[good], block.end_ns[good]
        rows["who"], rows["callee"] = who[good], NOBODY
        rows["kind"], rows["failed"] = kind, block.status[good] == 2
        served = _serving(kind)
        rows["operation"][served] = [
            self._operation(one, block.name[i], block.attributes[i])
            for one, i in zip(who[good[served]].tolist(), good[served].tolist(), strict=True)
        ]
        called, resource = good[kind >= CLIENT], block.resource
        rows["callee"][kind >= CLIENT] = [
            self._callee(block.attributes[i], callers[each], now_ms)
            for i, each in zip(called.tolist(), resource[called].tolist(), strict=True)
        ]
        return rows

    def _of_services(self, near: Array, size: int, end_ms: int) -> list[SampleBlock]:
        """Tell of services and operations; the window's own rows are the first of those near."""
        at = np.flatnonzero(_serving(near["kind"][:size]))
        rows, ones = near[at], np.ones(len(at))
        took = rows["end"] - rows["start"]
        own = (took - _away(near, at)) / 1e9
        who, took, failed = rows["who"].astype(np.int64), took / 1e9, rows["failed"].astype(float)
        services, _ = self._services.close(
            end_ms, who, (ones, failed, took, own), self._entities.naming
        )
        operations, over = self._by_operation.close(
            end_ms, who << 8 | rows["operation"], (ones, took), self._named_operation
        )
        for one in over:
            self._operations[one >> 8].forget(one & 255)
        return [services, operations]

    def _of_edges(self, near: Array, size: int, end_ms: int) -> SampleBlock:
        rows = near[:size][near["kind"][:size] >= CLIENT]
        consumed = rows["kind"] == CONSUMER
        callee, sure = self._called(near, rows, end_ms)
        client = np.where(consumed, callee, rows["who"]).astype(np.int64)
        server = np.where(consumed, rows["who"], callee).astype(np.int64)
        real = (callee >= 0) & (client != server)
        client, server, rows, sure = client[real], server[real], rows[real], sure[real]
        pair = client << 32 | server
        keys = self._entities.keys
        for one, certain in zip(*map(np.ndarray.tolist, _any(pair, sure)), strict=True):
            ends = keys[one >> 32], keys[one & 0xFFFFFFFF]
            self.edges[ends] = end_ms, JOINED if certain else NAMED
        took = (rows["end"] - rows["start"]) / 1e9
        sums = np.ones(len(rows)), rows["failed"].astype(float), took
        return self._between.close(end_ms, pair, sums, self._named_pair)[0]

    def _called(self, near: Array, rows: Array, now_ms: int) -> tuple[I64, BOOL]:
        """Say who each call went to, or came from, and whether two spans tell so."""
        served = near[_serving(near["kind"])]
        order = np.argsort(served["parent"])
        found = _find(served["parent"][order], order, rows["span"])
        callee = rows["callee"].astype(np.int64)
        sure = (found >= 0) & (callee < 0) & (rows["kind"] != CONSUMER)
        address, reached = callee[sure], served["who"][found[sure]]
        for spot, entity in {*zip(address.tolist(), reached.tolist(), strict=True)}:
            if spot < NOBODY:
                self._callees.learn(spot, entity)
        callee[sure] = reached
        lone = np.flatnonzero(callee < NOBODY)
        if len(lone):
            callee[lone[_carried(near, rows["parent"][lone])]] = NOBODY
        for spot in np.unique(callee[callee < NOBODY]).tolist():
            callee[callee == spot] = self._callees.resolve(spot, now_ms)
        return callee, sure

    def _caller(self, labels: Labels) -> Caller:
        known = self._callers.get(labels)
        if known is None:
            if len(self._callers) >= MOST_TEXTS:
                self._callers.clear()
                self._told.clear()
            known = Caller.of(labels, len(self._callers), self._entities)
            self._callers[labels] = known
        return known

    def _operation(self, who: int, name: str, attributes: str) -> int:
        known = self._operations.get(who)
        if known is None:
            known = self._operations[who] = Operations()
        return known.number(name, attributes)

    def _callee(self, attributes: str, caller: Caller, now_ms: int) -> int:
        known = self._told.get((caller.number, attributes))
        if known is None:
            if len(self._told) >= MOST_TEXTS:
                self._told.clear()
            known = self._callees.of(attributes, caller, now_ms)
            self._told[caller.number, attributes] = known
        return known

    def _named_operation(self, one: int) -> dict[str, str]:
        who, number = one >> 8, one & 255
        return {**self._entities.naming(who), "operation": self._operations[who].name(number)}

    def _named_pair(self, pair: int) -> dict[str, str]:
        client, server = self._entities.keys[pair >> 32], pair & 0xFFFFFFFF
        return {
            **self._entities.naming(server),
            "client": client,
            "server": self._entities.keys[server],
        }


def _serving(kind: U8) -> BOOL:
    served: BOOL = (kind == SERVER) | (kind == CONSUMER)
    return served


def _together(parts: Sequence[Array]) -> Array:
    if not parts:
        return np.empty(0, ROW)
    return np.concatenate([part.view(VOID) for part in parts]).view(ROW)


def _ids(texts: Sequence[str]) -> U64:
    """Read span ids of 16 hexadecimal digits."""
    return np.frombuffer(bytes.fromhex("".join(texts)), ">u8").astype(np.uint64)


def _find(ascending: Array, places: I64, wanted: Array) -> I64:
    """Return the place of each wanted value, -1 where it is not there."""
    if not len(ascending):
        return np.full(len(wanted), -1)
    at = np.searchsorted(ascending, wanted)
    at[at == len(ascending)] = 0
    return np.where(ascending[at] == wanted, places[at], -1)


def _any(groups: I64, marks: BOOL) -> tuple[I64, BOOL]:
    """Return each group once, and whether any of its members is marked."""
    found, at = np.unique(groups, return_inverse=True)
    return found, np.bincount(at, marks, len(found)) > 0


def _carried(near: Array, parents: Array) -> BOOL:
    """Mark the calls that only carry another: the span above tells whom it calls."""
    calls = (near["kind"] == CLIENT) | (near["kind"] == PRODUCER)
    told = near[calls & (near["callee"] != NOBODY)]
    order = np.argsort(told["span"])
    return _find(told["span"][order], order, parents) >= 0


def _away(near: Array, at: I64) -> I64:
    """Return for each span at ``at`` how many ns of it were spent in calls below it."""
    inner = near["kind"] < SERVER
    holders = np.flatnonzero(inner | _serving(near["kind"]))
    holders = holders[np.argsort(near["span"][holders])]
    ids = near["span"][holders]
    calls = np.flatnonzero((near["kind"] == CLIENT) | (near["kind"] == PRODUCER))
    above = _find(ids, holders, near["parent"][calls])
    for _ in range(DEPTH):
        through = np.flatnonzero((above >= 0) & inner[above])
        if not len(through):
            break
        above[through] = _find(ids, holders, near["parent"][above[through]])
    rank = np.full(len(near) + 1, -1)
    rank[at] = np.arange(len(at))
    host = rank[above]
    mine = (host >= 0) & (near["who"][calls] == near["who"][above])
    host, calls, above = host[mine], calls[mine], near[above[mine]]
    start = np.maximum(near["start"][calls] - above["start"], 0)
    end = np.minimum(near["end"][calls], above["end"]) - above["start"]
    # Group after group on one line, so that one running maximum tells what was covered before.
    line = host * REACH_NS
    start, end = line + np.minimum(start, REACH_NS - 1), line + np.minimum(end, REACH_NS - 1)
    order = np.argsort(start, kind="stable")
    host, start, end = host[order], start[order], end[order]
    reached = np.concatenate(([-1], np.maximum.accumulate(end)[:-1])) if len(end) else end
    covered = np.maximum(end - np.maximum(start, reached), 0)
    return np.bincount(host, covered, len(at)).astype(np.int64)
