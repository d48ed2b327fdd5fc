"""How strong is a symptom just now? Measures it in what the agent carried lately.

In: a :class:`Symptom` and the rows of its window. Out: its value, or None where nothing that it
speaks of was carried. Over several series, rates and lines add up, values give the largest, and
means are the sum of sums over the sum of counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import orjson

from twinhelm.lab.stage.agent.rows import Row, Rows
from twinhelm.lab.words import LabError, Symptom

__all__ = ["measure"]


def measure(symptom: Symptom, rows: Rows, window_s: float) -> float | None:
    """Measure a symptom; raises :class:`LabError` for a kind that is none."""
    match symptom.kind:
        case "value":
            newest = [points[-1][1] for points in _series(symptom, rows, "").values()]
            return max(newest, default=None)
        case "rate":
            return _rate(symptom, rows, "")
        case "mean":
            sums, counts = _rate(symptom, rows, "_sum"), _rate(symptom, rows, "_count")
            return sums / counts if sums is not None and counts else None
        case "lines":
            lines = [row for row in rows.logs if _fits(symptom, row)]
            found = sum(symptom.text in row["message"] for row in lines)
            return found / window_s if rows.logs else None
        case "spans_failed":
            spans = [row for row in rows.traces if _fits(symptom, row)]
            return sum(s["status"] == "error" for s in spans) / len(spans) if spans else None
        case "spans_mean_s":
            spans = [row for row in rows.traces if _fits(symptom, row)]
            return sum(s["duration_us"] for s in spans) / 1e6 / len(spans) if spans else None
    raise LabError(f"no symptom is of kind {symptom.kind!r}")


def _rate(symptom: Symptom, rows: Rows, end: str) -> float | None:
    """Return the increase per second over all series, or None where none has two points."""
    grown, seen = 0.0, False
    for points in _series(symptom, rows, end).values():
        first_s, before = points[0]
        increase = 0.0
        for _, value in points[1:]:
            increase += value - before if value >= before else value  # it began anew
            before = value
        if points[-1][0] > first_s:
            grown += increase / (points[-1][0] - first_s)
            seen = True
    return grown if seen else None


def _series(symptom: Symptom, rows: Rows, end: str) -> dict[str, list[tuple[float, float]]]:
    """Collect the points of each series that the symptom speaks of, oldest first."""
    wanted = symptom.metric + end
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows.metrics:
        name = row["metric"]
        if wanted in (name, rows.plain.get(name)) and _fits(symptom, row):
            found[row["labels"]].append((row["timestamp"], row["value"]))
    return found


def _fits(symptom: Symptom, row: Row) -> bool:
    """Tell whether a row has the symptom's labels, ``job`` and ``service`` being its service."""
    said = {"job": row["service"], "service": row["service"], "instance": row["instance"]}
    wanted = {name: value for name, value in symptom.labels.items() if said.get(name) != value}
    if not wanted:
        return True
    more = dict(_more(row))
    return all(str(more.get(name)) == value for name, value in wanted.items())


def _more(row: Row) -> Iterator[tuple[str, object]]:
    for column in ("operation", "kind", "status", "level"):
        if column in row:
            yield column, row[column]
    for column in ("labels", "attributes"):
        if column in row:
            yield from orjson.loads(row[column]).items()
