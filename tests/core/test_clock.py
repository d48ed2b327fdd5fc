"""The clock of the machine and the one that tests move."""

from __future__ import annotations

from twinhelm.core.clock import FakeClock, SystemClock


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


def test_the_system_clock_counts_in_the_units_it_names():
    clock = SystemClock()
    before, between, after = clock.now_ms(), clock.now_ns(), clock.now_ms()
    assert before <= between // 1_000_000 <= after
    assert clock.monotonic_s() <= clock.monotonic_s()
