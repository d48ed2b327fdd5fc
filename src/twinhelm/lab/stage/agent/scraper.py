"""Scrapes every ``/metrics`` of the lab, as a Prometheus would, and sends what it found.

In: addresses by job. Out: one remote-write request per round, and the pages to the shelf. Each
series gets ``job``, ``namespace``, ``instance`` (``JOB-1``) and ``host``; the database's also
``database``. Each target has ``up`` (1 or 0). A series that has gone, and all of a target that
does not answer, get one stale marker.

Costs about 2 us a sample: what a series' text becomes on the wire is kept.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import httpx

from twinhelm.lab.plan import LOOPBACK, Plan
from twinhelm.lab.stage.agent import remote_write
from twinhelm.lab.stage.agent.exposition import labels_of, samples_of
from twinhelm.lab.stage.agent.sender import Item, Sender
from twinhelm.lab.words import DATABASE, NAMESPACE, SCRAPED, now_s

__all__ = ["Scraper", "target_labels", "targets"]

DOUBLE = struct.Struct("<d")
TIMEOUT_S = 2.0
Source = Callable[[], Awaitable[str]]
"""Fetches a page; raises OSError or httpx.HTTPError where the target does not answer."""


def target_labels(plan: Plan, job: str) -> dict[str, str]:
    """Return the labels that every series of a job gets."""
    labels = {"job": job, "namespace": NAMESPACE, "instance": f"{job}-1", "host": plan.host}
    return labels | ({"database": DATABASE} if job == DATABASE else {})


def targets(plan: Plan) -> list[dict[str, object]]:
    """List what can be scraped, as Prometheus's ``file_sd_configs`` reads it."""
    return [
        {"targets": [f"{LOOPBACK}:{plan.ports[job]}"], "labels": target_labels(plan, job)}
        for job in SCRAPED
    ]


@dataclass(slots=True)
class _Target:
    """One job: its labels, where its page comes from, and its series as they go over the wire."""

    labels: dict[str, str]
    source: Source
    known: dict[str, bytes] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)

    def encode(self, page: str, stamp: bytes) -> list[bytes]:
        """Return a page's samples, and stale markers of what has gone."""
        known, pack, out, present = self.known, DOUBLE.pack, [], set()
        for series, value in samples_of(page):
            prefix = known.get(series)
            if prefix is None:
                prefix = known[series] = remote_write.series(labels_of(series) | self.labels)
            present.add(series)
            out.append(prefix + pack(value) + stamp)
        out += [known.pop(gone) + remote_write.STALE + stamp for gone in self.present - present]
        self.present = present
        return out


class Scraper:
    """Scrapes each interval. ``keep`` gets the time (s), job and text of every page."""

    def __init__(
        self,
        plan: Plan,
        client: httpx.AsyncClient,
        sender: Sender,
        *,
        keep: Callable[[float, str, str], None],
        database: Source,
    ) -> None:
        self._interval_s = plan.interval_s
        # Shorter than the interval, so that one silent target delays nobody's next round.
        self._timeout_s = min(TIMEOUT_S, 0.8 * plan.interval_s)
        self._client = client
        self._sender = sender
        self._keep = keep
        sources: dict[str, Source] = {DATABASE: database}
        for job in SCRAPED:
            sources[job] = partial(self._fetch, f"{plan.own_url(job)}/metrics")
        self._targets = {
            job: _Target(target_labels(plan, job), source) for job, source in sources.items()
        }

    async def run(self) -> None:
        """Scrape for ever; a round that takes longer than the interval skips the next."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.round()
            while due <= loop.time():
                due += self._interval_s
            await asyncio.sleep(due - loop.time())

    async def round(self) -> None:
        """Scrape all targets once, at one time."""
        at_s = now_s()
        stamp = remote_write.stamp(int(at_s * 1000))
        pages = await asyncio.gather(*(_page(target.source) for target in self._targets.values()))
        samples: list[bytes] = []
        for (job, target), page in zip(self._targets.items(), pages, strict=True):
            samples += target.encode(page, stamp)
            self._keep(at_s, job, page)
        body = remote_write.write_request(samples)
        self._sender.put(Item(body, remote_write.HEADERS, {"metrics": len(samples)}))

    async def _fetch(self, url: str) -> str:
        answer = await self._client.get(
            url, timeout=self._timeout_s, headers={"Accept-Encoding": "identity"}
        )
        answer.raise_for_status()
        return answer.text


async def _page(source: Source) -> str:
    try:
        return f"{await source()}\nup 1\n"
    except (OSError, httpx.HTTPError):
        return "up 0\n"
