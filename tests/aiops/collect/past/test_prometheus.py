from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import cramjam
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peers.processes import Peer
from twinhelm.aiops.collect.history import History
from twinhelm.aiops.collect.past.prometheus import PrometheusSource, with_name
from twinhelm.core.errors import BadInput, Refused, TooLarge, Unavailable
from twinhelm.core.json import dumps

STEP_MS = 15_000
HOUR_MS = 3_600_000
ANSWERS = {"status": "success"}


class FakeServer:
    """Answers as Prometheus would: ``up`` and ``load``, a sample every 15 s, from 0 on."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failures: list[httpx.Response] = []
        self.names = ["load", "up"]
        self.most_samples = 10**9

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.failures:
            return self.failures.pop(0)
        if request.url.path.endswith("/label/__name__/values"):
            return httpx.Response(200, json={**ANSWERS, "data": self.names})
        form = {key: value[0] for key, value in parse_qs(request.content.decode()).items()}
        self.asked.append(form["query"])
        _, _, span = form["query"].rpartition("[")
        end, span_ms = round(float(form["time"]) * 1000), int(span.removesuffix("ms]"))
        # Closed on both sides, as Prometheus 2 has it.
        times = [t for t in range(0, end + 1, STEP_MS) if t >= end - span_ms]
        if len(times) > self.most_samples:
            text = "query processing would load too many samples into memory"
            return httpx.Response(422, json={"status": "error", "error": text})
        name = "up" if "up" in form["query"] else "load"
        values = [[t / 1000, str(t)] for t in times]
        result = [{"metric": {"__name__": name, "job": j}, "values": values} for j in ("a", "b")]
        return httpx.Response(
            200, json={**ANSWERS, "data": {"resultType": "matrix", "result": result}}
        )


def source(server: Callable[[httpx.Request], httpx.Response], **options: Any) -> PrometheusSource:
    options.setdefault("pause", lambda _: None)
    return PrometheusSource("http://peer", transport=httpx.MockTransport(server), **options)


def samples(histories: Iterator[History] | list[History]) -> dict[Any, list[tuple[int, float]]]:
    found: dict[Any, list[tuple[int, float]]] = {}
    for history in histories:
        for series, time_ms, value in zip(
            history.series.tolist(), history.time_ms.tolist(), history.value.tolist(), strict=True
        ):
            found.setdefault(history.labels[series], []).append((time_ms, value))
    return found


def expected(start_ms: int, end_ms: int) -> list[tuple[int, float]]:
    return [(t, float(t)) for t in range(0, end_ms + 1, STEP_MS) if t > start_ms]


def test_every_sample_comes_once_and_ascending_over_windows() -> None:
    with source(FakeServer()) as peer:
        found = samples(peer.read("{}", 0, 5 * HOUR_MS + 7, window_ms=HOUR_MS))
    assert len(found) == 4
    assert all(series == expected(0, 5 * HOUR_MS + 7) for series in found.values())


def test_windows_come_oldest_first_and_by_name() -> None:
    with source(FakeServer(), concurrency=4) as peer:
        cursors = [h.cursor for h in peer.read("{}", 0, 2 * HOUR_MS, window_ms=HOUR_MS)]
    assert cursors == [f"{end}|{name}" for end in (HOUR_MS, 2 * HOUR_MS) for name in ("load", "up")]


def test_a_cursor_goes_on_behind_its_window() -> None:
    with source(FakeServer()) as peer:
        whole = list(peer.read("{}", 0, 3 * HOUR_MS, window_ms=HOUR_MS))
        rest = list(peer.read("{}", 0, 3 * HOUR_MS, window_ms=HOUR_MS, cursor=whole[2].cursor))
        assert samples([*whole[:3], *rest]) == samples(whole)
        assert (
            list(peer.read("{}", 0, 3 * HOUR_MS, window_ms=HOUR_MS, cursor=rest[-1].cursor)) == []
        )
        with pytest.raises(BadInput, match="cursor"):
            next(peer.read("{}", 0, HOUR_MS, cursor="nonsense"))


def test_progress_is_told_from_none_to_all() -> None:
    told: list[tuple[int, int]] = []
    with source(FakeServer()) as peer:
        list(peer.read("{}", 0, HOUR_MS, progress=lambda done, total: told.append((done, total))))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_a_reader_that_stops_early_leaves_nothing_running() -> None:
    server = FakeServer()
    with source(server, concurrency=2) as peer:
        stream = peer.read("{}", 0, 100 * HOUR_MS, window_ms=HOUR_MS)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
    assert len(server.asked) <= 4


@pytest.mark.parametrize("limit", [{"max_response_bytes": 20_000}, {}])
def test_too_large_an_answer_is_asked_for_in_halves(limit: dict[str, int]) -> None:
    server = FakeServer()
    server.most_samples = 10**9 if limit else 100
    with source(server, **limit) as peer:
        found = samples(peer.read("{}", 0, 6 * HOUR_MS))
    assert all(series == expected(0, 6 * HOUR_MS) for series in found.values())
    assert len(server.asked) > 4


def test_halving_ends_with_a_refusal() -> None:
    with (
        source(FakeServer(), max_response_bytes=300) as peer,
        pytest.raises(TooLarge, match="narrower"),
    ):
        list(peer.read("{}", 0, HOUR_MS))


def test_busy_and_broken_servers_are_asked_again_with_growing_pauses() -> None:
    server, pauses = FakeServer(), list[float]()
    server.failures = [
        httpx.Response(503),
        httpx.Response(429, headers={"retry-after": "7"}),
        httpx.Response(500),
    ]
    with source(server, pause=pauses.append) as peer:
        assert peer.metric_names("{}", 0, HOUR_MS) == ["load", "up"]
    assert pauses == [0.5, 7.0, 2.0]


def test_a_server_that_keeps_failing_is_unavailable() -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with source(down) as peer, pytest.raises(Unavailable, match="does not answer"):
        peer.metric_names("{}", 0, 1)


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_is_not_asked_again(status: int) -> None:
    server = FakeServer()
    server.failures = [httpx.Response(status, text="parse error")]
    with source(server) as peer, pytest.raises(BadInput, match="parse error"):
        peer.metric_names("{", 0, 1)


def test_numbers_of_every_kind_are_read_and_histograms_counted() -> None:
    entry = {
        "metric": {"__name__": "up", "empty": ""},
        "values": [[1, "NaN"], [2.5, "+Inf"], [3, "1e-3"]],
        "histograms": [[1, {}]],
    }

    def server(request: httpx.Request) -> httpx.Response:
        names = request.url.path.endswith("values")
        data: Any = ["up"] if names else {"resultType": "matrix", "result": [entry]}
        return httpx.Response(200, json={**ANSWERS, "data": data})

    with source(server) as peer:
        (history,) = peer.read("up", 0, HOUR_MS)
    assert history.labels == [(("__name__", "up"),)]
    assert history.time_ms.tolist() == [1000, 2500, 3000]
    assert math.isnan(history.value[0])
    assert history.value[1:].tolist() == [math.inf, 0.001]
    assert (history.rejected[0].reason, history.rejected[0].count) == ("native_histogram", 1)


@pytest.mark.parametrize("url", ["", "peer:9090", "ftp://peer", "http://", "http://[::1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="no address"):
        PrometheusSource(url, pause=print)


@pytest.mark.parametrize(("start", "end", "window"), [(5, 5, HOUR_MS), (-1, 5, HOUR_MS), (0, 5, 9)])
def test_an_empty_range_is_refused(start: int, end: int, window: int) -> None:
    with source(FakeServer()) as peer, pytest.raises(BadInput):
        next(peer.read("{}", start, end, window_ms=window))


def test_a_name_is_quoted_into_the_selector() -> None:
    assert with_name(" {} ", 'a"b') == '{__name__="a\\"b",}'


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_rubbish_answers_are_refused(data: st.DataObject) -> None:
    good = {"metric": {"__name__": "up"}, "values": [[1, "1"]]}
    scalar = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text("ab1", max_size=3)
    wrong = st.recursive(
        scalar | st.floats(allow_nan=False),
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.text("a", max_size=1), inner)
        ),
        max_leaves=4,
    )
    shaped = st.fixed_dictionaries({"metric": wrong, "values": wrong | st.just([[1, "1"]])})
    entry = data.draw(wrong | shaped | st.just(good))
    body = data.draw(
        st.binary(max_size=50)
        | wrong.map(dumps)
        | st.just(dumps({**ANSWERS, "data": {"resultType": "matrix", "result": [entry]}}))
    )

    def server(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("values"):
            return httpx.Response(200, json={**ANSWERS, "data": ["up"]})
        return httpx.Response(200, content=body)

    with source(server) as peer, suppress(Refused):
        list(peer.read("up", 0, HOUR_MS))


def remote_write(name: str, points: list[tuple[int, float]]) -> bytes:
    def field(number: int, payload: bytes) -> bytes:
        size, head = len(payload), bytearray()
        while size > 127:
            head.append(size & 127 | 128)
            size >>= 7
        return bytes((number << 3 | 2,)) + bytes(head) + bytes((size,)) + payload

    def varint(number: int) -> bytes:
        out = bytearray()
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        return bytes(out) + bytes((number,))

    labels = b"".join(
        field(1, field(1, key.encode()) + field(2, value.encode()))
        for key, value in (("__name__", name), ("job", "t"))
    )
    body = b"".join(
        field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time_ms))
        for time_ms, value in points
    )
    return bytes(cramjam.snappy.compress_raw(field(1, labels + body)))


@pytest.mark.peer("prometheus")
def test_a_real_prometheus_gives_back_exactly_what_it_holds(
    prometheus: Callable[..., Peer],
) -> None:
    peer = prometheus("global: {scrape_interval: 1h}\n")
    end_ms = time.time_ns() // 1_000_000 // 1000 * 1000  # noqa: TID251 - the peer keeps real time
    start_ms = end_ms - HOUR_MS
    points = [(start_ms + i * 7_500, i / 3) for i in range(1, 481)]
    for name in ("alpha", "beta"):
        answer = httpx.post(
            f"{peer.url}/api/v1/write",
            content=remote_write(name, points),
            headers={
                "Content-Encoding": "snappy",
                "Content-Type": "application/x-protobuf",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        assert answer.status_code == 204, answer.text
    with PrometheusSource(peer.url, pause=time.sleep) as history:
        found = samples(
            history.read('{job="t"}', start_ms, start_ms + HOUR_MS, window_ms=10 * 60_000)
        )
        with pytest.raises(BadInput):
            list(history.read("{job=", start_ms, end_ms))
    assert {dict(labels)["__name__"] for labels in found} == {"alpha", "beta"}
    assert all(series == points for series in found.values())
