"""``incidents`` lists them; ``incident N`` opens one, takes it, closes it, remarks on it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from twinhelm.cli.asked import AsJson, Data, Limit, ServerUrl, TokenText
from twinhelm.cli.shown import (
    STATE_STYLES,
    Cell,
    count,
    emit,
    heading,
    name_of,
    now_ms,
    say,
    table,
    when,
)

__all__ = ["app"]

app = typer.Typer()

MOST_LINES = 40
"""More of a timeline than this is for the page and for ``--json``."""


@app.command()
def incidents(
    state: Annotated[
        list[str] | None,
        typer.Option(help="open, acknowledged, resolved or reopened; may be repeated."),
    ] = None,
    limit: Limit = 30,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """List incidents, the newest first."""
    from twinhelm.aiops.types import IncidentState
    from twinhelm.cli.server import reach

    known = [each.value for each in IncidentState]
    if unknown := set(state or ()) - set(known):
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))!r} is no state; states are {', '.join(known)}"
        )
    with reach(server, token, data) as there:
        found = there.get("incidents", state=state or None, limit=limit)
        if as_json:
            emit(found)
            return
        if not found["incidents"]:
            _say_none(there.get("status"), state)
            return
    now = now_ms()
    table(
        ("no.", "state", "severity", "began", "what", "owner"),
        (
            (
                str(each["id"]),
                _coloured(each["state"]),
                _coloured(each["severity"]),
                when(each["started_ms"], now),
                each["title"],
                each["owner"],
            )
            for each in found["incidents"]
        ),
        right="r",
    )
    total = sum(found["counts"].values())
    if state is None and total > len(found["incidents"]):
        say(f"The newest {len(found['incidents'])} of {total}; --limit shows more.", "dim")


@app.command()
def incident(
    number: Annotated[int, typer.Argument(min=1, max=(1 << 53) - 1, help="Its number.")],
    acknowledge: Annotated[bool, typer.Option("--acknowledge", help="Take it.")] = False,
    resolve: Annotated[bool, typer.Option("--resolve", help="Close it.")] = False,
    comment: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Remark on it; with --resolve, say why.")
    ] = None,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """Open one incident: why, on what evidence, what changed, and what happened when."""
    from twinhelm.cli.server import reach

    with reach(server, token, data) as there:
        path = f"incidents/{number}"
        if acknowledge:
            there.post(f"{path}/acknowledge")
        if resolve:
            there.post(f"{path}/resolve", {"note": comment or ""})
        elif comment is not None:
            there.post(f"{path}/comments", {"text": comment})
        found = there.get(path)
    if as_json:
        emit(found)
        return
    now = now_ms()
    _say_head(found["incident"], now)
    _say_why(found)
    _say_changes(found["changes"], now)
    _say_timeline(found["timeline"], now)


def _say_none(status: dict[str, Any], state: list[str] | None) -> None:
    tick = status["last_tick_ms"]
    looked = f"; last looked {when(tick, now_ms())}" if tick else ""
    say(f"No incidents{f' in state {chr(44).join(state)}' if state else ''}{looked}.")
    say("`twinhelm decisions` says why nothing was raised, `twinhelm status` what is watched.")


def _coloured(word: str) -> Cell:
    return Cell(word, STATE_STYLES.get(word, ""))


def _say_head(incident: dict[str, Any], now: int) -> None:
    say(f"Incident {incident['id']}: {incident['title']}", "bold")
    owner = f", owner {incident['owner']}" if incident["owner"] else ", nobody has taken it"
    word = incident["state"]
    if word == "resolved":
        owner = f" {when(incident['resolved_ms'], now)}" if incident["resolved_ms"] else ""
    say(f"{word}{owner}; severity {incident['severity']}", STATE_STYLES.get(word, ""))
    say(f"began {when(incident['started_ms'], now)}")
    say(f"on {', '.join(incident['entities']) or 'unknown'}")
    if incident["flaps"]:
        say(f"came back {count(incident['flaps'], 'time')}", "yellow")


def _say_why(found: dict[str, Any]) -> None:
    from twinhelm.core.claims import certainty

    heading("Why")
    if found["incident"]["verdict"]:
        say(found["incident"]["verdict"])
    for rank, claim in enumerate(found["claims"], start=1):
        confidence = claim["confidence"] or 0.0
        say(f"{rank}. {claim['text']} ({certainty(confidence)}, {confidence:.2f})")
        for each in claim["evidence_for"]:
            say(f"   + {each['text']}" + (f"  [{each['series']}]" if each["series"] else ""))
        for each in claim["evidence_against"]:
            say(f"   - {each['text']}")
    if not found["claims"]:
        say("Inconclusive: there is no suspect yet.")
    if found["incident"]["grouping"]:
        heading("Why this is one incident")
        for text in found["incident"]["grouping"]:
            say(f"   {text}")
    if found["anomalies"]:
        heading("Signs")
        for each in found["anomalies"]:
            still = "over" if each["end_ms"] else "lasts"
            say(f"   {each['direction']:4} {name_of(each['labels'])} ({still})")


def _say_changes(changes: list[dict[str, Any]], now: int) -> None:
    heading("What changed")
    for each in changes:
        ended = f" ({each['outcome']})" if each["outcome"] else ""
        what = f"{each['kind']}: {each['title']} on {each['entity']}{ended}"
        say(f"   {when(each['time_ms'], now)}  {what}")
    if not changes:
        say("   No change is known from the time before. Deploys can be sent to /api/events.")


def _say_timeline(lines: list[dict[str, Any]], now: int) -> None:
    heading("Timeline")
    if len(lines) > MOST_LINES:
        say(f"   the last {MOST_LINES} of {len(lines)}; --json has all", "dim")
    for each in lines[-MOST_LINES:]:
        who = f"  ({each['who']})" if each["who"] else ""
        say(f"   {when(each['time_ms'], now)}  {each['text']}{who}")
