"""How much telemetry does a second of CPU take in? Remote write, beside real servers.

    python benchmarks/ingest.py [--quick] [--repeats N] [--case NAME] [--json FILE]

The same bytes (:mod:`stream`) are posted to each server by one sender over four keep-alive
connections, one server after the other in each round, each on an empty directory. What counts
is the server's own CPU time from the first request until everything has come to rest: for
twinhelm decoded, in the append log, cleaned, judged by the detector and flushed to its database;
for the others whatever they do within the same drain time. Start-up is left out. Samples of series
that the server meets for the first time ("first") cost more than those of known ones ("steady"),
which is what a stream consists of after its first quarter of a minute; both are told. Afterwards
each server must say that it holds every sample, and give some series back bit for bit.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import re
import statistics
import tempfile
import threading
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from servers import SERVERS, Server, get, missing, running
from stream import Stream, make_stream

CONNECTIONS = 4
DRAIN_S = 15.0
"""Longer than twinhelm's flush interval and its tick; the same for everybody."""

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": "bench",
}


@dataclass(frozen=True)
class Case:
    """One shape of the stream."""

    series: int
    per_request: int
    steps: int

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"{self.series // 1000}k-series-{self.per_request}-per-request"


CASES = (
    Case(10_000, 2_000, 200),
    Case(10_000, 10_000, 200),
    Case(100_000, 2_000, 30),
    Case(100_000, 10_000, 30),
)
QUICK = (Case(10_000, 2_000, 100), Case(100_000, 10_000, 10))


