"""The laws of the prediction log, passed by SQLite and in memory; then what only a file does."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import numpy as np
import pytest

from peers.memory_predictions import MemoryPredictions
from twinhelm.core.errors import NewerFormat, Unavailable
from twinhelm.core.ports import Label, Labelling, Prediction
from twinhelm.store.predictions import FILE, SqlitePredictions


@pytest.fixture(params=["sqlite", "memory"])
def kept(request, tmp_path):
    made = SqlitePredictions(tmp_path / FILE) if request.param == "sqlite" else MemoryPredictions()
    yield made
    made.close()


def asked(name="a", *, product="shop", version="1", role="champion", time_ms=0, rows=1):
    return Prediction(product, name, version, role, time_ms, 9, rows, "v2", b"\0in", b"out")


def ids(found):
    return [row.id for row in found]


def test_gives_back_what_was_put_in_order_of_time(kept):
    kept.append([asked("b", time_ms=2), asked("a", time_ms=1)])
    assert kept.read("shop") == [asked("a", time_ms=1), asked("b", time_ms=2)]
    assert ids(kept.read("shop", newest_first=True, limit=1)) == ["b"]
    assert kept.read("other") == kept.read("shop", limit=0) == []


def test_the_end_of_a_range_is_not_in_it(kept):
    kept.append([asked(str(at), time_ms=at) for at in range(5)])
    assert ids(kept.read("shop", start_ms=1, end_ms=3)) == ["1", "2"]


def test_version_and_role_are_told_apart(kept):
    kept.append([asked("a"), asked("a", version="2", role="shadow")])
    assert [row.version for row in kept.read("shop", role="shadow")] == ["2"]
    assert [row.role for row in kept.read("shop", version="1")] == ["champion"]
    assert kept.counts("shop") == {"1": 1, "2": 1}
    assert kept.counts("other") == {}


def test_an_id_known_for_product_and_role_is_left(kept):
    kept.append([asked("a", time_ms=1)])
    kept.append([asked("a", time_ms=7), asked("a", product="b", time_ms=3)])
    assert [row.time_ms for row in kept.read("shop")] == [1]
    assert kept.counts("shop") == {"1": 1}


def test_labels_are_kept_once_and_never_changed(kept):
    kept.append([asked("a")])
    said = [Label("shop", "a", 1, 1.0), Label("shop", "a", 2, 1.0), Label("shop", "a", 3, 0.0)]
    assert kept.label(said) == [Labelling.KEPT, Labelling.AGAIN, Labelling.CONFLICTING]
    assert kept.labels("shop", ["a", "b"]) == {"a": 1.0}


def test_rows_of_a_request_of_many_are_labelled_by_their_place(kept):
    kept.append([asked("a", rows=3)])
    said = [Label("shop", name, 1, "yes") for name in ("a:0", "a:2", "a:3", "a", "a:x", "b:0")]
    unknown = [Labelling.UNKNOWN] * 4
    assert kept.label(said) == [Labelling.KEPT, Labelling.KEPT, *unknown]
    assert kept.labels("shop", ["a"]) == {"a:0": "yes", "a:2": "yes"}


def test_an_id_may_look_like_a_row(kept):
    kept.append([asked("order:5"), asked("order", rows=9)])
    assert kept.label([Label("shop", "order:5", 1, "x")]) == [Labelling.KEPT]
    assert kept.labels("shop", ["order:5"]) == {"order:5": "x"}
    assert kept.labels("shop", ["order"]) == {}


def test_the_only_row_may_be_labelled_by_its_place_too(kept):
    kept.append([asked("a")])
    said = [Label("shop", "a:0", 1, 2.0), Label("shop", "a", 1, 2.0)]
    assert kept.label(said) == [Labelling.KEPT, Labelling.AGAIN]


def test_only_what_has_a_label_is_read_where_that_is_asked(kept):
    kept.append([asked("a", rows=2), asked("b"), asked("c", time_ms=5), asked("b", product="x")])
    kept.label([Label("shop", "a:1", 9, 1.0), Label("shop", "c", 9, 0.0)])
    assert ids(kept.read("shop", labelled=True)) == ["a", "c"]
    assert ids(kept.read("shop", labelled=True, newest_first=True, limit=1)) == ["c"]
    assert kept.read("x", labelled=True) == []


def test_labels_of_another_product_are_unknown(kept):
    kept.append([asked("a")])
    assert kept.label([Label("other", "a", 1, 1.0)]) == [Labelling.UNKNOWN]
    assert kept.label([]) == []


def test_pruning_forgets_what_is_older_with_its_labels(kept):
    kept.append([asked(str(at), time_ms=at) for at in range(1200)])
    kept.append([asked("0", role="shadow", time_ms=5000)])
    kept.label([Label("shop", "0", 1, 1.0), Label("shop", "1", 1, 1.0)])
    assert kept.prune("shop", 1100) == 1100
    assert kept.counts("shop") == {"1": 101}
    assert kept.labels("shop", ["0", "1"]) == {"0": 1.0}  # its shadow is still there
    assert kept.prune("shop", 1100) == 0


def test_many_ids_are_asked_at_once(kept):
    kept.append([asked(str(at)) for at in range(1100)])
    kept.label([Label("shop", str(at), 0, float(at)) for at in range(1100)])
    assert len(kept.labels("shop", [str(at) for at in range(1100)])) == 1100


def test_a_backup_is_whole_while_appending_goes_on(tmp_path):
    kept, over = SqlitePredictions(tmp_path / FILE), threading.Event()

    def work():
        for at in range(10_000):
            kept.append([asked(f"{at}-{n}", time_ms=at) for n in range(5)])
            if over.is_set():
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        kept.backup(tmp_path / "copy")
    finally:
        over.set()
        thread.join()
    copy = SqlitePredictions(tmp_path / "copy" / FILE)
    assert len(copy.read("shop")) == sum(copy.counts("shop").values())
    assert len(copy.read("shop")) % 5 == 0
    copy.close()
    kept.close()


PROGRAM = """
import sys
from pathlib import Path
from twinhelm.core.ports import Prediction
from twinhelm.store.predictions import SqlitePredictions
kept = SqlitePredictions(Path(sys.argv[1]))
for at in range(10**6):
    kept.append([Prediction("p", f"{at}", "1", "champion", at, 1, 1, "v2", b"", b"")])
    print(at, flush=True)
