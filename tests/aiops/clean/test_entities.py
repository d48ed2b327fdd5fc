from __future__ import annotations

import pytest

from twinhelm.aiops.clean.entities import ends_of, entity_of, host_of, naming, resource_of
from twinhelm.aiops.types import Resource
from twinhelm.core.labels import labels_of


@pytest.mark.parametrize(
    ("labels", "entity"),
    [
        ({"__name__": "node_load1", "instance": "db-1:9100", "job": "node"}, "host:db-1"),
        ({"__name__": "system.cpu.time", "host.name": "DB-1", "service.name": "x"}, "host:db-1"),
        ({"__name__": "http_requests_total", "job": "shop", "instance": "a:80"}, "service:shop"),
        (
            {"__name__": "rpc", "service_name": "cart", "service_namespace": "shop", "pod": "c-1"},
            "service:shop/cart",
        ),
        ({"__name__": "cpu", "pod": "c-1", "namespace": "shop", "job": "k"}, "container:shop/c-1"),
        ({"__name__": "process_cpu_ratio", "host": "a", "process": "stress"}, "host:a"),
        ({"__name__": "pg_rows", "datname": "orders", "instance": "db:9187"}, "database:db/orders"),
        ({"__name__": "kafka_lag", "topic": "orders"}, "queue:orders"),
        ({"__name__": "cpu", "hostname": "a"}, "host:a"),
        ({"__name__": "lonely"}, "other:lonely"),
        ({}, "other:unnamed"),
    ],
)
def test_precedence_of_entities(labels: dict[str, str], entity: str) -> None:
    assert entity_of(labels_of(labels)) == entity


@pytest.mark.parametrize(
    ("labels", "host"),
    [
        ({"instance": "a.example.:9100"}, "a.example"),
        ({"host_name": "a", "instance": "10.0.0.1:9100"}, "a"),
        ({"instance": "fe80::1"}, "fe80::1"),
        ({"instance": "[fe80::1]:9100"}, "fe80::1"),
        ({"node": "N1"}, "n1"),
        ({"job": "x"}, ""),
    ],
)
def test_one_name_for_one_machine(labels: dict[str, str], host: str) -> None:
    assert host_of(labels_of(labels)) == host


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("node_cpu_seconds_total", Resource.CPU),
        ("node_load1", Resource.CPU),
        ("node_memory_MemAvailable_bytes", Resource.MEMORY),
        ("node_filesystem_avail_bytes", Resource.DISK),
        ("node_disk_written_bytes_total", Resource.DISK),
        ("node_pressure_memory_waiting_seconds_total", Resource.PRESSURE),
        ("node_filefd_allocated", Resource.DESCRIPTORS),
        ("process_open_fds", Resource.DESCRIPTORS),
        ("node_network_receive_bytes_total", Resource.NETWORK),
        ("http_request_duration_seconds_sum", Resource.LATENCY),
        ("http_server_request_duration_seconds_count", Resource.TRAFFIC),
        ("http_request_errors_count", Resource.ERRORS),
        ("traces_edge_duration_mean_seconds", Resource.LATENCY),
        ("traces_requests_per_second", Resource.TRAFFIC),
        ("traces_errors_ratio", Resource.ERRORS),
        ("logs_lines_per_second", Resource.TRAFFIC),
        ("pipeline_run_seconds", Resource.LATENCY),
        ("pipeline_late_ratio", Resource.DATA),
        ("pipeline_output_rows", Resource.DATA),
        ("pipeline_failed", Resource.ERRORS),
        ("http_requests_total", Resource.TRAFFIC),
        ("http_request_errors_total", Resource.ERRORS),
        ("work_queue_depth", Resource.SATURATION),
        ("process_resident_memory_bytes", Resource.MEMORY),
        ("widgets", Resource.OTHER),
    ],
)
def test_what_a_name_measures(name: str, resource: Resource) -> None:
    assert resource_of(name) is resource


def test_server_errors_by_code() -> None:
    assert resource_of("http_requests_total", (("code", "503"),)) is Resource.ERRORS
    failed = (("http_response_status_code", "500"),)
    assert resource_of("http_server_request_duration_seconds_count", failed) is Resource.ERRORS
    assert resource_of("http_server_request_duration_seconds_sum", failed) is Resource.LATENCY


@pytest.mark.parametrize(
    "entity",
    ["service:cart", "service:shop/cart", "service:a/b/c", "database:orders", "database:h/orders",
     "queue:orders", "pipeline:shop/nightly", "host:db-1", "container:shop/c-1", "container:c-1"],
)  # fmt: skip
@pytest.mark.parametrize("metric", ["traces_errors_ratio", "logs_lines_per_second"])
def test_labels_that_name_an_entity_lead_back_to_it(entity: str, metric: str) -> None:
    labels = labels_of({**naming(entity), "__name__": metric, "client": "host:x", "operation": "o"})
    assert entity_of(labels) == entity


def test_edges_point_to_what_is_leaned_on() -> None:
    labels = labels_of({"__name__": "rpc", "service_name": "cart", "pod": "c-1", "node": "n1"})
    assert set(ends_of(labels)) == {
        ("service:cart", "container:c-1"),
        ("container:c-1", "host:n1"),
        ("service:cart", "host:n1"),
    }
    assert ends_of(labels_of({"__name__": "node_load1", "instance": "a:1"})) == []
