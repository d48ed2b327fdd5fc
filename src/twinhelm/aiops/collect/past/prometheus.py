"""Read history from anything that answers the Prometheus query API.

In: an address, a selector and a range of time; out: :class:`~.history.History` in windows, the
oldest first and by metric name within a window, each with a cursor to go on from. Raw samples
come through an instant query of a range selector (``up[6h]``), which every such server
(Prometheus, VictoriaMetrics, Mimir, Thanos) answers with what it stored.

A window is ``(start, end]``: servers disagree on whether a range selector holds its left edge,
and what lies on it belongs to the window before. An answer that is too large for
``max_response_bytes`` or for the server is asked for again in halves. Requests run
``concurrency`` at once, and no more answers than that wait in memory. Stale markers do not come
through this API; native histograms are counted as rejected.

Source: Prometheus "HTTP API", sections Instant queries and Querying label values.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any, Self

import httpx
import numpy as np

from twinhelm.aiops.collect.history import History, Progress
from twinhelm.aiops.types import Rejected
from twinhelm.core.arrays import F64, I64, U32
from twinhelm.core.errors import BadInput, TooLarge, Unavailable
from twinhelm.core.json import loads
from twinhelm.core.labels import METRIC, Labels, labels_of

__all__ = ["PrometheusSource", "with_name"]

TIMEOUT_S = 60.0
RETRIES = 5
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
TOO_MUCH = ("too many samples", "too large", "exceeds the limit", "cannot select more than")
"""What servers say, with status 400 or 422, when a smaller question would do."""
DEFAULT_WINDOW_MS = 6 * 3_600_000
SMALLEST_WINDOW_MS = 60_000
"""Below a minute no halving helps: one metric has too many series."""
CURSOR = re.compile(r"(\d{1,15})\|(.*)", re.DOTALL)


@dataclass(slots=True)
class _Columns:
    """What one or more answers held."""

    labels: list[Labels] = field(default_factory=list)
    series: list[U32] = field(default_factory=list)
    time_ms: list[I64] = field(default_factory=list)
    value: list[F64] = field(default_factory=list)
    histograms: int = 0

    def history(self, cursor: str) -> History:
        """Join what the answers of one window held."""
        lost = Rejected("native_histogram", self.histograms, f"window ending {cursor}")
        return History(
            self.labels,
            np.concatenate([np.empty(0, np.uint32), *self.series]),
            np.concatenate([np.empty(0, np.int64), *self.time_ms]),
            np.concatenate([np.empty(0, np.float64), *self.value]),
            cursor,
            (lost,) if lost.count else (),
        )


class PrometheusSource:
    """A server with history; use it as a context manager.

    ``url`` is the base address that ``/api/v1/query`` is appended to. ``headers`` carry what the
    server asks for (authorisation, ``X-Scope-OrgID``). ``pause`` waits between tries; what it
    raises ends the reading. ``transport`` answers instead of the network, for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        pause: Callable[[float], None],
        headers: Mapping[str, str] | None = None,
        max_response_bytes: int = 32 << 20,
        concurrency: int = 2,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._api = _Api(url, headers, max_response_bytes, pause, transport)
        self._concurrency = max(1, concurrency)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.client.close()

    def metric_names(self, selector: str, start_ms: int, end_ms: int) -> list[str]:
        """List the metric names that ``selector`` matches in a range, sorted."""
        found = self._api.ask(
            f"label/{METRIC}/values",
            {"match[]": selector, "start": _seconds(start_ms), "end": _seconds(end_ms)},
        )
        if not isinstance(found, list):
            raise BadInput(f"{self._api.url} answered a list of names with {str(found)[:60]}")
        return sorted({name for name in found if isinstance(name, str)})

    def read(
        self,
        selector: str,
        start_ms: int,
        end_ms: int,
        *,
        window_ms: int = DEFAULT_WINDOW_MS,
        cursor: str = "",
        progress: Progress | None = None,
    ) -> Iterator[History]:
        """Yield the samples of matching series with ``start_ms < t <= end_ms``.

        ``selector`` such as ``{job="node"}`` or ``up``. ``cursor`` of a stretch read before, of
        the same selector, range and window, goes on behind it. ``progress`` is told requests
        done and to do. Raises :class:`BadInput` for a bad selector, range or cursor,
        :class:`TooLarge` where even a minute of one metric is too much, and
        :class:`Unavailable` where the server kept failing; what was yielded stays good.
        """
        if not 0 <= start_ms < end_ms or window_ms < SMALLEST_WINDOW_MS:
            raise BadInput(
                f"the range {start_ms} to {end_ms} in windows of {window_ms} ms holds nothing",
                hint="start before end; windows of at least a minute",
            )
        after = _parsed(cursor)
        # A selector that does not open with a brace names its one metric itself.
        many = selector.lstrip().startswith("{")
        names = self.metric_names(selector, start_ms, end_ms) if many else [selector.strip()]
        edges = [*range(start_ms, end_ms, window_ms), end_ms]
        plan = [(low, high, name) for low, high in pairwise(edges) for name in names]
        units = iter(todo := [unit for unit in plan if unit[1:] > after])
        done = len(plan) - len(todo)
        if progress:
            progress(done, len(plan))
        with ThreadPoolExecutor(self._concurrency, "backfill") as pool:
            running: deque[tuple[str, Future[_Columns]]] = deque()
            try:
                while True:
                    for low, high, name in islice(units, self._concurrency - len(running)):
                        future = pool.submit(self._window, with_name(selector, name), low, high)
                        running.append((f"{high}|{name}", future))
                    if not running:
                        return
                    reached, future = running.popleft()
                    found = future.result()
                    done += 1
                    if progress:
                        progress(done, len(plan))
                    yield found.history(reached)
            finally:
                for _, future in running:
                    future.cancel()

    def _window(self, selector: str, low: int, high: int) -> _Columns:
        """Read ``(low, high]``, in halves where that is too much at once."""
        found = _Columns()
        waiting = [(low, high)]
        while waiting:
            low, high = waiting.pop()
            try:
                form = {"query": f"{selector}[{high - low}ms]", "time": _seconds(high)}
                data = self._api.ask("query", form)
            except _AnswerTooLarge:
                if high - low < SMALLEST_WINDOW_MS:
                    raise TooLarge(
                        f"{(high - low) / 1000:g} s of {selector[:80]} are more than "
                        f"{self._api.max_response_bytes} bytes, or than the server gives",
                        hint="choose a narrower selector or raise the size of an answer",
                    ) from None
                middle = (low + high) // 2
                waiting += [(middle, high), (low, middle)]
                continue
            result = data.get("result") if isinstance(data, dict) else None
            if not isinstance(result, list) or data.get("resultType") != "matrix":
                raise BadInput(f"{self._api.url} answered a query with {str(data)[:80]}")
            _gather(found, result, low, high)
        return found


