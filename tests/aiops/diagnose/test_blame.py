"""Blame goes along calls to where trouble ends."""

from __future__ import annotations

import pytest

from twinhelm.aiops.diagnose.blame import lay_blame
from twinhelm.aiops.diagnose.callgraph import CallGraph, graph_of
from twinhelm.aiops.diagnose.vitals import Vital
from twinhelm.aiops.indicators import indicator_of
from twinhelm.core.entities import Edge
from twinhelm.core.labels import labels_of

NOW = 1_700_000_000_000
A, B, C, D = (f"service:{name}" for name in "abcd")


def moved(
    name: str, before: float, since: float, amount: float, entity: str = A, **labels: str
) -> Vital:
    found = labels_of({"__name__": name, **labels})
    row = indicator_of(found)
    assert row is not None
    return Vital(entity, found, row, before, since, amount, NOW)


def call(
    client: str, server: str, *, slow: float = 0.0, fails: float = 0.0, rate: float = 1.0
) -> list[Vital]:
    """What the series of one edge say: seconds on top of 10 ms, share that fails."""
    ends = {"client": client, "server": server}
    return [
        moved("traces_edge_duration_mean_seconds", 0.01, 0.01 + slow, 100 * slow, server, **ends),
        moved("traces_edge_errors_ratio", 0.0, fails, 20 * fails, server, **ends),
        moved("traces_edge_requests_per_second", rate, rate, 0.0, server, **ends),
    ]


def serve(
    entity: str, *, itself: float = 0.0, fails: float = 0.0, rate: float = 1.0, was: float = 1.0
) -> list[Vital]:
    """What the series of one service say likewise."""
    slow = "traces_self_duration_mean_seconds"
    return [
        moved(slow, 0.01, 0.01 + itself, 100 * itself, entity),
        moved("traces_errors_ratio", 0.0, fails, 20 * fails, entity),
        moved("traces_requests_per_second", was, rate, 0.0, entity),
    ]


def blamed(*groups: list[Vital]) -> tuple[str, CallGraph]:
    vitals = [one for group in groups for one in group]
    graph = graph_of(vitals, [Edge(A, B, "calls", "traces", 1.0, NOW)], NOW)
    lay_blame(graph)
    total = sum(node.blame for node in graph.nodes.values())
    assert total == pytest.approx(1.0)
    return max(graph.nodes.values(), key=lambda node: node.blame).entity, graph


def test_nothing_wrong_blames_nobody() -> None:
    graph = graph_of([*serve(A), *serve(B), *call(A, B)], [], NOW)
    lay_blame(graph)
    assert [node.blame for node in graph.nodes.values()] == [0.0, 0.0]
    lay_blame(graph_of([], [], NOW))


def test_time_spent_is_followed_to_who_spends_it() -> None:
    chain = [serve(A), serve(B), serve(C, itself=0.5), call(A, B, slow=0.5), call(B, C, slow=0.5)]
    found, graph = blamed(*chain)
    assert found == C
    assert graph.nodes[C].blame > 0.9
    assert graph.calls[A, B].share > 0.9


def test_failures_are_followed_and_what_nobody_below_explains_stays() -> None:
    assert blamed(serve(A, fails=0.5), serve(B, fails=0.5), call(A, B, fails=0.5))[0] == B
    assert blamed(serve(A, fails=0.5), serve(B), call(A, B))[0] == A


def test_what_sends_no_spans_is_judged_by_its_callers() -> None:
    database = "database:shop"
    found, graph = blamed(serve(A), call(A, database, slow=0.3), call(B, database, slow=0.3))
    assert found == database
    assert not graph.nodes[database].across


def test_the_way_to_a_callee_that_is_well_is_told_apart() -> None:
    found, graph = blamed(serve(A), serve(B), call(A, B, slow=0.3, fails=0.2))
    assert found == B
    assert graph.nodes[B].across


def test_a_busy_caller_is_not_taken_for_slow_callees() -> None:
    busy = moved("process_cpu_seconds_total", 0.1, 1.0, 3.0)
    found, _ = blamed([busy], serve(A, itself=0.1), serve(B), call(A, B, slow=0.1), call(D, B))
    assert found == A


def test_who_is_refused_by_a_callee_that_serves_on_is_the_first_to_ask() -> None:
    found, graph = blamed(serve(A, fails=1.0), serve(B), call(A, B, fails=1.0))
    assert found == A
    assert graph.calls[A, B].refused
    gone, _ = blamed(serve(A, fails=1.0), serve(B, rate=0.0), call(A, B, fails=1.0))
    assert gone == B


def test_what_does_not_answer_is_to_blame_for_those_that_ask() -> None:
    down = moved("up", 1.0, 0.0, 2.0, B)
    found, graph = blamed([down], serve(A, fails=0.3), call(A, B, fails=1.0, slow=0.4))
    assert found == B
    assert graph.nodes[B].cause == 1.0


def test_work_piles_up_because_of_who_takes_it() -> None:
    queue = "queue:orders"
    waits = moved("queue_messages_ready", 0.0, 50.0, 4.0, queue)
    stopped = call(queue, B)
    stopped[2] = moved("traces_edge_requests_per_second", 1.0, 0.0, 0.0, B, client=queue, server=B)
    found, _ = blamed([waits], stopped, serve(A), call(A, queue))
    assert found == B


def test_two_names_of_one_thing_are_one_node() -> None:
    database, cache = "database:box/cache", "service:a/cache"
    down = moved("up", 1.0, 0.0, 2.0, cache)
    found, graph = blamed([down], serve(A), call(A, database, fails=1.0))
    assert found == cache
    assert database not in graph.nodes


def test_calls_in_a_circle_end() -> None:
    rounds = [serve(A), serve(B), call(A, B, slow=0.3), call(B, A, slow=0.3)]
    assert blamed(*rounds)[0] in (A, B)


def test_a_bystander_is_blamed_less() -> None:
    outside = moved("traces_errors_ratio", 0.0, 0.9, 20.0, D)
    found, graph = blamed([outside], serve(A, fails=0.5), serve(B, fails=0.5),
                          call(A, B, fails=0.5))  # fmt: skip
    assert found == B
    assert graph.nodes[D].blame < 0.3
