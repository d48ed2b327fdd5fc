"""How the lab's commands tell what happens and what came of it: a bar, lines and tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twinhelm.cli.shown import Cell, count, listing, say, table

__all__ = ["progress", "show_replay", "show_score", "show_status"]

_COLOURS = {"good": "", "fair": "yellow", "bad": "red"}


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str, float, float], None]]:
    """Yield what shows (what happens now, done, total): a bar on a terminal, else a line each."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    if not sys.stderr.isatty() or quiet:
        last = ""

        def line(now: str, _done: float, _whole: float) -> None:
            nonlocal last
            if now != last and not quiet:
                sys.stderr.write(f"{now}\n")
                sys.stderr.flush()
            last = now

        yield line
        return
    columns = (BarColumn(24), TimeElapsedColumn(), TimeRemainingColumn())
    text = TextColumn("{task.description}", markup=False)
    with Progress(*columns, text, console=Console(stderr=True)) as bar:
        task = bar.add_task("")
        yield lambda now, done, whole: bar.update(
            task, description=now, completed=done, total=whole or None
        )


def show_status(found: Mapping[str, Any]) -> None:
    """Tell how a lab is."""
    since = f"up for {found['since_s']:.0f} s" if found["ready"] else "starting"
    say(f"The lab is {since}; shop {found['gateway']}, database {found['database']}", "bold")
    for each in found["active"]:
        say(f"broken for {each['since_s']:.0f} s: {each['fault']}", "red")
    if not found["active"]:
        say("nothing is broken")
    say("sent: " + ", ".join(f"{number:,} {what}" for what, number in found["sent"].items()))
    for address, trouble in found["troubles"].items():
        if trouble["lasts"]:
            refused = f", {trouble['refused']:,} refused for good" if trouble["refused"] else ""
            say(
                f"{address}: {count(trouble['requests'], 'request')} failed{refused}; "
                f"the last: {trouble['last']}",
                "yellow",
            )
    columns = (("process", "name"), (">pid", "pid"), ("state", "", _state), ("version", "version"))
    listing(found["processes"], (*columns, (">port", "port")), "No processes yet.")


def show_replay(found: Mapping[str, Any]) -> None:
    """Tell what a replay sent, and what was raised."""
    say(
        f"{found['rows']:,} rows in {found['wall_s']:.0f} s, {found['times_as_fast']:g} times as "
        "fast as they were"
    )
    for each in found["refused"]:
        say(f"not kept: {each}", "yellow")
    if found["score"] is None:
        say("The server has no list of incidents, so nothing can be said of what it raised.")
    else:
        _show_faults([found["score"]])


def show_score(found: Mapping[str, Any], written: list[Path]) -> None:
    """Tell a score: fault by fault, then over all."""
    from twinhelm.lab.score import NAMES, number

    _show_faults(found["repeats"])
    summary = found["summary"]
    rows: list[list[str | Cell]] = []
    for name, (told, _) in NAMES.items():
        held = summary["floors"].get(name)
        bound = found["floors"].get(name, "")
        mark = "" if held is None else " held" if held else " missed"
        floor = Cell(f"{bound}{mark}", "" if held is not False else "red")
        rows.append([told, number(name, summary[name]), floor])
    say()
    table(("over all", ">", "floor"), rows)
    shares = ", ".join(f"{p['busy']:.0%}" for p in found["repeats"] if p["busy"] is not None)
    if shares:
        say(f"The machine was {shares} busy while all was quiet.")
    if not found["complete"]:
        why = found.get("stopped", "there was no time for everything")
        say(f"This is not the whole score: {why}", "yellow")
    for part in found["repeats"]:
        for name, why in part["failed"].items():
            say(f"{name} could not be measured: {why}", "yellow")
        if part["left_out"]:
            say(f"no time for {', '.join(part['left_out'])}", "yellow")
    for file in written:
        say(f"Written: {file}", "dim")


def _show_faults(parts: list[Mapping[str, Any]]) -> None:
    from twinhelm.lab.score import placed

    rows: list[list[str | Cell]] = []
    for part in parts:
        for row in part["faults"]:
            told, kind = placed(row)
            seconds = "-" if row["detect_s"] is None else f"{row['detect_s']:.0f} s"
            first = row["suspects"][0] if row["suspects"] else "-"
            cause = row["cause"] if row["blame"] else "nobody"
            how = Cell(told, _COLOURS[kind])
            rows.append([row["fault"], seconds, how, str(row["incidents"]), cause, first])
    titles = ("fault", ">detected", "how it went", ">incidents", "true cause", "first suspect")
    table(titles, rows)
    for part in parts:
        for each in part["false"]:
            say(f"false: {each['title']}", "yellow")


def _state(row: Mapping[str, Any]) -> Cell:
    if not row["alive"]:
        return Cell("down", "red")
    return Cell("paused", "yellow") if row["paused"] else Cell("up")
