from __future__ import annotations

from dataclasses import replace

import pytest

from twinhelm.aiops.correlate import Window, correlate
from twinhelm.aiops.types import Anomaly, Direction, Incident, IncidentState, Resource
from twinhelm.core.entities import Edge
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import Alert

T = 1_700_000_000_000


def strange(series: int, name: str = "host_cpu_busy_ratio", **more) -> Anomaly:
    labels = labels_of({"__name__": name, "host": "a", **more.pop("labels", {})})
    base = Anomaly(
        series, labels, "host:a", Resource.CPU, Direction.UP, T, T + 40_000, None,
        0.9, 0.97, 0.1, 0.05, 0.2, 5.0, 9,
    )  # fmt: skip
    return replace(base, **more)


def look(incidents=(), anomalies=(), alerts=(), edges=(), *, now_ms=T + 45_000, **options):
    return correlate(incidents, anomalies, alerts, edges, now_ms=now_ms, **options)


def firing(name: str = "Down", severity: str = "critical", ends_ms: int | None = None) -> Alert:
    labels = labels_of({"alertname": name, "severity": severity})
    return Alert(name.lower(), labels, (("summary", "it is down"),), T, ends_ms, "test")


def test_nothing_gives_nothing() -> None:
    given = look()
    assert (given.incidents, given.decisions) == ([], [])


def test_missing_values_raise_nothing() -> None:
    nan = float("nan")
    odd = strange(1, value=nan, expected=nan, low=nan, high=nan, deviation=nan)
    assert look(anomalies=[odd]).incidents == []


def test_a_blip_is_waited_for_and_then_not_raised() -> None:
    short = strange(1, last_ms=T + 8_000)
    assert look(anomalies=[short], now_ms=T + 9_000).decisions[0].outcome == "waiting"
    over = replace(short, end_ms=T + 8_000)
    (said,) = look(anomalies=[over], now_ms=T + 70_000).decisions
    assert said.outcome == "not_raised"
    assert "blip" in said.text


def test_a_small_excess_is_not_raised_and_says_how_much_it_takes() -> None:
    (said,) = look(anomalies=[strange(1, value=0.32, deviation=0.8)]).decisions
    assert "needs 20 %" in said.text


def test_newest_level_counts_where_it_is_known() -> None:
    one = strange(1)
    assert look(anomalies=[one]).incidents
    assert not look(anomalies=[one], levels={one.key: 0.22}).incidents


def test_an_unknown_metric_alone_raises_nothing() -> None:
    assert look(anomalies=[strange(1, "widgets")]).incidents == []


def test_unknown_metrics_of_a_service_together_raise_one() -> None:
    some = [strange(i, f"widgets_{i}", entity="service:shop") for i in range(3)]
    (one,) = look(anomalies=some).incidents
    assert len(one.members) == 3
    assert "3 metrics" in one.title
    same = [strange(i, "widgets", entity="service:shop") for i in range(3)]
    assert look(anomalies=same).incidents == []


def test_process_series_support_and_never_raise() -> None:
    process = strange(2, "process_cpu_ratio", labels={"process": "stress"})
    assert look(anomalies=[process]).incidents == []
    (one,) = look(anomalies=[process, strange(1)]).incidents
    assert process.key in one.members


@pytest.mark.parametrize(("alive", "count"), [(True, 1), (False, 2)])
def test_an_edge_joins_what_leans_on_each_other(alive: bool, count: int) -> None:
    slow = strange(
        2, "http_request_duration_p99_seconds", entity="service:shop", value=3.0, high=0.5, low=0.1
    )
    seen_ms = T if alive else T - 7_200_000
    edge = Edge("service:shop", "host:a", "runs_on", "labels", 0.9, seen_ms)
    assert len(look(anomalies=[strange(1), slow], edges=[edge]).incidents) == count


def test_one_metric_on_many_hosts_of_a_cluster_is_one_incident() -> None:
    some = [strange(i, entity=f"host:{i}", labels={"cluster": "c"}) for i in range(4)]
    (one,) = look(anomalies=some).incidents
    assert len(one.entities) == 4
    apart = [strange(i, entity=f"host:{i}") for i in range(4)]
    assert len(look(anomalies=apart).incidents) == 4


def test_an_incident_is_stable_while_nothing_changes() -> None:
    first = look(anomalies=[strange(1)])
    again = look(first.incidents, [strange(1, last_ms=T + 50_000)], now_ms=T + 55_000)
    assert again.incidents == []


