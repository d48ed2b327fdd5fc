"""Bringing the past in: ``backfill`` and ``import`` start long work, ``jobs`` follows it.

The work runs in the server: whoever watches may go away (Ctrl-C) and come back. The same
back-fill, asked for again while it runs, is the same run; so that "up to now" is the same for a
while, it means up to the end of this hour.
"""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinhelm.cli.asked import (
    AsJson,
    Data,
    End,
    Headers,
    Limit,
    ServerUrl,
    Start,
    TokenText,
    header,
)
from twinhelm.cli.shown import STATE_STYLES, Cell, emit, now_ms, say, table, when
from twinhelm.core.errors import NotFound, Refused

if TYPE_CHECKING:
    from twinhelm.cli.server import Server

__all__ = ["app"]

app = typer.Typer()

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LOOK_EVERY_S = 0.3
USUAL_DAYS = 14.0
EVERYTHING = '{__name__=~".+"}'
_UNDER_WAY = {"waiting", "running"}
_ENDED = {"failed": "failed", "cancelled": "was cancelled"}

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it is done.")]


@app.command()
def backfill(
    url: Annotated[str, typer.Argument(help="Such as http://prometheus:9090.")],
    selector: Annotated[str, typer.Option(help="Which series to read.")] = EVERYTHING,
    days: Annotated[
        float | None,
        typer.Option(min=0.001, max=4000, help="How many days back.", show_default="14"),
    ] = None,
    start: Start = None,
    end: End = None,
    headers: Headers = None,
    wait: Wait = True,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """Read history from a Prometheus-compatible server, so that detection is useful at once.

    Ctrl-C stops watching, not reading. The same command, given again within the hour, follows
    the run that is under way.
    """
    if days is not None and start is not None:
        raise typer.BadParameter("say either --days or --start")
    sent = dict(header(each) for each in headers or ())
    last = -(-now_ms() // HOUR_MS) * HOUR_MS if end is None else end
    first = max(0, last - round((days or USUAL_DAYS) * DAY_MS)) if start is None else start
    if first >= last:
        raise typer.BadParameter("the start is not before the end")
    from twinhelm.cli.server import reach

    with reach(server, token, data) as there:
        wish = {"url": url, "selector": selector, "start_ms": first, "end_ms": last}
        run_id = there.post("backfills", {**wish, "headers": sent})["id"]
        _begun(there, run_id, wait=wait, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV or Parquet file.")],
    wait: Wait = True,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """Read a CSV or Parquet file that lies on the server's machine; nothing is kept twice."""
    from twinhelm.cli.server import reach

    with reach(server, token, data) as there:
        # Only with --server may the file lie on a machine that is not this one.
        if server is None and not file.is_file():
            raise NotFound(f"there is no file {file}", hint="name a CSV or Parquet file")
        run_id = there.post("imports", {"path": str(file.absolute())})["id"]
        _begun(there, run_id, wait=wait, as_json=as_json)


@app.command()
def jobs(
    run_id: Annotated[str | None, typer.Argument(help="One run; nothing lists them.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Stay until it is done.")] = False,
    limit: Limit = 20,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """List back-fills and imports and how far they are, or follow one."""
    from twinhelm.cli.server import reach

    if follow and run_id is None:
        raise typer.BadParameter("--follow needs the id of a run")
    with reach(server, token, data) as there:
        if follow and run_id is not None:
            _begun(there, run_id, wait=True, as_json=as_json)
            return
        found = there.get("jobs", id=run_id, limit=limit)
    if as_json:
        emit(found)
        return
    if not found:
        say("Nothing was back-filled or imported yet; `twinhelm backfill URL` does.")
        return
    now = now_ms()
    table(
        ("began", "state", "done", "id", "says"),
        (
            (
                when(each["started_ms"], now),
                Cell(each["state"], STATE_STYLES.get(each["state"], "")),
                f"{each['done']}/{each['total']}" if each["total"] else "",
                each["id"],
                each["error"] or each["message"],
            )
            for each in found
        ),
    )


def _begun(there: Server, run_id: str, *, wait: bool, as_json: bool) -> None:
    """Say that a run was begun, or stay until it is over; raises :class:`Refused` if it failed."""
    job = _follow(there, run_id, quiet=as_json) if wait else None
    if job is None:
        if as_json:
            emit({"id": run_id})
        else:
            again = f"twinhelm jobs {shlex.quote(run_id)} --follow"
            say(f"It goes on in the server. Follow it: {again}")
        return
    if job["state"] != "done":
        why = job["error"] or job["message"] or "it gave no reason"
        raise Refused(
            f"{run_id} {_ENDED[job['state']]}: {why}",
            hint="what was read by then is kept; begin it anew when the cause is gone",
        )
    if as_json:
        emit(job)
        return
    kept = job["result"] if isinstance(job["result"], dict) else {}
    say(
        f"Done: {kept.get('samples', 0):,} samples of {kept.get('series', 0):,} series kept; "
        "what was there already was not kept twice."
    )


def _follow(there: Server, run_id: str, *, quiet: bool) -> dict[str, Any] | None:
    """Ask until the run is over and show how far it is; None where Ctrl-C ended the watching."""
    pause = threading.Event()
    try:
        with _bar(quiet) as show:
            while True:
                job: dict[str, Any] = there.get("jobs", id=run_id)[0]
                show(job)
                if job["state"] not in _UNDER_WAY:
                    return job
                pause.wait(LOOK_EVERY_S)
    except KeyboardInterrupt:
        return None


@contextmanager
def _bar(quiet: bool) -> Iterator[Any]:
    """Yield what shows a job: a bar on a terminal, nothing otherwise."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    if quiet or not sys.stderr.isatty():
        yield lambda _job: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("begins", total=None)

        def show(job: dict[str, Any]) -> None:
            told = job["message"] or job["step"] or job["state"]
            progress.update(
                task, description=told[:60], completed=job["done"], total=job["total"] or None
            )

        yield show
