"""How good are the model and its champion? Measures everybody, each slice and each group.

In: the answers of both. Out: :class:`Numbers`, estimates on the same resamples, so that every
difference is a paired one. Over everybody every metric of the task is measured, over slices the
headline and what gates ask for. Values of slices are compared by name, as classes are; what is
missing belongs to no slice. ``parity_gap`` is the largest difference in positive answers between
protected slices of one column, ``opportunity_gap`` in recall, both of two classes only. A slice
that is the only protected one of its column is held against the rest; of several columns the worst
counts.
"""

from dataclasses import dataclass

import numpy as np

from twinhelm.core.arrays import BOOL
from twinhelm.core.errors import BadInput
from twinhelm.mlops.types import Measured, Spec, Table
from twinhelm.mlops.types.slices import members, missing_in
from twinhelm.mlops.types.spec import Gate
from twinhelm.mlops.validate.gates import Found, told, untold
from twinhelm.stats.answers import Answers
from twinhelm.stats.compare import Difference, difference, gap
from twinhelm.stats.metrics import METRICS, Estimate, estimate, point

__all__ = ["Numbers", "headline_of", "measure"]

GAPS = {"parity_gap": "selection_rate", "opportunity_gap": "recall"}
ON_DEMAND = ("selection_rate", "pinball_10", "pinball_50", "pinball_90")
"""Measured only where a gate asks for it."""

Side = dict[tuple[str, str], Estimate]
"""Estimates by metric and slice; the slice is empty for everybody."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the version and the champion (empty: none) came to; ``strange``: slices not there."""

    mine: Side
    theirs: Side
    strange: dict[str, str]

    def of(self, gate: Gate) -> Found:
        """Return the number that a gate asks for, or why there is none."""
        if known := self.mine.get((gate.metric, gate.slice)):
            return told(gate.metric, known, gate.slice)
        if gate.slice in self.strange:
            return untold(self.strange[gate.slice])
        if gate.metric in GAPS:
            return untold(f"{gate.metric} needs two classes and protected slices, and no slice")
        if gate.metric not in METRICS:
            return untold(f"there is no metric {gate.metric}; there are {', '.join(METRICS)}")
        why = "is for another task, or the slice is not declared"
        if METRICS[gate.metric].chance:
            why = "needs probabilities, which the model does not give: log its predict_proba"
        return untold(f"{gate.metric} {why}")

    def beside(self, gate: Gate) -> Difference | Found:
        """Return the difference to the champion that a gate asks for, or why there is none."""
        mine, theirs = (side.get((gate.metric, gate.slice)) for side in (self.mine, self.theirs))
        if mine is None or theirs is None:
            return untold("the champion has no such number")
        return difference(mine, theirs, metric=gate.metric, by=gate.by)

    def measured(self, version: str, against: str) -> tuple[Measured, ...]:
        """List everything that is known, for the record."""
        return tuple(
            Measured(metric, each.value, each.low, each.high, each.rows, part, of)
            for of, side in ((version, self.mine), (against, self.theirs))
            for (metric, part), each in side.items()
            if each.known
        )


def headline_of(spec: Spec, answers: Answers) -> str:
    """Name the metric that matters most: the first gate's that can be told, or a usual one."""
    for gate in spec.gates:
        known = gate.metric in METRICS and METRICS[gate.metric].better != "neither"
        if known and not gate.slice and not np.isnan(point(gate.metric, answers)):
            return gate.metric
    return "balanced_accuracy" if spec.data.task == "classification" else "rmse"


def measure(
    answers: Answers, champion: Answers | None, spec: Spec, table: Table, rng: np.random.Generator
) -> Numbers:
    """Measure all of it, on the same resamples of the table's rows."""
    strange: dict[str, str] = {}
    masks: dict[str, BOOL] = {}
    groups: dict[str, dict[str, BOOL]] = {}
    for part in spec.slices:
        try:
            if part.column not in table:
                hint = "name one of the data's"
                raise BadInput(f"there is no column {part.column}", hint=hint)
            held = table[part.column]
            masks[part.name] = members(part, held, numbers=lambda said: said.astype(float))
        except (BadInput, ValueError, TypeError) as error:
            strange[part.name] = f"slice {part.name} cannot be told: {error}"
        else:
            if part.protected:
                groups.setdefault(part.column, {})[part.name] = masks[part.name]
    for name, inside in groups.items():
        if len(inside) == 1:
            inside["the rest"] = ~next(iter(inside.values())) & ~missing_in(table[name])
    asked = {gate.metric for gate in spec.gates if gate.metric in METRICS}
    here = [
        name
        for name, metric in METRICS.items()
        if metric.task == spec.data.task and (name in asked or name not in ON_DEMAND)
    ]
    inner = sorted(asked.intersection(here) | {headline_of(spec, answers)})
    # Who, metric, slice, protected column: the last tells groups from slices.
    keys: list[tuple[int, str, str, str]] = []
    parts: list[Answers] = []
    for who, each in enumerate((answers, champion)):
        if each is None:
            continue
        scopes = [("", "", each, here)]
        scopes += [(name, "", each.among(mask), inner) for name, mask in masks.items()]
        for column, inside in groups.items() if each.positive >= 0 else ():
            for name, mask in inside.items():
                scopes.append((name, column, each.among(mask), [*GAPS.values()]))
        for name, column, part_, metrics in scopes:
            for metric in metrics:
                if part_.chance is not None or not METRICS[metric].chance:
                    keys.append((who, metric, name, column))
                    parts.append(part_)
    found = estimate([(key[1], part) for key, part in zip(keys, parts, strict=True)], rng=rng)
    sides: tuple[Side, Side] = {}, {}
    rates: dict[tuple[int, str, str], list[Estimate]] = {}
    for (who, metric, name, column), value in zip(keys, found, strict=True):
        if column:
            rates.setdefault((who, metric, column), []).append(value)
        else:
            sides[who][metric, name] = value
    for (who, metric, _), of in rates.items():
        key, wide = (next(name for name in GAPS if GAPS[name] == metric), ""), gap(of)
        # An unknown gap must not hide behind a known one.
        if key not in sides[who] or not wide.known or wide.value > sides[who][key].value:
            sides[who][key] = wide
    return Numbers(*sides, strange)
