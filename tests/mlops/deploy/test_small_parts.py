"""What stands beside the processes: model directories read, measures, striking out, the log."""

from __future__ import annotations

import threading

import pytest

from peers.memory_predictions import MemoryPredictions
from twinhelm.core.errors import Unavailable
from twinhelm.core.json import dumps, loads
from twinhelm.core.ports import Prediction
from twinhelm.mlops.deploy import Tally
from twinhelm.mlops.deploy import log as module
from twinhelm.mlops.deploy.log import MOST_BYTES, MUCH_BYTES, PredictionLog, struck


def test_a_tally_tells_what_came_since():
    tally = Tally()
    for status in (200, 200, 400, 500):
        tally.add(status, 0.004, 2)
    before = tally.copy()
    tally.add(504, 0.5)
    since = tally.since(before)
    assert (before.requests, before.errors, before.refused, before.rows) == (4, 1, 1, 8)
    assert (since.requests, since.errors, since.error_ratio) == (1, 1, 1.0)
    assert 0.5 <= since.quantile_s(0.99) <= 0.55
    assert 0.004 <= before.quantile_s(0.5) <= 0.0044
    assert Tally().quantile_s(0.99) == Tally().error_ratio == 0.0


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e9])
def test_any_time_finds_its_bucket(seconds):
    tally = Tally()
    tally.add(200, seconds)
    assert sum(tally.times) == 1


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (
            {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}},
            [[None, 2], [None, 4]],
        ),
        ({"dataframe_records": [{"a": 1, "b": 2}]}, [{"a": None, "b": 2}]),
        ({"instances": [{"a": 1, "b": 2}]}, [{"a": None, "b": 2}]),
        ({"inputs": {"a": [1], "b": [2]}}, {"a": None, "b": [2]}),
    ],
)
def test_personal_columns_are_struck_out_of_every_form(body, kept):
    (made,) = loads(struck(dumps(body), {"a"})).values()
    assert (made["data"] if "dataframe_split" in body else made) == kept


@pytest.mark.parametrize(
    "body",
    [
        b"rubbish",
        dumps({"instances": [[1, 2]]}),
        dumps({"inputs": [{"name": "x", "shape": [1, 2], "data": [1, 2]}]}),
    ],
)
def test_what_cannot_be_struck_is_not_kept(body):
    assert struck(body, {"a"}) == b""


def row(name, size=10):
    return Prediction("m", name, "1", "champion", 0, 1, 1, "v2", b"x" * size, b"")


class Away(MemoryPredictions):
    """A store that is away until told."""

    def __init__(self):
        super().__init__()
        self.back = threading.Event()

    def append(self, rows):
        if not self.back.is_set():
            raise Unavailable("away")
        super().append(rows)


def test_the_log_waits_for_a_store_that_is_away_and_drops_past_its_bound():
    store = Away()
    log = PredictionLog(store)
    log.put(row("a"), ())
    log.put(row("b", MOST_BYTES), ())
    assert log.dropped == 1
    store.back.set()
    assert log.flush()
    log.close()
    assert [each.id for each in store.read("m")] == ["a"]
    log.put(row("late"), ())
    assert log.dropped == 2


def test_much_to_keep_waits_for_no_pause(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_S", 3600.0)
    store = MemoryPredictions()
    log = PredictionLog(store)
    log.put(row("a", MUCH_BYTES), ())
    assert log.flush()
    assert [each.id for each in store.read("m")] == ["a"]
    log.close()
