"""Whole files are answered range by range, and gone on with where they were cut off."""

from __future__ import annotations

import time
from contextlib import contextmanager

import duckdb
import numpy as np
import pytest

from peers.memory_workflows import MemoryWorkflows
from twinhelm.core.clock import SystemClock
from twinhelm.core.errors import BadInput
from twinhelm.events.workflows import WorkflowState
from twinhelm.mlops.deploy.batch import BatchScoring
from twinhelm.mlops.types import Scored


class Half:
    """Answers with half of column ``a``; ``seen`` are the tables it was asked."""

    def __init__(self):
        self.seen, self.fails = [], False

    @contextmanager
    def opened(self, product, version):
        yield self

    def score(self, table):
        if self.fails:
            raise BadInput("no")
        self.seen.append(table)
        likely = np.column_stack([table["a"] * 0, table["a"] * 0 + 1.0])
        return Scored(table["a"] / 2, likely, ("no", "yes"))


def parquet(path, rows):
    with duckdb.connect() as duck:
        found = duck.sql(
            "SELECT range * 1.0 AS a, CASE WHEN range % 2 = 0 THEN 'x' END AS s FROM range(?)",
            params=[rows],
        )
        found.write_parquet(str(path))
    return path


def score(model, source, target, **more):
    workflows = MemoryWorkflows(SystemClock())
    batch = BatchScoring(workflows, model.opened, range_rows=10, **more)
    batch.register()
    run = batch.start("m", "1", str(source), target, by="ada")
    end = time.monotonic() + 60
    while not workflows.status(run).state.over:
        assert time.monotonic() < end
        time.sleep(0.01)
    return workflows.status(run)


def read(target):
    with duckdb.connect() as duck:
        return duck.execute("SELECT * FROM read_parquet(?) ORDER BY a", [str(target)]).fetchall()


def test_every_row_is_answered_once_with_its_columns(tmp_path):
    model, target = Half(), tmp_path / "out.parquet"
    status = score(model, parquet(tmp_path / "in.parquet", 25), target)
    assert status.result == {"rows": 25}
    rows = read(target)
    assert rows[3] == (3, None, 1.5, 0.0, 1.0)
    assert [row[2] for row in rows] == [at / 2 for at in range(25)]
    assert [len(table["a"]) for table in model.seen] == [10, 10, 5]
    assert model.seen[0]["s"].tolist()[:2] == ["x", None]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


def test_a_query_and_a_glob_are_sources_too(tmp_path):
    parquet(tmp_path / "p1.parquet", 4)
    parquet(tmp_path / "p2.parquet", 3)
    score(Half(), tmp_path / "p*.parquet", tmp_path / "all.parquet")
    assert len(read(tmp_path / "all.parquet")) == 7
    query = f"sql: FROM read_parquet('{tmp_path}/p1.parquet') WHERE a > 1;"
    score(Half(), query, tmp_path / "some.parquet")
    assert [row[2] for row in read(tmp_path / "some.parquet")] == [1.0, 1.5]


def test_no_rows_give_an_empty_file(tmp_path):
    score(Half(), parquet(tmp_path / "in.parquet", 0), tmp_path / "out.parquet")
    with duckdb.connect() as duck:
        found = duck.execute(
            "SELECT count(*) FROM read_parquet(?)", [str(tmp_path / "out.parquet")]
        )
        assert found.fetchone() == (0,)


def test_what_cannot_be_read_is_told_and_leaves_no_target(tmp_path):
    for source in ("sql:SELECT nonsense", str(tmp_path / "absent.parquet")):
        status = score(Half(), source, tmp_path / "out.parquet")
        assert status.state is WorkflowState.FAILED
        assert "cannot be read" in status.error
    assert not (tmp_path / "out.parquet").exists()


def test_a_model_that_fails_leaves_no_target(tmp_path):
    model = Half()
    model.fails = True
    status = score(model, parquet(tmp_path / "in.parquet", 5), tmp_path / "out.parquet")
    assert status.state is WorkflowState.FAILED
    assert not (tmp_path / "out.parquet").exists()


def test_the_target_must_be_parquet(tmp_path):
    with pytest.raises(BadInput, match="is no Parquet file"):
        score(Half(), "x", tmp_path / "out.csv")
