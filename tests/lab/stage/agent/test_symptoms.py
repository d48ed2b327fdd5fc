import orjson
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from twinhelm.lab.record import KINDS
from twinhelm.lab.stage.agent.cases import write_rows
from twinhelm.lab.stage.agent.rows import Rows
from twinhelm.lab.stage.agent.shelf import Shelf
from twinhelm.lab.stage.agent.symptoms import measure
from twinhelm.lab.words import LabError, Symptom

NOW = 1_700_000_000.0


def target(job):
    return {"job": job, "namespace": "shop", "instance": f"{job}-1"}


def rows_of(shelf):
    rows = Rows(target)
    rows.add(shelf.between(NOW - 10, NOW + 10))
    return rows


def symptom(metric, kind, text="", **labels):
    return Symptom(metric, labels, kind, text=text)


def resource(group):
    for key, value in {"service.name": "cart", "service.namespace": "shop",
                       "service.instance.id": "cart-1"}.items():  # fmt: skip
        group.resource.attributes.add(key=key).value.string_value = value
    return group


@pytest.fixture
def shelf():
    shelf = Shelf(900)
    for second, (requests, total) in enumerate([(10, 2.0), (20, 3.0), (4, 0.5)]):
        page = (
            f'http_requests_total{{code="200"}} {requests}\nhttp_requests_total{{code="500"}} 1\n'
            f'took_sum {total}\ntook_count {requests}\ntook_bucket{{le="1"}} 3\nup 1\n'
        )
        shelf.put(NOW + second, "page", page.encode(), "cart")
    traces = ExportTraceServiceRequest()
    scope = resource(traces.resource_spans.add()).scope_spans.add()
    for number in range(4):
        span = scope.spans.add(
            name="GET /carts", kind=2, trace_id=bytes(15) + b"\1", span_id=bytes((number + 1,) * 8),
            start_time_unix_nano=int(NOW * 1e9), end_time_unix_nano=int((NOW + 0.5) * 1e9),
        )  # fmt: skip
        span.attributes.add(key="http.route").value.string_value = "/carts"
        if number == 0:
            span.status.code = Status.STATUS_CODE_ERROR
    shelf.put(NOW, "traces", traces.SerializeToString())
    metrics = ExportMetricsServiceRequest()
    scope_metrics = resource(metrics.resource_metrics.add()).scope_metrics.add()
    made = scope_metrics.metrics.add(name="process.memory.usage", unit="By")
    made.gauge.data_points.add(time_unix_nano=int(NOW * 1e9), as_int=7)
    counter = scope_metrics.metrics.add(name="process.cpu.time", unit="s")
    counter.sum.is_monotonic, counter.sum.aggregation_temporality = True, 2
    for second in (0, 2):
        counter.sum.data_points.add(time_unix_nano=int((NOW + second) * 1e9), as_double=second / 4)
    shelf.put(NOW, "metrics", metrics.SerializeToString())
    stream = {"stream": target("cart") | {"level": "error"}, "values": [
        [str(int(NOW * 1e9)), "no stock left"], [str(int(NOW * 1e9) + 1), "ok", {"trace_id": "ab"}],
    ]}  # fmt: skip
    shelf.put(NOW, "push", orjson.dumps({"streams": [stream]}))
    event = {"time": "2023-11-14T22:13:20+00:00", "subject": "shop/cart", "type": "shop.deploy",
             "data": {"kind": "deploy", "title": "cart 1.1"}}  # fmt: skip
    shelf.put(NOW, "change", orjson.dumps(event))
    shelf.put(NOW, "lineage", orjson.dumps({"eventType": "FAIL", "job": {"name": "nightly"}}))
    return shelf


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        (symptom("up", "value", job="cart"), 1.0),
        # 10 more, then a restart at 4: 14 in 2 s; the failed ones do not grow.
        (symptom("http_requests_total", "rate", job="cart"), 7.0),
        (symptom("http_requests_total", "rate", job="cart", code="500"), 0.0),
        (symptom("took", "mean", service="cart"), 1.5 / 14),
        (symptom("log", "lines", "stock", job="cart"), 0.1),
        (symptom("log", "lines", "", job="catalog"), 0.0),
        (symptom("span", "spans_failed", service="cart"), 0.25),
        (symptom("span", "spans_failed", service="cart", operation="GET /search"), None),
        (symptom("span", "spans_mean_s", **{"http.route": "/carts"}), 0.5),
        (symptom("process_memory_usage", "value", job="cart"), 7.0),
        (symptom("process_memory_usage_bytes", "value", job="cart"), 7.0),
        (symptom("process_cpu_time", "rate", job="cart"), 0.25),
        (symptom("process_cpu_time_seconds_total", "rate", job="cart"), 0.25),
        (symptom("nothing_such", "value"), None),
        (symptom("up", "rate", job="nobody"), None),
    ],
)
def test_a_symptom_is_measured(shelf, asked, value):
    assert measure(asked, rows_of(shelf), 10.0) == (None if value is None else pytest.approx(value))


def test_an_unknown_kind_is_refused(shelf):
    with pytest.raises(LabError, match="no symptom is of kind 'guess'"):
        measure(symptom("up", "guess"), rows_of(shelf), 1.0)


def test_rows_become_a_case(shelf, tmp_path):
    rows = rows_of(shelf)
    assert not [row for row in rows.metrics if row["metric"].endswith("_bucket")]
    assert [(row["kind"], row["service"]) for row in rows.changes] == [
        ("deploy", "cart"), ("lineage", "nightly")
    ]  # fmt: skip
    written = write_rows(rows, tmp_path / "case", NOW - 1, NOW + 9)
    assert written == {"metrics": 18, "logs": 2, "traces": 4, "changes": 2}
    assert {path.name for path in (tmp_path / "case").iterdir()} == {f"{k}.parquet" for k in KINDS}


def test_the_shelf_lets_go_of_what_is_old():
    shelf = Shelf(10)
    for second in range(30):
        shelf.put(NOW + second, "page", b"up 1\n", "cart")
    assert next(shelf.between(0, NOW + 100)).at_s == NOW + 19
