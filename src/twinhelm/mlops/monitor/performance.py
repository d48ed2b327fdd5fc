"""How right a version is: with labels, estimated without, and for whom.

In: rows of a :class:`~.window.Window`, labels by row id, what the hold-out taught. Out: metrics
with 95 % intervals and gaps between groups, to :mod:`.health`. Labels come late, so the rows that
have one are other rows than those of the window. Pure but for ``rng``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twinhelm.core.arrays import BOOL, Array
from twinhelm.core.errors import BadInput
from twinhelm.mlops.monitor.known import belongs
from twinhelm.mlops.monitor.says import Findings, ranged
from twinhelm.mlops.monitor.window import Window
from twinhelm.mlops.types import Spec
from twinhelm.mlops.types.slices import missing_in
from twinhelm.stats.answers import Answers, answers
from twinhelm.stats.estimate import Expected, Ground, Range, contradicted, expect
from twinhelm.stats.metrics import METRICS, MIN_ROWS, estimate, point

__all__ = ["Floor", "estimated", "fairness", "floor_of", "joined", "measured"]


@dataclass(frozen=True, slots=True)
class Floor:
    """The metric that is watched and the worst that it may be; None where nobody said."""

    metric: str
    worst: float | None

    def broken(self, found: Mapping[str, Range]) -> Range | None:
        """Return the metric where all of its interval is worse than the floor."""
        if self.worst is None or self.metric not in found:
            return None
        worth = METRICS[self.metric].worth(np.array([*found[self.metric], self.worst]))
        return found[self.metric] if max(worth[:3]) < worth[3] else None


def floor_of(spec: Spec) -> Floor:
    """Find the metric to watch: the one named, the first gate's, or the usual one of the task."""
    usual = "accuracy" if spec.data.task == "classification" else "mae"
    gates = [each for each in spec.gates if each.metric in METRICS and not each.slice]
    metric = spec.monitor.metric or next((each.metric for each in gates), usual)
    metric = metric if metric in METRICS else usual
    worst = spec.monitor.floor
    for gate in gates:
        if worst is None and gate.metric == metric and not gate.than:
            worst = gate.at_least if gate.at_least is not None else gate.at_most
    return Floor(metric, worst)


def joined(
    labelled: Window, labels: Mapping[str, float | str], spec: Spec, found: Findings
) -> tuple[Window, Answers | None]:
    """Return the rows whose truth is known, and their answers beside it."""
    truth = [labels.get(one) for one in labelled.ids]
    true = labelled.where(np.array([each is not None for each in truth], np.bool_))
    if len(true):
        try:
            known = np.array([each for each in truth if each is not None], object)
            return true, _answers(true, spec, known)
        except BadInput as unfit:
            found.say("", f"labels and answers do not fit: {unfit.message}")
    return true, None


def measured(told: Answers | None, spec: Spec, rng: np.random.Generator) -> dict[str, Range]:
    """Measure what is watched and what the gates ask for; empty without labels."""
    if told is None:
        return {}
    made = estimate([(name, told) for name in _asked(spec)], rng=rng)
    return {n: (e.value, e.low, e.high) for n, e in zip(_asked(spec), made, strict=True) if e.known}


def estimated(
    ground: Ground,
    window: Window,
    true: Window,
    performance: Mapping[str, Range],
    spec: Spec,
    found: Findings,
    rng: np.random.Generator,
) -> dict[str, Range]:
    """Estimate the window's metrics, unless labels show that such estimates are off."""

    def expected(rows: Window) -> Expected:
        said = rows.scored
        return expect(
            ground,
            said.prediction,
            rows.table,
            probability=said.probability,
            classes=said.classes,
            rng=rng,
        )

    now, floor = expected(window), floor_of(spec)
    watched = {name: each for name, each in performance.items() if name == floor.metric}
    doubt = now.reason or contradicted(expected(true), watched)
    if doubt:
        found.say("unknown", f"performance cannot be estimated without labels: {doubt}")
        return {}
    if worse := floor.broken(now.values):
        seen = f"without labels, {floor.metric} is estimated as {ranged(worse)}"
        found.say("drifted", f"{seen}; {floor.worst:g} is asked")
    return {name: now.values[name] for name in _asked(spec) if name in now.values}


def fairness(window: Window, true: Window, told: Answers | None, spec: Spec) -> dict[str, float]:
    """Measure the gaps between groups, by kind of gap and column."""
    gaps: dict[str, float] = {}
    if spec.data.task != "classification" or not any(each.protected for each in spec.slices):
        return gaps
    asked = [("parity_gap", "selection_rate", window, _answers(window, spec))]
    if told is not None:
        asked.append(("opportunity_gap", "recall", true, told))
    for gap, metric, rows, said in asked:
        for column, groups in _groups(rows, spec).items():
            parts = [said.among(group) for group in groups]
            found = [point(metric, each) for each in parts if len(each.kept) >= MIN_ROWS]
            if len(found) > 1 and said.positive >= 0 and np.isfinite(found).all():
                gaps[f"{gap} {column}"] = max(found) - min(found)
    return gaps


def _groups(window: Window, spec: Spec) -> dict[str, list[BOOL]]:
    groups: defaultdict[str, list[BOOL]] = defaultdict(list)
    for part in spec.slices:
        if part.protected and part.column in window.table:
            groups[part.column].append(belongs(part, window.table))
    for column, found in groups.items():
        if len(found) == 1:
            found.append(~missing_in(window.table[column]) & ~found[0])
    return groups


def _answers(window: Window, spec: Spec, truth: Array | None = None) -> Answers:
    said = window.scored
    return answers(
        said.prediction if truth is None else truth,
        said.prediction,
        task=spec.data.task,
        probability=said.probability,
        classes=said.classes,
        positive=spec.data.positive,
    )


def _asked(spec: Spec) -> list[str]:
    """Name the metrics that matter: the watched one and those of gates."""
    names = dict.fromkeys([floor_of(spec).metric, *(gate.metric for gate in spec.gates)])
    return [n for n in names if n in METRICS and METRICS[n].task == spec.data.task]
