"""``twinhelm backtest``: how good detection is on labelled history, and what answers change."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twinhelm.cli.asked import Asked, command
from twinhelm.cli.shown import Cell, bars, say, table

if TYPE_CHECKING:
    from twinhelm.aiops.backtest import Learnt, Summary

__all__ = ["app", "detect", "feedback"]

app = typer.Typer(name="backtest", help="Judge twinhelm on recorded history.", no_args_is_help=True)


@app.callback()
def backtest() -> None:
    """Judge twinhelm on recorded history."""


@command(app.command(), ("as_json",))
def detect(
    to: Asked,
    data: Annotated[Path, typer.Option(help="Folder of data sets, labelled.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Folder for scores, summary and report.", show_default=False)
    ],
    datasets: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these data sets.")
    ] = None,
) -> None:
    """Judge every series causally, score it, and stand it beside trivial detectors.

    Writes scores.parquet, summary.json and report.html into the output folder.
    """
    wanted = [name.strip() for name in datasets.split(",") if name.strip()] if datasets else None
    from twinhelm.aiops.backtest import run_detect

    with bars(quiet=to.as_json) as progress:
        summary = run_detect(data, out, datasets=wanted, progress=progress)
    to.answer({**asdict(summary), "out": str(out.absolute())}, lambda: _show(summary, out))


@command(app.command(), ("as_json",))
def feedback(
    to: Asked,
    data: Annotated[Path, typer.Option(help="Folder of data sets, labelled.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for feedback.json.", show_default=False)],
    datasets: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these data sets.")
    ] = None,
    answers: Annotated[int, typer.Option(min=1, max=1000, help="So many per data set.")] = 20,
) -> None:
    """Answer a few alarms of the first half by the labels, and count those of the second.

    Tells how many false alarms and found events there are without and with what that teaches.
    """
    wanted = [name.strip() for name in datasets.split(",") if name.strip()] if datasets else None
    from twinhelm.aiops.backtest import run_feedback

    with bars(quiet=to.as_json) as progress:
        found = run_feedback(data, out, answers=answers, datasets=wanted, progress=progress)
    to.answer([asdict(one) for one in found], lambda: _compare(found, out))


def _compare(found: list[Learnt], out: Path) -> None:
    rows = [
        [Cell(one.dataset, "bold"), *(Cell(text) for text in (
            f"{one.series}", f"{one.answers}, {one.wrong} wrong",
            f"{one.false_before} to {one.false_after}",
            f"{one.found_before} to {one.found_after} of {one.events}",
        ))]
        for one in found
    ]  # fmt: skip
    table(("data set", ">series", ">answers", ">false alarms", ">events found"), rows)
    say("Second half of each series; answers are about the first.", "dim")
    say(f"Figures: {out / 'feedback.json'}")


def _show(summary: Summary, out: Path) -> None:
    """Print one row per data set and detector, ours in bold, the means last."""
    rows: list[list[Cell]] = []
    dataset = ""
    ours = summary.results[0].detector if summary.results else ""
    for each in summary.results:
        numbers = (each.vus_pr, each.event_f1, each.false_alarms_per_series_day)
        told = ("-" if math.isnan(number) else f"{number:.3f}" for number in numbers)
        style = "bold" if each.detector == ours else ""
        cells = (Cell(text, style) for text in (each.detector, f"{each.series:,}", *told))
        rows.append([Cell(each.dataset if each.dataset != dataset else "", "bold"), *cells])
        dataset = each.dataset
    titles = ("data set", "detector", ">series", ">VUS-PR", ">event F1")
    table((*titles, ">false alarms/series/day"), rows)
    for note in summary.notes:
        say(note, "dim")
    say(f"Report: {out / 'report.html'}")
