"""The crowd is as large and as mixed as it says, and comes whether or not it is served."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import httpx
import orjson
import pytest

from twinhelm.lab import crowd
from twinhelm.lab.crowd import ORDINARY, PAGES, PAGES_A_SESSION, Crowd, User, rhythm
from twinhelm.lab.plan import Backend, Plan

DAY_S = 600.0


class Meters:
    """Counts what is counted, by name and page."""

    def __init__(self):
        self.counted = Counter()

    def counter(self, name, text, *labels):
        return lambda value=1.0, **given: self._add(name, given, value)

    def histogram(self, name, text, *labels):
        return lambda value, **given: self._add(name, given, 1)

    def gauge(self, name, text, read, label=""):
        pass

    def _add(self, name, given, value):
        self.counted[name, given.get("page", "")] += value


def made_crowd(answer, *, rate=6.0, **shares):
    """Return a crowd before a gateway that answers by ``answer(request)``, and its meters."""
    meters = Meters()
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    service = SimpleNamespace(
        plan=Plan(Path(), {"gateway": 1}, "", Backend(), "", "host", rate=rate, day_s=DAY_S),
        instruments=meters,
        calls=SimpleNamespace(plain=client),
        config=shares,
        log=SimpleNamespace(warning=lambda *_: None),
    )
    return Crowd(service), meters


def well(request):
    if request.method == "POST":
        return httpx.Response(201)
    return httpx.Response(200, content=orjson.dumps({"recommended": [1, 2, 3]}))


def dice(seed):
    return random.Random(seed)  # noqa: S311 - whims, no secrets


def visits(shop, count, **shares):
    """Walk so many sessions without pauses."""
    crowd_, meters = made_crowd(shop, **shares)

    async def walk():
        share = {**ORDINARY, **shares}.__getitem__
        for seed in range(count):
            await crowd_._visit(User(dice(seed), share))

    asyncio.run(walk())
    return {page: int(meters.counted["crowd.requests", page]) for page in PAGES}, meters


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(crowd, "PAUSE_S", 1e-9)


def test_an_ordinary_session_has_as_many_pages_as_the_rate_reckons_with():
    pages, _ = visits(well, 1500)
    assert sum(pages.values()) / 1500 == pytest.approx(PAGES_A_SESSION, rel=0.07)
    assert all(pages.values())


def test_a_quarter_order():
    pages, _ = visits(well, 1500)
    assert pages["checkout"] / 1500 == pytest.approx(0.25, abs=0.03)
    assert pages["checkout"] < pages["cart"] < pages["add"]


def test_shares_change_what_users_do():
    pages, _ = visits(well, 300, buy=0.9, click=0.0)
    assert pages["checkout"] / 300 == pytest.approx(0.9, abs=0.1)
    assert pages["click"] == 0


def test_strangers_look_at_what_few_asked_for():
    def products(strange):
        user = User(dice(1), {"strange": strange}.__getitem__)
        return [user._pick() for _ in range(300)]

    assert sum(number > crowd.KNOWN for number in products(0.05)) < 45
    assert sum(number > crowd.KNOWN for number in products(0.9)) > 240


def test_failures_are_counted_and_drive_users_away():
    pages, meters = visits(lambda _: httpx.Response(503), 100)
    failures = {page: meters.counted["crowd.failures", page] for page in PAGES}
    assert failures == pages
    assert pages["checkout"] == 0
    assert sum(pages.values()) < 200


def test_a_refused_card_is_no_failure():
    def refuse(request):
        return httpx.Response(402) if request.url.path == "/checkout" else well(request)

    pages, meters = visits(refuse, 200, buy=0.5)
    assert pages["checkout"] > 50
    assert meters.counted["crowd.failures", "checkout"] == 0


def test_users_come_though_nobody_is_served():
    async def hang(_):
        await asyncio.sleep(3600)

    crowd_, meters = made_crowd(hang, rate=2000.0)
    turned_away = asyncio.Event()
    crowd_._failures = lambda **_: turned_away.set()

    async def open_for_a_while():
        working = asyncio.create_task(crowd_.work())
        async with asyncio.timeout(20):
            await turned_away.wait()
        working.cancel()
        inside = list(crowd_._inside)
        for task in inside:
            task.cancel()
        await asyncio.gather(working, *inside, return_exceptions=True)
        return len(inside)

    inside = asyncio.run(open_for_a_while())
    assert inside == crowd.MOST_SESSIONS
    assert meters.counted["crowd.sessions", ""] > crowd.MOST_SESSIONS


def test_the_week_has_its_rhythm():
    week = [
        rhythm(day * DAY_S + hour * DAY_S / 24, DAY_S) for day in range(7) for hour in range(24)
    ]
    assert max(week) == pytest.approx(1.25)
    assert min(week[: 5 * 24]) == pytest.approx(0.75)
    assert sum(week[: 5 * 24]) / (5 * 24) == pytest.approx(1.0)
    assert sum(week[5 * 24 :]) / 48 == pytest.approx(0.8)