def test_ids_are_never_reused() -> None:
    assert look(anomalies=[strange(1)], next_id=42).incidents[0].id == 42


def test_what_a_person_resolved_stays_resolved_while_the_same_sign_lasts() -> None:
    (one,) = look(anomalies=[strange(1)]).incidents
    closed = replace(one, state=IncidentState.RESOLVED, resolved_ms=T + 50_000)
    later = look([closed], [strange(1, last_ms=T + 90_000)], now_ms=T + 95_000)
    assert later.incidents == []


def test_damping_ends(caplog) -> None:
    (one,) = look(anomalies=[strange(1)]).incidents
    closed = replace(one, state=IncidentState.RESOLVED, resolved_ms=T + 50_000)

    def back(after_ms: int) -> list[Incident]:
        start = T + after_ms
        new = strange(1, start_ms=start, last_ms=start + 40_000)
        return look([closed], [new], now_ms=start + 45_000).incidents

    assert [(i.id, i.state, i.flaps) for i in back(300_000)] == [(1, "reopened", 1)]
    assert [(i.id, i.state) for i in back(1_200_000)] == [(2, "open")]


def test_acknowledged_keeps_its_owner_and_resolves_by_itself() -> None:
    (one,) = look(anomalies=[strange(1)]).incidents
    mine = replace(one, state=IncidentState.ACKNOWLEDGED, owner="kim")
    ended = strange(1, end_ms=T + 40_000)
    (now,) = look([mine], [ended], now_ms=T + 200_000).incidents
    assert (now.state, now.owner) == ("resolved", "kim")


def test_a_symptom_that_lingers_keeps_no_incident_open() -> None:
    symptom = strange(2, "node_load5", value=1.2, high=1.1)
    (one,) = look(anomalies=[strange(1), symptom]).incidents
    assert len(one.members) == 2
    lasting = replace(symptom, last_ms=T + 199_000)
    (now,) = look([one], [strange(1, end_ms=T + 40_000), lasting], now_ms=T + 200_000).incidents
    assert now.state == "resolved"
    assert look([now], [lasting], now_ms=T + 260_000).incidents == []


def test_maintenance_explains_itself() -> None:
    window = Window(T - 1, T + 60_000, ("*:a",), "the upgrade")
    given = look(anomalies=[strange(1), strange(2, entity="host:b")], maintenance=[window])
    assert [one.entities for one in given.incidents] == [("host:b",)]
    assert "during the upgrade" in given.decisions[0].text


def test_what_outlasts_its_maintenance_is_raised_when_that_ends() -> None:
    window = Window(T - 1, T + 50_000, ("host:a",), "the upgrade")
    lasting = strange(1, last_ms=T + 55_000)
    assert not look(anomalies=[lasting], maintenance=[window], now_ms=T + 50_000).incidents
    assert look(anomalies=[lasting], maintenance=[window], now_ms=T + 56_000).incidents


def test_an_alert_raises_at_once_joins_and_resolves() -> None:
    opened = look(alerts=[firing()], alert_entities={"down": "host:a"}, anomalies=[strange(1)])
    (one,) = opened.incidents
    assert one.severity == "critical"
    assert set(one.members) == {"down", strange(1).key}
    ended = look(
        opened.incidents,
        [strange(1, end_ms=T + 40_000)],
        [firing(ends_ms=T + 60_000)],
        now_ms=T + 130_000,
    )
    assert ended.incidents[0].state == "resolved"


def test_an_informational_alert_says_why_not() -> None:
    given = look(alerts=[firing("Watchdog", "none")])
    assert given.incidents == []
    assert "severity is none" in given.decisions[0].text


def test_every_sign_gets_exactly_one_decision() -> None:
    some = [strange(1), strange(2, "widgets"), strange(3, "host_load1"), strange(4, "x", value=1)]
    given = look(anomalies=some, alerts=[firing()])
    assert sorted(d.subject for d in given.decisions) == sorted([*(a.key for a in some), "down"])


def service(series: int, name: str, entity: str, **more) -> Anomaly:
    """A service's ratio, half of its calls failing unless told otherwise."""
    return replace(
        strange(series, more.pop("metric", "traces_errors_ratio")),
        entity=f"service:{entity}", value=0.5, low=0.0, high=0.01, expected=0.0,
        labels=labels_of({"__name__": name}), **more,
    )  # fmt: skip


FAILS = "traces_errors_ratio"