"""


def test_what_was_taken_survives_kill_9(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / FILE)], stdout=subprocess.PIPE, text=True
    ) as writer:
        said = [writer.stdout.readline() for _ in range(5)][-1]
        os.kill(writer.pid, signal.SIGKILL)
    kept = SqlitePredictions(tmp_path / FILE)
    assert len(kept.read("p")) >= int(said) + 1
    kept.close()


def test_a_newer_file_is_refused_unchanged(tmp_path):
    with closing(sqlite3.connect(tmp_path / FILE)) as made:
        made.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerFormat, match="format 99"):
        SqlitePredictions(tmp_path / FILE)


def test_what_is_no_database_is_told(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough to be looked at" * 50)
    with pytest.raises(Unavailable, match="cannot be used"):
        SqlitePredictions(tmp_path / FILE)


def test_bytes_go_when_the_last_prediction_in_their_segment_went(tmp_path, monkeypatch):
    monkeypatch.setattr("twinhelm.store.bodies.SEGMENT_BYTES", 100)
    kept = SqlitePredictions(tmp_path / FILE)
    folder = tmp_path / "predictions"
    for at in range(60):
        kept.append([asked(str(at), time_ms=at)])
    before = len(list(folder.iterdir()))
    kept.prune("shop", 50)
    assert len(list(folder.iterdir())) < before
    assert [row.request for row in kept.read("shop")] == [b"\0in"] * 10
    kept.prune("shop", 100)
    assert len(list(folder.iterdir())) == 1
    kept.append([asked("new")])
    kept.close()
    again = SqlitePredictions(tmp_path / FILE)
    again.append([asked("newer", time_ms=1)])
    assert [(row.id, row.response) for row in again.read("shop")] == [
        ("new", b"out"),
        ("newer", b"out"),
    ]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    again.close()


@pytest.mark.parametrize("sizes", [(300_000, 10, 5000), (2_500_000, 1, 1 << 20), (0, 262_144, 7)])
def test_large_and_small_batches_lie_side_by_side(tmp_path, sizes):
    kept = SqlitePredictions(tmp_path / FILE)
    rng = np.random.default_rng(0)
    rows = [
        asked(str(at), time_ms=at)._replace(request=rng.bytes(size), response=b"r" * at)
        for at, size in enumerate(sizes * 3)
    ]
    for at in range(0, len(rows), 2):
        kept.append(rows[at : at + 2])
    assert kept.read("shop") == rows
    kept.backup(tmp_path / "copy")
    kept.close()
    copy = SqlitePredictions(tmp_path / "copy" / FILE)
    assert copy.read("shop") == rows
    copy.close()
