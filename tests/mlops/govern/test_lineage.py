"""Lineage: every recorded step has its edge, labels are text."""

from __future__ import annotations

import re
from dataclasses import replace

from peers.governed import HOLDOUT, TRAIN, known
from twinhelm.mlops.govern import Edge, Sources, edges, mermaid


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
