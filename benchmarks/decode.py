"""Measure samples per CPU-second of the decoders, beside generated classes and a dict.

Each case is decompressed, decoded and looked up (all series known, as after the first request);
the peer parses the same bytes with the generated protobuf classes (upb) and looks a tuple of the
labels up in a dict. The best of several rounds counts, in CPU time of this thread.

    python benchmarks/decode.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cramjam
import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from aiops.collect.remote_write_messages import Request, WriteRequest, v1, v2
from twinhelm.aiops.collect.otlp.metrics import OtlpMetricsDecoder
from twinhelm.aiops.collect.remote_write import RemoteWriteDecoder
from twinhelm.aiops.collect.wire.compression import decompress
from twinhelm.core.arrays import U32
from twinhelm.core.labels import Labels
from twinhelm.core.settings import LimitSettings

ROUNDS = 25
PEER_ROUNDS = 3
NOW_MS = 1_700_000_000_000
MODES = ("idle", "user", "system", "iowait")


def labels_of_cpu(i: int) -> Labels:
    """Eight labels, as a node exporter behind Kubernetes discovery has them."""
    return (
        ("__name__", "node_cpu_seconds_total"),
        ("cluster", "prod-eu-1"),
        ("cpu", str(i % 64)),
        ("instance", f"10.2.{i // 640}.{i % 64}:9100"),
        ("job", "node-exporter"),
        ("mode", MODES[i % 4]),
        ("namespace", "monitoring"),
        ("pod", f"node-exporter-{i:x}"),
    )


class Index:
    """Counts series up; each is asked for once."""

    def __init__(self) -> None:
        self.count = 0

    def intern(self, new: list[Labels]) -> U32:
        """Give labels that were not met before the numbers that follow."""
        first, self.count = self.count, self.count + len(new)
        return np.arange(first, self.count, dtype=np.uint32)


def otlp(series: int, per: int) -> bytes:
    """Points of one counter, then a tenth as many histograms of 15 buckets."""
    message = ExportMetricsServiceRequest()
    owner = message.resource_metrics.add()
    owner.resource.attributes.add(key="service.name").value.string_value = "cart"
    owner.resource.attributes.add(key="host.name").value.string_value = "h"
    scoped = owner.scope_metrics.add()
    scoped.scope.name = "bench"
    counter = scoped.metrics.add(name="system.cpu.time", unit="s")
    counter.sum.is_monotonic = True
    counter.sum.aggregation_temporality = 2
    latency = scoped.metrics.add(name="http.server.request.duration", unit="s")
    latency.histogram.aggregation_temporality = 2
    for i in range(series):
        for k in range(per):
            points = [counter.sum.data_points.add(as_double=i + k / 7)]
            if i % 10 == 0:
                buckets = latency.histogram.data_points.add(count=120, sum=1.5)
                buckets.bucket_counts.extend(range(15))
                buckets.explicit_bounds.extend(n / 8 for n in range(14))
                points.append(buckets)
            for point in points:
                point.time_unix_nano = (NOW_MS + 15_000 * k) * 1_000_000
                for name, value in labels_of_cpu(i)[1:]:
                    point.attributes.add(key=name).value.string_value = value
    return message.SerializeToString()


def peer_v1(raw: bytes, ids: dict[object, int]) -> int:
    """Parse version 1 with generated classes, and look each series up in a dict."""
    count = 0
    for one in WriteRequest.FromString(raw).timeseries:
        ids.setdefault(tuple((label.name, label.value) for label in one.labels), len(ids))
        for sample in one.samples:
            count += sample.timestamp > 0 and sample.value >= 0
    return count


def peer_v2(raw: bytes, ids: dict[object, int]) -> int:
    """Parse version 2 with generated classes, and look each series up in a dict."""
    count = 0
    request = Request.FromString(raw)
    symbols = list(request.symbols)
    for one in request.timeseries:
        ids.setdefault(tuple(symbols[ref] for ref in one.labels_refs), len(ids))
        for sample in one.samples:
            count += sample.timestamp > 0 and sample.value >= 0
    return count


def peer_otlp(raw: bytes, ids: dict[object, int]) -> int:
    """Parse OTLP with generated classes, and look each series up in a dict."""
    count = 0
    for owner in ExportMetricsServiceRequest.FromString(raw).resource_metrics:
        for scoped in owner.scope_metrics:
            for metric in scoped.metrics:
                for point in metric.sum.data_points or metric.histogram.data_points:
                    pairs = tuple((a.key, a.value.string_value) for a in point.attributes)
                    ids.setdefault((metric.name, pairs), len(ids))
                    buckets = len(getattr(point, "bucket_counts", ()))
                    count += buckets + 2 if buckets else point.as_double >= 0
    return count


def best(rounds: int, work: Callable[[], object]) -> float:
    """Return the least CPU seconds that ``work`` took."""
    work()
    took = []
    for _ in range(rounds):
        start = time.thread_time()
        work()
        took.append(time.thread_time() - start)
    return min(took)


def report(name: str, raw: bytes, decode: Callable[[bytes], int], peer: Callable[..., int]) -> None:
    """Measure one case and its peer on the same bytes, and print a line."""
    body = bytes(cramjam.snappy.compress_raw(raw))
    limit = LimitSettings().max_decoded_bytes
    ids: dict[object, int] = {}
    samples = decode(raw)
    assert peer(raw, ids) in range(samples - 1, samples + 1)  # target_info is ours only
    ours = samples / best(ROUNDS, lambda: decode(decompress(body, "snappy", max_bytes=limit)))
    bare = samples / best(ROUNDS, lambda: decode(raw))
    theirs = samples / best(
        PEER_ROUNDS, lambda: peer(decompress(body, "snappy", max_bytes=limit), ids)
    )
    print(
        f"{name:34} {ours / 1e6:7.2f} M/s with snappy, {bare / 1e6:7.2f} M/s decode alone, "
        f"classes and dict {theirs / 1e6:5.2f} M/s: {ours / theirs:4.0f} times"
    )


def main() -> None:
    """Run all cases."""
    limits = LimitSettings()
    rng = np.random.default_rng(0)
    for series, per in ((1_000, 10), (10_000, 1)):
        shape = f"{series} series x {per}"
        request = [
            (labels_of_cpu(i), [(NOW_MS + 15_000 * k, float(rng.random())) for k in range(per)])
            for i in range(series)
        ]
        one = RemoteWriteDecoder(Index().intern, limits)
        two = RemoteWriteDecoder(Index().intern, limits)
        three = OtlpMetricsDecoder(Index().intern, limits)
        report(f"remote write 1, {shape}", v1(*request), _v1(one), peer_v1)
        report(f"remote write 2, {shape}", v2(*request), _v2(two), peer_v2)
        report(f"OTLP metrics, {shape}", otlp(series, per), _otlp(three), peer_otlp)


def _v1(decoder: RemoteWriteDecoder) -> Callable[[bytes], int]:
    return lambda raw: len(decoder.decode_v1(raw).samples)


def _v2(decoder: RemoteWriteDecoder) -> Callable[[bytes], int]:
    return lambda raw: len(decoder.decode_v2(raw).samples)


def _otlp(decoder: OtlpMetricsDecoder) -> Callable[[bytes], int]:
    return lambda raw: len(decoder.decode(raw).samples)


if __name__ == "__main__":
    main()
