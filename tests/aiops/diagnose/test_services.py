"""Suspects of services: words, changes, machines below, and traffic that rose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twinhelm.aiops.diagnose import SeriesWindow, rank
from twinhelm.aiops.diagnose.ranking import Diagnosis
from twinhelm.aiops.types import Anomaly, Direction, Incident, IncidentState, Resource
from twinhelm.core.entities import Edge
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import Change

T = 1_700_000_000_000
NOW = T + 40_000
SHOP = "service:shop/"
EDGES = [
    Edge(f"{SHOP}{client}", f"{SHOP}{server}", "calls", "traces", 0.95, NOW)
    for client, server in (("gateway", "checkout"), ("checkout", "payments"))
] + [
    Edge(f"{SHOP}{name}", "host:box", "runs_on", "labels", 0.9, NOW)
    for name in ("gateway", "checkout", "payments")
]


class Story:
    """Series of services before and since T, and the anomalies of those that moved."""

    def __init__(self) -> None:
        self.labels: list = []
        self.entities: list[str] = []
        self.columns: list[np.ndarray] = []
        self.anomalies: list[Anomaly] = []
        self.times = T + (np.arange(69) - 60) * 5_000

    def add(
        self, name: str, entity: str, before: float, since: float, *, strange: bool = True,
        resource: Resource = Resource.OTHER, **labels: str,
    ) -> Story:  # fmt: skip
        found = labels_of({"__name__": name, **labels})
        noise = 1.0 + 0.02 * np.sin(np.arange(len(self.times)) * 1.7)
        self.columns.append(np.where(self.times >= T, since, before) * noise)
        self.labels.append(found)
        self.entities.append(entity)
        if strange and since != before:
            up = Direction.UP if since > before else Direction.DOWN
            series, low, high = len(self.labels) - 1, 0.95 * before, 1.05 * before
            self.anomalies.append(
                Anomaly(series, found, entity, resource, up, T, NOW, None, 0.9, since, before,
                        low, high, 9.0, 20)
            )  # fmt: skip
        return self

    def service(
        self, name: str, *, itself: float = 0.0, fails: float = 0.0, cpu: float = 0.0,
        rate: float = 1.0,
    ) -> Story:  # fmt: skip
        entity = SHOP + name
        self.add("traces_self_duration_mean_seconds", entity, 0.01, 0.01 + itself)
        self.add("traces_errors_ratio", entity, 0.0, fails)
        self.add("process_cpu_seconds_total", entity, 0.1, 0.1 + cpu)
        return self.add("traces_requests_per_second", entity, 5.0, 5.0 * rate, strange=False)

    def call(self, client: str, server: str, *, slow: float = 0.0, fails: float = 0.0) -> Story:
        ends = {"client": SHOP + client, "server": SHOP + server}
        name = "traces_edge_duration_mean_seconds"
        self.add(name, SHOP + server, 0.02, 0.02 + slow, **ends)
        return self.add("traces_edge_errors_ratio", SHOP + server, 0.0, fails, **ends)

    def judge(self, *changes: Change, **more: object) -> Diagnosis:
        k = len(self.labels)
        window = SeriesWindow(
            tuple(range(k)), tuple(self.labels), tuple(self.entities), (Resource.OTHER,) * k,
            self.times, np.array(self.columns).T,
        )  # fmt: skip
        incident = Incident(
            1, IncidentState.OPEN, "t", "critical",
            tuple(dict.fromkeys(one.entity for one in self.anomalies)), T, NOW,
            members=tuple(one.key for one in self.anomalies),
        )  # fmt: skip
        incident = replace(incident, **more)
        return rank(
            incident, self.anomalies, now_ms=NOW, context=window, changes=changes, edges=EDGES
        )


def slow_payments() -> Story:
    story = Story().service("gateway").service("checkout").service("payments", itself=0.4)
    return story.call("gateway", "checkout", slow=0.4).call("checkout", "payments", slow=0.4)


def failing_checkout() -> Story:
    story = Story().service("gateway", fails=0.3).service("checkout", fails=0.3)
    return story.service("payments").call("gateway", "checkout", fails=0.3)


def made(before_s: float, entity: str, title: str = "2.1.0 deployed", **more: str) -> Change:
    return Change(title, T - int(before_s * 1000), more.pop("kind", "deploy"), entity, title, "ci",
                  **more)  # fmt: skip


def test_the_slow_callee_is_first_and_says_why() -> None:
    given = slow_payments().judge()
    first = given.suspects[0]
    assert first.entity == "service:shop/payments"
    assert first.kind == "service"
    assert first.name.startswith("payments itself needs 41")
    assert any("comes from calling it" in one.text for one in first.evidence_for)
    assert given.verdict == "conclusive"


def test_the_same_input_gives_the_same_answer() -> None:
    assert slow_payments().judge() == slow_payments().judge()


@pytest.mark.parametrize("entity", ["service:shop/checkout", "service:checkout"])
def test_a_change_stands_beside_its_entity_and_is_no_rival(entity: str) -> None:
    plain = failing_checkout().judge()
    given = failing_checkout().judge(made(12, entity))
    first, second = given.suspects[:2]
    assert first.entity == second.entity == "service:shop/checkout"
    assert (first.kind, second.kind) == ("service", "change")
    assert "2.1.0 deployed of checkout, 12 s before it began" in {
        one.text for one in first.evidence_for
    }
    assert first.confidence >= plain.suspects[0].confidence
    assert given.verdict == "conclusive"


def test_a_change_elsewhere_does_not_outrank_who_fails() -> None:
    given = failing_checkout().judge(made(60, "service:shop/payments"))
    assert given.suspects[0].entity == "service:shop/checkout"


def test_a_pipeline_that_ran_as_ever_is_no_change() -> None:
    run = made(5, "pipeline:shop/nightly", kind="pipeline", outcome="success")
    failed = made(5, "pipeline:shop/nightly", "run 2", kind="pipeline", outcome="failure")
    assert all(one.kind != "change" for one in failing_checkout().judge(run).suspects)
    assert any(one.kind == "change" for one in failing_checkout().judge(failed).suspects)


def busy(cpu: float) -> Story:
    story = Story().service("gateway", itself=0.05).service("checkout", itself=0.05, cpu=cpu)
    story.service("payments", itself=0.05)
    story.add("host_cpu_count", "host:box", 2.0, 2.0, host="box")
    return story.add(
        "host_cpu_busy_ratio", "host:box", 0.3, 0.95, host="box", resource=Resource.CPU
    )


def test_a_busy_host_explains_what_runs_on_it() -> None:
    assert busy(0.0).judge().suspects[0].entity == "host:box"


def test_a_busy_host_that_was_not_flagged_is_seen_in_the_window() -> None:
    story = busy(0.0)
    story.anomalies = [one for one in story.anomalies if one.entity != "host:box"]
    assert story.judge().suspects[0].entity == "host:box"


def test_who_keeps_the_host_busy_is_to_blame_for_it() -> None:
    first = busy(1.2).judge().suspects[0]
    assert first.entity == "service:shop/checkout"
    assert any("short because of it" in one.text for one in first.evidence_for)


def test_traffic_that_rose_is_nobodys_fault() -> None:
    story = Story()
    for name in ("gateway", "checkout", "payments"):
        story.service(name, rate=3.0, itself=0.03, cpu=0.5)
    first = story.judge().suspects[0]
    assert first.kind == "traffic"
    assert "Traffic rose 3.0 times" in first.name


def test_what_came_back_is_judged_from_then_on() -> None:
    given = slow_payments().judge(started_ms=T - 3_600_000, attributes={"again": str(T)})
    assert given.suspects[0].entity == "service:shop/payments"
