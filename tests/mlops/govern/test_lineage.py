"""Lineage: every recorded step has its edge, labels are text, a real client agrees."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

import pytest

from peers.governed import HOLDOUT, NOW, SPEC, TRAIN, known
from twinhelm.core.errors import BadInput
from twinhelm.mlops.govern import DataRef, Edge, Sources, edges, inputs_of, mermaid, run_events
from twinhelm.mlops.types import Run, Spec


def built() -> Run:
    run = known().run
    assert run
    return run


def spec() -> Spec:
    return Spec.model_validate(SPEC)


def test_the_road_from_data_to_deployment() -> None:
    found = edges(known())
    for edge in (
        Edge("data:s3://clinic/train.parquet", f"data:{TRAIN}", "read as"),
        Edge(f"data:{TRAIN}", "run:cancer/4", "train"),
        Edge(f"data:{HOLDOUT}", "version:cancer/3", "holdout"),
        Edge("run:cancer/4", "version:cancer/3", "made"),
        Edge("version:cancer/2", "validation:cancer/3", "compared with"),
        Edge("validation:cancer/3", "approval:cancer/3/1", "approved by grace"),
        Edge("approval:cancer/3/1", "deployment:cancer", "champion 100%"),
    ):
        assert edge in found


def test_what_was_not_recorded_has_no_edge() -> None:
    assert edges(Sources()) == []
    bare = edges(Sources(version=known().version))
    assert {edge.end for edge in bare} == {"version:cancer/3"}


def test_a_refused_request_leads_nowhere() -> None:
    sources = known()
    assert sources.approval
    refused = replace(sources.approval, state="refused")
    found = edges(replace(sources, approval=refused))  # type: ignore[arg-type]
    assert not any(edge.start.startswith("approval:") for edge in found)


def test_labels_are_escaped_and_digests_shortened() -> None:
    nasty = 'data:"];\nend --> <b>`x`|{}#' + "a" * 64
    drawn = mermaid([Edge(nasty, "version:p/1", 'a"]')])
    lines = drawn.splitlines()
    assert lines[0] == "flowchart LR"
    assert len(lines) == 4
    labels = re.findall(r'"([^"]*)"', drawn)
    assert len(labels) == 3
    assert not any(re.search(r"[<>`\[\]{}|]", label) for label in labels)
    assert "a" * 64 not in drawn


def test_no_edges_are_an_empty_chart() -> None:
    assert mermaid([]) == "flowchart LR\n"


def test_a_done_build_tells_start_and_complete_of_one_run() -> None:
    start, end = run_events(built(), spec())
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert (start["eventTime"], end["eventTime"]) == (
        "2023-11-14T22:13:20Z", "2023-11-14T22:13:25Z")  # fmt: skip
    assert start["run"]["runId"] == end["run"]["runId"]
    made = UUID(start["run"]["runId"])
    assert (made.version, made.int >> 80) == (7, NOW)
    assert end["schemaURL"].endswith("/2-0-2/OpenLineage.json#/$defs/RunEvent")
    assert [each["name"] for each in end["inputs"]] == ["holdout.parquet", "train.parquet"]
    assert end["inputs"][1]["namespace"] == "s3://clinic"
    assert end["outputs"][0]["facets"]["version"]["datasetVersion"] == "cancer/3"


def test_a_running_build_has_only_begun_and_a_failed_one_says_why() -> None:
    assert [e["eventType"] for e in run_events(replace(built(), state="running"))] == ["START"]
    _, end = run_events(replace(built(), state="failed", version="", error="no data"))
    assert end["eventType"] == "FAIL"
    assert end["run"]["facets"]["errorMessage"]["message"] == "no data"
    assert end["outputs"] == []


def test_passwords_are_left_out_of_names() -> None:
    data = spec().data.model_copy(update={"train": "ftp://ada:secret@host:21/a.csv"})
    start, _ = run_events(built(), spec().model_copy(update={"data": data}))
    assert (start["inputs"][1]["namespace"], "secret" in str(start)) == ("ftp://host:21", False)


def test_a_path_counts_from_the_folder_of_the_product_file() -> None:
    start, _ = run_events(built(), spec(), folder="/srv/cancer")
    assert start["inputs"][0]["name"] == "/srv/cancer/holdout.parquet"


def test_data_without_a_place_is_named_by_product_and_role() -> None:
    start, _ = run_events(built())
    assert [(e["namespace"], e["name"]) for e in start["inputs"]] == [
        ("twinhelm", "cancer.holdout"), ("twinhelm", "cancer.train")]  # fmt: skip


def test_identities_come_back_from_events() -> None:
    start, end = run_events(built(), spec())
    assert inputs_of(start) == [
        DataRef("file", "holdout.parquet", HOLDOUT), DataRef("s3://clinic", "train.parquet", TRAIN)
    ]  # fmt: skip
    assert [each.address for each in inputs_of(start)] == [
        "holdout.parquet", "s3://clinic/train.parquet"]  # fmt: skip
    assert inputs_of(end, "outputs") == [DataRef("twinhelm", "models/cancer", "cancer/3")]
    assert inputs_of({}) == []


@pytest.mark.parametrize("wrong", [{"inputs": [{"name": "x"}]}, {"inputs": [3]}, {"inputs": 3}])
def test_an_event_without_identities_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="namespace and name"):
        inputs_of(wrong)


def test_the_real_client_reads_and_writes_the_same() -> None:
    pytest.importorskip("openlineage.client")
    from openlineage.client import event_v2, serde
    from openlineage.client.generated import dataset_version_dataset as versions
    from openlineage.client.generated import error_message_run, job_type_job

    for told in run_events(replace(built(), state="failed", error="no data"), spec()):
        sent = [
            event_v2.InputDataset(
                each["namespace"], each["name"],
                facets={"version": versions.DatasetVersionDatasetFacet(
                    each["facets"]["version"]["datasetVersion"])},
            )
            for each in told["inputs"]
        ]  # fmt: skip
        failed = error_message_run.ErrorMessageRunFacet("no data", "python")
        facets = {"errorMessage": failed} if told["run"]["facets"] else {}
        job_type = job_type_job.JobTypeJobFacet("BATCH", "TWINHELM", jobType="BUILD")
        theirs = event_v2.RunEvent(
            eventTime=told["eventTime"],
            eventType=event_v2.RunState[told["eventType"]],
            run=event_v2.Run(told["run"]["runId"], facets),
            job=event_v2.Job(told["job"]["namespace"], told["job"]["name"], {"jobType": job_type}),
            producer=told["producer"],
            inputs=sent,
            outputs=[],
        )
        as_json = serde.Serde.to_dict(theirs)
        assert bare(as_json) == bare({**told, "outputs": []})


def bare(event: object) -> object:
    """Drop who produced a facet, what is empty, and the letter of the event's own schema."""
    if isinstance(event, dict):
        left = {k: bare(v) for k, v in event.items() if k not in ("_producer", "schemaURL")}
        return {k: v for k, v in left.items() if v not in (None, {})}
    return [bare(each) for each in event] if isinstance(event, list) else event
