import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
from prometheus_client import CollectorRegistry

from twinhelm.lab.stage.agent import sender as module
from twinhelm.lab.stage.agent.sender import Item, Sender, Tally


def item(text, **counts):
    return Item(text.encode(), {"Content-Type": "text/plain"}, counts or {"metrics": 1})


@asynccontextmanager
async def sending(url, **options):
    tally = Tally(CollectorRegistry())
    async with httpx.AsyncClient(trust_env=False) as client:
        sender = Sender("test", url, client, tally, **options)
        running = asyncio.create_task(sender.run())
        yield sender, tally
        running.cancel()


async def seen(holds):
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - asks the sender, which tells nobody
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "BACKOFF_S", (0.05, 0.1))


def test_bodies_arrive_in_order_also_after_the_backend_was_down(sink):
    async def run():
        async with sending(f"{sink.url}/x") as (sender, tally):
            sink.status = 503
            for number in range(5):
                sender.put(item(str(number)))
            await seen(lambda: tally.sent["errors"] > 1)
            assert sink.bodies == []
            sink.status = 204
            await seen(lambda: tally.sent["metrics"] == 5)
        assert sink.at("/x") == [b"0", b"1", b"2", b"3", b"4"]

    asyncio.run(run())


def test_a_refused_body_is_dropped_and_the_next_one_sent(sink):
    async def run():
        async with sending(f"{sink.url}/x") as (sender, tally):
            sink.status = 400
            sender.put(item("bad"))
            await seen(lambda: tally.sent["errors"])
            sink.status = 200
            sender.put(item("good"))
            await seen(lambda: tally.sent["metrics"] == 1)
        assert sink.at("/x") == [b"good"]

    asyncio.run(run())


def test_what_an_address_does_not_take_at_all_goes_elsewhere(sink):
    elsewhere = []

    async def run():
        async with sending(f"{sink.url}/x", otherwise=elsewhere.append) as (sender, tally):
            for status in (404, 405, 415, 501, 422):
                sink.status = status
                sender.put(item(str(status)))
                await seen(
                    lambda told=str(status): told in tally.troubles.get("test", {}).get("last", "")
                )
            assert [each.body for each in elsewhere] == [b"404", b"405", b"415", b"501"]
            assert tally.troubles["test"] == {
                "requests": 5, "refused": 5, "last": "422 Unprocessable Entity", "lasts": True,
            }  # fmt: skip
            sink.status = 200
            sender.put(item("good"))
            await seen(lambda: tally.sent["metrics"] == 1)
            assert not tally.troubles["test"]["lasts"]
        async with sending("", otherwise=elsewhere.append) as (sender, _):
            sender.put(item("nowhere"))
            assert elsewhere[-1].body == b"nowhere"

    asyncio.run(run())


def test_who_does_not_answer_is_asked_again_and_told(sink):
    async def run():
        async with sending("http://127.0.0.1:9/x") as (sender, tally):
            sender.put(item("a"))
            await seen(lambda: tally.sent["errors"] > 1)
            assert tally.troubles["test"]["refused"] == 0
            assert tally.troubles["test"]["last"].startswith("no answer: ")

    asyncio.run(run())


def test_what_gathers_is_joined(sink):
    async def run():
        async with sending(f"{sink.url}/x", every_s=0.2) as (sender, tally):
            for text in ("a", "b", "c"):
                sender.put(item(text, spans=2))
            await seen(lambda: tally.sent["spans"] == 6)
        assert sink.at("/x") == [b"abc"]

    asyncio.run(run())


def test_the_queue_is_bounded_and_the_oldest_goes_first(sink, monkeypatch):
    monkeypatch.setattr(module, "QUEUE_BYTES", 10)

    async def run():
        async with sending(f"{sink.url}/x", every_s=0.2) as (sender, tally):
            for text in ("aaaa", "bbbb", "cccc", "d" * 50):
                sender.put(item(text))
            await seen(lambda: tally.sent["metrics"] == 1)
        assert sink.at("/x") == [b"d" * 50]

    asyncio.run(run())


def test_without_an_address_nothing_is_kept():
    async def run():
        async with sending("") as (sender, tally):
            sender.put(item("a"))
            await asyncio.sleep(0)
            assert tally.sent["errors"] == 0

    asyncio.run(run())
