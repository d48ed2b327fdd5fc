from __future__ import annotations

import math

import pytest

from twinhelm.aiops.collect.host.linux_processes import ProcessCount
from twinhelm.aiops.collect.host.processes import HOLD_MS, ProcessTable, ProcessUse, TopUsers


def count(pid: int, name: str = "a", *, start: float = 1.0, cpu_s: float = 0.0, **more: int) -> ProcessCount:  # fmt: skip  # noqa: E501 - one line reads best
    fields = {"rss_bytes": 1 << 20, "written_bytes": 0, "descriptors": 3, **more}
    return ProcessCount(pid, start, name, cpu_s, **fields)


def use(name: str, cpu: float, *, rss: int = 0) -> ProcessUse:
    return ProcessUse(name, (1,), cpu, rss, 0.0, 0)


def names(top: TopUsers, uses: list[ProcessUse], now_ms: int) -> dict[str, float]:
    return {
        pairs[0][1]: value
        for family, pairs, value in top.readings(uses, now_ms)
        if family == "host_process_cpu_ratio"
    }


def test_rates_need_two_looks() -> None:
    table = ProcessTable()
    (first,) = table.update([count(1)], uptime_s=10.0, cpus=2)
    assert math.isnan(first.cpu_ratio)
    assert math.isnan(first.write_bytes_per_s)
    (second,) = table.update([count(1, cpu_s=1.0, written_bytes=500)], uptime_s=15.0, cpus=2)
    assert second.cpu_ratio == pytest.approx(0.1)
    assert second.write_bytes_per_s == pytest.approx(100)


def test_processes_of_one_name_are_added_up() -> None:
    table = ProcessTable()
    table.update([], uptime_s=0.0, cpus=1)
    (both,) = table.update([count(2, cpu_s=1.0), count(1, cpu_s=2.0)], uptime_s=10.0, cpus=1)
    assert (both.pids, both.cpu_ratio, both.descriptors) == ((1, 2), pytest.approx(0.3), 6)


def test_a_new_process_counts_from_its_start_and_an_old_one_does_not() -> None:
    table = ProcessTable()
    table.update([], uptime_s=100.0, cpus=1)
    new, old = table.update(
        [count(1, "new", start=105.0, cpu_s=5.0), count(2, "old", start=1.0, cpu_s=99.0)],
        uptime_s=110.0,
        cpus=1,
    )
    assert (new.cpu_ratio, old.cpu_ratio) == (pytest.approx(0.5), 0.0)


def test_a_pid_that_is_used_again_is_another_process() -> None:
    table = ProcessTable()
    table.update([count(1, cpu_s=50.0)], uptime_s=100.0, cpus=1)
    (again,) = table.update([count(1, start=101.0, cpu_s=1.0)], uptime_s=110.0, cpus=1)
    assert again.cpu_ratio == pytest.approx(0.1)


def test_what_cannot_be_read_counts_as_nothing() -> None:
    table = ProcessTable()
    hidden = count(1, written_bytes=-1, descriptors=-1)
    table.update([hidden], uptime_s=1.0, cpus=1)
    (found,) = table.update([hidden], uptime_s=2.0, cpus=1)
    assert (found.write_bytes_per_s, found.descriptors) == (0.0, 0)


def test_a_clock_that_stands_still_gives_no_rate() -> None:
    table = ProcessTable()
    table.update([count(1)], uptime_s=1.0, cpus=1)
    (found,) = table.update([count(1)], uptime_s=1.0, cpus=1)
    assert math.isnan(found.cpu_ratio)


def test_only_the_top_is_reported() -> None:
    uses = [use("a", 0.5), use("b", 0.4), use("c", 0.3)]
    assert names(TopUsers(2), uses, 0) == {"a": 0.5, "b": 0.4}


def test_idle_processes_take_no_place() -> None:
    assert names(TopUsers(2), [use("a", 0.0)], 0) == {}


def test_a_name_that_left_stays_a_while_at_its_true_value() -> None:
    top = TopUsers(1)
    names(top, [use("a", 0.5)], 0)
    assert names(top, [use("b", 0.4), use("a", 0.1)], 1000) == {"a": 0.1, "b": 0.4}
    assert names(top, [use("b", 0.4)], HOLD_MS) == {"a": 0.0, "b": 0.4}
    assert names(top, [use("b", 0.4)], HOLD_MS + 1) == {"b": 0.4}


def test_no_more_than_three_times_the_top_are_held() -> None:
    top = TopUsers(1)
    for second in range(10):
        held = names(top, [use(f"p{second}", 0.5)], second)
    assert sorted(held) == ["p7", "p8", "p9"]


def test_a_clock_that_steps_back_forgets_who_was_held() -> None:
    top = TopUsers(1)
    names(top, [use("a", 0.5)], 10_000)
    assert names(top, [use("b", 0.5)], 0) == {"b": 0.5}


def test_no_rate_yet_is_no_reading() -> None:
    readings = TopUsers(1).readings([use("a", math.nan, rss=1 << 30)], 0)
    assert [family for family, _, _ in readings] == [
        "host_process_memory_bytes",
        "host_process_write_bytes_per_second",
    ][:1]
