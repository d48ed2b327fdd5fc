"""Bringing the past in: ``backfill`` and ``import`` start long work, ``jobs`` follows or ends it.

The work runs in the server: whoever watches may go away (Ctrl-C) and come back. The same
back-fill, asked for again while it runs, is the same run; so that "up to now" is the same for a
while, it means up to the end of this hour.
"""

from __future__ import annotations

import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from twinhelm.cli.asked import Asked, Limit, command, header, moment_ms
from twinhelm.cli.shown import Column, bars, listing, now_ms, styled, when
from twinhelm.core.errors import NotFound, Refused

if TYPE_CHECKING:
    from twinhelm.cli.server import Server

__all__ = ["Wait", "app", "backfill", "follow", "import_", "jobs"]

app = typer.Typer()

HOUR_MS = 3_600_000
LOOK_EVERY_S = 0.3
USUAL_DAYS = 14.0
_COLUMNS: tuple[Column, ...] = (
    ("began", "started_ms", when),
    ("state", "state", styled),
    ("done", "", lambda each: f"{each['done']}/{each['total']}" if each["total"] else ""),
    ("id", "id"),
    ("says", "", lambda each: str(each["error"] or each["message"])),
)

Moment = Annotated[
    int | None, typer.Option(parser=moment_ms, metavar="TIME", help="ISO 8601 or epoch.")
]
File = Annotated[Path, typer.Argument(help="A CSV or Parquet file.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it is done.")]


@command(app.command())
def backfill(
    to: Asked,
    url: Annotated[str, typer.Argument(help="Such as http://prometheus:9090.")],
    selector: Annotated[str, typer.Option(help="Which series to read.")] = '{__name__=~".+"}',
    days: Annotated[
        float | None,
        typer.Option(min=0.001, max=4000, help="How many days back.", show_default="14"),
    ] = None,
    start: Moment = None,
    end: Moment = None,
    headers: Annotated[
        list[str] | None,
        typer.Option("--header", help="'Name: value' to send along, such as Authorization."),
    ] = None,
    wait: Wait = True,
) -> None:
    """Read history from a Prometheus-compatible server, so that detection is useful at once.

    Ctrl-C stops watching, not reading. The same command, given again within the hour, follows
    the run that is under way. Headers rest apart from all else, until the run is over.
    """
    if days is not None and start is not None:
        raise typer.BadParameter("say either --days or --start")
    sent = dict(header(each) for each in headers or ())
    last = -(-now_ms() // HOUR_MS) * HOUR_MS if end is None else end
    first = max(0, last - round((days or USUAL_DAYS) * 24 * HOUR_MS)) if start is None else start
    if first >= last:
        raise typer.BadParameter("the start is not before the end")
    wish = {"url": url, "selector": selector, "start_ms": first, "end_ms": last, "headers": sent}
    there = to.reach()
    _begun(to, there, there.post("backfills", wish)["id"], wait=wait)


@command(app.command("import"))
def import_(to: Asked, file: File, wait: Wait = True) -> None:
    """Read a CSV or Parquet file that lies on the server's machine; nothing is kept twice."""
    there = to.reach()
    # Only with --server may the file lie on a machine that is not this one.
    if to.server is None and not file.is_file():
        raise NotFound(f"there is no file {file}", hint="name a CSV or Parquet file")
    _begun(to, there, there.post("imports", {"path": str(file.absolute())})["id"], wait=wait)


@command(app.command())
def jobs(
    to: Asked,
    run_id: Annotated[str | None, typer.Argument(help="One run; nothing lists them.")] = None,
    stay: Annotated[bool, typer.Option("--follow", help="Stay until it is done.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="End it; what it kept stays.")] = False,
    limit: Limit = 20,
) -> None:
    """List back-fills and imports and how far they are, or follow or cancel one."""
    if stay and cancel:
        raise typer.BadParameter("say either --follow or --cancel")
    if (stay or cancel) and run_id is None:
        raise typer.BadParameter("--follow and --cancel need the id of a run")
    there = to.reach()
    if cancel and run_id is not None:
        there.delete(f"jobs/{quote(run_id, safe='')}")
        to.answer(there.get("jobs", id=run_id)[0], f"{run_id} is cancelled; what it kept stays.")
        return
    if stay and run_id is not None:
        _begun(to, there, run_id, wait=True)
        return
    found = there.get("jobs", id=run_id, limit=limit)
    empty = "Nothing was back-filled or imported yet; `twinhelm backfill URL` does."
    to.answer(found, lambda: listing(found, _COLUMNS, empty))


def _begun(to: Asked, there: Server, run_id: str, *, wait: bool) -> None:
    """Say that a run was begun, or stay until it is over; raises :class:`Refused` if it failed."""
    job = follow(there, run_id, quiet=to.as_json) if wait else None
    if job is None:
        again = f"twinhelm jobs {shlex.quote(run_id)} --follow"
        to.answer({"id": run_id}, f"It goes on in the server. Follow it: {again}")
        return
    if job["state"] != "done":
        ended = "was cancelled" if job["state"] == "cancelled" else "failed"
        said = f"{run_id} {ended}: {job['error'] or job['message'] or 'it gave no reason'}"
        hint = "what was read by then is kept; begin it anew when the cause is gone"
        raise Refused(said, hint=hint)
    kept = job["result"] if isinstance(job["result"], dict) else {}
    samples, series = kept.get("samples", 0), kept.get("series", 0)
    told = f"Done: {samples:,} samples of {series:,} series kept; "
    to.answer(job, told + "what was there already was not kept twice.")


def follow(there: Server, run_id: str, *, quiet: bool) -> dict[str, Any] | None:
    """Ask until the run is over and show how far it is; None where Ctrl-C ended the watching."""
    pause = threading.Event()
    try:
        with bars(quiet=quiet) as show:
            while True:
                job: dict[str, Any] = there.get("jobs", id=run_id)[0]
                show(run_id, job["done"], job["total"])
                if job["state"] not in {"waiting", "running"}:
                    return job
                pause.wait(LOOK_EVERY_S)
    except KeyboardInterrupt:
        return None
