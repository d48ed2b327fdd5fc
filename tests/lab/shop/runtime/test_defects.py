"""Defects: a real cause while on, nothing left when off."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import QueuePool, create_engine

from twinhelm.lab.shop.runtime.defects import Defects
from twinhelm.lab.shop.runtime.hogs import ARCHIVE, SPARE_DESCRIPTORS
from twinhelm.lab.shop.runtime.instruments import _descriptors, _memory_bytes
from twinhelm.lab.shop.runtime.service import Service
from twinhelm.lab.shop.shipping import LabelVolume
from twinhelm.lab.words import LabError

MIB = 1 << 20


def until(true: Callable[[], bool], *, within_s: float = 5.0) -> None:
    ends_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends_s, "did not come true in time"
        time.sleep(0.005)


def service_with(**parts: Any) -> Service:
    return cast(
        Service, SimpleNamespace(name="test", **({"database": None, "volume": None} | parts))
    )


@pytest.fixture
def defects() -> Iterator[Defects]:
    made = Defects(service_with())
    yield made
    for name in made.active:
        made.off(name)


def test_leaked_memory_is_given_back(defects: Defects) -> None:
    before = _memory_bytes()
    defects.on("leak_memory", mb_per_s=2_000, limit_mb=60)
    until(lambda: _memory_bytes() > before + 50 * MIB)
    defects.off("leak_memory")
    assert _memory_bytes() < before + 15 * MIB


def test_leaked_descriptors_are_closed_and_spare_some(defects: Defects) -> None:
    before = _descriptors()
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = before + SPARE_DESCRIPTORS + 30
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, old[1]))
    try:
        defects.on("leak_descriptors", per_s=1_000)
        until(lambda: _descriptors() >= before + 20)
        time.sleep(0.05)  # Well past the limit, if there were none.
        assert _descriptors() <= limit - SPARE_DESCRIPTORS + 2
        os.close(os.open(os.devnull, os.O_RDONLY))
        defects.off("leak_descriptors")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
    assert _descriptors() == before


def test_burning_uses_its_share_and_stops(defects: Defects) -> None:
    threads = threading.active_count()
    began_s = time.process_time()
    defects.on("burn", cores=1.0)
    until(lambda: time.process_time() - began_s > 0.1)
    defects.off("burn")
    assert threading.active_count() == threads


def test_held_connections_come_back(tmp_path: Path) -> None:
    engine = create_engine(
        f"sqlite:///{tmp_path / 'db'}", poolclass=QueuePool, pool_size=3, max_overflow=0
    )
    defects = Defects(service_with(database=SimpleNamespace(engine=engine)))
    pool = cast(QueuePool, engine.pool)
    defects.on("hold_connections", count=2)
    until(lambda: pool.checkedout() == 2)
    defects.off("hold_connections")
    assert pool.checkedout() == 0
    engine.dispose()


def test_a_filled_volume_is_emptied(tmp_path: Path) -> None:
    volume = LabelVolume(tmp_path, limit_bytes=MIB)
    volume.write("1.label", b"x" * 1_000)
    defects = Defects(service_with(volume=volume))
    defects.on("fill_volume")
    until(lambda: volume.used_bytes() == MIB)
    with pytest.raises(OSError, match="No space left"):
        volume.write("2.label", b"x" * 1_000)
    defects.off("fill_volume")
    volume.write("2.label", b"x" * 1_000)
    assert volume.used_bytes() == 2_000


def test_an_archive_that_was_deleted_does_not_come_back(tmp_path: Path) -> None:
    volume = LabelVolume(tmp_path, limit_bytes=MIB)
    defects = Defects(service_with(volume=volume))
    defects.on("fill_volume")
    until(lambda: volume.used_bytes() == MIB)
    (tmp_path / ARCHIVE).unlink()
    filler = defects._active["fill_volume"]
    assert filler.step() == filler.step() == 0.5
    assert volume.used_bytes() == 0
    defects.off("fill_volume")


def test_the_clock_is_off_while_it_is_on(defects: Defects) -> None:
    assert defects.clock_offset_s == 0.0
    defects.on("clock", offset_s=-90.0)
    assert defects.clock_offset_s == -90.0
    defects.off("clock")
    assert defects.clock_offset_s == 0.0


def test_an_exact_share_of_one_kind_of_request_fails(defects: Defects) -> None:
    defects.on("fail", ratio=0.3, route="/orders", status=503)

    async def outcomes(path: str) -> list[int]:
        return [await defects.meet(path) for _ in range(100)]

    assert asyncio.run(outcomes("/orders")).count(503) == 30
    assert not any(asyncio.run(outcomes("/carts/1")))
    defects.off("fail")
    assert not any(asyncio.run(outcomes("/orders")))


def test_slow_requests_wait_and_others_do_not(defects: Defects) -> None:
    defects.on("slow", ms=50, route="/search")

    async def seconds(path: str) -> float:
        began_s = time.perf_counter()
        await defects.meet(path)
        return time.perf_counter() - began_s

    assert asyncio.run(seconds("/search")) > 0.045
    assert asyncio.run(seconds("/home")) < 0.03


def test_dropped_requests_hang_until_the_end(defects: Defects) -> None:
    async def play() -> int:
        defects.on("drop", ratio=1.0)
        hanging = asyncio.ensure_future(defects.meet("/"))
        await asyncio.sleep(0)
        assert not hanging.done()
        defects.off("drop")
        return await asyncio.wait_for(hanging, 2.0)

    assert asyncio.run(play()) == 503


@pytest.mark.parametrize(
    ("name", "given"),
    [("unheard", {}), ("slow", {"minutes": 1}), ("hold_connections", {}), ("fill_volume", {})],
)
def test_what_cannot_break_is_refused(defects: Defects, name: str, given: dict[str, Any]) -> None:
    with pytest.raises(LabError):
        defects.on(name, **given)
    assert defects.active == ()
    defects.off(name)


def test_on_twice_is_one_with_the_new_arguments(defects: Defects) -> None:
    threads = threading.active_count()
    defects.on("clock", offset_s=1.0)
    defects.on("clock", offset_s=2.0)
    assert defects.active == ("clock",)
    assert defects.clock_offset_s == 2.0
    defects.off("clock")
    assert threading.active_count() == threads
