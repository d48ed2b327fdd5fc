"""Telemetry on the command line: ``series`` finds and draws, ``logs`` reads."""

from __future__ import annotations

import statistics
from typing import Annotated, Any

import typer

from twinhelm.cli.asked import AsJson, Data, Last, Limit, Selector, ServerUrl, TokenText
from twinhelm.cli.shown import Cell, ago, emit, name_of, now_ms, say, spark, table, when

__all__ = ["app"]

app = typer.Typer()

HOUR_MS = 3_600_000
SPARK_WIDTH = 40
MAX_POINTS = 1000
_SEVERITIES = ("trace", "debug", "info", "warn", "error", "fatal")
_SEVERITY_STYLES = {"warn": "yellow", "error": "red", "fatal": "red"}


@app.command()
def series(
    selector: Selector = "",
    last: Last = None,
    limit: Limit = 30,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """Find series; with --last, draw each and sum it up.

    Counters are shown as what is judged of them: their rate per second.
    """
    from twinhelm.cli.server import reach

    with reach(server, token, data) as there:
        found = there.get("series", match=selector, limit=limit)
        now = now_ms()
        if last is not None:
            span = {"start_ms": max(0, now - last), "end_ms": now, "max_points": MAX_POINTS}
            found = [there.get(f"series/{each['id']}", **span) for each in found]
            for each in found:
                each["stats"] = _stats(each)
    if as_json:
        emit(found)
    elif not found:
        say(f"No series {'match' if selector else 'are known yet'}: {selector}".rstrip(": ") + ".")
        say("docs/tutorials/on-call.md shows how to send some; `twinhelm rejected` shows refusals.")
    elif last is None:
        table(
            ("id", "series", "last sample"),
            ((str(e["id"]), name_of(e["labels"]), ago(e["last_ms"], now)) for e in found),
            right="r",
        )
        if len(found) == limit:
            say(f"The first {limit}; --limit shows more.", "dim")
    else:
        _draw(found, now - last, now)


@app.command()
def logs(
    selector: Selector = "",
    last: Last = None,
    contains: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only records that hold this text.")
    ] = None,
    limit: Limit = 100,
    data: Data = None,
    server: ServerUrl = None,
    token: TokenText = None,
    as_json: AsJson = False,
) -> None:
    """Read log records of the last hour, or as told; the newest stands last."""
    from twinhelm.cli.server import reach

    now = now_ms()
    with reach(server, token, data) as there:
        found = there.get(
            "logs",
            match=selector,
            start_ms=max(0, now - (last or HOUR_MS)),
            end_ms=now,
            contains=contains,
            limit=limit,
        )
    if as_json:
        emit(found)
        return
    if not found:
        say("No log records match. --last 1d looks further back.")
        return
    for each in reversed(found):
        word = _severity(each["severity"])
        moment = when(each["time_ns"] // 1_000_000, now).partition(", ")[2]
        say(
            f"{moment} {word:5} {name_of(each['labels'])} {each['body']}",
            _SEVERITY_STYLES.get(word, ""),
        )


def _severity(number: int) -> str:
    return _SEVERITIES[min((number - 1) // 4, 5)] if number > 0 else ""


def _shown(samples: dict[str, Any]) -> tuple[list[int], list[float | None]]:
    """Return what is judged, or the plain samples where nothing is judged yet."""
    if samples["judged_ms"]:
        return samples["judged_ms"], samples["signal"]
    return samples["time_ms"], samples["value"]


def _stats(samples: dict[str, Any]) -> dict[str, Any]:
    """Sum up what is shown; a number is None where there are no samples."""
    known = [value for value in _shown(samples)[1] if value is not None]
    return {
        "last": known[-1] if known else None,
        "lowest": min(known, default=None),
        "median": statistics.median(known) if known else None,
        "highest": max(known, default=None),
        "samples": len(known),
        "flagged": sum(samples["flagged"]),
    }


def _draw(found: list[dict[str, Any]], start_ms: int, end_ms: int) -> None:
    from twinhelm.aiops.words import quantity, unit_of

    def row(samples: dict[str, Any]) -> list[str | Cell]:
        stats, labels = samples["stats"], samples["series"]["labels"]
        unit = unit_of(labels.get("__name__", ""))
        numbers = (
            "" if stats[key] is None else quantity(stats[key], unit)
            for key in ("last", "lowest", "median", "highest")
        )
        strange = str(stats["flagged"]) if stats["flagged"] else ""
        bars = spark(_buckets(*_shown(samples), start_ms, end_ms))
        return [name_of(labels), bars, *numbers, Cell(strange, "yellow")]

    table(
        ("series", "shape", "last", "lowest", "median", "highest", "strange"),
        map(row, found),
        right="  rrrrr",
    )


def _buckets(
    times: list[int], values: list[float | None], start_ms: int, end_ms: int
) -> list[float | None]:
    """Average values into ``SPARK_WIDTH`` equal stretches; None where a stretch holds none."""
    held: list[list[float]] = [[] for _ in range(SPARK_WIDTH)]
    for time_ms, value in zip(times, values, strict=True):
        if value is not None and start_ms <= time_ms <= end_ms:
            place = (time_ms - start_ms) * SPARK_WIDTH // max(end_ms - start_ms, 1)
            held[min(place, SPARK_WIDTH - 1)].append(value)
    return [statistics.fmean(each) if each else None for each in held]
