"""Logs and traces: what was said and what was called, the newest first, with a live tail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from twinhelm.aiops.words import quantity
from twinhelm.core.errors import BadInput
from twinhelm.core.labels import METRIC, Labels
from twinhelm.core.telemetry import LogRecord, Span
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Node, When
from twinhelm.web.pages.kit.sheet import Sheet, follow
from twinhelm.web.pages.series import matchers_of

__all__ = ["logs", "traces"]

LINES = 200
LONGEST = 2000
TRACES = 100
SPANS = 1000
NS = 1_000_000
DEEP = 12
SEVERITIES = (
    (21, "fatal", "red"), (17, "error", "red"), (13, "warn", "amber"), (9, "info", "blue"),
    (5, "debug", ""), (1, "trace", ""),
)  # fmt: skip
NAMING = ("service_name", "service.name", "app", "job", "container", "host")


async def logs(sheet: Sheet) -> None:
    """Show lines by a selector, words that must stand in them, and a range."""
    query, words, tail = sheet.asked("q"), sheet.asked("contains"), sheet.asked("tail") == "1"

    def ask() -> list[LogRecord]:
        start, end = sheet.range()
        return sheet.house.telemetry.read_logs(
            matchers, start * NS, end * NS, contains=words, limit=LINES + 1
        )

    def fill(found: list[LogRecord]) -> None:
        if found:
            _lines(found)
        elif query or words:
            hint = "Take a matcher or the words away, or choose a longer range."
            html.empty("No log lines match in this range.", hint)
        else:
            with html.empty("No log lines in this range.", "Send logs by OTLP or Loki push."):
                Node("a", "How to send logs", href="/connect#logs")

    with framed(sheet, "Logs", "The newest first", wing="machines", ranged=True):
        _form(sheet, query, words, tail)
        try:
            matchers = matchers_of(query)
        except BadInput as error:
            html.say(html.sentences(error.message, error.hint), kind="failed")
            return
        await follow(sheet, ask, fill, every_s=2.0 if tail else 0.0)


def _form(sheet: Sheet, query: str, words: str, tail: bool) -> None:
    with html.searching("/logs", range=sheet.range_name, tail="1" if tail else ""):
        hint = '{service_name="checkout"}'
        html.entry("q", query, hint, "Stream selector", "grow mono", **html.UNAIDED)
        html.entry("contains", words, "Words in the line", "Words in the line", "grow")
        Node("button", "Search", "primary", type="submit")
        asked = {"q": query, "contains": words, "range": sheet.range_name}
        where = html.address("/logs", **asked, tail="" if tail else "1")
        Node("a", "Stop following" if tail else "Follow live", "button", href=where)


def _lines(found: list[LogRecord]) -> None:
    def body(record: LogRecord) -> str:
        return record.body[:LONGEST] + (" ... (cut)" if len(record.body) > LONGEST else "")

    html.table(
        found[:LINES],
        Column("Time", "tightcol muted", lambda one: When(one.time_ns // NS, absolute=True)),
        Column("Severity", "tightcol", lambda one: _severity(one.severity)),
        Column("From", "muted", lambda one: _stream(one.labels), "tightcol"),
        Column("Line", "body", body),
        classes="loglines",
    )
    if len(found) > LINES:
        oldest = datetime.fromtimestamp(found[LINES - 1].time_ns / 1e9, UTC)
        said = f"The newest {LINES} lines are shown, back to {oldest:%H:%M:%S} UTC"
        Node("p", f"{said}; narrow to see others.", "notice")


def _severity(number: int) -> None:
    for least, word, colour in SEVERITIES:
        if number >= least:
            html.chip(word, colour)
            return
    Node("span", "unknown", "muted")


def _stream(labels: Labels) -> str:
    """Name a stream by its most telling labels."""
    known = dict(labels)
    telling = next((known[name] for name in NAMING if name in known), "")
    rest = (f"{name}={value}" for name, value in labels if name != METRIC)
    return (telling or ", ".join(rest))[:120]


@dataclass(frozen=True, slots=True)
class _Trace:
    """One trace, as far as its spans were read."""

    id: str
    root: Span
    spans: int
    errors: int
    seconds: float


async def traces(sheet: Sheet) -> None:
    """Show recent spans gathered by trace, or one trace where the address names it."""
    one = sheet.asked("trace")
    one = one if len(one) == 32 and all(each in "0123456789abcdef" for each in one) else ""

    def ask() -> list[Span]:
        start, end = sheet.range()
        store = sheet.house.telemetry
        return store.read_spans([], start * NS, end * NS, trace_id=one, limit=SPANS)

    def fill(found: list[Span]) -> None:
        if not found:
            with html.empty("No spans in this range.", "Point an OpenTelemetry SDK here."):
                Node("a", "How to send traces", href="/connect#opentelemetry")
        elif one:
            _tree(found)
        else:
            _list(sheet, _gathered(found)[:TRACES])

    said = f"Trace {one}" if one else "The newest first"
    with framed(sheet, "Traces", said, wing="machines", ranged=True):
        await follow(sheet, ask, fill, every_s=10.0)


def _gathered(found: Sequence[Span]) -> list[_Trace]:
    by_trace: dict[str, list[Span]] = {}
    for span in found:
        by_trace.setdefault(span.trace_id, []).append(span)
    made = []
    for key, spans in by_trace.items():
        root = next((span for span in spans if not span.parent_id), spans[0])
        took_s = (max(one.end_ns for one in spans) - min(one.start_ns for one in spans)) / 1e9
        made.append(_Trace(key, root, len(spans), sum(one.status == 2 for one in spans), took_s))
    return sorted(made, key=lambda trace: -trace.root.start_ns)


def _list(sheet: Sheet, found: list[_Trace]) -> None:
    def name(trace: _Trace) -> None:
        where = f"/traces?range={sheet.range_name}&trace={trace.id}"
        Node("a", trace.root.name[:200] or trace.id, href=where)

    html.table(
        found,
        Column("Began", "tightcol", lambda one: When(one.root.start_ns // NS)),
        Column("Root", "wrapany", name),
        Column("Service", "wrapany", lambda one: _stream(one.root.labels)),
        Column("Spans", "num", lambda one: str(one.spans)),
        Column("", "tightcol", lambda one: one.errors and html.chip(f"{one.errors} failed", "red")),
        Column("Took", "tightcol", lambda one: quantity(one.seconds, "seconds")),
    )


def _tree(found: Sequence[Span]) -> None:
    """Show the spans of one trace as a tree with a bar for each."""
    parents = {span.span_id: span.parent_id for span in found}
    start = min(span.start_ns for span in found)
    whole = max(max(span.end_ns for span in found) - start, 1)

    def name(span: Span) -> None:
        depth, at = 0, span.parent_id
        while at in parents and depth < DEEP:
            depth, at = depth + 1, parents[at]
        Node("div", span.name[:200], style=f"padding-left:{16 * depth}px")

    def bar(span: Span) -> None:
        left = (span.start_ns - start) / whole
        width = max((span.end_ns - span.start_ns) / whole, 0.003)
        colour = "var(--red)" if span.status == 2 else "var(--series-1)"
        place = f"margin:5px 0 0 {left:.2%};width:{min(width, 1 - left):.2%};background:{colour}"
        Node("div", style=f"height:8px;border-radius:2px;min-width:2px;{place}")

    def took(span: Span) -> str:
        said = quantity((span.end_ns - span.start_ns) / 1e9, "seconds")
        return said + (" failed" if span.status == 2 else "")

    html.table(
        sorted(found, key=lambda span: span.start_ns),
        Column("Span", "wrapany", name),
        Column("Service", "wrapany muted", lambda span: _stream(span.labels)),
        Column("When", "barcol", bar),
        Column("Took", "tightcol", took),
    )
