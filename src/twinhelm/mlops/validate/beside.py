"""How do two versions stand beside each other? Rows for the comparison page, from what was kept.

In: :class:`Numbers` while validating, two :class:`~twinhelm.mlops.types.Validation` later. Out: a
row per metric and slice. Where one version was validated against the other the difference is the
paired one, corrected by Holm over all metrics; else, on the same hold-out data, it is that of two
independent intervals, wider than need be. Numbers of different data are shown, not compared.
"""

from typing import Any

import numpy as np

from twinhelm.mlops.types import Measured, Validation
from twinhelm.mlops.validate.numbers import Numbers
from twinhelm.stats.compare import difference
from twinhelm.stats.metrics import METRICS
from twinhelm.stats.tails import holm

__all__ = ["compare_rows", "paired"]

LEVEL = 0.05
TURNED = {"better": "worse", "worse": "better"}
UNCLEAR = "no clear difference"


def paired(numbers: Numbers) -> list[dict[str, Any]]:
    """Compare the version with its champion, metric by metric; kept with the validation."""
    rows: list[dict[str, Any]] = []
    for key, mine in numbers.mine.items():
        theirs = numbers.theirs.get(key)
        if theirs is None or not (found := difference(mine, theirs, metric=key[0])).known:
            continue
        worse = difference(theirs, mine, metric=key[0]).p
        row: dict[str, Any] = {"difference": found.value, "low": found.low, "high": found.high}
        p, verdict = 2.0 * min(found.p, worse, 0.5), "better" if found.p < worse else "worse"
        rows.append({"metric": key[0], "slice": key[1], "p": p, "verdict": verdict, **row})
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row |= {"p": p, "verdict": row["verdict"] if p < LEVEL else UNCLEAR}
    return rows


def compare_rows(a: Validation, b: Validation) -> list[dict[str, Any]]:
    """Give one row per metric and slice that either has: both numbers, and ``b`` less ``a``.

    Keys: metric, slice, a, a_low, a_high, b, b_low, b_high, difference, low, high, verdict (that of
    ``b``: better, worse, no clear difference, unknown, not comparable) and says. What nobody knows
    is None.
    """
    sides = [
        {(each.metric, each.slice): each for each in one.measured if each.of in (one.version, "")}
        for one in (a, b)
    ]
    same = "holdout" in a.data and a.data["holdout"] == b.data.get("holdout")
    pairs = {**_pairs(a, b, -1.0), **_pairs(b, a, 1.0)} if same else {}
    rows = []
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        mine, theirs = (side.get(key) for side in sides)
        row: dict[str, Any] = {"metric": key[0], "slice": key[1]}
        for name, each in (("a", mine), ("b", theirs)):
            row |= {name: each and each.value}
            row |= {f"{name}_low": each and each.low, f"{name}_high": each and each.high}
        row |= {"difference": None, "low": None, "high": None, "verdict": "unknown"}
        if mine is None or theirs is None:
            row["says"] = "measured of one of them only"
        elif not same:
            says = "measured on different hold-out data: validate both anew to compare them"
            row |= {"verdict": "not comparable", "says": says}
        else:
            row |= pairs.get(key) or _apart(mine, theirs)
        rows.append(row)
    return rows


def _pairs(one: Validation, other: Validation, sign: float) -> dict[tuple[str, str], Any]:
    """Read the paired differences to ``other``, turned round where ``sign`` is -1."""
    found = {}
    for row in one.curves.get("against", ()) if one.against == other.version else ():
        low, high = sorted((sign * row["low"], sign * row["high"]))
        turned = {"difference": sign * row["difference"], "low": low, "high": high}
        verdict = row["verdict"] if sign > 0 else TURNED.get(row["verdict"], row["verdict"])
        says = f"paired on the same rows, p {row['p']:.3g} after Holm's correction"
        found[row["metric"], row["slice"]] = {**turned, "verdict": verdict, "says": says}
    return found


def _apart(a: Measured, b: Measured) -> dict[str, Any]:
    """Compare two intervals as if they were independent."""
    value = b.value - a.value
    low = value - float(np.hypot(b.value - b.low, a.high - a.value))
    high = value + float(np.hypot(b.high - b.value, a.value - a.low))
    worth = METRICS[a.metric].worth if a.metric in METRICS else np.negative
    gain = float(worth(np.array(b.value)) - worth(np.array(a.value)))
    verdict = "better" if gain > 0 else "worse" if gain < 0 else UNCLEAR
    verdict = verdict if low > 0 or high < 0 else UNCLEAR
    says = "on the same hold-out data, as if independent"
    return {"difference": value, "low": low, "high": high, "verdict": verdict, "says": says}
