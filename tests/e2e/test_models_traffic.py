"""Fifty clients at once: the split is kept, and twenty switches lose or misdirect no request.

A real server over HTTP, two versions made by a real recipe. The split is a sequence, not a throw
of dice: over 20,000 requests it is right to far less than the hundredth that is promised.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from itertools import chain

import httpx
import pytest

from e2e.small_product import NAME, Desk, question, rows, write_product
from twinhelm.core import json

CLIENTS = 50
REQUESTS = 20_000
SWITCHES = 20
SHARES = {"1": 0.8, "2": 0.2}

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="models run in processes of Linux"),
    pytest.mark.timeout(600),
]


class Crowd:
    """Clients with a connection each; ``living`` are versions that may answer at this moment."""

    def __init__(self, url: str, living):
        self.at, self.living = httpx.URL(url), set(living)
        self.answered, self.wrong, self.heard = Counter(), [], asyncio.Event()
        body = question(rows(1, seed=6)[0])
        head = f"POST /v2/models/{NAME}/infer HTTP/1.1\r\nHost: {self.at.host}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._message = head.encode() + body

    async def ask(self, turns):
        """Ask, each client one question after the other, as long as ``turns`` gives some."""
        await asyncio.gather(*(self._client(turns) for _ in range(CLIENTS)))

    async def _client(self, turns):
        reader, writer = await asyncio.open_connection(self.at.host, self.at.port)
        for _ in turns:
            before = set(self.living)
            writer.write(self._message)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = head.partition(b"content-length:")[2].partition(b"\r")[0]
            body = json.loads(await reader.readexactly(int(size)))
            assert head.startswith(b"http/1.1 200"), (head, body)
            version = body["model_version"]
            self.answered[version] += 1
            if version not in before | self.living:
                self.wrong.append(version)
            self.heard.set()
        writer.close()
        await writer.wait_closed()


def route(desk, shares):
    """Split the traffic by hand; the version with the largest share is the champion."""
    roles = dict.fromkeys(shares, "canary") | {max(shares, key=shares.get): "champion"}
    parts = [{"version": v, "role": roles[v], "share": share} for v, share in shares.items()]
    desk.post(f"/products/{NAME}/deployment/route", {"parts": parts, "reason": "by hand"})


async def switches(desk, crowd):
    """Turn all traffic to the other version, again and again, while everybody asks."""
    over = []
    asking = asyncio.create_task(crowd.ask(iter(lambda: bool(over), True)))
    for turn in range(SWITCHES):
        new, old = ("1", "2") if turn % 2 == 0 else ("2", "1")
        crowd.living.add(new)
        await asyncio.to_thread(route, desk, {new: 1.0})
        crowd.living.discard(old)
        seen = crowd.answered[new]
        while crowd.answered[new] < seen + CLIENTS:
            crowd.heard.clear()
            await crowd.heard.wait()
    over.append(True)
    await asking


def test_fifty_clients_are_split_as_declared_and_switched_without_loss(start_twinhelm, tmp_path):
    text = write_product(tmp_path / "product", tier="low", rollout="direct")
    server = start_twinhelm("--no-host")
    with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as web:
        desk = Desk(server, web)
        desk.post("/products", {"text": text, "folder": str(tmp_path / "product")})
        for strength in (1.0, 0.5):
            params = {"params": {"strength": strength}}
            number = desk.post(f"/products/{NAME}/builds", params)["number"]
            version = desk.built(number)
            desk.validated(version)
            desk.post(f"/products/{NAME}/versions/{version}/promote")
            desk.until(lambda version=version: desk.champions() == [version], "a champion")

        route(desk, SHARES)
        crowd = Crowd(server.url, SHARES)
        asyncio.run(crowd.ask(iter(range(REQUESTS))))
        assert crowd.answered.total() == REQUESTS
        for version, share in SHARES.items():
            assert abs(crowd.answered[version] / REQUESTS - share) < 0.001

        route(desk, {"2": 1.0})
        crowd = Crowd(server.url, ["2"])
        asyncio.run(switches(desk, crowd))
        assert not crowd.wrong
        changes = desk.journal("deployment.changed")
        assert len(changes) == 2 + 1 + 1 + SWITCHES
        live = chain.from_iterable(row["body"]["parts"] for row in changes[-SWITCHES:])
        assert [version for version, _, _ in live] == ["1", "2"] * (SWITCHES // 2)
    assert server.stop() == 0
