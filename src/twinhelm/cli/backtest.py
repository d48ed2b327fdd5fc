"""``twinhelm backtest detect``: how good detection is on labelled history, beside trivial ways."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twinhelm.cli.asked import AsJson
from twinhelm.cli.shown import Cell, emit, say, table

if TYPE_CHECKING:
    from twinhelm.aiops.backtest import Result, Summary

__all__ = ["app"]

app = typer.Typer(name="backtest", help="Judge twinhelm on recorded history.", no_args_is_help=True)


@app.callback()
def backtest() -> None:
    """Judge twinhelm on recorded history."""


@app.command()
def detect(
    data: Annotated[Path, typer.Option(help="Folder of data sets, labelled.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Folder for scores, summary and report.", show_default=False)
    ],
    datasets: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these data sets.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge every series causally, score it, and stand it beside trivial detectors.

    Writes scores.parquet, summary.json and report.html into the output folder.
    """
    wanted = [name.strip() for name in datasets.split(",") if name.strip()] if datasets else None
    from twinhelm.aiops.backtest import run_detect

    with _bars(quiet=as_json) as progress:
        summary = run_detect(data, out, datasets=wanted, progress=progress)
    if as_json:
        emit({**asdict(summary), "out": str(out.absolute())})
        return
    _show(summary)
    say(f"Report: {out / 'report.html'}")


def _show(summary: Summary) -> None:
    """Print one row per data set and detector, ours in bold, the means last."""
    names = list(dict.fromkeys(result.dataset for result in summary.results))
    ours = summary.results[0].detector if summary.results else ""
    rows: list[list[str | Cell]] = []
    for name in names:
        mine = [result for result in summary.results if result.dataset == name]
        rows += [_row(each, first=each is mine[0], ours=each.detector == ours) for each in mine]
    table(
        ("data set", "detector", "series", "VUS-PR", "event F1", "false alarms/series/day"),
        rows,
        right="  rrrr",
    )
    for note in summary.notes:
        say(note, "dim")


def _row(result: Result, *, first: bool, ours: bool) -> list[str | Cell]:
    style = "bold" if ours else ""
    cells = (
        result.detector,
        f"{result.series:,}",
        _number(result.vus_pr),
        _number(result.event_f1),
        _number(result.false_alarms_per_series_day),
    )
    return [Cell(result.dataset if first else "", "bold"), *(Cell(text, style) for text in cells)]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


@contextmanager
def _bars(*, quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield what draws a bar per data set on a terminal; None elsewhere."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, int] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = int(bars.add_task(name, total=total))
            bars.update(bars.task_ids[tasks[name]], completed=done, total=total)

        yield progress