def with_name(selector: str, name: str) -> str:
    """Narrow a selector to one metric name.

    >>> with_name('{job="node"}', "up"), with_name('up{job="node"}', "up")
    ('{__name__="up",job="node"}', 'up{job="node"}')
    """
    text = selector.strip()
    if not text.startswith("{"):
        return text
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{{METRIC}="{quoted}",{text[1:].lstrip()}'


def _parsed(cursor: str) -> tuple[int, str]:
    """Read a cursor; everything comes after that of none."""
    if not cursor:
        return (-1, "")
    found = CURSOR.fullmatch(cursor)
    if found is None:
        raise BadInput(f"the cursor {cursor[:60]!r} is none of ours", hint="start without one")
    return int(found[1]), found[2]


def _seconds(moment_ms: int) -> str:
    """Write milliseconds as the seconds that the API speaks, without a rounding error."""
    return f"{moment_ms // 1000}.{moment_ms % 1000:03d}"


def _gather(found: _Columns, result: Sequence[Any], low: int, high: int) -> None:
    """Append the series of one answer, and of each what lies in ``(low, high]``."""
    try:
        for entry in result:
            pairs = entry.get("values", [])
            found.histograms += len(entry.get("histograms", []))
            times = np.array([pair[0] for pair in pairs], np.float64)
            values = np.array([float(pair[1]) for pair in pairs], np.float64)
            time_ms = np.round(times * 1000).astype(np.int64)
            kept = (time_ms > low) & (time_ms <= high)
            if not kept.any():
                continue
            labels = labels_of({str(key): str(value) for key, value in entry["metric"].items()})
            found.series.append(np.full(int(kept.sum()), len(found.labels), np.uint32))
            found.labels.append(labels)
            found.time_ms.append(time_ms[kept])
            found.value.append(values[kept])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"an answer holds a series that cannot be read: {error}") from error


