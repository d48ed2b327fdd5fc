import cramjam
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

from aiops.collect.remote_write_messages import WriteRequest
from twinhelm.lab.stage.agent.otlp import as_remote_write, samples_of, value_of

AT_NS = 1_700_000_000_123_456_789
GATEWAY = {"job": "shop/gateway", "instance": "gateway-1"}


@pytest.fixture
def body():
    """A counter, a gauge and a histogram of the gateway."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    for name, value in {"name": "gateway", "namespace": "shop", "instance.id": "gateway-1",
                        "version": "1.0.0"}.items():  # fmt: skip
        group.resource.attributes.add(key=f"service.{name}").value.string_value = value
    scope = group.scope_metrics.add()
    counter = scope.metrics.add(name="process.cpu.time", unit="s").sum
    counter.is_monotonic, counter.aggregation_temporality = True, 2
    point = counter.data_points.add(time_unix_nano=AT_NS, as_double=1.5)
    point.attributes.add(key="cpu.mode").value.string_value = "user"
    gauge = scope.metrics.add(name="recommender.input.mean", unit="1").gauge
    gauge.data_points.add(time_unix_nano=AT_NS, as_int=3)
    histogram = scope.metrics.add(name="http.server.request.duration", unit="s").histogram
    histogram.data_points.add(
        time_unix_nano=AT_NS, sum=0.5, count=4, explicit_bounds=[0.005, 10], bucket_counts=[1, 2, 1]
    )
    return request.SerializeToString()


def read(body):
    raw, count = as_remote_write(body)
    series = WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(raw))).timeseries
    assert len(series) == count
    found = {}
    for each in series:
        labels = {pair.name: pair.value for pair in each.labels}
        assert list(labels) == sorted(labels)
        (sample,) = each.samples
        assert sample.timestamp == AT_NS // 1_000_000
        assert labels.pop("job") == "shop/gateway"
        assert labels.pop("instance") == "gateway-1"
        found[labels.pop("__name__"), *labels.items()] = sample.value
    return found


def test_prometheus_gets_its_own_names_and_labels(body):
    duration = "http_server_request_duration_seconds"
    assert read(body) == {
        ("process_cpu_time_seconds_total", ("cpu_mode", "user")): 1.5,
        ("recommender_input_mean",): 3.0,
        (f"{duration}_sum",): 0.5,
        (f"{duration}_count",): 4.0,
        (f"{duration}_bucket", ("le", "0.005")): 1.0,
        (f"{duration}_bucket", ("le", "10")): 3.0,
        (f"{duration}_bucket", ("le", "+Inf")): 4.0,
        ("target_info", ("service_version", "1.0.0")): 1.0,
    }


def test_buckets_are_left_out_unless_asked_for(body):
    ((resource, samples),) = samples_of(body)
    assert resource["service.name"] == "gateway"
    found = {sample.name: sample for sample in samples}
    assert not [name for name in found if name.endswith("_bucket")]
    assert found["process_cpu_time_seconds_total"].plain == "process_cpu_time"


def test_joined_bodies_are_read_as_one(body):
    assert as_remote_write(body + body)[1] == 2 * as_remote_write(body)[1]


def test_every_kind_of_value_is_read():
    words = ArrayValue(values=[AnyValue(string_value="a"), AnyValue(int_value=2)])
    assert value_of(AnyValue(array_value=words)) == ["a", 2]
    assert value_of(AnyValue(bytes_value=b"\xff")) == "ff"
    assert value_of(AnyValue()) == ""
