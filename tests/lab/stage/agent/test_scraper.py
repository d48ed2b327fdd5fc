import asyncio
import struct

import cramjam
import httpx
import pytest
from prometheus_client import CollectorRegistry

from aiops.collect.remote_write_messages import WriteRequest
from twinhelm.lab.plan import Backend, Plan
from twinhelm.lab.stage.agent.remote_write import STALE
from twinhelm.lab.stage.agent.scraper import Scraper, targets
from twinhelm.lab.stage.agent.sender import Sender, Tally
from twinhelm.lab.words import DATABASE, SCRAPED


@pytest.fixture
def plan(tmp_path):
    return Plan(tmp_path, dict.fromkeys(SCRAPED, 1), "sqlite://", Backend(), "s", "box")


def test_targets_are_what_prometheus_reads_from_a_file(plan):
    found = targets(plan)
    assert len(found) == len(SCRAPED)
    assert found[0] == {
        "targets": ["127.0.0.1:1"],
        "labels": {"job": "catalog", "namespace": "shop", "instance": "catalog-1", "host": "box"},
    }


def series_of(body):
    """Labels and value bits of each sample."""
    request = WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    return {
        tuple((pair.name, pair.value) for pair in series.labels): struct.pack(
            "<d", series.samples[0].value
        )
        for series in request.timeseries
    }


def test_a_series_that_goes_and_a_target_that_dies_are_marked(sink, plan):
    pages = {"now": 'orders{kind="gold"} 2\norders{kind="plain"} 3\n'}

    def answer(request):
        if pages["now"] is None:
            raise httpx.ConnectError("down")
        return httpx.Response(200, text=pages["now"])

    async def none():
        raise OSError

    kept = []

    async def run():
        async with (
            httpx.AsyncClient(transport=httpx.MockTransport(answer)) as scraping,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            sender = Sender("x", f"{sink.url}/w", client, Tally(CollectorRegistry()))
            scraper = Scraper(
                plan, scraping, sender, keep=lambda *said: kept.append(said), database=none
            )
            for page in (pages["now"], 'orders{kind="gold"} 5\n', None, None):
                pages["now"] = page
                await scraper.round()
                await sender.flush()

    asyncio.run(run())

    def of_catalog(body, name):
        found = {}
        for labels, bits in series_of(body).items():
            named = dict(labels)
            if named["job"] == "catalog" and named["__name__"] == name:
                assert named["namespace"] == "shop"
                assert named["instance"] == "catalog-1"
                assert named["host"] == "box"
                found[named.get("kind")] = bits
        return found

    def value(number):
        return struct.pack("<d", number)

    first, second, third, fourth = sink.at("/w")
    assert of_catalog(first, "orders") == {"gold": value(2), "plain": value(3)}
    assert of_catalog(second, "orders") == {"gold": value(5), "plain": STALE}
    assert of_catalog(third, "orders") == {"gold": STALE}
    assert of_catalog(fourth, "orders") == {}
    assert [of_catalog(body, "up")[None] for body in sink.at("/w")] == [
        value(1), value(1), value(0), value(0)
    ]  # fmt: skip
    assert {
        labels["database"] for labels in map(dict, series_of(first)) if "database" in labels
    } == {DATABASE}
    assert ("catalog", "up 0\n") in [(job, page) for _, job, page in kept]
