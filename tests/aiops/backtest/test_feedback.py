"""Twenty answers on made-up history: half of the false alarms go, and no event is lost."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from twinhelm.aiops.backtest import run_feedback
from twinhelm.core import json
from twinhelm.core.errors import BadInput, NotFound

ROWS = 20_000
SERIES = 4
HABIT, TROUBLE = 6.0, 30.0


def write_set(folder):
    """Series of noise that jump by a little for a living, and now and then by a lot: trouble.

    Only trouble is labelled. The jumps come at odd times, so that no baseline learns them.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(11)
    with duckdb.connect() as db:
        db.execute("create table s (series_id varchar, t bigint, value double, label tinyint)")
        for name in range(SERIES):
            value, label = rng.normal(100, 1, ROWS), np.zeros(ROWS, np.int8)
            times = np.sort(rng.choice(np.arange(10, ROWS // 50), 60, replace=False)) * 50
            for n, at in enumerate(times):
                trouble = n % 6 == 0
                value[at : at + 8] += TROUBLE if trouble else HABIT
                label[at : at + 8] = trouble
            columns = {"t": np.arange(ROWS) * 60_000_000_000, "value": value, "label": label}
            db.register("given", columns)
            db.execute("insert into s select ?, t, value, label from given", [f"jumps/{name}"])
            db.unregister("given")
        db.execute('create table out as select series_id, make_timestamp_ns(t) as "timestamp", '
                   "value, label from s")  # fmt: skip
        db.table("out").write_parquet(str(folder / "series.parquet"))


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    write_set(folder / "one")
    return folder


def test_twenty_answers_cut_false_alarms_by_half_and_lose_no_event(history, tmp_path):
    (found,) = run_feedback(history, tmp_path / "out")
    assert found.answers == 20
    assert found.false_before >= 20
    assert found.false_after <= found.false_before / 2
    assert found.found_after >= found.found_before > 0
    (written,) = json.loads((tmp_path / "out" / "feedback.json").read_bytes())
    assert written["false_after"] == found.false_after


def test_the_same_history_gives_the_same_answers_and_the_same_figures(history, tmp_path):
    once = run_feedback(history, tmp_path / "a", answers=5)
    assert run_feedback(history, tmp_path / "b", answers=5) == once
    assert once[0].answers == 5


def test_nothing_but_answers_changes_anything(history, tmp_path):
    (found,) = run_feedback(history, tmp_path / "out", answers=0)
    assert (found.answers, found.wrong) == (0, 0)
    assert found.false_after == found.false_before
    assert found.found_after == found.found_before


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotFound):
        run_feedback(tmp_path / "none", tmp_path / "out")
    write_set(tmp_path / "sets" / "one")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput):
        run_feedback(tmp_path / "sets", tmp_path / "file")
