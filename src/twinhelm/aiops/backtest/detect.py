"""Back-test the detector on labelled history: ``twinhelm backtest detect``.

Question: how good is detection on this data, and is it better than something trivial? In: a
folder of data sets (:mod:`.load`). Out: ``scores.parquet`` (a row per input row), ``summary.json``
and ``report.html`` in the output folder, and :class:`Summary`. Detection is causal and has one
configuration for all data; labels are read only to score. Rows of the train part are judged but
not scored. VUS-PR is averaged over series with at least one event among the scored rows; series
without count for false alarms only. Alarm runs with at most ten rows between them are one.

The tolerance window of VUS-PR is the series' period (:func:`twinhelm.stats.window_of`), 100 rows
for machines. The trivial detectors are those of :mod:`.baselines`, on the same rows; for machines
their scores are averaged over columns. Cost: about a second per million samples to judge, and as
much to score.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from twinhelm.aiops.backtest.baselines import day_rows, last_season, moving_z
from twinhelm.aiops.backtest.load import Labelled, find_data_sets, read_series
from twinhelm.aiops.backtest.report import GAP_ROWS, Result, Summary, report_html
from twinhelm.aiops.backtest.walk import judge
from twinhelm.aiops.detect import DETECTOR
from twinhelm.core import json
from twinhelm.core.arrays import BOOL, F64
from twinhelm.core.errors import BadInput
from twinhelm.core.settings import DetectSettings
from twinhelm.stats import EventScore, auc_pr, event_score, vus_pr, window_of

__all__ = ["PRODUCT", "Progress", "run_detect"]

PRODUCT = "twinhelm"
_SEED = 20_240_501
_DAY_NS = 86_400e9

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class _One:
    """One detector on one series."""

    vus: float
    auc: float
    events: EventScore
    days: float


def run_detect(
    data: Path,
    out: Path,
    *,
    datasets: Sequence[str] | None = None,
    progress: Progress = lambda _name, _done, _total: None,
    settings: DetectSettings | None = None,
) -> Summary:
    """Judge and score every series under ``data`` and write the results into ``out``.

    ``progress`` is told the data set, series done in it, and series in it. Raises
    :class:`NotFound` where there is no data, :class:`BadInput` for files it cannot read or an
    ``out`` it cannot write.
    """
    settings = settings or DetectSettings()
    sets = find_data_sets(data, datasets)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot make the folder {out}: {error}") from error
    rng = np.random.default_rng(_SEED)
    results: list[Result] = []
    with duckdb.connect() as db:
        db.execute(
            "create table scores (dataset varchar, series_id varchar, "
            '"timestamp" timestamp_ns, score double, alarm boolean)'
        )
        for found in sets:
            parts: dict[str, list[_One]] = {}
            rows = 0
            for done, (name, file) in enumerate(found.series):
                progress(found.name, done, len(found.series))
                series = read_series(found.name, name, file)
                score, alarm = judge(series, settings)
                _keep(db, series, score, alarm)
                rows += int(series.scored.sum())
                for detector, (s, a) in _contestants(series, score, alarm, rng).items():
                    parts.setdefault(detector, []).append(_score(series, s, a))
            progress(found.name, len(found.series), len(found.series))
            results += [_sum(found.name, who, rows, ones) for who, ones in parts.items()]
        target = str(out / "scores.parquet").replace("'", "''")
        db.execute(f"copy scores to '{target}' (format parquet, compression zstd)")
    summary = Summary(DETECTOR, settings.sensitivity, (*results, *_means(results)))
    (out / "summary.json").write_bytes(json.dumps(asdict(summary), indent=True))
    (out / "report.html").write_text(report_html(summary), encoding="utf-8")
    return summary


def _keep(db: duckdb.DuckDBPyConnection, series: Labelled, score: F64, alarm: BOOL) -> None:
    """Add one series' rows to the table that becomes ``scores.parquet``."""
    db.register("columns_of_series", {"t": series.time_ns, "s": score, "a": alarm})
    db.execute(
        "insert into scores select ?, ?, make_timestamp_ns(t), s, a from columns_of_series",
        [series.dataset, series.series_id],
    )
    db.unregister("columns_of_series")


def _contestants(
    series: Labelled, score: F64, alarm: BOOL, rng: np.random.Generator
) -> dict[str, tuple[F64, BOOL]]:
    """Return every detector's scores and alarms on a series, the product's first."""
    day = day_rows(series.time_ns)
    columns = [np.ascontiguousarray(c) for c in series.values.T]
    trivial = (
        ("random", 0.999, rng.random(len(score))),
        ("moving z-score", 0.5, np.mean([moving_z(c) for c in columns], axis=0)),
        ("last season", 0.5, np.mean([last_season(c, day) for c in columns], axis=0)),
    )
    return {PRODUCT: (score, alarm)} | {name: (s, s >= limit) for name, limit, s in trivial}


def _score(series: Labelled, score: F64, alarm: BOOL) -> _One:
    """Score one detector on the scored rows of one series."""
    kept = series.scored
    label = series.label[kept]
    times = series.time_ns[kept]
    one = series.values.shape[1] == 1
    window = window_of(series.values[kept, 0]) if one else 100
    any_event = bool(label.any())
    return _One(
        vus_pr(label, score[kept], window=window) if any_event else float("nan"),
        auc_pr(label, score[kept]),
        event_score(label, alarm[kept], gap=GAP_ROWS),
        float(times.max() - times.min()) / _DAY_NS if len(times) else 0.0,
    )


def _sum(dataset: str, detector: str, rows: int, ones: Sequence[_One]) -> Result:
    """Put the series of one data set together."""
    events = sum((o.events for o in ones), EventScore())
    days = sum(o.days for o in ones)
    scored = [o for o in ones if not np.isnan(o.vus)]
    return Result(
        dataset,
        detector,
        len(ones),
        len(scored),
        rows,
        events.events,
        _mean([o.vus for o in scored]),
        _mean([o.auc for o in scored]),
        events.f1,
        events.precision if events.events else float("nan"),
        events.recall,
        events.false_runs / days if days else 0.0,
        float(np.median(events.delays)) if events.delays else float("nan"),
    )


def _means(results: Sequence[Result]) -> list[Result]:
    """Average each detector over data sets, each with equal weight; counts are summed."""
    out = []
    for detector in dict.fromkeys(r.detector for r in results):
        mine = [r for r in results if r.detector == detector]
        columns = {f: [getattr(r, f.name) for r in mine] for f in fields(Result)[2:]}
        values: list[Any] = [(sum if f.type is int else _mean)(c) for f, c in columns.items()]
        out.append(Result("mean", detector, *values))
    return out


def _mean(values: Sequence[float]) -> float:
    """Average what is not NaN; NaN where nothing is."""
    kept = [v for v in values if not np.isnan(v)]
    return float(np.mean(kept)) if kept else float("nan")
