"""Calls: what services did, from spans that come in any order, in any number of requests."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twinhelm.aiops.clean import calls as calls_module
from twinhelm.aiops.clean import tally as tally_module
from twinhelm.aiops.clean.calls import Calls
from twinhelm.aiops.clean.entities import entity_of
from twinhelm.aiops.clean.tally import LIFE_MS, WINDOW_MS
from twinhelm.core import json
from twinhelm.core.labels import labels_of, metric_name
from twinhelm.core.telemetry import SpanBlock, is_stale

W0 = 850_000_000
"""The window that the tests begin in."""
T0 = W0 * WINDOW_MS
KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}


class Shop:
    """Calls, and what it made, by metric, entity and further labels."""

    def __init__(self, exists=()):
        self.labels = []
        self.calls = Calls(self.intern, set(exists).__contains__)
        self.open = W0
        self.spans = 0

    def intern(self, labels):
        first = len(self.labels)
        self.labels += labels
        return np.arange(first, len(self.labels), dtype=np.uint32)

    def span(self, service, kind, start, took, *, parent="", name="GET /x", failed=False, **more):
        """One span; times in ms after the start of the test's first window."""
        self.spans += 1
        attributes = {key.replace("_", "."): value for key, value in more.items() if key != "id"}
        return (service, more.get("id", f"{self.spans:016x}"), parent, name, KINDS[kind], start,
                start + took, failed, attributes)  # fmt: skip

    def take(self, *spans, now=0):
        return self.calls.take(block(*spans), self.open, T0 + now)

    def close(self):
        """Close the oldest open window; values by (metric, entity, further labels)."""
        made = self.calls.close(self.open)
        self.open += 1
        assert set(made.time_ms.tolist()) <= {self.open * WINDOW_MS}
        told = {}
        for series, value in zip(made.series.tolist(), made.value.tolist(), strict=True):
            labels = self.labels[series]
            more = [
                labels_value
                for name, labels_value in labels
                if name in ("operation", "client", "server")
            ]
            key = (metric_name(labels), entity_of(labels), *more)
            assert key not in told
            told[key] = value
        return told


def block(*spans):
    services = sorted({span[0] for span in spans})
    resources = [
        labels_of(
            {"service_name": name, "service_namespace": "shop", "host_name": "H1", "instance": "i"}
        )
        for name in services
    ]
    who, ids, parents, names, kinds, starts, ends, failed, attributes = zip(*spans, strict=True)
    return SpanBlock(
        (T0 + np.array(starts)) * 1_000_000,
        (T0 + np.array(ends)) * 1_000_000,
        np.array([services.index(one) for one in who], np.int32),
        tuple(resources),
        ["1" * 32] * len(spans),
        list(ids),
        list(parents),
        list(names),
        np.array(kinds, np.uint8),
        np.array([2 if one else 0 for one in failed], np.uint8),
        [json.dumps(one).decode() if one else "" for one in attributes],
    )


A, B = "a" * 16, "b" * 16
CATALOG, GATEWAY = "service:shop/catalog", "service:shop/gateway"
EDGE = "traces_edge_requests_per_second"


def test_nothing_tells_nothing():
    shop = Shop()
    assert shop.close() == {}
    assert shop.calls.idle


def test_requests_errors_and_durations_of_a_service_and_its_operations():
    shop = Shop()
    shop.take(
        shop.span("catalog", "server", 0, 100),
        shop.span("catalog", "server", 100, 300, failed=True),
        shop.span("catalog", "server", 200, 200, name="GET /y"),
        shop.span("catalog", "internal", 0, 900),
    )
    assert shop.close() == {
        ("traces_requests_per_second", CATALOG): 1.5,
        ("traces_errors_ratio", CATALOG): pytest.approx(1 / 3),
        ("traces_duration_mean_seconds", CATALOG): pytest.approx(0.2),
        ("traces_self_duration_mean_seconds", CATALOG): pytest.approx(0.2),
        ("traces_requests_per_second", CATALOG, "GET /x"): 1.0,
        ("traces_duration_mean_seconds", CATALOG, "GET /x"): pytest.approx(0.2),
        ("traces_requests_per_second", CATALOG, "GET /y"): 0.5,
        ("traces_duration_mean_seconds", CATALOG, "GET /y"): pytest.approx(0.2),
    }


