from __future__ import annotations

from typing import Any

import pytest

from twinhelm.aiops.clean.entities import entity_of
from twinhelm.aiops.clean.runs import Runs
from twinhelm.core.labels import metric_name
from twinhelm.core.telemetry import Change

MINUTE = 60_000


def run(
    number: int, start_ms: int, end_ms: int | None = None, outcome: str = "", **said: str
) -> Any:
    attributes = {
        name.replace("__", ":", 1).replace("_of_", "/"): text for name, text in said.items()
    }
    return Change(
        f"run/{number}", start_ms, "pipeline", "pipeline:shop/nightly", "x", "openlineage", end_ms,
        outcome or ("success" if end_ms else "running"), attributes,
    )  # fmt: skip


def told(runs: Runs, *changes: Change) -> dict[str, float]:
    """Values by metric, and data set where there is one."""
    found = {}
    for change in changes:
        for row in runs.take(change):
            if not isinstance(row, Change):
                labels, time_ms, value = row
                assert entity_of(labels) == "pipeline:shop/nightly"
                assert time_ms == change.end_ms
                key = " ".join([metric_name(labels), dict(labels).get("dataset", "")]).strip()
                found[key] = value
    return found


def test_a_run_tells_when_it_ends_and_only_once() -> None:
    runs = Runs()
    assert told(runs, run(1, 1000)) == {}
    done = run(1, 1000, 6000, output_rows__db_of_t="42", output_rows__db_of_u="many")
    assert told(runs, done) == {
        "pipeline_failed": 0.0,
        "pipeline_run_seconds": 5.0,
        "pipeline_output_rows db/t": 42.0,
    }
    assert told(runs, done) == {}


@pytest.mark.parametrize("outcome", ["failure", "aborted"])
def test_a_failed_run_says_so(outcome: str) -> None:
    assert told(Runs(), run(1, 5000, 5000, outcome)) == {"pipeline_failed": 1.0}


def test_other_changes_tell_nothing() -> None:
    change = Change("c", 1, "deploy", "service:a", "x", "ci", 2, "success")
    assert list(Runs().take(change)) == []


def late(runs: Runs, after_ms: int, through_ms: int) -> list[tuple[int, float]]:
    return [(time_ms, round(value, 4)) for _, time_ms, value in runs.lateness(after_ms, through_ms)]


def test_lateness_is_told_on_a_steady_grid_once_three_runs_succeeded() -> None:
    runs = Runs()
    told(runs, run(1, 0, 10_000), run(2, 20_000, 30_000))
    assert late(runs, 0, 100_000) == []
    told(runs, run(3, 40_000, 50_000))
    assert late(runs, 50_000, 54_500) == [(52_000, 0.1), (54_000, 0.2)]
    assert late(runs, 54_500, 55_999) == []
    told(runs, run(4, 60_000, 64_000, "failure"))
    assert late(runs, 89_999, 90_000) == [(90_000, 2.0)]
    told(runs, run(5, 90_000, 92_000))
    assert late(runs, 90_000, 94_000) == [(94_000, 0.1)]


def test_a_pipeline_that_is_never_heard_of_again_is_given_up() -> None:
    runs = Runs()
    told(runs, run(1, 0, 10_000), run(2, 20_000, 20_000), run(3, 40_000, 30_000))
    assert max(time_ms for time_ms, _ in late(runs, 30_000, 10**7)) == 30_000 + 20 * 10_000


def test_a_nightly_one_is_told_of_each_minute() -> None:
    runs, night = Runs(), 24 * 60 * MINUTE
    told(runs, *(run(n, n * night, n * night + MINUTE) for n in range(1, 5)))
    assert len(late(runs, 5 * night, 5 * night + 10 * MINUTE)) == 10


def test_what_is_recalled_is_told_of_no_more_but_counts() -> None:
    runs = Runs()
    runs.recall([run(n, 20_000 * n, 20_000 * n + 1000) for n in range(1, 4)])
    assert told(runs, run(3, 60_000, 61_000)) == {}
    assert late(runs, 79_999, 82_000) == [(80_000, 0.95), (82_000, 1.05)]


def changed(runs: Runs, *changes: Change) -> list[Change]:
    return [one for change in changes for one in runs.take(change) if isinstance(one, Change)]


def test_a_changed_schema_is_a_change_of_the_data_set() -> None:
    runs = Runs()
    first = run(1, 0, 10_000, schema__db_of_t="id BIGINT, name TEXT, old INT")
    same = run(2, 20_000, 30_000, schema__db_of_t="id BIGINT, name TEXT, old INT")
    other = run(3, 40_000, 50_000, schema__db_of_t="id TEXT, name TEXT, new INT")
    assert changed(runs, first, same) == []
    (change,) = changed(runs, other)
    assert (change.kind, change.entity, change.time_ms) == ("schema", "dataset:db/t", 50_000)
    assert change.title == "columns of db/t changed: -old, +new, id BIGINT -> TEXT"
    assert change.attributes["pipeline"] == "pipeline:shop/nightly"
    assert changed(runs, other) == []


def test_an_old_event_changes_no_schema_back() -> None:
    runs = Runs()
    changed(runs, run(2, 20_000, 30_000, schema__db_of_t="id BIGINT"))
    assert changed(runs, run(1, 0, 10_000, schema__db_of_t="id INT")) == []
    assert changed(runs, run(3, 40_000, 50_000, schema__db_of_t="id BIGINT")) == []
