import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from aiops.collect.otlp.reference import decode_message
from twinhelm.aiops.collect.otlp import lanes as lanes_module
from twinhelm.aiops.collect.otlp.metrics import OtlpMetricsDecoder
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import MetricMeta, MetricType

STALE = 0x7FF0000000000002
MS = 1_000_000
NOW = 1_700_000_000_000


class Index:
    """Gives ids in order and remembers what it was asked."""

    def __init__(self, most=1 << 30):
        self.ids = {}
        self.asked = 0
        self.most = most

    def __call__(self, labels):
        self.asked += len(labels)
        return np.array([self.one(item) for item in labels], np.uint32)

    def one(self, labels):
        if labels not in self.ids and len(self.ids) >= self.most:
            return 0xFFFFFFFF
        return self.ids.setdefault(labels, len(self.ids))


def fresh(most=1 << 30, **limits):
    index = Index(most)
    return OtlpMetricsDecoder(index, LimitSettings(**limits), seed=1), index


def put(attributes, pairs):
    for key, value in pairs.items():
        made = attributes.add(key=key).value
        if isinstance(value, bool):
            made.bool_value = value
        elif isinstance(value, int):
            made.int_value = value
        elif isinstance(value, float):
            made.double_value = value
        elif isinstance(value, list):
            for item in value:
                made.array_value.values.add(string_value=item)
        else:
            made.string_value = value


def request(metrics, resource=None, scope=("", "", {})):
    """Build a request of one resource and scope; ``metrics`` are functions that fill one in."""
    message = ExportMetricsServiceRequest()
    owner = message.resource_metrics.add()
    put(owner.resource.attributes, resource or {})
    scoped = owner.scope_metrics.add()
    scoped.scope.name, scoped.scope.version = scope[:2]
    put(scoped.scope.attributes, scope[2])
    for fill in metrics:
        fill(scoped.metrics.add())
    return message


def number(name, value, *, unit="", kind="gauge", time=NOW, help_="", flags=0, **attributes):
    def fill(metric):
        metric.name, metric.unit, metric.description = name, unit, help_
        data = metric.gauge if kind == "gauge" else metric.sum
        if kind != "gauge":
            data.aggregation_temporality = 1 if kind == "delta" else 2
            data.is_monotonic = kind != "updown"
        point = data.data_points.add(time_unix_nano=time * MS, flags=flags)
        if isinstance(value, int):
            point.as_int = value
        elif value is not None:
            point.as_double = value
        put(point.attributes, attributes)

    return fill


def histogram(name, counts, bounds, *, sum_=None, unit="s", time=NOW, flags=0, temporality=2):
    def fill(metric):
        metric.name, metric.unit = name, unit
        metric.histogram.aggregation_temporality = temporality
        point = metric.histogram.data_points.add(
            time_unix_nano=time * MS, count=sum(counts), flags=flags
        )
        point.bucket_counts.extend(counts)
        point.explicit_bounds.extend(bounds)
        if sum_ is not None:
            point.sum = sum_

    return fill


def summary(name, quantiles, count=3, total=1.5):
    def fill(metric):
        metric.name = name
        point = metric.summary.data_points.add(time_unix_nano=NOW * MS, count=count, sum=total)
        for quantile, value in quantiles:
            point.quantile_values.add(quantile=quantile, value=value)

    return fill


def text(labels):
    return ",".join(f"{name}={value}" for name, value in labels)


def rows(received, index):
    names = {number: text(labels) for labels, number in index.ids.items()}
    block = received.samples
    return [
        (names[s], t, v)
        for s, t, v in zip(
            block.series.tolist(), block.time_ms.tolist(), block.value.tolist(), strict=True
        )
    ]


def decode(message):
    decoder, index = fresh()
    return rows(decoder.decode(message.SerializeToString()), index)


def series(message):
    return [row[0] for row in decode(message)]


@pytest.mark.parametrize(
    ("name", "unit", "kind", "wanted"),
    [
        ("system.cpu.time", "s", "sum", "system_cpu_time_seconds_total"),
        ("system.memory.usage", "By", "updown", "system_memory_usage_bytes"),
        ("system.cpu.utilization", "1", "gauge", "system_cpu_utilization_ratio"),
        ("requests_total", "{request}", "sum", "requests_total"),
        ("net.io", "By/s", "gauge", "net_io_bytes_per_second"),
        ("wait_seconds", "s", "gauge", "wait_seconds"),
        ("2xx", "", "gauge", "_2xx"),
        ("a..b--c", "", "gauge", "a_b_c"),
        ("jobs", "{job}/m", "gauge", "jobs_per_minute"),
    ],
)
def test_metrics_are_named_as_prometheus_does(name, unit, kind, wanted):
    assert series(request([number(name, 1.0, unit=unit, kind=kind)])) == [f"__name__={wanted}"]