def send(server: Server, requests: list[list[bytes]]) -> None:
    """Post every connection's requests, in order."""
    failed: list[Exception] = []

    def one(bodies: list[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        try:
            for body in bodies:
                while True:
                    connection.request("POST", "/api/v1/write", body, HEADERS)
                    answer = connection.getresponse()
                    said = answer.read()
                    if answer.status not in (429, 503):
                        break
                    time.sleep(0.2)
                assert answer.status in (200, 204), (answer.status, said[:500])
        except (OSError, AssertionError, http.client.HTTPException) as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(bodies,)) for bodies in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def metric(text: str, name: str) -> float:
    """Add up one figure of an exposition over its labels; NaN where it is not there."""
    found = re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    return sum(map(float, found)) if found else math.nan


def metrics(server: Server) -> str:
    """Read a server's own figures."""
    return get(f"{server.url}/metrics").decode()


def judged(server: Server) -> float:
    """Return how many samples the detector has judged."""
    return metric(metrics(server), "twinhelm_detect_samples_total")


def held(server: Server, stream: Stream) -> int:
    """Return how many samples a server says it took."""
    if server.name == "twinhelm":
        return int(metric(metrics(server), "twinhelm_received_rows_total"))
    if server.name == "prometheus":
        name = "prometheus_tsdb_head_samples_appended_total"
        return int(metric(metrics(server), name))
    span_s = int(stream.times[-1] - stream.times[0]) // 1000 + 30
    asked = urllib.parse.urlencode(
        {
            "query": f'sum(count_over_time({{job="node-exporter"}}[{span_s}s]))',
            "time": int(stream.times[-1]) / 1000,
            "nocache": "1",
        }
    )
    result = json.loads(get(f"{server.url}/api/v1/query?{asked}"))["data"]["result"]
    return int(float(result[0]["value"][1]))


def check(server: Server, stream: Stream) -> None:
    """Hold the server to what it was sent."""
    count = held(server, stream)
    assert count == stream.samples, f"{server.name} holds {count} of {stream.samples}"
    span_s = int(stream.times[-1] - stream.times[0]) // 1000 + 30
    rng = np.random.default_rng(5)
    for place in rng.choice(len(stream.labels), 5, replace=False).tolist():
        labels = dict(stream.labels[place])
        name = labels.pop("__name__")
        where = ",".join(f'{key}="{value}"' for key, value in labels.items())
        asked = {"query": f"{name}{{{where}}}[{span_s}s]", "time": int(stream.times[-1]) / 1000}
        answer = json.loads(get(f"{server.url}/api/v1/query?{urllib.parse.urlencode(asked)}"))
        (found,) = answer["data"]["result"]
        values = [float(value) for _, value in found["values"]]
        sent = stream.values[:, place].tolist()
        assert values == sent, f"{server.name}: {name}{{{where}}} gives {values}, not {sent}"


def measure(name: str, stream: Stream, directory: Path) -> dict[str, float]:
    """Run one server through the stream; return what it cost."""
    directory.mkdir()
    with running(name, directory, "--no-host") as server:
        server.wait_for(SERVERS[name][1])
        server.wait_until_calm()
        first, _ = part(server, stream.first, stream.first_samples - stream.counters)
        known = stream.samples - stream.first_samples
        steady, wall = part(server, stream.rest, stream.samples - stream.counters)
        memory = server.memory_mib("VmHWM")
        check(server, stream)
    return {
        "cpu_s": first + steady,
        "samples_per_cpu_s": stream.samples / (first + steady),
        "first_samples_per_cpu_s": stream.first_samples / first,
        "steady_samples_per_cpu_s": known / steady,
        "steady_samples_per_s_wall": known / wall,
        "peak_mib": memory,
    }


def part(server: Server, requests: list[list[bytes]], expected: int) -> tuple[float, float]:
    """Send and wait until all is at rest; return CPU seconds, and seconds until answered."""
    started, cpu = time.perf_counter(), server.cpu_s()
    send(server, requests)
    answered = time.perf_counter()
    time.sleep(DRAIN_S)
    if server.name == "twinhelm":
        # The first sample of a counter is no rate yet, and not judged.
        while judged(server) < expected and time.perf_counter() < answered + 60:
            time.sleep(1)
        assert judged(server) == expected, f"{judged(server)} of {expected} judged"
    return server.cpu_s() - cpu, answered - started


def run(cases: tuple[Case, ...], repeats: int, names: list[str], root: Path) -> dict[str, object]:
    """Measure all cases, servers interleaved; print as it goes."""
    out: dict[str, object] = {}
    for case in cases:
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for repeat in range(repeats):
            # Fresh times for every round: Prometheus takes about an hour back, no more.
            end_ms = time.time_ns() // 1_000_000
            stream = make_stream(
                series=case.series,
                steps=case.steps,
                per_request=case.per_request,
                connections=CONNECTIONS,
                end_ms=end_ms,
            )
            for name in names:
                done = measure(name, stream, root / f"{case.name}-{name}-{repeat}")
                rounds[name].append(done)
                print(f"  {case.name} round {repeat + 1} {line(name, done)}", flush=True)
        out[case.name] = summary(case, rounds)
    return out


RATES = ("steady", "first", "all")
KEYS = {
    "steady": "steady_samples_per_cpu_s",
    "first": "first_samples_per_cpu_s",
    "all": "samples_per_cpu_s",
}


def line(name: str, done: dict[str, float]) -> str:
    """Write one measurement in words."""
    rates = ", ".join(f"{what} {done[KEYS[what]] / 1e6:.3f}" for what in RATES)
    cost = f"{done['cpu_s']:.2f} s CPU, peak {done['peak_mib']:.0f} MiB"
    return f"{name:17s} M samples per CPU-second: {rates}; {cost}"


def summary(case: Case, rounds: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    """Print medians and ratios of one case."""
    medians = {
        name: {key: statistics.median(one[key] for one in done) for key in done[0]}
        for name, done in rounds.items()
    }
    for name, figures in medians.items():
        if name == "twinhelm" or "twinhelm" not in medians:
            continue
        for what in RATES:
            figures[f"twinhelm_times_{what}"] = statistics.median(
                ours[KEYS[what]] / theirs[KEYS[what]]
                for ours, theirs in zip(rounds["twinhelm"], rounds[name], strict=True)
            )
    print(f"{case.name}, {case.series * case.steps} samples; medians")
    for name, figures in medians.items():
        print(f"  {line(name, figures)}")
        if f"twinhelm_times_{RATES[0]}" in figures:
            times = ", ".join(f"{what} {figures[f'twinhelm_times_{what}']:.1f}" for what in RATES)
            print(f"  {'':17s} twinhelm does so many times as much: {times}", flush=True)
    return {"case": vars(case), "median": medians, "rounds": rounds}


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two small cases, one round")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", help="only cases whose name contains this")
    parser.add_argument("--only", nargs="*", help="only these servers")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    names = []
    for name in asked.only or SERVERS:
        if why := missing(name):
            print(f"left out: {why}")
        else:
            names.append(name)
    cases = QUICK if asked.quick else CASES
    cases = tuple(case for case in cases if not asked.case or asked.case in case.name)
    with tempfile.TemporaryDirectory(prefix="twinhelm-bench-") as made:
        result = run(cases, 1 if asked.quick else asked.repeats, names, Path(made))
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
