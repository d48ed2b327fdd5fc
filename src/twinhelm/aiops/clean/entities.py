"""Says which thing a series speaks of, what it measures, and what that thing leans on.

In: labels of a new series, log stream or span resource. Out: an entity key, a
:class:`Resource`, and ends of edges for the entity graph. Pure; called once per new series.

One machine goes by many names (OpenTelemetry ``host.name``, Prometheus ``instance``, Kubernetes
``node``); :func:`host_of` maps them to one: the first label present of ``HOST_LABELS``, without
port, in lower case.

Precedence of :func:`entity_of`, first match wins:

1. metrics of the machine itself (``node_``, ``host_``, ``system_``, ``windows_`` ...) and
   per-process series that name a host: that host;
2. a database (``datname``, ``db.namespace``), a queue (``queue``, or ``topic`` of a broker), a
   ``pipeline``;
3. a pod or container (``k8s.pod.name``, ``pod``, ``container.name``), unless a service is named;
4. a service (``service.name`` with its namespace, ``service``, ``app``, else the scrape ``job``
   with its ``namespace``);
5. a host; 6. else ``other:`` and the metric's name.

Wrong where ``job`` names a kind of exporter and the metric has no machine prefix: those
series then belong to ``service:<job>``, which leans on the host.

>>> entity_of((("__name__", "node_load1"), ("instance", "Db-1:9100"), ("job", "node")))
'host:db-1'
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from twinhelm.aiops.types import Resource
from twinhelm.core.entities import Edge, entity_key, split_key
from twinhelm.core.labels import METRIC, Labels, metric_name

__all__ = [
    "HOST_LABELS", "edge_between", "ends_of", "entity_of", "host_of", "naming", "resource_of",
]  # fmt: skip

HOST_LABELS = ("host.name", "host_name", "hostname", "host", "nodename", "k8s.node.name",
               "k8s_node_name", "node", "instance")  # fmt: skip
"""Most exact first: ``instance`` may be an address where another label gives the name."""
SERVICE_LABELS = ("service.name", "service_name", "service", "app", "job")
NAMESPACE_LABELS = ("service.namespace", "service_namespace", "k8s.namespace.name",
                    "k8s_namespace_name", "namespace")  # fmt: skip
POD_LABELS = ("k8s.pod.name", "k8s_pod_name", "pod")
CONTAINER_LABELS = ("container.name", "container_name", "container")
PROCESS_LABELS = ("process.executable.name", "process", "comm", "groupname", "process_name")
DATABASE_LABELS = ("datname", "db.namespace", "db_namespace", "database")
_CODE_LABELS = ("code", "status_code", "http_status_code", "http_response_status_code",
                "http.response.status_code")  # fmt: skip
LABEL_EDGE_TTL_MS = 3_600_000
LABEL_EDGE_CONFIDENCE = 0.9

_MACHINE = re.compile(r"(?:node|host|system|windows|hardware|smartmon|twinhelm_host)[_.]")
_PORT = re.compile(r":\d{1,5}$")
_BROKER = re.compile(r"(?:kafka|rabbitmq|nats|pulsar|redpanda|messaging)[_.]")
_RESOURCES = tuple(
    (re.compile(shape), resource)
    for shape, resource in (
        (r"^pipeline_(?:late|output_rows)", Resource.DATA),
        (r"pressure|(?:^|[_.])psi(?:$|[_.])", Resource.PRESSURE),
        (r"filefd|[_.]fds?(?:$|[_.])|file_?descriptor|open_files|handles", Resource.DESCRIPTORS),
        (r"error|fail|5xx|exception|abort|reject|drop(?:s|ped)?(?:$|[_.])", Resource.ERRORS),
        (
            r"latency|duration|response_time|[_.]rtt|p9[059]|wait_time|elapsed|^pipeline_run_",
            Resource.LATENCY,
        ),
        (
            r"filesystem|[_.]?disk|diskio|blkio|volume|storage_(?:used|free|bytes)"
            r"|(?:read|writ(?:e|ten))_bytes|[_.]io_bytes",
            Resource.DISK,
        ),
        (r"memory|[_.]mem(?:$|[_.])|swap|heap|rss|resident|oom|vmstat", Resource.MEMORY),
        (r"net(?:work|stat|dev)?[_.]|sockstat|tcp|udp|bandwidth", Resource.NETWORK),
        (r"cpu|[_.]load(?:\d|[_.]|$)", Resource.CPU),
        (r"queue|backlog|pending|saturation|pool|lag(?:$|[_.])|inflight", Resource.SATURATION),
        (r"request|throughput|[_.]qps|rps|messages|calls|queries|^logs_lines", Resource.TRAFFIC),
    )
)
"""Read in order: an ``io pressure`` is pressure, ``request_errors`` are errors."""


@lru_cache(maxsize=64)  # asked several times of each new series
def entity_of(labels: Labels) -> str:
    """Name the thing that a series speaks of; the module gives the precedence."""
    by_name = dict(labels)
    metric = by_name.get(METRIC, "")
    host = host_of(labels)
    if host and (_MACHINE.match(metric) or _first(by_name, PROCESS_LABELS)):
        return entity_key("host", host)
    database = _first(by_name, DATABASE_LABELS)
    if database:
        return entity_key("database", f"{host}/{database}" if host else database)
    queue = by_name.get("queue", "") or (by_name.get("topic", "") if _BROKER.match(metric) else "")
    if queue:
        return entity_key("queue", queue)
    if by_name.get("pipeline"):
        return entity_key("pipeline", by_name["pipeline"])
    container = _container(by_name)
    if container and not _first(by_name, SERVICE_LABELS[:-1]):
        return entity_key("container", container)
    service, namespace = _first(by_name, SERVICE_LABELS), _first(by_name, NAMESPACE_LABELS)
    if service:
        plain = not namespace or "/" in service
        return entity_key("service", service if plain else f"{namespace}/{service}")
    return entity_key("host", host) if host else entity_key("other", metric or "unnamed")


def naming(entity: str) -> dict[str, str]:
    """Return the labels that name an entity, so that :func:`entity_of` finds it again.

    For services, databases, queues, pipelines, containers and hosts; anything else is named as a
    service.

    >>> naming("service:shop/cart"), naming("database:db-1/orders")
    ({'service_namespace': 'shop', 'service_name': 'cart'}, {'host': 'db-1', 'database': 'orders'})
    """
    kind, name = split_key(entity)
    if kind in ("queue", "pipeline", "host"):
        return {kind: name}
    if kind == "database":
        host, _, database = name.rpartition("/")
        return {"host": host, kind: database} if host else {kind: database}
    space, _, last = name.rpartition("/")
    if kind == "container":
        return {"namespace": space, kind: last} if space else {kind: last}
    return {"service_namespace": space, "service_name": last} if space else {"service_name": name}


@lru_cache(maxsize=64)
def host_of(labels: Labels) -> str:
    """Name the machine, without port and in lower case, or the empty string.

    >>> host_of((("instance", "[::1]:9100"),))
    '::1'
    """
    raw = _first(dict(labels), HOST_LABELS).strip().lower()
    if raw.startswith("["):
        return raw[1:].partition("]")[0]
    if raw.count(":") <= 1:
        raw = _PORT.sub("", raw)
    return raw.rstrip(".")


def resource_of(name: str, labels: Labels = ()) -> Resource:
    """Tell what a metric measures from its name (or, without one, from ``labels``).

    >>> resource_of("node_pressure_io_waiting_seconds_total")
    <Resource.PRESSURE: 'pressure'>
    """
    low = (name or metric_name(labels)).lower()
    if low.endswith("_sum"):  # judged as a mean, of what failed too
        return _resource_of_name(low.removesuffix("_sum"))
    if any(k in _CODE_LABELS and v.startswith("5") for k, v in labels):
        return Resource.ERRORS
    found = _resource_of_name(low)
    counts = found is Resource.LATENCY and low.endswith("_count")
    return Resource.TRAFFIC if counts else found


@lru_cache(maxsize=4096)  # metric names are few, series many
def _resource_of_name(low: str) -> Resource:
    return next((found for shape, found in _RESOURCES if shape.search(low)), Resource.OTHER)


def edge_between(source: str, target: str, now_ms: int) -> Edge:
    """Make the edge that labels tell of."""
    return Edge(
        source, target, "runs_on", "labels", LABEL_EDGE_CONFIDENCE, now_ms, LABEL_EDGE_TTL_MS
    )


def ends_of(labels: Labels) -> list[tuple[str, str]]:
    """List who runs on whom, as far as one label set tells.

    A service, container, process or database runs on its host; a service is carried by its
    container.
    """
    by_name = dict(labels)
    host = host_of(labels)
    entity = entity_of(labels)
    container = _container(by_name)
    process = _first(by_name, PROCESS_LABELS)
    pairs: list[tuple[str, str]] = []
    if container:
        pod = entity_key("container", container)
        pairs.append((entity, pod))
        if host:
            pairs.append((pod, entity_key("host", host)))
    if host:
        pairs.append((entity, entity_key("host", host)))
        if process:
            pairs.append((entity_key("process", f"{host}/{process}"), entity_key("host", host)))
    return [ends for ends in dict.fromkeys(pairs) if ends[0] != ends[1]]


def _container(by_name: Mapping[str, str]) -> str:
    name = _first(by_name, POD_LABELS) or _first(by_name, CONTAINER_LABELS)
    namespace = _first(by_name, NAMESPACE_LABELS)
    return f"{namespace}/{name}" if name and namespace else name


def _first(by_name: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := by_name.get(name))), "")