def test_resource_and_scope_become_labels_and_target_info():
    resource = {
        "service.name": "cart",
        "service.namespace": "shop",
        "service.instance.id": "i-1",
        "host.name": "h",
    }
    message = request([number("m", 1.0)], resource, ("lib", "1.2", {"x.y": 5}))
    scope = "otel_scope_name=lib,otel_scope_version=1.2,otel_scope_x_y=5"
    assert decode(message) == [
        (f"__name__=m,instance=i-1,job=shop/cart,{scope}", NOW, 1.0),
        ("__name__=target_info,host_name=h,instance=i-1,job=shop/cart", NOW, 1.0),
    ]


def test_target_info_needs_an_identity_and_something_to_say():
    for resource in ({"host.name": "h"}, {"service.name": "cart"}, {}):
        assert len(series(request([number("m", 1.0)], resource))) == 1


def test_attribute_values_of_every_kind_are_written_as_text():
    message = request([number("m", 1, a=True, b=7, c=1.5, d=["x", "y"], e="", **{"f.g": "t"})])
    assert series(message) == ['__name__=m,a=true,b=7,c=1.5,d=["x","y"],f_g=t']


def test_integers_and_doubles_are_read():
    message = request([number("a", -(2**63)), number("b", 2.5), number("c", 0), number("d", 0.0)])
    assert [row[2] for row in decode(message)] == [-(2.0**63), 2.5, 0.0, 0.0]


def test_a_histogram_is_cumulative_buckets_count_and_sum():
    assert decode(request([histogram("h", [1, 2, 3], [0.005, 10.0], sum_=4.5)])) == [
        ("__name__=h_seconds_bucket,le=0.005", NOW, 1.0),
        ("__name__=h_seconds_bucket,le=10", NOW, 3.0),
        ("__name__=h_seconds_bucket,le=+Inf", NOW, 6.0),
        ("__name__=h_seconds_count", NOW, 6.0),
        ("__name__=h_seconds_sum", NOW, 4.5),
    ]


def test_a_histogram_without_buckets_or_sum_still_counts():
    assert series(request([histogram("h", [], []), histogram("k", [2], [])])) == [
        "__name__=h_seconds_bucket,le=+Inf",
        "__name__=h_seconds_count",
        "__name__=k_seconds_bucket,le=+Inf",
        "__name__=k_seconds_count",
    ]


def test_a_summary_is_quantiles_count_and_sum():
    assert decode(request([summary("s", [(0.5, 1.0), (0.99, 2.0)])])) == [
        ("__name__=s,quantile=0.5", NOW, 1.0),
        ("__name__=s,quantile=0.99", NOW, 2.0),
        ("__name__=s_count", NOW, 3.0),
        ("__name__=s_sum", NOW, 1.5),
    ]


def test_no_recorded_value_is_a_stale_marker():
    decoder, _ = fresh()
    message = request([number("m", None, flags=1), histogram("h", [1, 1], [1.0], sum_=1, flags=1)])
    values = decoder.decode(message.SerializeToString()).samples.value
    assert values.view(np.uint64).tolist() == [STALE] * 5


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (number("m", 1.0, kind="delta"), "delta_temporality"),
        (histogram("m", [1], [], temporality=1), "delta_temporality"),
        (histogram("m", [1], [], temporality=0), "delta_temporality"),
        (number("m", 1.0, time=0), "no_time"),
        (number("m", None), "bad_value"),
        (histogram("m", [1, 2], [1.0, 2.0]), "bad_value"),
        (histogram("m", [1, 2, 3], [2.0, 1.0]), "bad_value"),
        (histogram("m", [1, 2, 3], [1.0, float("inf")]), "bad_value"),
        (histogram("m", [1, 2, 3], [1.0, float("nan")]), "bad_value"),
        (histogram("m", [1] * 3000, list(range(2999))), "bad_value"),
    ],
)
def test_points_that_cannot_be_kept_are_counted_with_the_metric_as_example(fill, reason):
    decoder, index = fresh()
    received = decoder.decode(request([fill, number("ok", 1.0), fill]).SerializeToString())
    assert [(r.reason, r.count, r.example) for r in received.rejected] == [(reason, 2, "m")]
    assert [row[0] for row in rows(received, index)] == ["__name__=ok"]


