"""Steps: what is in them, in which order, once, and always the same."""

from __future__ import annotations

import duckdb
import pytest

from twinhelm.aiops.collect.remote_write import RemoteWriteDecoder
from twinhelm.aiops.collect.wire.compression import decompress
from twinhelm.core.settings import LimitSettings
from twinhelm.lab.replay import bounds, steps
from twinhelm.lab.words import LabError

T = 1_700_000_000
"""Where the recording's times begin."""


@pytest.fixture
def decoder():
    """What the product's door makes of remote write; ``names`` has the series met."""
    import numpy as np

    names = []

    def intern(new):
        names.extend(new)
        return np.arange(len(names) - len(new), len(names), dtype=np.uint32)

    made = RemoteWriteDecoder(intern, LimitSettings())
    return made, names


def samples_of(step, decoder):
    found = []
    for path, _, body in step.posts:
        if path == "/api/v1/write":
            block = decoder.decode_v1(decompress(body, "snappy", max_bytes=1 << 20)).samples
            found += zip(block.time_ms.tolist(), block.value.tolist(), strict=True)
    return sorted(set(found))


def test_every_sample_is_sent_once_in_the_step_it_was_made_in(recording, decoder):
    decode, names = decoder
    sent = {step.end_s: samples_of(step, decode) for step in steps(recording)}
    assert sent[T] == [(T * 1000, T)]
    assert sent[T + 2] == [(T * 1000 + 1000, T + 1), (T * 1000 + 2000, T + 2)]
    assert sum(map(len, sent.values())) == 20
    assert [dict(labels) for labels in names] == [
        {"__name__": "load_1_", "service": "cart"},
        {"__name__": "up", "service": "cart"},
    ]


def test_one_case_is_its_own_rows(recording):
    assert [step.end_s for step in steps(recording, "b")] == list(range(T + 10, T + 21, 2))
    assert bounds(recording, "b") == (T + 8, T + 20)
    assert bounds(recording) == (T - 2, T + 20)


def test_a_span_comes_when_it_ends_and_equal_lines_stay(recording):
    where = {path: step.end_s for step in steps(recording) for path, _, _ in step.posts}
    assert where["/v1/traces"] == T + 6
    assert where["/api/events"] == where["/api/v1/lineage"] == T + 16
    (step,) = (one for one in steps(recording, "b") if one.end_s == T + 14)
    (lines,) = (body for path, _, body in step.posts if path.startswith("/loki"))
    assert lines.count(b"slow") == 2


def test_the_same_recording_gives_the_same_bytes(recording):
    assert list(steps(recording)) == list(steps(recording))


def test_all_times_move_together(recording, decoder):
    decode, _ = decoder
    first, *_ = steps(recording, shift_s=100)
    assert first.end_s == T + 100
    assert samples_of(first, decode) == [(T * 1000 + 100_000, T)]
    event = b"".join(body for step in steps(recording, shift_s=100) for _, _, body in step.posts)
    assert b'"time":"2023-11-14T22:15:14.500' in event
    assert b'"eventTime":"2023-11-14T22:15:15' in event


def test_a_recording_without_telemetry_is_told(recording):
    with pytest.raises(LabError, match="holds no telemetry of none"):
        bounds(recording, "none")
    assert list(steps(recording, "none")) == []


def test_times_that_are_none_are_told(recording):
    folder = recording.folder / "cases" / "odd"
    folder.mkdir()
    with duckdb.connect() as database:
        database.execute(
            "CREATE TABLE rows AS SELECT 5.0 AS timestamp, 'up' AS metric, 1.0 AS value"
        )
        database.execute(f"COPY rows TO '{folder}/metrics.parquet'")
    with pytest.raises(LabError, match="holds the times 5 to 5"):
        bounds(recording, "odd")
