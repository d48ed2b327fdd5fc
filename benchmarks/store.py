"""How quick and how small is the telemetry store? Measured here, a real Prometheus beside it.

    python benchmarks/store.py [--rows N] [--series N] [--seconds N] [--json FILE]

1. rows: samples per second and per CPU-second, acknowledged by the append log, flushed, settled.
2. queries: one hour of 100 series over everything stored, at rest and while rows come in.
3. bytes: a real Prometheus scrapes a real node exporter and itself every second; its own TSDB
   blocks (a snapshot) against our directory after tidying, holding the very same samples.
   Left out, with the reason, where the programs are not installed.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import duckdb
import numpy as np

from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import Overloaded
from twinhelm.core.labels import Labels, labels_of
from twinhelm.core.settings import StoreSettings
from twinhelm.core.telemetry import SampleBlock
from twinhelm.store.telemetry import DuckTelemetry, open_telemetry
from twinhelm.store.telemetry.home import DATABASE

STEP_MS = 15_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
START_MS = 1_700_000_000_000 // DAY_MS * DAY_MS


def put(store: DuckTelemetry, block: SampleBlock) -> None:
    """Append, waiting while the store says that it cannot keep up."""
    while True:
        try:
            store.append_samples(block)
        except Overloaded:
            time.sleep(0.01)
        else:
            return


def names_of(count: int) -> list[Labels]:
    """Make label sets such as a node exporter's."""
    return [
        labels_of({"__name__": f"metric_{i % 100}", "instance": f"host-{i // 100}", "job": "node"})
        for i in range(count)
    ]


