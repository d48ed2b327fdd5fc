"""Reads everything back through the doors out, as anybody would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from e2e.senders import LogSender, SampleSender, Sender, SpanSender

__all__ = ["assert_kept", "raw_samples"]

PAGE = 1000
"""The API gives at most so many rows; senders of rows use a millisecond for each."""


def raw_samples(
    http: httpx.Client, selector: str, start_ms: int, end_ms: int
) -> dict[frozenset[tuple[str, str]], list[tuple[int, str]]]:
    """Ask for raw samples with ``start_ms < t <= end_ms``, by label set; values as written."""
    found: dict[frozenset[tuple[str, str]], list[tuple[int, str]]] = {}
    answer = http.get(
        "/api/v1/query",
        params={"query": f"{selector}[{end_ms - start_ms}ms]", "time": end_ms / 1000},
        timeout=60.0,
    )
    assert answer.status_code == 200, answer.text
    for series in answer.json()["data"]["result"]:
        values = [(round(at * 1000), value) for at, value in series["values"]]
        found[frozenset(series["metric"].items())] = [
            (at, value) for at, value in values if at > start_ms
        ]
    return found


def assert_kept(http: httpx.Client, senders: list[Sender]) -> None:
    """See that everything acknowledged is there once, and nothing else is."""
    for sender in senders:
        assert sender.acknowledged > 0, f"{sender.name} sent nothing"
        if isinstance(sender, SampleSender):
            _samples_kept(http, sender)
        elif isinstance(sender, LogSender):
            pages = _pages(http, "logs", sender, sender.acknowledged * sender.LINES)
            assert sorted(row["body"] for row in pages) == sorted(sender.sent())
        elif isinstance(sender, SpanSender):
            pages = _pages(http, "spans", sender, sender.acknowledged * sender.SPANS)
            assert sorted(row["span_id"] for row in pages) == sorted(sender.sent())


def _samples_kept(http: httpx.Client, sender: SampleSender) -> None:
    span = sender.acknowledged * sender.STEPS * sender.STEP_MS
    for k, labels in enumerate(sender.labels()):
        selector = "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
        kept = raw_samples(http, selector, sender.start_ms - 1, sender.start_ms + span)
        (values,) = kept.values()
        assert [(at, float(value)) for at, value in values] == sender.sent(k)


def _pages(http: httpx.Client, what: str, sender: Sender, count: int) -> Iterator[dict[str, Any]]:
    """Read rows a page at a time; half a page's worth of milliseconds, so twice were seen."""
    step = PAGE // 2
    for first in range(0, count + 1, step):
        start = sender.start_ms + first
        answer = http.get(
            f"/api/twinhelm/v1/{what}",
            params={
                "match": f'{{service_name="{sender.name}"}}',
                "start_ms": start,
                "end_ms": start + step - 1,
                "limit": PAGE,
            },
        )
        assert answer.status_code == 200, answer.text
        yield from answer.json()
