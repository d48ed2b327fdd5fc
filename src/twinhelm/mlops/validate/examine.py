"""Is this version fit to decide? Walks everything that is looked at before anybody may say yes.

In: a scorer, the hold-out table, the product file, and where they exist the training table and the
champion's scorer, from the flow. Out: :class:`Findings`: a check per gate and per thing that every
version must keep, every number with its interval, and what the page draws. A model that dies,
hangs, answers too few rows or NaN fails with the reason; what cannot be known is said to be so.
The clock (``timer``, in seconds) and the randomness are passed in; nothing here is stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinhelm.core.errors import TwinhelmError
from twinhelm.mlops.types import Check, Measured, Scorer, Spec, Table, Verdict
from twinhelm.mlops.validate.ask import answered, ask, features_of, taken
from twinhelm.mlops.validate.beside import paired
from twinhelm.mlops.validate.curves import curves
from twinhelm.mlops.validate.data import duplicates, labels, leakage
from twinhelm.mlops.validate.gates import Found, judge, untold
from twinhelm.mlops.validate.numbers import headline_of, measure
from twinhelm.mlops.validate.stress import Stress, latencies
from twinhelm.stats.answers import Answers
from twinhelm.stats.compare import mcnemar

__all__ = ["Findings", "Known", "examine", "unexamined"]

LATENCY_ROWS = 500


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found: see :class:`~twinhelm.mlops.types.Validation`."""

    checks: tuple[Check, ...]
    measured: tuple[Measured, ...] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the model and its hold-out data.

    ``against`` names the champion, empty for none; it may be named and not be there. ``digests``
    are those of the tables by role (holdout, train). ``facts`` may hold ``size_bytes`` and what
    the recipe measured itself as ``cv_*``.
    """

    version: str
    train: Table | None = None
    champion: Scorer | None = None
    against: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)


def unexamined(
    spec: Spec | None, name: str, says: str, verdict: Verdict = Verdict.UNKNOWN
) -> Findings:
    """Say why nothing could be measured: one check ``name``, and every gate unknown."""
    nothing = untold(f"not measured: see {name}")
    gates = [judge(gate, nothing, nothing) for gate in (spec.gates if spec else ())]
    return Findings((Check(name, verdict, says), *gates))


def examine(
    scorer: Scorer,
    table: Table,
    spec: Spec,
    known: Known,
    *,
    rng: np.random.Generator,
    timer: Callable[[], float],
    progress: Callable[[int, int, str], None],
) -> Findings:
    """Examine one version; ``progress`` hears done, of how many, and what is being done."""

    def within(start: int, end: int, says: str) -> Callable[[int, int], None]:
        progress(start, 100, says)
        return lambda done, of: progress(start + (end - start) * done // of, 100, says)

    target = spec.data.target
    if target not in table:
        says = f"the hold-out data has no target column {target!r}: give one the role target"
        return unexamined(spec, "labels", says)
    try:
        features = features_of(scorer, spec, table)
        scored = ask(scorer, table, features, within(0, 30, "asking the model"))
        told = answered(scored, table[target], spec)
    except TwinhelmError as error:
        return unexamined(spec, "answers", f"the model did not answer: {error}", Verdict.FAIL)
    found = {"answers": Found(None, f"the model answered all {told.of:,} rows")}
    found["labels"] = labels(told, scored.classes)
    found["hold-out"] = _apart(known.digests)
    rival = _champion(known, table, spec, within(30, 45, "asking the champion"))
    progress(45, 100, "measuring")
    numbers = measure(told, rival if isinstance(rival, Answers) else None, spec, table, rng)
    progress(60, 100, "timing")
    try:
        few = taken(table, features, slice(LATENCY_ROWS))
        found["latency_p99_ms"] = latencies(scorer, few, timer)
    except TwinhelmError as error:
        found["latency_p99_ms"] = Found(None, f"the model failed: {error}", Verdict.FAIL)
    found["size_mb"] = untold("the size of the model's files is not known")
    if size := known.facts.get("size_bytes", 0.0) / 1e6:
        found["size_mb"] = Found(size, f"the model's files are {size:.3g} MB")
    stress = Stress(scorer, table, features, spec, told, headline_of(spec, told), rng)
    found |= stress.drops(within(65, 95, "giving it worse input"))
    progress(95, 100, "looking at the data")
    found["duplicates"] = untold("there is no training data: name it as data.train")
    if known.train is not None:
        found["duplicates"] = duplicates(table, known.train, [*features, target])
    found["leakage"] = leakage(table, features, spec)
    drawn = curves(told)
    if own := {name: value for name, value in known.facts.items() if name.startswith("cv_")}:
        says = ", ".join(f"{name} {value:.4g}" for name, value in sorted(own.items()))
        found["cross-validation"] = Found(None, f"the recipe measured {says}")
    if isinstance(rival, Answers):
        drawn["against"] = paired(numbers)
        if told.labels:
            drawn["mcnemar"] = dict(
                zip(("version", "champion", "p"), mcnemar(told, rival), strict=True)
            )
    gated = {gate.metric for gate in spec.gates}
    checks = [Check(n, f.verdict, f.says, f.value) for n, f in found.items() if n not in gated]
    for gate in spec.gates:
        number, beside = numbers.of(gate), numbers.beside(gate)
        if gate.metric in found:
            number, beside = found[gate.metric], untold("this is not compared with the champion")
        elif isinstance(rival, Found):
            beside = rival
        checks.append(judge(gate, number, beside))
    return Findings(tuple(checks), numbers.measured(known.version, known.against), drawn)


def _champion(
    known: Known, table: Table, spec: Spec, heard: Callable[[int, int], None]
) -> Answers | Found:
    """Ask the champion; where there is none or it does not answer, say so."""
    if not known.against:
        return Found(None, "there is no champion yet")
    if known.champion is None:
        return untold(f"the champion {known.against} could not be opened")
    try:
        scored = ask(known.champion, table, features_of(known.champion, spec, table), heard)
        return answered(scored, table[spec.data.target], spec)
    except TwinhelmError as error:
        return untold(f"the champion {known.against} did not answer: {error}")


def _apart(digests: Mapping[str, str]) -> Found:
    """Tell whether the hold-out data is other data than that of training."""
    holdout, train = digests.get("holdout", ""), digests.get("train", "")
    if not holdout or not train:
        return untold("whether the hold-out data was trained on cannot be told")
    if holdout == train:
        says = f"the hold-out data is the training data ({holdout[:19]})"
        return Found(None, says, Verdict.FAIL)
    return Found(None, f"hold-out data {holdout[:19]}, training data {train[:19]}")
