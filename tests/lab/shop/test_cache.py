"""The cache's memory: expiry, order of eviction, size."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from twinhelm.lab.shop.cache import Kept


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_value_lasts_its_time_and_no_longer(clock: Clock) -> None:
    kept = Kept(clock=clock)
    kept.put("a", b"1", seconds=5)
    clock.now_s = 4.9
    assert kept.get("a") == b"1"
    clock.now_s = 5.0
    assert kept.get("a") is None
    assert (len(kept), kept.bytes) == (0, 0)


def test_a_new_value_replaces_the_old(clock: Clock) -> None:
    kept = Kept(clock=clock)
    kept.put("a", b"1", seconds=5)
    clock.now_s = 4.0
    kept.put("a", b"222", seconds=5)
    clock.now_s = 8.0
    assert kept.get("a") == b"222"
    assert (len(kept), kept.bytes) == (1, 3)


def test_the_least_recently_used_goes_first(clock: Clock) -> None:
    kept = Kept(limit=2, clock=clock)
    kept.put("a", b"1", seconds=5)
    kept.put("b", b"1", seconds=5)
    kept.get("a")
    kept.put("c", b"1", seconds=5)
    assert [kept.get(key) for key in "abc"] == [b"1", None, b"1"]
    assert kept.evicted == 1


def test_sweeping_forgets_what_expired_unread(clock: Clock) -> None:
    kept = Kept(clock=clock)
    kept.put("short", b"1", seconds=1)
    kept.put("long", b"1", seconds=9)
    clock.now_s = 2.0
    kept.sweep()
    assert len(kept) == 1
    kept.delete("long")
    kept.delete("never")
    assert kept.bytes == 0