def calls(*pairs: tuple[str, str]) -> list[Edge]:
    return [Edge(f"service:{a}", f"service:{b}", "calls", "traces", 0.95, T) for a, b in pairs]


@pytest.mark.parametrize(
    ("edges", "count"),
    [
        (calls(("front", "shop"), ("shop", "pay")), 1),
        (calls(("front", "pay"), ("shop", "pay")), 1),
        (calls(("a", "front"), ("b", "pay")), 3),
        ([], 3),
    ],
    ids=["through others", "on the same", "no way", "unknown"],
)
def test_trouble_travels_along_calls(edges: list[Edge], count: int) -> None:
    some = [service(i, FAILS, name) for i, name in enumerate(("front", "shop", "pay"))]
    assert len(look(anomalies=some, edges=edges).incidents) == count


@pytest.mark.parametrize(
    ("edges", "after_s", "joins"),
    [
        (calls(("front", "pay")), 120, True),
        (calls(("pay", "front")), 120, True),
        (calls(("front", "pay")), 300, False),
        (calls(("front", "base"), ("pay", "base")), 60, True),
        (calls(("front", "base"), ("pay", "base")), 120, False),
    ],
    ids=["effect", "cause", "too late", "beside it", "beside it, late"],
)
def test_what_calls_lead_to_may_join_late(edges: list[Edge], after_s: int, joins: bool) -> None:
    first = service(1, FAILS, "pay")
    (one,) = look(anomalies=[first], edges=edges).incidents
    later = T + after_s * 1000
    lasting = replace(first, last_ms=later + 20_000, samples=100)
    late = service(2, FAILS, "front", start_ms=later, last_ms=later + 20_000)
    given = look([one], [lasting, late], edges=edges, now_ms=later + 21_000).incidents
    (held,) = [each.id for each in given if late.key in each.members]
    assert (held == one.id) is joins


def test_after_it_went_quiet_another_fault_is_another_incident() -> None:
    edges = calls(("front", "pay"))
    first = service(1, FAILS, "pay")
    (one,) = look(anomalies=[first], edges=edges).incidents
    onset = first.last_ms + 35_000
    other = service(2, FAILS, "front", start_ms=onset, last_ms=onset + 20_000)
    given = look([one], [first, other], edges=edges, now_ms=onset + 21_000)
    assert [each.id for each in given.incidents if "calm" not in each.attributes] == [2]


def test_the_same_after_it_went_quiet_comes_back_and_says_since_when() -> None:
    first = service(1, FAILS, "pay")
    (one,) = look(anomalies=[first]).incidents
    onset = first.last_ms + 35_000
    again = service(1, FAILS, "pay", start_ms=onset, last_ms=onset + 20_000)
    ended = replace(first, end_ms=first.last_ms)
    (now,) = look([one], [ended, again], now_ms=onset + 21_000).incidents
    assert (now.id, now.state, now.flaps) == (1, "reopened", 1)
    assert now.since_ms == onset > now.started_ms


def test_what_comes_back_is_timed_from_the_calm_and_not_from_the_end_of_the_incident() -> None:
    first = service(1, FAILS, "pay")
    (one,) = look(anomalies=[first]).incidents
    ended = replace(first, end_ms=first.last_ms)
    (over,) = look([one], [ended], now_ms=first.last_ms + 60_000).incidents
    assert over.state == "resolved"
    blamed = replace(over, attributes={**over.attributes, "cause": "service:shop/other"})
    for after_ms, back in ((30_000, True), (60_000, False)):
        onset = first.last_ms + after_ms
        again = service(1, FAILS, "pay", start_ms=onset, last_ms=onset + 20_000)
        found = look([blamed], [ended, again], now_ms=onset + 21_000).incidents
        assert [one.id == blamed.id for one in found] == [back]


def test_modest_signs_of_different_kinds_raise_together() -> None:
    edges = calls(("front", "pay"))
    slow = replace(
        service(1, "traces_self_duration_mean_seconds", "pay"),
        value=0.041, low=0.01, high=0.02, expected=0.015, deviation=0.0,
    )  # fmt: skip
    some = [
        replace(slow, value=0.038),
        replace(slow, series=2, entity="service:front", value=0.038),
        replace(service(3, FAILS, "pay"), value=0.045, deviation=0.0),
    ]
    (one,) = look(anomalies=some, edges=edges).incidents
    assert len(one.members) == 3
    assert look(anomalies=some[:2], edges=edges).incidents == []
