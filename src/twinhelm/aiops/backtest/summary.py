"""What a back-test found, as values: written to ``summary.json``, drawn by :mod:`.report`."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["GAP_ROWS", "Result", "Summary"]

GAP_ROWS = 10
"""Alarm runs with at most this many rows between them are one."""


@dataclass(frozen=True, slots=True)
class Result:
    """One detector on one data set, or (``dataset`` is ``mean``) averaged over labelled sets.

    ``vus_pr``, ``auc_pr`` and the event figures are NaN where the scored rows hold no event.
    ``series_scored`` counts the series with one. ``delay_rows`` is the median over found events.
    """

    dataset: str
    detector: str
    series: int
    series_scored: int
    rows: int
    events: int
    vus_pr: float
    auc_pr: float
    event_f1: float
    event_precision: float
    event_recall: float
    false_alarms_per_series_day: float
    delay_rows: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What a back-test found: a row per data set and detector, then the means."""

    detector: str
    sensitivity: float
    results: tuple[Result, ...] = ()
    notes: tuple[str, ...] = field(
        default=(
            "Only rows outside the train part are scored; detection is causal.",
            "VUS-PR and AUC-PR are means over series with an event among those rows.",
            f"Alarm runs with at most {GAP_ROWS} rows between them count as one.",
            "Trivial detectors alarm at fixed scores: random on one row in 1,000, the others at "
            "five usual sizes.",
            "Means are over data sets with labels, each with equal weight; false alarms over all.",
        )
    )