def test_a_span_belongs_to_the_window_it_ends_in():
    shop = Shop()
    shop.take(shop.span("catalog", "server", 0, 1999), shop.span("catalog", "server", 0, 2000))
    assert shop.close()["traces_requests_per_second", CATALOG] == 0.5
    assert shop.close()["traces_duration_mean_seconds", CATALOG] == 2.0


def test_self_time_is_what_no_call_of_its_own_covers():
    shop = Shop()
    shop.take(
        shop.span("gateway", "server", 0, 100, id=A),
        shop.span("gateway", "client", 10, 40, parent=A),
        shop.span("gateway", "client", 30, 40, parent=A),  # 20 ms at the same time
        shop.span("gateway", "producer", 90, 50, parent=A),  # 40 ms past the end
        shop.span("catalog", "client", 0, 100, parent=A),  # of somebody else
    )
    assert shop.close()["traces_self_duration_mean_seconds", GATEWAY] == pytest.approx(0.03)


def test_self_time_knows_calls_below_internal_spans_and_in_other_requests_and_windows():
    shop = Shop()
    shop.take(shop.span("gateway", "client", 100, 500, parent="c" * 16))
    shop.take(shop.span("gateway", "internal", 50, 900, id="c" * 16, parent=B))
    shop.take(shop.span("gateway", "internal", 50, 2100, id=B, parent=A))
    shop.take(shop.span("gateway", "server", 0, 2500, id=A))
    shop.close()
    assert shop.close()["traces_self_duration_mean_seconds", GATEWAY] == pytest.approx(2.0)


@pytest.mark.parametrize("order", [1, -1])
def test_an_edge_joins_spans_of_two_services_across_requests(order):
    shop = Shop()
    spans = [
        shop.span("gateway", "client", 0, 100, id=A, failed=True),
        shop.span("catalog", "server", 20, 60, parent=A),
    ]
    for one in spans[::order]:
        shop.take(one)
    told = shop.close()
    edge = CATALOG, GATEWAY, CATALOG
    assert told[EDGE, *edge] == 0.5
    assert told["traces_edge_errors_ratio", *edge] == 1.0
    assert told["traces_edge_duration_mean_seconds", *edge] == pytest.approx(0.1)
    assert shop.calls.edges == {(GATEWAY, CATALOG): (T0 + WINDOW_MS, 0.95)}


def test_a_callee_that_is_dead_is_known_by_its_address():
    shop = Shop()
    to = {"server_address": "127.0.0.1", "server_port": 8001}
    shop.take(
        shop.span("gateway", "client", 0, 100, id=A, **to),
        shop.span("catalog", "server", 20, 60, parent=A),
        shop.span("gateway", "client", 2100, 10, failed=True, **to),
    )
    shop.close()
    told = shop.close()
    assert told["traces_edge_errors_ratio", CATALOG, GATEWAY, CATALOG] == 1.0


def test_an_address_that_nobody_answers_for_is_named_by_itself_after_a_minute():
    shop = Shop()
    pay = {"url_full": "https://Pay.example.org/v1/charges?x=1"}
    for n in range(40):
        shop.take(shop.span("gateway", "client", 2000 * n, 10, **pay), now=2000 * n)
    told = [shop.close() for _ in range(40)]
    key = (EDGE, "service:pay.example.org", GATEWAY, "service:pay.example.org")
    assert [n for n, one in enumerate(told) if key in one] == list(range(29, 40))


