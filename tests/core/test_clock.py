"""The clock of the machine and the one that tests move."""

from __future__ import annotations

import pytest

from twinhelm.core.clock import DrivenClock, FakeClock, SystemClock
from twinhelm.core.errors import Conflict


def test_a_fake_clock_stands_still():
    clock = FakeClock(1_000)
    assert (clock.now_ms(), clock.now_ns(), clock.monotonic_s()) == (1_000, 1_000_000_000, 1.0)
    assert clock.now_ms() == 1_000


def test_a_fake_clock_moves_only_when_told():
    clock = FakeClock(1_000)
    clock.advance(0.5)
    clock.advance(-0.25)
    assert clock.now_ms() == 1_250


def test_a_thousand_small_steps_lose_nothing():
    clock = FakeClock(0)
    for _ in range(1000):
        clock.advance(0.001)
    assert clock.now_ns() == 1_000_000_000


def test_a_driven_clock_moves_where_it_is_told_and_never_back():
    clock = DrivenClock()
    clock.move_to(5_000)
    clock.move_to(5_000)
    with pytest.raises(Conflict, match="5000"):
        clock.move_to(4_999)
    assert (clock.now_ms(), clock.monotonic_s()) == (5_000, 5.0)


def test_the_system_clock_counts_in_the_units_it_names():
    clock = SystemClock()
    before, between, after = clock.now_ms(), clock.now_ns(), clock.now_ms()
    assert before <= between // 1_000_000 <= after
    assert clock.monotonic_s() <= clock.monotonic_s()