class _AnswerTooLarge(TooLarge):
    """The answer passes our bound or the server's own; half of the question may do."""


class _Api:
    """Asks one question, patiently and within bounds; may be used by several threads.

    Answers 429 and 5xx and broken connections are tried again with pauses that double, or as
    long as ``Retry-After`` says; answers are read no further than ``max_response_bytes``.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None,
        max_response_bytes: int,
        pause: Callable[[float], None],
        transport: httpx.BaseTransport | None,
    ) -> None:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise BadInput(f"{url[:80]!r} is no address: {error}") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise BadInput(f"{url[:80]!r} is no address", hint="write http://HOST:PORT")
        self.url = url.rstrip("/")
        self.max_response_bytes = max_response_bytes
        self._pause = pause
        self.client = httpx.Client(
            headers=dict(headers or {}), timeout=TIMEOUT_S, transport=transport
        )

    def ask(self, path: str, form: Mapping[str, str]) -> Any:
        """Ask one question; GET where the API has nothing else, POST for long queries.

        Raises :class:`_AnswerTooLarge`, :class:`BadInput` where the server refuses or answers
        something else, and :class:`Unavailable` where it kept failing.
        """
        wait_s = FIRST_PAUSE_S
        for _ in range(RETRIES):
            try:
                return self._once(path, form)
            except Unavailable as error:
                self._pause(min(max(wait_s, error.retry_after_s), LONGEST_PAUSE_S))
                wait_s *= 2
        return self._once(path, form)

    def _once(self, path: str, form: Mapping[str, str]) -> Any:
        address = f"{self.url}/api/v1/{path}"
        way: dict[str, Any] = {"method": "POST", "data": form}
        if path.startswith("label/"):
            way = {"method": "GET", "params": form}
        body = bytearray()
        try:
            with self.client.stream(url=address, **way) as response:
                for part in response.iter_bytes():
                    body += part
                    if len(body) > self.max_response_bytes:
                        text = f"an answer of {address} has more than {self.max_response_bytes}"
                        raise _AnswerTooLarge(f"{text} bytes")
        except httpx.RequestError as error:
            raise Unavailable(
                f"{address} does not answer: {error or type(error).__name__}",
                hint="check the address and that the server runs",
                retry_after_s=0.0,
            ) from error
        status, retry_after = response.status_code, response.headers.get("retry-after", "")
        if status == 200:
            answer = loads(
                bytes(body), max_bytes=self.max_response_bytes, what=f"answer of {address}"
            )
            if isinstance(answer, dict) and answer.get("status") == "success":
                return answer.get("data")
        said = f"{address} answered {status}: {body[:200].decode(errors='replace')}"
        if status == 429 or status >= 500:
            pause_s = float(retry_after) if re.fullmatch(r"[0-9]{1,4}", retry_after) else 0.0
            raise Unavailable(said, retry_after_s=pause_s)
        if status in (400, 422) and any(words in said.lower() for words in TOO_MUCH):
            raise _AnswerTooLarge(said)
        hint = "check the selector, and that the address is a Prometheus API"
        if status in (401, 403):
            hint = "give the headers that the server asks for"
        raise BadInput(said, hint=hint)
