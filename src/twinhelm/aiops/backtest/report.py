"""What a back-test found, as values, and as one HTML page that needs nothing from outside.

In: :class:`Summary`. Out: a page with a table per data set and bars of VUS-PR as inline SVG. Names
of data sets and detectors are escaped; no script, no address.
"""

import html
import math
from dataclasses import dataclass, field

__all__ = ["GAP_ROWS", "Result", "Summary", "report_html"]

GAP_ROWS = 10
"""Alarm runs with at most this many rows between them are one."""
_COLUMNS = (
    ("VUS-PR", "vus_pr", 3),
    ("AUC-PR", "auc_pr", 3),
    ("event F1", "event_f1", 3),
    ("precision", "event_precision", 2),
    ("recall", "event_recall", 2),
    ("false alarms per series and day", "false_alarms_per_series_day", 3),
    ("delay, rows", "delay_rows", 0),
)
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;
color:#1c2430;background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{padding:.3rem .6rem;text-align:right;
border-bottom:1px solid #d9dee5}th:first-child,td:first-child{text-align:left}
tr.ours td{font-weight:600}text{font:13px system-ui,sans-serif;fill:currentColor}
@media(prefers-color-scheme:dark){body{color:#e4e8ee;background:#14181f}
th,td{border-color:#333b47}}
"""


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


def report_html(summary: Summary) -> str:
    """Return the page."""
    names = list(dict.fromkeys(r.dataset for r in summary.results))
    names.sort(key=lambda name: name != "mean")  # the mean first, the rest as found
    parts = [_section(name, [r for r in summary.results if r.dataset == name]) for name in names]
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in summary.notes)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Detection back-test</title><style>{_STYLE}</style></head><body>"
        f"<h1>Detection back-test</h1><p>Detector {html.escape(summary.detector)}, sensitivity "
        f"{summary.sensitivity:g}, one configuration for all data sets.</p>"
        f"{''.join(parts)}<h2>How to read this</h2><ul>{notes}</ul></body></html>"
    )


def _section(name: str, results: list[Result]) -> str:
    """Draw one data set: heading, bars, table."""
    first = results[0]
    title = "Mean over data sets" if name == "mean" else name
    head = "".join(f'<th scope="col">{html.escape(label)}</th>' for label, _, _ in _COLUMNS)
    body = "".join(_row(r, ours=r is first) for r in results)
    return (
        f"<h2>{html.escape(title)}</h2><p>{first.series} series, {first.series_scored} of them "
        f"with events in the scored part; {first.rows:,} rows scored, {first.events} events.</p>"
        f'{_bars(results)}<table><thead><tr><th scope="col">detector</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _row(result: Result, *, ours: bool) -> str:
    """Write one table row; a hyphen is "not defined here"."""
    cells = "".join(
        f"<td>{_number(getattr(result, key), digits)}</td>" for _, key, digits in _COLUMNS
    )
    return f"<tr{' class=ours' if ours else ''}><td>{html.escape(result.detector)}</td>{cells}</tr>"


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _bars(results: list[Result]) -> str:
    """Draw VUS-PR as horizontal bars from 0 to 1; nothing where it is not defined."""
    shown = [r for r in results if not math.isnan(r.vus_pr)]
    if not shown:
        return ""
    bars = "".join(
        f'<text x="0" y="{18 + 24 * i}">{html.escape(r.detector)}</text>'
        f'<rect x="130" y="{6 + 24 * i}" width="{max(400 * r.vus_pr, 1):.1f}" height="16" '
        f'fill="{"#2f6fde" if i == 0 else "#9aa5b4"}"/>'
        f'<text x="{136 + 400 * r.vus_pr:.1f}" y="{18 + 24 * i}">{r.vus_pr:.3f}</text>'
        for i, r in enumerate(shown)
    )
    height = 8 + 24 * len(shown)
    return (
        f'<svg viewBox="0 0 600 {height}" width="600" height="{height}" role="img" '
        f'aria-label="VUS-PR by detector">{bars}</svg>'
    )
