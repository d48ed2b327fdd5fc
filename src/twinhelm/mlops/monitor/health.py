"""How a version fares: good, drifted, failing, or unknown.

In: the window it was asked in, the rows whose truth is known (older ones, mostly), what is known
of it (:mod:`.known`) and the last good window. Out: a :class:`~twinhelm.mlops.types.Health` with
sentences, worst first.

* failing: with labels, the watched metric is below its floor with 95 % confidence; or half of the
  requests cannot be read. Drift alone never is.
* drifted: a column moved beyond chance and beyond the PSI that the product file names; the
  estimate of the metric, all of its interval, is below the floor; a column is gone; or more than
  5 % of the rows break the contract.
* unknown: too few rows, or nothing to hold them against.

Fairness is the widest gap between groups, the protected slices of one column or one of them and
the rest, of 30 rows and more: of the share of positive answers (``parity_gap``) and, with labels,
of recall (``opportunity_gap``). Pure but for ``rng``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twinhelm.mlops.monitor.known import Known, Profiles, outputs, profiles
from twinhelm.mlops.monitor.moved import moved, waking
from twinhelm.mlops.monitor.performance import estimated, fairness, floor_of, joined, measured
from twinhelm.mlops.monitor.says import NAMED, Findings, named, ranged
from twinhelm.mlops.monitor.window import Window
from twinhelm.mlops.types import Drift, Health, Spec
from twinhelm.stats.answers import name_of
from twinhelm.stats.drift import prepare_all

__all__ = ["examine", "window_profiles"]

MOST_BROKEN = 0.05
MOST_UNREADABLE = 0.5


def window_profiles(window: Window, spec: Spec, known: Known) -> Profiles:
    """Prepare a window for comparison, answers included."""
    found = profiles(window.table, spec, known.unwatched)
    return {**found, "": {**found[""], **prepare_all(outputs(window.scored, spec))}}


def examine(
    known: Known,
    window: Window,
    labelled: Window,
    labels: Mapping[str, float | str],
    *,
    product: str,
    version: str,
    span_ms: tuple[int, int],
    spec: Spec,
    good: Profiles | None,
    rng: np.random.Generator,
) -> Health:
    """Judge ``window``; ``labelled`` holds rows of which ``labels`` knows some, by row id."""
    found, floor = Findings(), floor_of(spec)
    quality = _quality(window, known, spec, found)
    drift: tuple[Drift, ...] = ()
    if len(window) >= spec.monitor.min_rows:
        references = {"training": known.learnt} | ({"last good": good} if good else {})
        now = window_profiles(window, spec, known)
        drift = moved(now, references, false_alarms=spec.monitor.false_alarms)
        _tell_drift(drift, len(window), spec.monitor.psi, found)
    else:
        needed = spec.monitor.min_rows
        found.say("unknown", f"{len(window)} rows were answered, {needed} are needed to judge")
    true, told = joined(labelled, labels, spec, found)
    performance = measured(told, spec, rng)
    if worse := floor.broken(performance):
        seen = f"labels show {floor.metric} {ranged(worse)} on {len(true):,} rows"
        found.say("failing", f"{seen}; {floor.worst:g} is asked")
    elif floor.metric in performance:
        right = f"labels show {floor.metric} {ranged(performance[floor.metric])}"
        found.say("good", f"{right} on {len(true):,} rows")
    if len(window):
        recent = true.times_ms >= span_ms[0]
        quality["labelled"] = min(float(recent.sum()) / len(window), 1.0)
    foretold = estimated(known.ground, window, true, performance, spec, found, rng)
    return Health(
        product,
        version,
        *span_ms,
        rows=len(window),
        labelled=len(true),
        drift=drift,
        performance=performance,
        estimated=foretold,
        fairness=fairness(window, true, told, spec),
        quality=quality,
        says=found.sentences(),
        state=found.state(),
    )


def _tell_drift(drift: tuple[Drift, ...], rows: int, psi: float, found: Findings) -> None:
    if not drift:
        found.say("unknown", "no training data and no good window are known to compare with")
        return
    loud = waking(drift, psi=psi)
    if loud:
        found.say("drifted", f"moved from {loud[0].against}: {named(loud)}")
    else:
        columns = len({each.column for each in drift})
        found.say("good", f"{columns} columns of {rows:,} rows are where they were")
    quiet = [each for each in drift if each.drifted and each not in loud]
    for against in dict.fromkeys(each.against for each in quiet):
        some = named([each for each in quiet if each.against == against])
        found.say("", f"moved from {against}, but wakes nobody: {some}")
    new = sorted({f"{d.column} {', '.join(d.new_values[:3])}" for d in drift if d.new_values})
    if new:
        found.say("", f"new values: {'; '.join(new[:NAMED])}")


def _quality(window: Window, known: Known, spec: Spec, found: Findings) -> dict[str, float]:
    """Hold the window against the schema and the contract: shares of rows, by what is wrong."""
    quality = {"unreadable": window.unreadable / window.requests} if window.requests else {}
    if quality.get("unreadable", 0.0) > MOST_UNREADABLE:
        found.say(
            "failing", f"{window.unreadable:,} of {window.requests:,} requests are unreadable"
        )
    if not len(window):
        return quality
    personal = {each.name for each in spec.data.columns if each.personal}
    declared = {each.name: each for each in spec.data.columns if not each.personal}
    gone = [name for name in known.kinds if name not in window.table and name not in personal]
    if gone and window.table:  # else all was struck out of the log
        found.say("drifted", f"no request holds {', '.join(gone[:NAMED])}")
    new = [name for name in window.table if known.kinds and name not in known.kinds]
    if new:
        found.say("", f"requests hold {', '.join(new[:NAMED])}, which the model does not take")
    for name, values in window.table.items():
        broken = np.zeros(len(window), np.bool_)
        column = declared.get(name)
        missing = np.array([each is None or each != each for each in values.tolist()], np.bool_)
        if column is not None and values.dtype.kind == "f":
            broken |= values < (-np.inf if column.min is None else column.min)
            broken |= values > (np.inf if column.max is None else column.max)
        elif column is not None and column.values:
            allowed = {*map(name_of, column.values), None}
            broken |= np.array([each not in allowed for each in values.tolist()])
        share = float(broken.mean()) + window.mistyped.get(name, 0) / len(window)
        if column is not None:
            share += max(0.0, float(missing.mean()) - column.missing)
        if share:
            quality[f"out_of_contract {name}"] = min(share, 1.0)
    worst = sorted((n for n in quality if n.startswith("out_")), key=lambda n: -quality[n])[:NAMED]
    if worst:
        state = "drifted" if quality[worst[0]] > MOST_BROKEN else ""
        named = ", ".join(f"{n.partition(' ')[2]} in {quality[n]:.1%} of rows" for n in worst)
        found.say(state, f"out of contract: {named}")
    return quality