def columns_of(series: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return 120 steps of series: half counters, a quarter gauges, a quarter constants."""
    counters = np.cumsum(rng.poisson(20, (120, series // 2)), axis=0).astype(float)
    gauges = np.round(rng.normal(50, 5, (120, series // 4)), 2)
    rest = series - series // 2 - series // 4
    still = np.broadcast_to(rng.integers(0, 9, rest).astype(float), (120, rest))
    return list(np.concatenate([counters, gauges, still], axis=1))


def warm(directory: Path) -> None:
    """Compile the kernels, so that the figures are not the compiler's."""
    store = open_telemetry(directory, StoreSettings(), FakeClock(START_MS))
    ids = store.intern(names_of(3), tenant="t")
    store.append_samples(SampleBlock(ids, np.full(3, START_MS), np.array([1.0, 0.5, np.pi])))
    store.flush()
    store.tidy(START_MS + 2 * DAY_MS)
    store.read_samples(ids, 0, 2 * START_MS)
    store.close()


def measure_rows(store: DuckTelemetry, clock: FakeClock, rows: int, series: int) -> dict:
    """Append, flush and tidy ``rows`` samples."""
    rng = np.random.default_rng(1)
    begin = time.perf_counter()
    ids = store.intern(names_of(series), tenant="default")
    intern_us = (time.perf_counter() - begin) / series * 1e6
    columns = columns_of(series, rng)
    steps = rows // series
    wall, cpu = time.perf_counter(), time.process_time()
    for step in range(steps):
        times = np.full(series, START_MS + step * STEP_MS)
        put(store, SampleBlock(ids, times, columns[step % len(columns)]))
        clock.advance(STEP_MS / 1000)
    store.flush()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    tidy = time.process_time()
    store.tidy(clock.now_ms() + 2 * DAY_MS)
    tidy = time.process_time() - tidy
    total = steps * series
    return {
        "rows": total,
        "intern_us_per_series": intern_us,
        "rows_per_second": total / wall,
        "rows_per_cpu_second": total / cpu,
        "rows_per_cpu_second_with_tidy": total / (cpu + tidy),
        "bytes_per_sample_made_up": store.stats().disk_bytes / total,
    }


def measure_queries(store: DuckTelemetry, clock: FakeClock, series: int) -> dict:
    """Ask at rest, then while a million rows a second come in."""
    rng = np.random.default_rng(2)
    ids = np.arange(series, dtype=np.uint32)
    end_of_all = clock.now_ms()

    def ask(count: int) -> list[float]:
        taken = []
        for _ in range(count):
            some = np.sort(rng.choice(ids, min(100, series), replace=False))
            end = int(rng.integers(START_MS + HOUR_MS, end_of_all))
            begin = time.perf_counter()
            store.read_samples(some, end - HOUR_MS, end)
            taken.append((time.perf_counter() - begin) * 1e3)
        return taken

    ask(3)
    rest = ask(30)
    stop = threading.Event()
    written = [0]

    def write() -> None:
        columns = columns_of(series, rng)
        begin = time.perf_counter()
        while not stop.is_set():
            times = np.full(series, clock.now_ms())
            put(store, SampleBlock(ids, times, columns[written[0] // series % len(columns)]))
            clock.advance(STEP_MS / 1000)
            written[0] += series
            ahead = written[0] / 1e6 - (time.perf_counter() - begin)
            stop.wait(max(0.0, ahead))

    writer = threading.Thread(target=write)
    begin = time.perf_counter()
    writer.start()
    busy: list[float] = []
    while time.perf_counter() - begin < 5:
        busy += ask(5)
    stop.set()
    writer.join()
    return {
        "hour_of_100_series_ms_p50": float(np.percentile(rest, 50)),
        "hour_of_100_series_ms_p99": float(np.percentile(rest, 99)),
        "while_writing_ms_p50": float(np.percentile(busy, 50)),
        "while_writing_ms_p99": float(np.percentile(busy, 99)),
        "rows_per_second_written_meanwhile": written[0] / (time.perf_counter() - begin),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def free_port() -> int:
    """Let the system choose a port."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def scrape(directory: Path, seconds: int) -> Path:
    """Let a real Prometheus scrape for a while; return the directory of its snapshot."""
    exporter, prometheus = free_port(), free_port()
    config = directory / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 900ms}\n"
        "scrape_configs:\n"
        f"- {{job_name: node, static_configs: [{{targets: ['127.0.0.1:{exporter}']}}]}}\n"
        f"- {{job_name: self, static_configs: [{{targets: ['127.0.0.1:{prometheus}']}}]}}\n"
    )
    commands = [
        ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{exporter}"],
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            "--web.enable-admin-api",
        ],
    ]
    with ExitStack() as stack:
        for command in commands:
            program = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(program.terminate)
        time.sleep(seconds)
        address = f"http://127.0.0.1:{prometheus}/api/v1/admin/tsdb/snapshot"
        with urllib.request.urlopen(urllib.request.Request(address, method="POST")) as answer:
            name = json.load(answer)["data"]["name"]
    return directory / "data" / "snapshots" / name


def dump(snapshot: Path) -> tuple[list[Labels], SampleBlock]:
    """Read every sample of a snapshot, as Prometheus's own tool tells it."""
    (snapshot / "wal").mkdir(exist_ok=True)
    told = subprocess.run(
        ["promtool", "tsdb", "dump", str(snapshot)], capture_output=True, text=True, check=True
    ).stdout
    ids: dict[str, int] = {}
    rows = []
    for line in told.splitlines():
        labels, value, when = re.fullmatch(r"(\{.*\}) (\S+) (\d+)", line).groups()
        rows.append((ids.setdefault(labels, len(ids)), int(when), float(value)))
    rows.sort(key=lambda row: row[1])
    pair = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
    series, times, values = zip(*rows, strict=True)
    return [labels_of(pair.findall(text)) for text in ids], SampleBlock(
        np.array(series, np.uint32), np.array(times), np.array(values)
    )


def measure_bytes(directory: Path, seconds: int) -> dict:
    """Keep what Prometheus kept and compare the sizes."""
    missing = [
        program
        for program in ("prometheus", "promtool", "prometheus-node-exporter")
        if shutil.which(program) is None
    ]
    if missing:
        return {"left_out": f"not installed: {', '.join(missing)}"}
    snapshot = scrape(directory, seconds)
    theirs = sum(path.stat().st_size for path in snapshot.rglob("*") if path.is_file())
    chunks = sum(path.stat().st_size for path in snapshot.glob("*/chunks/*"))
    labels, block = dump(snapshot)
    clock = FakeClock(int(block.time_ms[-1]))
    store = open_telemetry(directory / "ours", StoreSettings(), clock)
    store.intern(labels, tenant="default")
    for rows in np.array_split(np.arange(len(block)), 12):
        store.append_samples(block.rows(rows))
        store.flush()
    store.tidy(clock.now_ms() + 2 * DAY_MS)
    back = store.read_samples(np.arange(len(labels), dtype=np.uint32), 0, 2**62)
    order = np.lexsort((block.time_ms, block.series))
    assert np.array_equal(back.value, block.value[order], equal_nan=True)
    ours = store.stats().disk_bytes
    store.close()
    with duckdb.connect(directory / "ours" / DATABASE, read_only=True) as database:
        (held,) = database.execute("SELECT sum(octet_length(data)) FROM pages").fetchone()
    return {
        "samples": len(block),
        "series": len(labels),
        "prometheus_chunks_bytes_per_sample": chunks / len(block),
        "prometheus_block_bytes_per_sample": theirs / len(block),
        "our_pages_bytes_per_sample": held / len(block),
        "our_directory_bytes_per_sample": ours / len(block),
        "pages_to_chunks": held / chunks,
        "directory_to_block": ours / theirs,
    }


def main() -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=60, help="how long Prometheus scrapes")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        warm(root / "warm")
        clock = FakeClock(START_MS)
        settings = StoreSettings(flush_interval_s=2, flush_rows=1_000_000)
        store = open_telemetry(root / "rows", settings, clock)
        measured = {
            "rows": measure_rows(store, clock, asked.rows, asked.series),
            "queries": measure_queries(store, clock, asked.series),
        }
        store.close()
        begin = time.perf_counter()
        open_telemetry(root / "rows", settings, clock).close()
        measured["queries"]["open_and_close_s"] = time.perf_counter() - begin
        (root / "prometheus").mkdir()
        measured["bytes"] = measure_bytes(root / "prometheus", asked.seconds)
    for part, figures in measured.items():
        print(part)
        for name, figure in figures.items():
            shown = figure if isinstance(figure, str) else f"{figure:,.3f}".rstrip("0").rstrip(".")
            print(f"  {name:<40}{shown:>16}")
    if asked.json:
        asked.json.write_text(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
