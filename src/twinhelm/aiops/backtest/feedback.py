"""Back-test what answers change: ``twinhelm backtest feedback``.

Question: would a few answers have cut false alarms, and lost nothing? In: a folder of labelled data
sets (:mod:`.load`). Out: ``feedback.json`` in the output folder and a :class:`Learnt` per data set.
Each series' scored rows are cut in two halves of time. In the first, a person who knows the labels
is asked about so many alarms of the whole data set, those that :func:`next_question` picks without
looking at labels; in the second, alarms are counted without and with what that teaches. One
configuration for all data sets.

The size of a deviation is its distance from what was expected, as a share of all that its series
had ever shown before: a measure that series of any unit share. Of a machine it is the largest
among its metrics that are strange. Where sizes like it were right, 0.7 of the usual evidence is
enough; what is like what was wrong alarms no more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from twinhelm.aiops.backtest.load import Labelled, find_data_sets, read_series
from twinhelm.aiops.backtest.report import GAP_ROWS
from twinhelm.aiops.detect import SCORE_HALF, AnomalyTracker, Detector, JointDetector, bar_of
from twinhelm.aiops.learn import Lessons, learn, next_question
from twinhelm.aiops.types import Answer, Deviation, Scores
from twinhelm.core import json
from twinhelm.core.arrays import BOOL, F64, I64
from twinhelm.core.errors import BadInput
from twinhelm.core.settings import DetectSettings
from twinhelm.core.telemetry import SampleBlock
from twinhelm.stats import event_score, merge_runs, runs_of

__all__ = ["Learnt", "run_feedback"]

ENOUGH = 0.7
"""This share of the evidence suffices for sizes that were right."""
STRANGE = 0.5
LARGEST = 10.0
BLOCK = 4096
HALF_HOUR_MS, WEEK, THURSDAY = 1_800_000, 336, 144

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Learnt:
    """One data set: the answers, then the second half without and with what they teach.

    ``false_*`` are alarms outside every event, ``found_*`` events with an alarm, of ``events``.
    """

    dataset: str
    series: int
    answers: int
    wrong: int
    false_before: int
    false_after: int
    events: int
    found_before: int
    found_after: int


@dataclass(frozen=True, slots=True)
class _Followed:
    """One series as the detector saw it; all columns ``(n,)``."""

    series: Labelled
    kin: str
    time_ms: I64
    evidence: F64
    size: F64
    up: BOOL
    flagged: BOOL
    bar: float
    step_ms: float
    half_ms: int


def run_feedback(
    data: Path,
    out: Path,
    *,
    answers: int = 20,
    datasets: Sequence[str] | None = None,
    progress: Progress = lambda _name, _done, _total: None,
    settings: DetectSettings | None = None,
) -> list[Learnt]:
    """Ask, learn and measure per data set; write the results into ``out``.

    Raises :class:`NotFound` where there is no data, :class:`BadInput` for what cannot be read or
    written.
    """
    found = []
    for one in find_data_sets(data, datasets):
        followed = []
        for done, (name, file) in enumerate(one.series):
            progress(one.name, done, len(one.series))
            if (each := _follow(read_series(one.name, name, file), settings)) is not None:
                followed.append(each)
        progress(one.name, len(one.series), len(one.series))
        found.append(_tried(one.name, followed, answers))
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "feedback.json").write_bytes(json.dumps([asdict(e) for e in found], indent=True))
    except OSError as error:
        raise BadInput(f"cannot write into {out}: {error}") from error
    return found


def _tried(name: str, followed: Sequence[_Followed], most: int) -> Learnt:
    """Ask about alarms of the first halves, and count those of the second."""
    seen = [
        (dev, bool(one.series.label[rows].any()))
        for one in followed
        for dev, rows in _alarms(one, Lessons())
        if one.time_ms[rows[0]] < one.half_ms
    ]
    said: dict[int, bool] = {}
    while len(said) < most and (at := next_question([dev for dev, _ in seen], said)) is not None:
        said[at] = seen[at][1]
    lessons = learn(
        Answer(n, "anomaly", f"alarm/{at}", right, "", "labels", n, asdict(seen[at][0]))
        for n, (at, right) in enumerate(said.items(), 1)
    )
    before, after = _counted(followed, Lessons()), _counted(followed, lessons)
    wrong = sum(not right for right in said.values())
    sums = before[0], after[0], before[1], before[2], after[2]
    return Learnt(name, len(followed), len(said), wrong, *sums)


def _counted(followed: Sequence[_Followed], lessons: Lessons) -> tuple[int, int, int]:
    """Count false alarms, events and found events in the second halves."""
    false = events = found = 0
    for one in followed:
        alarm = np.zeros(len(one.time_ms), np.bool_)
        for _, rows in _alarms(one, lessons):
            alarm[rows] = True
        kept = one.series.scored & (one.time_ms >= one.half_ms)
        score = event_score(one.series.label[kept], alarm[kept], gap=GAP_ROWS)
        false += score.false_runs
        events += score.events
        found += score.found
    return false, events, found


def _alarms(one: _Followed, lessons: Lessons) -> Iterator[tuple[Deviation, I64]]:
    """Yield the alarms of the scored rows: what each came to, and the rows that alarmed."""
    flagged = one.flagged
    if (size := lessons.sooner()) < np.inf:
        flagged = flagged | ((one.evidence >= ENOUGH * one.bar) & (one.size >= size))
    alarm = flagged
    if one.series.values.shape[1] == 1:
        n = len(flagged)
        score, none = one.evidence / (one.evidence + SCORE_HALF), np.zeros(n)
        columns = np.zeros(n, np.uint32), one.time_ms, none, none, none, none, score, flagged
        alarm = AnomalyTracker().confirm(Scores(*columns))
    alarm = alarm & one.series.scored
    for first, last in merge_runs(runs_of(alarm), GAP_ROWS):
        rows = np.flatnonzero(alarm[first : last + 1]) + first
        sizes, most = (np.maximum.accumulate(each[rows]) for each in (one.size, one.evidence))
        way = "up" if one.up[first] else "down"
        hour = int(one.time_ms[first] // HALF_HOUR_MS + THURSDAY) % WEEK
        for place, row in enumerate(rows):
            lasted_s = (one.time_ms[row] - one.time_ms[first] + one.step_ms) / 1000
            figures = float(sizes[place]), float(most[place]) / one.bar, float(lasted_s)
            if not lessons.quiet(Deviation(one.series.series_id, one.kin, way, *figures, hour)):
                # From here on it only grows, so the rest counts too.
                lasted_s = (one.time_ms[rows[-1]] - one.time_ms[first] + one.step_ms) / 1000
                figures = float(sizes[-1]), float(most[-1]) / one.bar, float(lasted_s)
                yield Deviation(one.series.series_id, one.kin, way, *figures, hour), rows[place:]
                break


def _follow(series: Labelled, settings: DetectSettings | None) -> _Followed | None:
    """Take a series through the detector; None where none of its rows is scored."""
    if not series.scored.any():
        return None
    times = series.time_ns // 1_000_000
    n, k = series.values.shape
    detector, joint = Detector(settings), JointDetector(settings)
    ids = np.arange(k, dtype=np.uint32)
    score, size = np.zeros((n, k)), np.zeros((n, k))
    away, flagged = np.zeros((n, k)), np.zeros(n, np.bool_)
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        count = rows.stop - start
        values = series.values[rows].reshape(-1)
        found = detector.observe(
            SampleBlock(np.tile(ids, count), np.repeat(times[rows], k), values)
        )
        score[rows], flags = found.score.reshape(count, k), found.flagged.reshape(count, k)
        away[rows] = (found.signal - found.expected).reshape(count, k)
        flagged[rows] = flags[:, 0]
    top = np.fmax.accumulate(series.values, axis=0)
    reach = np.vstack([np.full(k, np.nan), (top - np.fmin.accumulate(series.values, axis=0))[:-1]])
    np.divide(np.abs(away), reach, out=size, where=reach > 0.0)
    size = np.minimum(np.nan_to_num(size, nan=0.0), LARGEST)
    step_ms = max(float(np.median(np.diff(times))), 1.0) if n > 1 else 1.0
    bar = bar_of(detector.threshold, step_ms)
    if k > 1:
        size = np.where(score >= STRANGE, size, 0.0)
        whole, flagged = joint.observe(score)
        score, bar = whole[:, None], joint.bar
    evidence = np.minimum(score[:, 0], 0.99)
    evidence = SCORE_HALF * evidence / (1.0 - evidence)
    up = away[:, 0] >= 0.0 if k == 1 else np.ones(n, np.bool_)
    inside = times[series.scored]
    half_ms = int((inside.min() + inside.max()) // 2)
    kin = series.series_id.rpartition("/")[0] or series.series_id
    large = size.max(axis=1)
    return _Followed(series, kin, times, evidence, large, up, flagged, bar, step_ms, half_ms)