@pytest.mark.parametrize(
    ("attributes", "entity"),
    [
        ({"db_system_name": "postgresql", "db_namespace": "shopdb|public",
          "server_address": "localhost"}, "database:h1/shopdb"),
        ({"db_system": "postgresql", "db_name": "shopdb", "net_peer_name": "DB-1.",
          "net_peer_port": 5432}, "database:db-1/shopdb"),
        ({"db_system": "mysql", "db_name": "shopdb"}, "database:shopdb"),
        ({"db_system": "sqlite", "db_name": "/var/lib/shop/shopdb.sqlite"}, "database:h1/shopdb"),
        ({"messaging_destination_name": "orders", "server_address": "q"}, "queue:orders"),
    ],
)  # fmt: skip
def test_databases_and_queues_send_no_spans(attributes, entity):
    shop = Shop()
    shop.take(shop.span("gateway", "client", 0, 10, **attributes))
    assert shop.close()[EDGE, entity, GATEWAY, entity] == 0.5


@pytest.mark.parametrize("exists", [True, False])
def test_a_key_value_store_is_the_service_whose_metrics_are_known(exists):
    shop = Shop({"service:shop/cache"} if exists else ())
    said = {"db_system_name": "redis", "db_namespace": "cache", "server_address": "::1"}
    for n in range(40):
        shop.take(shop.span("gateway", "client", 2000 * n, 10, **said), now=2000 * n)
    told = [shop.close() for _ in range(40)][-1]
    entity = "service:shop/cache" if exists else "database:h1/cache"
    assert told[EDGE, entity, GATEWAY, entity] == 0.5


def test_a_queue_stands_between_producer_and_consumer():
    shop = Shop()
    to = {"messaging_destination_name": "orders"}
    carrier = {"server_address": "127.0.0.1", "server_port": 8009}
    shop.take(
        shop.span("gateway", "producer", 0, 10, id=A, **to),
        shop.span("gateway", "client", 2, 5, parent=A, **carrier),
        shop.span("worker", "consumer", 50, 400, parent=A, name="orders process", **to),
    )
    told = shop.close()
    worker = "service:shop/worker"
    assert told["traces_edge_duration_mean_seconds", worker, "queue:orders", worker] == 0.4
    assert told["traces_edge_duration_mean_seconds", "queue:orders", GATEWAY, "queue:orders"] == (
        pytest.approx(0.01)
    )
    assert told["traces_requests_per_second", worker] == 0.5
    assert set(shop.calls.edges) == {("queue:orders", worker), (GATEWAY, "queue:orders")}


