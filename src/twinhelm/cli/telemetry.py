"""Telemetry on the command line: ``series`` finds and draws, ``logs`` reads."""

import statistics
from typing import Annotated, Any

import typer

from twinhelm.cli.asked import Asked, Last, Limit, command
from twinhelm.cli.shown import Cell, ago, listing, name_of, now_ms, say, spark, table, when

__all__ = ["app", "logs", "series"]

app = typer.Typer()

HOUR_MS = 3_600_000
SPARK_WIDTH = 40
MAX_POINTS = 1000
_SEVERITIES = ("trace", "debug", "info", "warn", "error", "fatal")
_SEVERITY_STYLES = {"warn": "yellow", "error": "red", "fatal": "red"}
_STATS = ("last", "lowest", "median", "highest")

Selector = Annotated[
    str, typer.Argument(help='Such as node_load1{host="a"}; nothing means everything.')
]


@command(app.command())
def series(to: Asked, selector: Selector = "", last: Last = None, limit: Limit = 30) -> None:
    """Find series; with --last, draw each and sum it up.

    Counters are shown as what is judged of them: their rate per second.
    """
    there, now = to.reach(), now_ms()
    found = there.get("series", match=selector, limit=limit)
    start = max(0, now - (last or 0))
    if last is not None:
        span = {"start_ms": start, "end_ms": now, "max_points": MAX_POINTS}
        found = [there.get(f"series/{each['id']}", **span) for each in found]
        for each in found:
            each["stats"] = _stats(each)

    def show() -> None:
        if found and last is not None:
            _draw(found, start, now)
            return
        told = f"match: {selector}" if selector else "are known yet"
        listing(
            found,
            ((">id", "id"), ("series", "labels", name_of), ("last sample", "last_ms", ago)),
            f"No series {told}.\ndocs/tutorials/on-call.md shows how to send some; "
            "`twinhelm rejected` shows refusals.",
        )
        if len(found) == limit:
            say(f"The first {limit}; --limit shows more.", "dim")

    to.answer(found, show)


@command(app.command())
def logs(
    to: Asked,
    selector: Selector = "",
    last: Last = None,
    contains: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only records that hold this text.")
    ] = None,
    limit: Limit = 100,
) -> None:
    """Read log records of the last hour, or as told; the newest stands last."""
    now = now_ms()
    span = {"start_ms": max(0, now - (last or HOUR_MS)), "end_ms": now}
    found = to.reach().get("logs", match=selector, contains=contains, limit=limit, **span)

    def show() -> None:
        for each in reversed(found):
            place = min((each["severity"] - 1) // 4, 5)
            word = _SEVERITIES[place] if place >= 0 else ""
            moment = when(each["time_ns"] // 1_000_000, now).partition(", ")[2]
            line = f"{moment} {word:5} {name_of(each['labels'])} {each['body']}"
            say(line, _SEVERITY_STYLES.get(word, ""))
        if not found:
            say("No log records match. --last 1d looks further back.")

    to.answer(found, show)


def _shown(samples: dict[str, Any]) -> tuple[list[int], list[float | None]]:
    """Return what is judged, or the plain samples where nothing is judged yet."""
    if samples["judged_ms"]:
        return samples["judged_ms"], samples["signal"]
    return samples["time_ms"], samples["value"]


def _stats(samples: dict[str, Any]) -> dict[str, Any]:
    """Sum up what is shown; a number is None where there are no samples."""
    known = [value for value in _shown(samples)[1] if value is not None]
    numbers = (
        (known[-1], min(known), statistics.median(known), max(known)) if known else (None,) * 4
    )
    counts = {"samples": len(known), "flagged": sum(samples["flagged"])}
    return dict(zip(_STATS, numbers, strict=True)) | counts


def _draw(found: list[dict[str, Any]], start_ms: int, end_ms: int) -> None:
    from twinhelm.aiops.words import quantity, unit_of

    def row(samples: dict[str, Any]) -> list[str | Cell]:
        stats, labels = samples["stats"], samples["series"]["labels"]
        unit = unit_of(labels.get("__name__", ""))
        numbers = ("" if stats[key] is None else quantity(stats[key], unit) for key in _STATS)
        bars = spark(_buckets(*_shown(samples), start_ms, end_ms))
        return [name_of(labels), bars, *numbers, Cell(str(stats["flagged"] or ""), "yellow")]

    table(("series", "shape", *(f">{name}" for name in _STATS), ">strange"), map(row, found))


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
