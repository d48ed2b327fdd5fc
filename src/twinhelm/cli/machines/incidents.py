"""``incidents`` lists them; ``incident N`` opens one, takes it, closes it, remarks on it."""

from typing import Annotated, Any

import typer

from twinhelm.cli.asked import Asked, Limit, command
from twinhelm.cli.shown import Column, count, heading, listing, name_of, say, styled, when

__all__ = ["app", "incident", "incidents"]

app = typer.Typer()

MOST_LINES = 40
"""More of a timeline than this is for the page and for ``--json``."""
_WHY_NONE = "`twinhelm decisions` says why nothing was raised, `twinhelm status` what is watched."
_COLUMNS: tuple[Column, ...] = (
    (">no.", "id"),
    ("state", "state", styled),
    ("severity", "severity", styled),
    ("began", "started_ms", when),
    ("what", "title"),
    ("owner", "owner"),
)


@command(app.command())
def incidents(
    to: Asked,
    state: Annotated[
        list[str] | None,
        typer.Option(help="open, acknowledged, resolved or reopened; may be repeated."),
    ] = None,
    before: Annotated[
        int | None, typer.Option(min=1, max=(1 << 53) - 1, help="Only those older than this one.")
    ] = None,
    limit: Limit = 30,
) -> None:
    """List incidents, the newest first."""
    from twinhelm.aiops.types import IncidentState

    known = [each.value for each in IncidentState]
    if unknown := set(state or ()) - set(known):
        wrong = ", ".join(sorted(unknown))
        raise typer.BadParameter(f"{wrong!r} is no state; states are {', '.join(known)}")
    there = to.reach()
    found = there.get("incidents", state=state or None, before=before, limit=limit)
    rows = found["incidents"]

    def show() -> None:
        tick = None if rows else there.get("status")["last_tick_ms"]
        asked = f" in state {','.join(state)}" if state else ""
        asked += f" before {before}" if before else ""
        looked = f"; last looked {when(tick)}" if tick else ""
        listing(rows, _COLUMNS, f"No incidents{asked}{looked}.\n{_WHY_NONE}")
        if found["older"]:
            total = sum(found["counts"].get(each, 0) for each in state or known)
            place = "Older" if before else "The newest"
            say(
                f"{place} {len(rows)} of {total}; --before {rows[-1]['id']} shows older ones.",
                "dim",
            )

    to.answer(found, show)


@command(app.command())
def incident(
    to: Asked,
    number: Annotated[int, typer.Argument(min=1, max=(1 << 53) - 1, help="Its number.")],
    acknowledge: Annotated[bool, typer.Option("--acknowledge", help="Take it.")] = False,
    resolve: Annotated[bool, typer.Option("--resolve", help="Close it.")] = False,
    comment: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Remark on it; with --resolve, say why.")
    ] = None,
) -> None:
    """Open one incident: why, on what evidence, what changed, and what happened when."""
    there, path = to.reach(), f"incidents/{number}"
    if acknowledge:
        there.post(f"{path}/acknowledge")
    if resolve:
        there.post(f"{path}/resolve", {"note": comment or ""})
    elif comment is not None:
        there.post(f"{path}/comments", {"text": comment})
    found = there.get(path)

    def show() -> None:
        _say_head(found["incident"])
        _say_why(found)
        _say_past(found["changes"], found["timeline"])

    to.answer(found, show)


def _say_head(incident: dict[str, Any]) -> None:
    say(f"Incident {incident['id']}: {incident['title']}", "bold")
    owner = f", owner {incident['owner']}" if incident["owner"] else ", nobody has taken it"
    state = styled(incident["state"])
    if state.text == "resolved":
        owner = f" {when(incident['resolved_ms'])}" if incident["resolved_ms"] else ""
    say(f"{state.text}{owner}; severity {incident['severity']}", state.style)
    say(f"began {when(incident['started_ms'])}")
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


def _say_past(changes: list[dict[str, Any]], lines: list[dict[str, Any]]) -> None:
    heading("What changed")
    for each in changes:
        ended = f" ({each['outcome']})" if each["outcome"] else ""
        what = f"{each['kind']}: {each['title']} on {each['entity']}{ended}"
        say(f"   {when(each['time_ms'])}  {what}")
    if not changes:
        say("   No change is known from the time before. Deploys can be sent to /api/events.")
    heading("Timeline")
    if len(lines) > MOST_LINES:
        say(f"   the last {MOST_LINES} of {len(lines)}; --json has all", "dim")
    for each in lines[-MOST_LINES:]:
        who = f"  ({each['who']})" if each["who"] else ""
        say(f"   {when(each['time_ms'])}  {each['text']}{who}")