def test_traffic_that_stops_is_seen_and_ends_after_minutes():
    shop = Shop()
    shop.take(shop.span("catalog", "server", 0, 100))
    shop.close()
    silent = [shop.close() for _ in range(LIFE_MS // WINDOW_MS)]
    quiet = {("traces_requests_per_second", CATALOG): 0.0,
             ("traces_requests_per_second", CATALOG, "GET /x"): 0.0}  # fmt: skip
    assert all(one == quiet for one in silent[:-1])
    assert len(silent[-1]) == 6
    assert is_stale(np.array(list(silent[-1].values()))).all()
    assert shop.calls.idle
    later = 2000 * (shop.open - W0)
    shop.take(shop.span("catalog", "server", later, 100), now=later)
    assert len(shop.close()) == 6
    assert len(shop.labels) == 12  # asked for twice, which is the store's to find equal


def test_what_is_late_ahead_or_unnamed_is_counted():
    shop = Shop()
    shop.open += 1
    late = shop.span("catalog", "server", 0, 100)
    ahead = shop.span("catalog", "server", 700_000, 100)
    assert shop.take(late, ahead, shop.span("catalog", "server", 2500, 1)) == {
        "late": 1,
        "ahead": 1,
    }
    nobody = block(shop.span("catalog", "server", 2500, 1))
    unnamed = SpanBlock(*[
        ((("zone", "x"),),) if name == "resources" else getattr(nobody, name)
        for name in SpanBlock.__slots__
    ])  # fmt: skip
    assert shop.calls.take(unnamed, shop.open, T0) == {"unnamed": 1}
    assert shop.close()["traces_requests_per_second", CATALOG] == 0.5


def test_spans_past_the_bound_are_counted(monkeypatch):
    monkeypatch.setattr(calls_module, "MOST", 3)
    shop = Shop()
    spans = [shop.span("catalog", "server", n, 1) for n in range(5)]
    assert shop.take(*spans) == {"full": 2}
    assert shop.close()["traces_requests_per_second", CATALOG] == 1.5


def test_subjects_past_the_bound_are_counted(monkeypatch):
    monkeypatch.setattr(tally_module, "MOST", 2)
    shop = Shop()
    shop.take(*[shop.span(f"s{n}", "server", n, 1) for n in range(5)])
    told = shop.close()
    assert {key[1] for key in told} == {"service:shop/s0", "service:shop/s1"}
    again = shop.take(shop.span("s0", "server", 2000, 1))
    assert again == {"full": 6}  # as services and as operations
    assert shop.close()["traces_requests_per_second", "service:shop/s1"] == 0.0


def test_memory_is_let_go():
    shop = Shop()
    for n in range(60):
        shop.take(shop.span("catalog", "server", 2000 * n, 1), now=2000 * n)
        shop.close()
    assert shop.calls._held == len(shop.calls._rows) == calls_module.KEPT_WINDOWS


def test_operations_are_bounded_and_ids_make_none():
    shop = Shop()
    shop.take(
        *[shop.span("catalog", "server", n, 1, name=f"GET /p/{n}") for n in range(100)],
        *[shop.span("catalog", "server", n, 1, name=f"GET /junk/{'ab' * n}x") for n in range(100)],
        shop.span("catalog", "server", 0, 1, name="GET /o/12/z", http_route="/o/{order}/z"),
    )
    told = shop.close()
    operations = {key[2]: value for key, value in told.items()
                  if key[0] == "traces_requests_per_second" and len(key) == 3}  # fmt: skip
    assert len(operations) == 51
    assert operations["GET /p/{id}"] == 50.0
    assert operations["other"] == 26.0
    assert sum(operations.values()) == told["traces_requests_per_second", CATALOG]


def test_a_route_is_better_than_a_name_with_ids():
    shop = Shop()
    shop.take(shop.span("catalog", "server", 0, 1, name="GET /o/12/z", http_route="/o/{order}/z"))
    assert ("traces_requests_per_second", CATALOG, "GET /o/{order}/z") in shop.close()


def test_many_random_traces_agree_with_counting_one_by_one():
    rng = np.random.default_rng(5)
    shop, spans, away = Shop(), [], {}
    for trace in range(300):
        root, start = f"f{trace:015x}", int(rng.integers(0, 1500))
        took = int(rng.integers(1, 400))
        spans.append(shop.span("gateway", "server", start, took, id=root))
        covered = np.zeros(took, bool)
        for call in range(int(rng.integers(0, 4))):
            at, long = int(rng.integers(0, took)), int(rng.integers(1, 200))
            covered[at : at + long] = True
            one = f"e{trace:014x}{call}"
            spans.append(shop.span("gateway", "client", start + at, long, id=one, parent=root))
            spans.append(shop.span("catalog", "server", start + at, long, parent=one))
        away[trace] = start + took, took - covered.sum()
    for part in np.array_split(rng.permutation(len(spans)), 7):
        shop.take(*[spans[i] for i in part])
    told = shop.close()
    own = [own for end, own in away.values() if end < 2000]
    mean = told["traces_self_duration_mean_seconds", GATEWAY]
    assert math.isclose(mean, np.mean(own) / 1000)
    called = [one for one in spans if one[0] == "catalog" and one[6] < 2000]
    assert told[EDGE, CATALOG, GATEWAY, CATALOG] == len(called) / 2