def test_exponential_histograms_and_exemplars_are_counted():
    decoder, _ = fresh()

    def exponential(metric):
        metric.name = "e"
        metric.exponential_histogram.data_points.add(time_unix_nano=NOW * MS, count=1)

    message = request([exponential, number("m", 1.0)])
    point = message.resource_metrics[0].scope_metrics[0].metrics[1].gauge.data_points[0]
    point.exemplars.add(as_double=1.0)
    received = decoder.decode(message.SerializeToString())
    assert [(r.reason, r.count) for r in received.rejected] == [
        ("native_histogram", 1),
        ("exemplar", 1),
    ]


def test_bad_labels_and_refused_series_are_counted_and_others_flow():
    decoder, index = fresh(most=1)
    message = request([number("ok", 1.0), number("", 1.0), number("more", 1.0)])
    for _ in range(2):
        received = decoder.decode(message.SerializeToString())
        assert [row[0] for row in rows(received, index)] == ["__name__=ok"]
        assert [(r.reason, r.count, r.example) for r in received.rejected] == [
            ("bad_labels", 1, "a metric has no name"),
            ("series_limit", 1, "more"),
        ]


def test_what_metrics_say_of_themselves_is_told_once():
    decoder, _ = fresh()
    raw = request([number("a.b", 1, unit="By", kind="sum", help_="Bytes.")]).SerializeToString()
    said = (MetricMeta("a_b_bytes_total", MetricType.COUNTER, "By", "Bytes."),)
    assert decoder.decode(raw).metas == said
    assert decoder.decode(raw).metas == ()


def test_a_known_series_is_not_interned_again():
    decoder, index = fresh()
    raw = request([number("a", 1), histogram("h", [1], [])], {"service.name": "s", "x": "y"})
    for _ in range(3):
        decoder.decode(raw.SerializeToString())
    assert index.asked == len(index.ids) == 4


def test_an_empty_request_brings_nothing():
    decoder, index = fresh()
    for message in (ExportMetricsServiceRequest(), request([]), request([lambda metric: None])):
        received = decoder.decode(message.SerializeToString())
        assert len(received.samples) == 0
        assert received.rejected == ()
    assert index.asked == 0


def test_names_and_attributes_past_all_limits_are_refused():
    decoder, _ = fresh()
    long = "x" * 2_000_000
    for message in (
        request([number("m", 1)], {"k": long}),
        request([number("m", 1)], {}, (long, "", {})),
        request([number("m", 1, help_=long)]),
    ):
        with pytest.raises(TooLarge, match="byte"):
            decoder.decode(message.SerializeToString())
    received = decoder.decode(request([number("m", 1, k=long)]).SerializeToString())
    assert [(r.reason, r.count, r.example) for r in received.rejected] == [("bad_labels", 1, "m")]


def test_many_points_make_every_array_grow():
    metrics = [number(f"m{i}", float(i), host=f"h{i}" * 20) for i in range(2000)]
    metrics += [histogram(f"h{i}", [1] * 40, list(range(39))) for i in range(100)]
    message = request(metrics, {"service.name": "s", "x": "y"})
    decoder, index = fresh()
    first = decoder.decode(message.SerializeToString()).samples
    assert len(first) == 2000 + 100 * 41 + 1
    again = decoder.decode(message.SerializeToString()).samples
    assert again.series.tolist() == first.series.tolist()
    assert index.asked == len(index.ids)


def test_churn_keeps_memory_bounded_and_ids_true(monkeypatch):
    monkeypatch.setattr(lanes_module, "LEAST_GENERATION", 100)
    decoder, index = fresh(max_series_per_tenant=50)
    for turn in range(20):
        metrics = [number("up", 1.0), *(number(f"m{turn}.{i}", 1.0) for i in range(40))]
        received = decoder.decode(request(metrics).SerializeToString())
        assert rows(received, index)[0][0] == "__name__=up"
        assert decoder._table.lanes < 300


def test_one_request_may_not_bring_endless_new_series(monkeypatch):
    monkeypatch.setattr(lanes_module, "LEAST_GENERATION", 100)
    decoder, _ = fresh(max_series_per_tenant=50)
    with pytest.raises(TooLarge, match="new series"):
        decoder.decode(request([number(f"m{i}", 1.0) for i in range(3000)]).SerializeToString())
    assert len(decoder.decode(request([number("m", 1.0)]).SerializeToString()).samples) == 1


def test_every_truncation_is_refused_or_means_less():
    decoder, _ = fresh()
    message = request([number("a", 1, x="y"), histogram("h", [1, 2], [1.0])], {"service.name": "s"})
    raw = message.SerializeToString()
    whole = len(decoder.decode(raw).samples)
    refused = 0
    for cut in range(len(raw)):
        try:
            assert len(decoder.decode(raw[:cut]).samples) < whole
        except BadInput:
            refused += 1
    assert refused > len(raw) // 2


def bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def same(message):
    """Decode both ways, from bytes and from the message, and compare all of it."""
    compiled, index = fresh()
    plain_index = Index()
    one = compiled.decode(message.SerializeToString())
    two = decode_message(message, plain_index, LimitSettings())
    for received in (one, two):
        assert len(received.samples.series) == len(received.samples.value)
    assert [(n, t, bits(v)) for n, t, v in rows(one, index)] == [
        (n, t, bits(v)) for n, t, v in rows(two, plain_index)
    ]
    assert set(one.metas) == set(two.metas)
    assert {(r.reason, r.count) for r in one.rejected} == {
        (r.reason, r.count) for r in two.rejected
    }


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
keys = st.sampled_from(["service.name", "service.instance.id", "a.b", "a_b", "1x", "é", ""])
values = st.one_of(
    texts, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(), st.lists(texts, max_size=2)
)
attributes = st.dictionaries(keys, values, max_size=3)
units = st.sampled_from(["", "1", "s", "By", "{x}", "By/s", "%"])
metric_names = st.sampled_from(["a.b", "a_total", "x", "", "9lives", "request.ratio"])
times = st.sampled_from([0, 1, NOW, 2**44 - 1])
numbers = st.one_of(st.none(), st.floats(), st.integers(-(2**63), 2**63 - 1))
flags = st.integers(0, 1)


@st.composite
def metrics(draw):
    kind = draw(st.sampled_from(["number", "number", "histogram", "summary", "nothing"]))
    name, unit = draw(metric_names), draw(units)
    if kind == "number":
        pairs = draw(attributes)
        options = {"unit": unit, "time": draw(times), "flags": draw(flags)}
        sort = draw(st.sampled_from(["gauge", "sum", "updown", "delta"]))
        fill = number(name, draw(numbers), kind=sort, **options)

        def with_attributes(metric):
            fill(metric)
            data = metric.gauge if sort == "gauge" else metric.sum
            put(data.data_points[0].attributes, pairs)

        return with_attributes
    if kind == "histogram":
        counts = draw(st.lists(st.integers(0, 2**60), max_size=4))
        bounds = draw(st.lists(st.floats(), min_size=max(len(counts) - 1, 0), max_size=4))
        if draw(st.booleans()):
            bounds = sorted(set(bounds))[: max(len(counts) - 1, 0)]
        return histogram(
            name,
            counts,
            bounds,
            sum_=draw(st.one_of(st.none(), st.floats())),
            unit=unit,
            time=draw(times),
            flags=draw(flags),
            temporality=draw(st.sampled_from([0, 1, 2, 2, 2])),
        )
    if kind == "summary":
        return summary(
            name,
            draw(st.lists(st.tuples(st.floats(0, 1), st.floats()), max_size=3)),
            draw(st.integers(0, 2**64 - 1)),
            draw(st.floats()),
        )
    return lambda metric: None


requests = st.builds(
    request, st.lists(metrics(), max_size=6), attributes, st.tuples(texts, texts, attributes)
)


@settings(max_examples=200)
@given(st.lists(requests, max_size=3))
def test_bytes_and_messages_decode_to_the_same(parts):
    whole = ExportMetricsServiceRequest()
    for part in parts:
        whole.MergeFrom(part)
    same(whole)


@settings(max_examples=150)
@given(requests, st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=5), st.binary())
def test_damaged_bytes_are_refused_or_decoded_but_never_crash(message, flips, tail):
    decoder, _ = fresh()
    raw = bytearray(message.SerializeToString() + tail)
    for where, byte in flips:
        if raw:
            raw[where % len(raw)] = byte
    try:
        received = decoder.decode(bytes(raw))
    except (BadInput, TooLarge):
        return
    assert len(received.samples.series) == len(received.samples.time_ms)


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_decoded_but_never_crash(raw):
    decoder, _ = fresh()
    try:
        received = decoder.decode(raw)
    except (BadInput, TooLarge):
        return
    assert len(received.samples) <= len(raw)


@pytest.mark.parametrize("filler", range(64950, 65540, 7))
def test_a_table_that_is_full_to_the_last_bytes_grows_in_time(filler):
    decoder, _ = fresh()
    fill = request([number("m", 1, **{f"k{i}": "x" * 4000 for i in range(15)}, z="y" * 4000)])
    decoder.decode(fill.SerializeToString())
    table = decoder._table.blocks
    table.counts[1] = min(filler, len(table.arena) - 1)
    decoder.decode(request([number("", 1), number("n", 1)], {"a": "b"}).SerializeToString())
    assert table.used_bytes <= len(table.arena)
