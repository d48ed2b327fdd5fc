"""The list of incidents: newest first, by state; empty on a good day, and then it says so."""

from __future__ import annotations

from dataclasses import dataclass

from twinhelm.aiops.correlate import Decision
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.aiops.words import place
from twinhelm.web.pages.elements import Node, When
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.live import Live, Region
from twinhelm.web.pages.pieces import empty, segments, severity_chip, state_chip, table
from twinhelm.web.pages.sheet import Sheet
from twinhelm.web.pages.whynot import decisions

__all__ = ["incidents"]

LIVE = (IncidentState.OPEN, IncidentState.REOPENED, IncidentState.ACKNOWLEDGED)
CHOICES: dict[str, tuple[str, tuple[IncidentState, ...] | None]] = {
    "": ("All", None),
    "live": ("Not resolved", LIVE),
    "open": ("Needs somebody", (IncidentState.OPEN, IncidentState.REOPENED)),
    "acknowledged": ("Acknowledged", (IncidentState.ACKNOWLEDGED,)),
    "resolved": ("Resolved", (IncidentState.RESOLVED,)),
}
PAGE = 200


@dataclass(frozen=True, slots=True)
class Listed:
    """What the page shows."""

    found: list[Incident]
    counts: dict[str, int]
    last_tick_ms: int
    decisions: list[Decision]


async def incidents(sheet: Sheet) -> None:
    """Build the page."""
    chosen = sheet.asked("state")
    chosen = chosen if chosen in CHOICES else ""
    states = CHOICES[chosen][1]
    with framed(sheet, wing="machines"):
        title_row("Incidents", "What belongs together, in few words")
        choices = Region()
        rows = Region("card flush")
        why = Region("wait")
        checked: list[When] = []

        def show(now: Listed) -> None:
            choices.show(now.counts, lambda _: _choices(chosen, now.counts))

            def fill(found: list[Incident]) -> None:
                checked.clear()
                if found:
                    _table(found)
                    return
                checked.append(_quiet(chosen, now))

            rows.show((now.found, bool(now.last_tick_ms)), lambda _: fill(now.found))
            if checked:
                checked[-1].at(now.last_tick_ms)
            why.show(now.decisions, decisions)

        def ask() -> Listed:
            house = sheet.house
            return Listed(
                house.desk.incidents(states=states, limit=PAGE),
                house.desk.counts(),
                house.watch.last_tick_ms,
                [one for one in house.desk.decisions(60) if one.incident is None][:20],
            )

        await Live(sheet, ask, show).start()


def _choices(chosen: str, counts: dict[str, int]) -> None:
    offered = []
    for key, (text, states) in CHOICES.items():
        count = sum(counts.get(state, 0) for state in (states or IncidentState))
        offered.append((key, f"{text} {count}"))
    segments("/incidents", "State", offered, chosen)


def _quiet(chosen: str, now: Listed) -> When:
    lead = "All is well: no incidents." if chosen != "resolved" else "Nothing was resolved yet."
    if chosen == "acknowledged":
        lead = "Nobody has taken an incident."
    well = chosen not in {"resolved", "acknowledged"}
    with (
        empty(lead, good=well and bool(now.last_tick_ms)),
        Node("p", "Last check ", "muted"),
    ):
        return When(now.last_tick_ms)


def _table(found: list[Incident]) -> None:
    heads: list[str | tuple[str, str]] = [
        ("", "tightcol"),
        ("Severity", "tightcol"),
        ("State", "tightcol"),
        "What",
        "Where",
        ("Began", "tightcol"),
        ("Lasted", "tightcol"),
        ("Owner", "tightcol"),
    ]
    table(heads, found, _row)


def _row(incident: Incident) -> None:
    href = f"/incidents/{incident.id}"
    with Node("tr", data_href=href):
        Node("td", f"#{incident.id}", "tightcol muted")
        with Node("td", classes="tightcol"):
            severity_chip(incident.severity)
        with Node("td", classes="tightcol"):
            state_chip(incident.state)
        with Node("td", classes="cutoff"):
            Node("a", incident.title, href=href)
        places = [place(one) for one in incident.entities]
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        Node("td", ", ".join(places[:3]) + more, "wrapany")
        with Node("td", classes="tightcol"):
            When(incident.started_ms)
        with Node("td", classes="tightcol"):
            Node("span", lasted(incident))
        Node("td", incident.owner or "nobody", "tightcol" + ("" if incident.owner else " muted"))


def lasted(incident: Incident) -> str:
    """Say how long it lasted, or that it still does."""
    if incident.resolved_ms is None:
        return "still"
    seconds = max(0, incident.resolved_ms - incident.started_ms) / 1000
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
