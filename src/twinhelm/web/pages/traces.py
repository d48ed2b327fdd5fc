"""Traces: recent spans gathered by trace, the newest first, each with its own spans in a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinhelm.aiops.words import quantity
from twinhelm.core.telemetry import Span
from twinhelm.web.pages.elements import Node, When
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.live import Live, Region
from twinhelm.web.pages.logs import stream_of
from twinhelm.web.pages.pieces import chip, empty, table
from twinhelm.web.pages.sheet import Sheet

__all__ = ["traces"]

MOST = 100
SPANS = 1000
NS = 1_000_000
DEEP = 12


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace, as far as its spans were read."""

    id: str
    root: Span
    spans: int
    errors: int
    seconds: float


async def traces(sheet: Sheet) -> None:
    """Build the page: the list, or one trace where the address names it."""
    one = sheet.asked("trace")
    one = one if len(one) == 32 and all(each in "0123456789abcdef" for each in one) else ""
    with framed(sheet, wing="machines", ranged=True):
        title_row("Traces", f"Trace {one}" if one else "The newest first")
        rows = Region("card flush")

        def ask() -> list[Span]:
            start, end = sheet.range()
            return sheet.house.telemetry.read_spans(
                [], start * NS, end * NS, trace_id=one, limit=SPANS
            )

        def fill(found: list[Span]) -> None:
            if not found:
                with empty("No spans in this range.", "Point an OpenTelemetry SDK here."):
                    Node("a", "How to send traces", href="/connect#opentelemetry")
            elif one:
                _one(found)
            else:
                heads: list[str | tuple[str, str]] = [
                    ("Began", "tightcol"),
                    "Root",
                    "Service",
                    ("Spans", "num"),
                    "",
                    "Took",
                ]
                table(heads, _gathered(found)[:MOST], lambda trace: _row(sheet, trace))

        await Live(sheet, ask, lambda now: rows.show(now, fill), every_s=10.0).start()


def _gathered(found: Sequence[Span]) -> list[Trace]:
    by_trace: dict[str, list[Span]] = {}
    for span in found:
        by_trace.setdefault(span.trace_id, []).append(span)
    made = []
    for key, spans in by_trace.items():
        root = next((span for span in spans if not span.parent_id), spans[0])
        took = max(span.end_ns for span in spans) - min(span.start_ns for span in spans)
        made.append(
            Trace(key, root, len(spans), sum(span.status == 2 for span in spans), took / 1e9)
        )
    return sorted(made, key=lambda trace: -trace.root.start_ns)


def _row(sheet: Sheet, trace: Trace) -> None:
    with Node("tr"):
        with Node("td", classes="tightcol"):
            When(trace.root.start_ns // NS)
        with Node("td", classes="wrapany"):
            where = f"/traces?range={sheet.range_name}&trace={trace.id}"
            Node("a", trace.root.name[:200] or trace.id, href=where)
        Node("td", stream_of(trace.root.labels), "wrapany")
        Node("td", str(trace.spans), "num")
        with Node("td", classes="tightcol"):
            if trace.errors:
                chip(f"{trace.errors} failed", "red")
        Node("td", quantity(trace.seconds, "seconds"), "tightcol")


def _one(found: Sequence[Span]) -> None:
    """Show the spans of one trace as a tree with a bar for each."""
    parents = {span.span_id: span.parent_id for span in found}
    start = min(span.start_ns for span in found)
    whole = max(max(span.end_ns for span in found) - start, 1)

    def depth(span: Span) -> int:
        count, at = 0, span.parent_id
        while at in parents and count < DEEP:
            count, at = count + 1, parents[at]
        return count

    def row(span: Span) -> None:
        with Node("tr"):
            inset = f"padding-left:{12 + 16 * depth(span)}px"
            Node("td", span.name[:200], "wrapany", style=inset)
            Node("td", stream_of(span.labels), "wrapany muted")
            with Node("td", style="width:40%"):
                left = (span.start_ns - start) / whole
                width = max((span.end_ns - span.start_ns) / whole, 0.003)
                colour = "var(--red)" if span.status == 2 else "var(--series-1)"
                Node(
                    "div",
                    style=f"height:8px;border-radius:2px;margin:5px 0 0 {left:.2%};"
                    f"width:{min(width, 1 - left):.2%};min-width:2px;background:{colour}",
                )
            took = quantity((span.end_ns - span.start_ns) / 1e9, "seconds")
            Node("td", took + (" failed" if span.status == 2 else ""), "tightcol")

    ordered = sorted(found, key=lambda span: span.start_ns)
    table(["Span", "Service", "When", ("Took", "tightcol")], ordered, row)
