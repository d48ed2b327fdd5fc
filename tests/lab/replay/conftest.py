"""A small recording: two cases whose stretches overlap. ``T`` is where its times begin."""

from __future__ import annotations

import duckdb
import orjson
import pytest

from twinhelm.lab.record import Case, Recording, add_case
from twinhelm.lab.words import Truth

T = 1_700_000_000
RESOURCE = '{"service.name":"cart","service.namespace":"shop"}'


def write(folder, kind, columns, rows):
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE rows ({columns})")
        marks = ", ".join("?" for _ in rows[0])
        database.executemany(f"INSERT INTO rows VALUES ({marks})", rows)  # noqa: S608 - our own
        database.execute(f"COPY rows TO '{folder / kind}.parquet' (FORMAT parquet)")


@pytest.fixture
def recording(tmp_path):
    """Samples each second from T to T + 19, cut at 10 with one second in both cases."""
    folder = tmp_path / "recording"
    columns = "timestamp DOUBLE, service TEXT, instance TEXT, metric TEXT, value DOUBLE"
    for name, start, end in (("a", T, T + 11), ("b", T + 10, T + 20)):
        rows = [
            (float(at), "cart", None, metric, float(at))
            for metric in ("up", "load(1)")
            for at in range(end - 1, start - 1, -1)
        ]
        write(folder / "cases" / name, "metrics", columns, rows)
    spans = (
        "timestamp DOUBLE, trace_id TEXT, span_id TEXT, service TEXT, operation TEXT, "
        "duration_us BIGINT, status TEXT, kind TEXT, attributes TEXT, resource TEXT"
    )
    row = (T + 1.0, "t0", "s0", "cart", "GET", 4_000_000, "error", "server", '{"n": 1}', RESOURCE)
    write(folder / "cases" / "a", "traces", spans, [row])
    lines = "timestamp DOUBLE, service TEXT, level TEXT, message TEXT, trace_id TEXT"
    write(folder / "cases" / "b", "logs", lines, [(T + 13.5, "cart", "WARN", "slow", None)] * 2)
    event = orjson.dumps({"specversion": "1.0", "id": "7", "source": "lab", "type": "shop.deploy"})
    changes = "timestamp DOUBLE, kind TEXT, service TEXT, title TEXT, body TEXT"
    rows = [
        (T + 14.5, "deploy", "cart", "2.0", event.decode()),
        (T + 15.0, "lineage", "nightly", "", '{"eventTime": "2023-11-14T22:13:35Z"}'),
    ]
    write(folder / "cases" / "b", "changes", changes, rows)
    add_case(folder, Case("a", "slow-cart", T + 4.0, T + 8.0, Truth("cart")))
    add_case(folder, Case("b", "cache-down", T + 12.0, None, Truth("cache")))
    return Recording.open(folder)
