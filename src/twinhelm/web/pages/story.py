"""What an incident has to tell: its charts, why, where, what changed, what happened when.

Charted are the series of its strongest signs, over the incident and a while around it, with its
anomalies shaded and changes marked; drawing them blocks.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from twinhelm.aiops.flow.incidents import IncidentFile, TimelineEntry
from twinhelm.aiops.types import Anomaly
from twinhelm.aiops.words import place
from twinhelm.core.claims import Claim, Evidence
from twinhelm.core.entities import Edge
from twinhelm.core.labels import metric_name
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.charts import range_link
from twinhelm.web.pages.kit.drawing import Drawing, query_of, short_name
from twinhelm.web.pages.kit.html import Node, When
from twinhelm.web.pages.kit.sheet import Sheet

__all__ = ["changes", "draw_evidence", "grouping", "timeline", "where", "why", "window"]

DOTS = {"anomaly": "amber", "alert": "red", "change": "blue", "action": "", "state": ""}
LONG = 60
FIRST = 3
EDGES = 10
WEAK = 0.2
"""Suspects below this confidence are folded away, unless there is no better one."""

MOST = 6
BEFORE_MS = 600_000
AFTER_MS = 300_000


def window(file: IncidentFile, now_ms: int) -> tuple[int, int]:
    """Return the range to look at: the incident and a while before and after it."""
    start = min([file.incident.started_ms, *(one.start_ms for one in file.anomalies)])
    start = max(start, file.incident.started_ms - 6 * BEFORE_MS)
    end = file.incident.resolved_ms
    return start - BEFORE_MS, now_ms if end is None else min(now_ms, end + AFTER_MS)


def draw_evidence(sheet: Sheet, file: IncidentFile) -> list[tuple[str, str, Drawing]]:
    """Draw the evidence: (title, link, drawing), the most telling first."""
    start, end = window(file, sheet.house.clock.now_ms())
    marks = [change for change in file.changes if start <= change.time_ms <= end]
    shown = []
    titles: set[str] = set()
    for series in _ranked(file)[:MOST]:
        own = [one for one in file.anomalies if one.series == series]
        labels = own[0].labels
        title = short_name(labels)
        if title in titles:
            title = query_of(labels)
        titles.add(title)
        drawing = sheet.drawer.draw([series], start, end).marked(own, marks[:20], end)
        shown.append((title, range_link(query_of(labels), start, end), drawing))
    return shown


def _ranked(file: IncidentFile) -> list[int]:
    """Order the series: those that the first suspects name, then by how strange they were."""
    named: dict[str, float] = {}
    for rank, claim in enumerate(file.claims):
        named.setdefault(str(claim.facts.get("indicator", "")), rank)
        for one in claim.evidence_for:
            named.setdefault(one.series.partition("{")[0], rank + 0.5)

    def key(one: Anomaly) -> tuple[float, float, float]:
        rank = named.get(metric_name(one.labels), len(named))
        return rank, -one.peak_score, -one.deviation

    return list(dict.fromkeys(one.series for one in sorted(file.anomalies, key=key)))


def why(
    file: IncidentFile,
    start_ms: int,
    end_ms: int,
    ask: Callable[[str], object] = lambda _claim: None,
) -> None:
    """Rank the suspects, with the evidence for and against each; ``ask`` ends each with more."""
    with html.card_head("Why"):
        if file.claims:
            html.chip(
                file.incident.verdict, "blue" if file.incident.verdict == "conclusive" else ""
            )
    if not file.claims:
        Node("p", "No suspect yet: the evidence is still coming in.", "muted")
        return
    if file.incident.verdict != "conclusive":
        said = "No cause stands clear of the others. More evidence, or changes sent to twinhelm, "
        Node("p", f"{said}may tell.", "muted small", style="margin-bottom:8px")
    shown = [one for one in file.claims if one.confidence >= WEAK][:FIRST] or file.claims[:1]
    weaker = file.claims[len(shown) :]
    with Node("ol", classes="items"):
        for claim in shown:
            _suspect(claim, start_ms, end_ms, ask)
    if weaker:
        with Node("details"):
            Node("summary", html.plural(len(weaker), "weaker suspect"))
            with Node("ol", classes="items"):
                for claim in weaker:
                    _suspect(claim, start_ms, end_ms, ask)


def _suspect(claim: Claim, start_ms: int, end_ms: int, ask: Callable[[str], object]) -> None:
    with Node("li", classes="suspect"):
        Node("h3", claim.text, "wrapany")
        html.confidence(claim.confidence)
        with Node("ul", classes="evidence"):
            for one in claim.evidence_for[:FIRST]:
                _evidence(one, "+", start_ms, end_ms)
            for one in claim.evidence_against[:2]:
                _evidence(one, "−", start_ms, end_ms)  # noqa: RUF001 - the minus sign is meant
        ask(claim.id)


def _evidence(one: Evidence, sign: str, start_ms: int, end_ms: int) -> None:
    word = "for" if sign == "+" else "against"
    with Node("li", classes=word):
        Node("span", sign, "sign", title=f"speaks {word} it")
        with Node("span"):
            Node("span", one.text)
            if one.series:
                Node("span", " ")
                Node("a", "show me", href=range_link(one.series, start_ms, end_ms))


def where(file: IncidentFile, edges: Sequence[Edge]) -> None:
    """Name the places, what each shows, and how they lean on one another."""
    Node("h2", "Where")
    strange = Counter(anomaly.entity for anomaly in file.anomalies)
    inside = list(file.incident.entities)
    with Node("ul", classes="items"):
        for entity in inside[:12]:
            with Node("li", classes="row", style="justify-content:space-between"):
                Node("b", place(entity), "wrapany")
                Node("span", html.plural(strange[entity], "sign"), "muted small")
    if len(inside) > 12:
        Node("p", f"and {len(inside) - 12} more", "muted")
    running = [edge for edge in edges if edge.source.startswith("process:")]
    others = [edge for edge in edges if edge not in running]
    if running:
        count = len({edge.source for edge in running})
        Node("p", f"{count} processes are known to run there.", "muted small")
    if not others:
        Node("p", "No service is known to lean on it, or it on others.", "muted small")
        return
    Node("h3", "How they lean on each other")
    html.points(
        (
            f"{place(edge.source)} {edge.kind.replace('_', ' ')} {place(edge.target)} "
            f"(told by {edge.told_by}, {edge.confidence:.2f})"
            for edge in others[:EDGES]
        ),
        "→",
    )
    if len(others) > EDGES:
        Node("p", f"and {len(others) - EDGES} more", "muted small")


def changes(file: IncidentFile) -> None:
    """List what was done near the start, the newest last."""
    Node("h2", "What changed")
    if not file.changes:
        said = "No deploy, flag, configuration or pipeline change was reported in the two hours "
        Node("p", f"{said}before it.", "muted")
        with Node("p", classes="small"):
            Node("a", "Send changes to twinhelm", href="/connect#changes")
    with Node("ul", classes="items"):
        for change in file.changes[-8:]:
            with Node("li"):
                Node("b", change.title, "wrapany")
                with Node("div", classes="row muted small"):
                    html.chip(change.kind)
                    Node("span", f"{place(change.entity)}, by {change.source}", "wrapany")
                    minutes = round((change.time_ms - file.incident.started_ms) / 60_000)
                    side = "before" if minutes < 0 else "after"
                    Node(
                        "span",
                        f"{abs(minutes)} min {side} the start" if minutes else "at the start",
                    )
    if file.alerts:
        Node("h3", "Alerts of other systems", style="margin-top:8px")
        with Node("ul", classes="evidence"):
            for alert in file.alerts[:8]:
                name = dict(alert.labels).get("alertname", "an alert")
                state, colour = ("fires", "red") if alert.ends_ms is None else ("ended", "")
                with Node("li"):
                    html.dot(colour)
                    with Node("span"):
                        html.linked(name, html.outside(alert.url), rel="noopener noreferrer")
                        Node("span", f" ({state}, {alert.source})", "muted")


def timeline(entries: Sequence[TimelineEntry]) -> None:
    """Tell everything in order, the newest first."""
    Node("h2", "Timeline")
    with Node("ul", classes="timeline", tabindex="0", aria_label="Timeline"):
        for entry in entries[::-1][:LONG]:
            with Node("li"):
                When(entry.time_ms, absolute=True)
                Node("span", classes=f"dot {DOTS.get(entry.kind, '')}", title=entry.kind)
                with Node("span"):
                    Node("span", entry.text)
                    if entry.who and entry.who != "twinhelm":
                        Node("span", f" ({entry.who})", "muted")
    if len(entries) > LONG:
        Node("p", f"and {len(entries) - LONG} earlier entries", "muted small")


def grouping(file: IncidentFile) -> None:
    """Say why these signs are one incident."""
    count = len(file.incident.members)
    Node("h2", f"Why {count} {'sign is' if count == 1 else 'signs are'} one incident")
    if not file.incident.grouping:
        Node("p", "It has a single sign, so nothing had to be put together.", "muted")
    html.points(file.incident.grouping[:12])
