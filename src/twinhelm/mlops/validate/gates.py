"""Is what was measured good enough for the gates of the product file? A check per gate.

In: numbers, from the other modules here. Out: :class:`~twinhelm.mlops.types.Check`, with a
sentence that holds the numbers. ``at_least`` and ``at_most`` ask the number itself, and the
sentence tells its interval: a gate on the interval's end would ask more of small hold-outs than of
large ones. ``than = "champion"`` asks the interval of the paired difference: the 97.5 % worst case
must not be worse by more than ``by``. Several gates need no correction, since all must hold. What
is not known passes nothing; where there is no champion yet, there is nothing to be worse than.
"""

from dataclasses import dataclass

from twinhelm.mlops.types import Check, Verdict
from twinhelm.mlops.types.spec import Gate
from twinhelm.stats.compare import Difference
from twinhelm.stats.metrics import Estimate

__all__ = ["Found", "judge", "told", "untold"]

ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Found:
    """A number, a sentence about it, and what it comes to where no gate says otherwise."""

    value: float | None
    says: str
    verdict: Verdict = Verdict.PASS


def told(metric: str, estimate: Estimate, where: str = "") -> Found:
    """Put an estimate into words."""
    name = f"{metric} in {where}" if where else metric
    if not estimate.known:
        return untold(f"{name} cannot be told from {estimate.rows} rows")
    ends = f"{estimate.low:.4g} to {estimate.high:.4g}, {estimate.rows:,} rows"
    return Found(estimate.value, f"{name} is {estimate.value:.4g} ({ends})")


def untold(says: str) -> Found:
    """Say why a number is not known."""
    return Found(None, says, Verdict.UNKNOWN)


def judge(gate: Gate, found: Found, beside: Difference | Found) -> Check:
    """Judge one gate by its number and, where it asks for it, the difference to the champion.

    ``beside`` may be a :class:`Found` that says why there is no difference, and what that means.
    """
    wanted, says, verdict = [], found.says, Verdict.PASS
    for word, limit, sign in (("at least", gate.at_least, 1), ("at most", gate.at_most, -1)):
        if limit is not None:
            wanted.append(f"{word} {limit:.4g}")
            if found.value is not None and sign * (found.value - limit) < -ROUNDING:
                verdict = Verdict.FAIL
    if gate.than:
        wanted.append(f"worse than the champion by at most {gate.by:.4g}")
        other = beside if isinstance(beside, Found) else _told(gate, beside)
        says = f"{says}; {other.says}"
        verdict = other.verdict if verdict is Verdict.PASS else verdict
    if found.value is None:
        verdict = Verdict.FAIL if found.verdict is Verdict.FAIL else Verdict.UNKNOWN
    place = f" in {gate.slice}" if gate.slice else ""
    name = f"{gate.metric}{place}{' against champion' if gate.than else ''}"
    return Check(name, verdict, says, found.value, ", ".join(wanted))


def _told(gate: Gate, beside: Difference) -> Found:
    if not beside.known:
        return untold("too little is known to compare it with the champion")
    worst = f"at worst {beside.worse:.4g} worse" if beside.worse > 0 else "surely no worse"
    says = f"{beside.value:+.4g} ({beside.low:+.4g} to {beside.high:+.4g}) to the champion, {worst}"
    good = beside.worse <= gate.by + ROUNDING
    return Found(beside.value, says, Verdict.PASS if good else Verdict.FAIL)
