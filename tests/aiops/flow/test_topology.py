"""Edges live as long as a series that told of them reports."""

from __future__ import annotations

from dataclasses import replace

from twinhelm.aiops.flow import topology as topology_module
from twinhelm.aiops.flow.topology import Topology
from twinhelm.core.entities import Edge
from twinhelm.core.labels import labels_of
from twinhelm.events.values import load

LABELS = labels_of([("__name__", "x"), ("instance", "h"), ("process", "nginx")])


def edges(wing):
    with wing.records.reading() as unit:
        return [load(Edge, record) for record in unit.find("edge")]


def keep(wing, topology, last):
    with wing.journal.writing("test") as write:
        topology.keep(write, last)


def test_nothing_noted_writes_nothing(wing):
    keep(wing, Topology(), {})
    assert edges(wing) == []


def test_an_edge_is_last_seen_when_its_newest_witness_was(wing):
    topology = Topology()
    for series in (1, 2):
        topology.note(series, LABELS, 100)
    keep(wing, topology, {1: 5_000, 2: 9_000, 3: 99_000})
    assert {edge.last_seen_ms for edge in edges(wing)} == {9_000}
    keep(wing, topology, {1: 5_000})
    assert {edge.last_seen_ms for edge in edges(wing)} == {5_000}


def test_an_edge_whose_series_are_silent_is_as_old_as_its_note(wing):
    topology = Topology()
    topology.note(1, LABELS, 100)
    keep(wing, topology, {})
    assert {edge.last_seen_ms for edge in edges(wing)} == {100}


def test_calls_are_written_until_they_are_long_over(wing):
    topology = Topology()
    sure = Edge("service:a", "service:b", "calls", "traces", 0.95, 1_000, 3_600_000)
    topology.saw([sure, replace(sure, target="queue:q")])
    topology.saw([replace(sure, confidence=0.85, last_seen_ms=5_000)])
    keep(wing, topology, {})
    assert {(edge.target, edge.last_seen_ms, edge.confidence) for edge in edges(wing)} == {
        ("service:b", 5_000, 0.95),
        ("queue:q", 1_000, 0.95),
    }
    topology.saw([replace(sure, last_seen_ms=4_000_000)])
    keep(wing, topology, {})
    assert list(topology._calls) == [("service:a", "service:b")]


def test_witnesses_are_bounded_the_newest_stay(wing, monkeypatch):
    monkeypatch.setattr(topology_module, "WITNESSES", 2)
    topology = Topology()
    for series in range(5):
        topology.note(series, LABELS, 100)
    keep(wing, topology, {0: 9_000})
    assert {edge.last_seen_ms for edge in edges(wing)} == {100}
    keep(wing, topology, {4: 9_000})
    assert {edge.last_seen_ms for edge in edges(wing)} == {9_000}
