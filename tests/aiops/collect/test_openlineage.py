from __future__ import annotations

from typing import Any

import pytest

from twinhelm.aiops.collect.openlineage import decode_openlineage, merge_runs
from twinhelm.core.errors import BadInput
from twinhelm.core.json import dumps

TIMES = {"START": "2023-11-14T22:13:20Z", "COMPLETE": "2023-11-14T22:13:50Z"}


def event(kind: str = "START", **fields: Any) -> dict[str, Any]:
    return {
        "eventTime": TIMES.get(kind, "2023-11-14T22:13:40Z"),
        "eventType": kind,
        "producer": "https://example.org/airflow",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "r1"},
        "job": {"namespace": "shop", "name": "load"},
        **fields,
    }


def test_a_start_opens_a_run() -> None:
    (change,) = decode_openlineage(dumps(event())).changes
    assert (change.id, change.kind, change.entity) == ("run/r1", "pipeline", "pipeline:shop/load")
    assert (change.time_ms, change.end_ms) == (1_700_000_000_000, None)
    assert change.outcome == "running"


@pytest.mark.parametrize("order", [1, -1])
def test_start_and_end_merge_whichever_comes_first(order: int) -> None:
    both = [event("START"), event("COMPLETE")][::order]
    (change,) = decode_openlineage(dumps(both)).changes
    assert (change.time_ms, change.end_ms) == (1_700_000_000_000, 1_700_000_030_000)
    assert (change.outcome, change.title) == ("success", "pipeline shop/load finished")


def test_a_late_running_event_does_not_reopen_a_run() -> None:
    (done,) = decode_openlineage(dumps(event("COMPLETE"))).changes
    (running,) = decode_openlineage(dumps(event("RUNNING"))).changes
    assert merge_runs(done, running).outcome == "success"
    assert merge_runs(done, running).end_ms == 1_700_000_030_000


def test_a_failure_keeps_its_message() -> None:
    run = {"runId": "r1", "facets": {"errorMessage": {"message": "out of memory"}}}
    (change,) = decode_openlineage(dumps(event("FAIL", run=run))).changes
    assert (change.outcome, change.attributes["error"]) == ("failure", "out of memory")


def test_data_sets_become_edges_towards_what_is_depended_on() -> None:
    received = decode_openlineage(
        dumps(
            event(
                inputs=[{"namespace": "db", "name": "orders", "facets": {}}],
                outputs=[{"namespace": "s3", "name": "report"}],
            )
        )
    )
    assert [(edge.source, edge.target, edge.kind) for edge in received.edges] == [
        ("pipeline:shop/load", "dataset:db/orders", "reads"),
        ("dataset:s3/report", "pipeline:shop/load", "written_by"),
    ]


def described(**fields: Any) -> dict[str, str]:
    (change,) = decode_openlineage(dumps(event("COMPLETE", **fields))).changes
    wanted = ("input_rows", "output_rows", "schema")
    return {k: v for k, v in change.attributes.items() if k.startswith(wanted)}


def test_facets_that_count_rows_and_describe_columns_are_kept() -> None:
    columns = [{"name": "id", "type": "BIGINT"}, {"name": "the name", "type": "varchar (20)"}]
    said = described(
        inputs=[
            {"namespace": "db", "name": "a", "inputFacets": {"inputStatistics": {"rowCount": 5}}},
            {"namespace": "db", "name": "b",
             "inputFacets": {"dataQualityMetrics": {"rowCount": 6}}},
        ],
        outputs=[
            {"namespace": "db", "name": "c", "facets": {"schema": {"fields": columns}},
             "outputFacets": {"outputStatistics": {"rowCount": 0, "size": 1}}},
        ],
    )  # fmt: skip
    assert said == {
        "input_rows:db/a": "5",
        "input_rows:db/b": "6",
        "output_rows:db/c": "0",
        "schema:db/c": "id BIGINT, the name varchar_(20)",
    }


@pytest.mark.parametrize(
    "facets",
    [{}, {"outputFacets": 3}, {"outputFacets": {"outputStatistics": []}},
     {"outputFacets": {"outputStatistics": {"rowCount": -1}}},
     {"outputFacets": {"outputStatistics": {"rowCount": "many"}}},
     {"facets": {"schema": {"fields": {}}}}, {"facets": {"schema": {"fields": [5]}}}],
    ids=str,
)  # fmt: skip
def test_facets_of_another_shape_matter_to_nobody(facets: dict[str, Any]) -> None:
    said = described(outputs=[{"namespace": "db", "name": "c", **facets}])
    assert not any(said.values())


def test_facets_of_both_events_of_a_run_stay() -> None:
    rows = {"outputFacets": {"outputStatistics": {"rowCount": 7}}}
    schema = {"facets": {"schema": {"fields": [{"name": "id", "type": "int"}]}}}
    both = [
        event("START", inputs=[{"namespace": "db", "name": "a", **schema}]),
        event("COMPLETE", outputs=[{"namespace": "db", "name": "c", **rows}]),
    ]
    (change,) = decode_openlineage(dumps(both)).changes
    assert change.attributes["schema:db/a"] == "id int"
    assert change.attributes["output_rows:db/c"] == "7"


def test_job_and_dataset_events_change_nothing() -> None:
    fields = {"eventTime": TIMES["START"], "producer": "p", "dataset": {}}
    assert decode_openlineage(dumps(fields)).changes == ()


@pytest.mark.parametrize(
    "fields",
    [{"run": None}, {"run": {}}, {"run": {"runId": 5}}, {"job": {"namespace": "a"}},
     {"eventTime": None}, {"eventTime": 5}, {"eventType": "DONE"}, {"eventType": 5},
     {"inputs": {}}, {"inputs": [3]}, {"outputs": [{"name": "a"}]},
     {"job": {"namespace": "a", "name": "b" * 2000}}],
    ids=str,
)  # fmt: skip
def test_a_wrong_event_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        decode_openlineage(dumps(event(**fields)))
