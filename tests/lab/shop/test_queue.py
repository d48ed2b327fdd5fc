"""The queue: order, waiting, redelivery, and giving up."""

from __future__ import annotations

import asyncio

import pytest

from twinhelm.lab.shop import queue
from twinhelm.lab.shop.queue import Queue

SOON_S = 0.02


def test_messages_come_in_order_and_are_done_when_acknowledged() -> None:
    async def play() -> None:
        work = Queue()
        first, second = await work.publish("a"), await work.publish("b")
        taken = [await work.take(wait_s=0), await work.take(wait_s=0)]
        assert [message.value for message in taken if message] == ["a", "b"]
        assert await work.take(wait_s=0) is None
        assert work.delete(first)
        assert work.delete(second)
        assert not work.delete(second)
        assert (work.ready, work.taken) == ([], {})
        assert work.oldest_s() == 0.0

    asyncio.run(play())


def test_who_waits_gets_the_message_as_it_comes() -> None:
    async def play() -> None:
        work = Queue()
        waiting = asyncio.ensure_future(work.take(wait_s=5))
        await asyncio.sleep(0)
        await work.publish("a")
        message = await asyncio.wait_for(waiting, 1)
        assert message is not None
        assert message.value == "a"
        work.clear()

    asyncio.run(play())


def test_what_is_not_acknowledged_comes_again_before_younger_ones() -> None:
    async def play() -> None:
        work = Queue()
        await work.publish("old")
        assert await work.take(wait_s=0, visible_s=SOON_S)
        await work.publish("young")
        while work.taken:  # noqa: ASYNC110 - nothing to wait on but the queue itself
            await asyncio.sleep(SOON_S)
        again = await work.take(wait_s=1)
        assert again is not None
        assert (again.value, again.tries, work.redelivered) == ("old", 2, 1)
        work.clear()

    asyncio.run(play())


def test_redelivery_wakes_who_waits() -> None:
    async def play() -> None:
        work = Queue()
        await work.publish("a")
        await work.take(wait_s=0, visible_s=SOON_S)
        assert await asyncio.wait_for(work.take(wait_s=5), 1)
        work.clear()

    asyncio.run(play())


def test_after_enough_tries_a_message_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "TRIES", 2)

    async def play() -> None:
        work = Queue()
        await work.publish("poison")
        for _ in range(2):
            assert await work.take(wait_s=1, visible_s=SOON_S)
        assert await work.take(wait_s=4 * SOON_S) is None
        assert [message.value for message in work.dead] == ["poison"]
        work.clear()
        assert work.dead == []

    asyncio.run(play())


def test_a_waiting_message_can_be_dropped() -> None:
    async def play() -> None:
        work = Queue()
        number = await work.publish("poison")
        await work.publish("good")
        assert work.delete(number)
        message = await work.take(wait_s=0)
        assert message is not None
        assert message.value == "good"
        work.clear()

    asyncio.run(play())
