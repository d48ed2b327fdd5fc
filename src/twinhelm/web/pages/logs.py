"""Logs: a selector, words that must stand in the line, a range, and a live tail."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from twinhelm.core.errors import BadInput
from twinhelm.core.labels import METRIC
from twinhelm.core.telemetry import LogRecord
from twinhelm.web.pages.elements import Node, When
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.live import Live, Region, say
from twinhelm.web.pages.pieces import chip, empty
from twinhelm.web.pages.series import matchers_of
from twinhelm.web.pages.sheet import Sheet

__all__ = ["logs", "stream_of"]

MOST = 200
LONGEST = 2000
NS = 1_000_000
SEVERITIES = (
    (21, "fatal", "red"),
    (17, "error", "red"),
    (13, "warn", "amber"),
    (9, "info", "blue"),
    (5, "debug", ""),
    (1, "trace", ""),
)


async def logs(sheet: Sheet) -> None:
    """Build the page."""
    query, words, tail = sheet.asked("q"), sheet.asked("contains"), sheet.asked("tail") == "1"
    with framed(sheet, wing="machines", ranged=True):
        title_row("Logs", "The newest first")
        _form(sheet, query, words, tail)
        try:
            matchers = matchers_of(query)
        except BadInput as error:
            hint = f" {error.hint[:1].upper()}{error.hint[1:]}." if error.hint else ""
            say(f"{error.message[:1].upper()}{error.message[1:]}.{hint}", kind="failed")
            return
        rows = Region("card flush")

        def ask() -> list[LogRecord]:
            start, end = sheet.range()
            return sheet.house.telemetry.read_logs(
                matchers, start * NS, end * NS, contains=words, limit=MOST + 1
            )

        def fill(found: list[LogRecord]) -> None:
            if found:
                _table(found)
            elif query or words:
                empty(
                    "No log lines match in this range.",
                    "Take a matcher or the words away, or choose a longer range.",
                )
            else:
                with empty("No log lines in this range.", "Send logs by OTLP or Loki push."):
                    Node("a", "How to send logs", href="/connect#logs")

        every = 2.0 if tail else 0.0
        await Live(sheet, ask, lambda now: rows.show(now, fill), every_s=every).start()


def _form(sheet: Sheet, query: str, words: str, tail: bool) -> None:
    with Node("form", classes="row", method="get", action="/logs", role="search"):
        Node(
            "input",
            classes="grow mono",
            name="q",
            value=query,
            placeholder='{service_name="checkout"}',
            aria_label="Stream selector",
            autocomplete="off",
            spellcheck="false",
        )
        Node(
            "input",
            classes="grow",
            name="contains",
            value=words,
            placeholder="Words in the line",
            aria_label="Words in the line",
        )
        Node("input", type="hidden", name="range", value=sheet.range_name)
        if tail:
            Node("input", type="hidden", name="tail", value="1")
        Node("button", "Search", "primary", type="submit")
        kept = {"q": query, "contains": words, "range": sheet.range_name}
        kept |= {} if tail else {"tail": "1"}
        where = "/logs?" + urlencode({name: value for name, value in kept.items() if value})
        Node("a", "Stop following" if tail else "Follow live", "button", href=where)


def _table(found: list[LogRecord]) -> None:
    with Node("div", classes="scroll"), Node("table", classes="loglines"):
        with Node("thead"), Node("tr"):
            for head in ("Time", "Severity", "From", "Line"):
                Node("th", head, "" if head == "Line" else "tightcol", scope="col")
        with Node("tbody"):
            for record in found[:MOST]:
                with Node("tr"):
                    with Node("td", classes="tightcol muted"):
                        When(record.time_ns // NS, absolute=True)
                    with Node("td", classes="tightcol"):
                        _severity(record.severity)
                    Node("td", stream_of(record.labels), "muted")
                    cut = len(record.body) > LONGEST
                    Node("td", record.body[:LONGEST] + (" ... (cut)" if cut else ""), "body")
    if len(found) > MOST:
        oldest = datetime.fromtimestamp(found[MOST - 1].time_ns / 1e9, UTC)
        Node(
            "p",
            f"The newest {MOST} lines are shown, back to {oldest:%H:%M:%S} UTC; narrow to see "
            "others.",
            "notice",
        )


def _severity(number: int) -> None:
    for least, word, colour in SEVERITIES:
        if number >= least:
            chip(word, colour)
            return
    Node("span", "unknown", "muted")


def stream_of(labels: tuple[tuple[str, str], ...]) -> str:
    """Name a stream by its most telling labels."""
    known = dict(labels)
    for name in ("service_name", "service.name", "app", "job", "container", "host"):
        if name in known:
            return known[name][:120]
    return ", ".join(f"{name}={value}" for name, value in labels if name != METRIC)[:120]
