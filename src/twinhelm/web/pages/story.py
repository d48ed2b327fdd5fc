"""The columns and the timeline of an incident: why, where, what changed, what happened when."""

from __future__ import annotations

from collections.abc import Sequence

from twinhelm.aiops.flow.incidents import IncidentFile, TimelineEntry
from twinhelm.aiops.words import place
from twinhelm.core.claims import Claim, Evidence
from twinhelm.core.entities import Edge
from twinhelm.core.telemetry import Alert
from twinhelm.web.pages.elements import Node, When, outside
from twinhelm.web.pages.pieces import chip, confidence, range_link

__all__ = ["changes", "grouping", "timeline", "where", "why"]

DOTS = {"anomaly": "amber", "alert": "red", "change": "blue", "action": "", "state": ""}
LONG = 60
FIRST = 3
EDGES = 10
WEAK = 0.2
"""Suspects below this confidence are folded away, unless there is no better one."""


def why(file: IncidentFile, start_ms: int, end_ms: int) -> None:
    """Rank the suspects, with the evidence for and against each."""
    with Node("div", classes="card-head"):
        Node("h2", "Why")
        if file.claims:
            chip(file.incident.verdict, "blue" if file.incident.verdict == "conclusive" else "")
    if not file.claims:
        Node("p", "No suspect yet: the evidence is still coming in.", "muted")
        return
    if file.incident.verdict != "conclusive":
        Node(
            "p",
            "No cause stands clear of the others. More evidence, or changes sent to twinhelm, "
            "may tell.",
            "muted small",
            style="margin-bottom:8px",
        )
    shown = [one for one in file.claims if one.confidence >= WEAK][:FIRST] or file.claims[:1]
    weaker = file.claims[len(shown) :]
    with Node("ol", classes="items"):
        for claim in shown:
            _suspect(claim, start_ms, end_ms)
    if weaker:
        with Node("details"):
            noun = "suspect" if len(weaker) == 1 else "suspects"
            Node("summary", f"{len(weaker)} weaker {noun}")
            with Node("ol", classes="items"):
                for claim in weaker:
                    _suspect(claim, start_ms, end_ms)


def _suspect(claim: Claim, start_ms: int, end_ms: int) -> None:
    with Node("li", classes="suspect"):
        Node("h3", claim.text, "wrapany")
        confidence(claim.confidence)
        with Node("ul", classes="evidence"):
            for one in claim.evidence_for[:FIRST]:
                _evidence(one, "+", start_ms, end_ms)
            for one in claim.evidence_against[:2]:
                _evidence(one, "−", start_ms, end_ms)  # noqa: RUF001 - the minus sign is meant


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
    strange: dict[str, int] = {}
    for anomaly in file.anomalies:
        strange[anomaly.entity] = strange.get(anomaly.entity, 0) + 1
    inside = list(file.incident.entities)
    with Node("ul", classes="items"):
        for entity in inside[:12]:
            with Node("li", classes="row", style="justify-content:space-between"):
                Node("b", place(entity), "wrapany")
                count = strange.get(entity, 0)
                Node("span", f"{count} signs" if count != 1 else "1 sign", "muted small")
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
    with Node("ul", classes="evidence"):
        for edge in others[:EDGES]:
            with Node("li"):
                Node("span", "→", "muted")
                said = f"{place(edge.source)} {edge.kind.replace('_', ' ')} {place(edge.target)}"
                Node("span", f"{said} (told by {edge.told_by}, {edge.confidence:.2f})")
    if len(others) > EDGES:
        Node("p", f"and {len(others) - EDGES} more", "muted small")


def changes(file: IncidentFile) -> None:
    """List what was done near the start, the newest last."""
    Node("h2", "What changed")
    if not file.changes:
        Node(
            "p",
            "No deploy, flag, configuration or pipeline change was reported in the two hours "
            "before it.",
            "muted",
        )
        with Node("p", classes="small"):
            Node("a", "Send changes to twinhelm", href="/connect#changes")
    with Node("ul", classes="items"):
        for change in file.changes[-8:]:
            with Node("li"):
                Node("b", change.title, "wrapany")
                with Node("div", classes="row muted small"):
                    chip(change.kind)
                    Node("span", f"{place(change.entity)}, by {change.source}", "wrapany")
                    minutes = (change.time_ms - file.incident.started_ms) / 60_000
                    side = "before" if minutes < 0 else "after"
                    Node("span", f"{abs(minutes):.0f} min {side} the start")
    if file.alerts:
        Node("h3", "Alerts of other systems", style="margin-top:8px")
        with Node("ul", classes="evidence"):
            for alert in file.alerts[:8]:
                _alert(alert)


def _alert(alert: Alert) -> None:
    name = dict(alert.labels).get("alertname", "an alert")
    url = outside(alert.url)
    with Node("li"):
        Node("span", classes=f"dot {'red' if alert.ends_ms is None else ''}", aria_hidden="true")
        with Node("span"):
            if url:
                Node("a", name, href=url, rel="noopener noreferrer")
            else:
                Node("span", name)
            state = "fires" if alert.ends_ms is None else "ended"
            Node("span", f" ({state}, {alert.source})", "muted")


def timeline(entries: Sequence[TimelineEntry]) -> None:
    """Tell everything in order, the newest first."""
    Node("h2", "Timeline")
    with Node("ul", classes="timeline", tabindex="0", aria_label="Timeline"):
        for entry in list(entries)[::-1][:LONG]:
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
    with Node("ul", classes="evidence"):
        for reason in file.incident.grouping[:12]:
            with Node("li"):
                Node("span", "·", "muted")
                Node("span", reason)
