"""Can the hold-out data judge at all? Looks for rows seen in training, leaks and missing classes.

In: the hold-out and training tables. Out: a :class:`~twinhelm.mlops.validate.gates.Found` each.

*duplicates*: the share of hold-out rows that stand, exactly, among the training rows. Rows are
compared by 64-bit hashes of features and target: a false match among a million rows is rarer than
one in ten million. Few columns with few values repeat by nature, so the share of training rows
that repeat each other is allowed for. *leakage*: how well the best single feature tells the target:
the area under the ROC curve for two classes, else the correlation; features of few values count by
the mean target of each. From ``LEAK`` on it is too good to be true. Wrong where the task is that
easy: then the gate ``leakage`` says what is allowed. Pure; a sort a column.
"""

from hashlib import blake2b

import numpy as np

from twinhelm.core.arrays import F64, U64, Array
from twinhelm.mlops.types import Spec, Table, Verdict, rows_of
from twinhelm.mlops.types.slices import missing_in
from twinhelm.mlops.validate.gates import Found, untold
from twinhelm.stats.answers import Answers, codes_of, name_of
from twinhelm.stats.metrics import point

__all__ = ["duplicates", "labels", "leakage"]

LEAK = 0.995
DUPLICATES = 0.01
FEW_VALUES = 20
FEW_ROWS = 5
"""A class with fewer hold-out rows than this is not judged."""


def duplicates(table: Table, train: Table, names: list[str]) -> Found:
    """Find the hold-out rows that were trained on; ``names`` are the columns that count."""
    shared = [name for name in names if name in train]
    mine, theirs = _hashes(table, shared), _hashes(train, shared)
    if not len(mine) or not len(theirs) or not shared:
        return untold("without rows and columns in common, duplicates cannot be looked for")
    known, counts = np.unique(theirs, return_counts=True)
    copied = int(np.isin(mine, known).sum())
    share, natural = copied / len(mine), float(counts[counts > 1].sum() / len(theirs))
    says = (
        f"{copied} of {len(mine):,} hold-out rows stand in the training data too ({share:.2%}; "
        f"{natural:.2%} of the training rows repeat each other)"
    )
    return Found(share, says, Verdict.FAIL if share > DUPLICATES + natural else Verdict.PASS)


def leakage(table: Table, features: list[str], spec: Spec) -> Found:
    """Find the feature that alone tells the target best."""
    target = spec.data.target
    if target in features:
        says = f"the target {target} is among the columns that the model takes"
        return Found(1.0, says, Verdict.FAIL)
    book: dict[str, int] = {}
    if spec.data.task == "regression" and table[target].dtype.kind in "biuf":
        y = table[target].astype(np.float64)
    else:
        codes = codes_of(table[target], book)
        y = np.where(codes < 0, np.nan, codes)
    strengths = {name: _strength(table[name], y, two=len(book) == 2) for name in features}
    known = {name: value for name, value in strengths.items() if np.isfinite(value)}
    if not known:
        return untold("no feature could be held against the target")
    best = max(known, key=lambda name: known[name])
    says = f"of {len(known)} features, {best} alone tells the target best: {known[best]:.4f} of 1"
    if known[best] < LEAK:
        return Found(known[best], says)
    says = f"{says}, too good to be true: is it known only afterwards?"
    return Found(known[best], says, Verdict.FAIL)


def labels(told: Answers, taught: tuple[str, ...]) -> Found:
    """Look at the truths: enough of them, varied, and no class that the model was never taught."""
    lost = told.of - len(told.kept)
    says = f"; {lost} of {told.of:,} rows have no truth and were left out" if lost else ""
    if not told.labels or not len(told.kept):
        spread = float(np.std(told.truth)) if len(told.kept) else 0.0
        varied = Verdict.PASS if spread > 0 else Verdict.FAIL
        return Found(spread, f"the truth varies by {spread:.4g}{says}", varied)
    counts = dict(
        zip(told.labels, np.bincount(told.truth, minlength=len(told.labels)), strict=True)
    )
    seen = {name: int(count) for name, count in counts.items() if count}
    says = ", ".join(f"{name}: {count:,}" for name, count in list(seen.items())[:12]) + says
    strange = sorted(set(seen).difference(map(name_of, taught))) if taught else []
    rarest = min(seen, key=lambda name: seen[name])
    verdict = Verdict.PASS
    if strange or len(seen) < 2:
        why = f"the model never learnt {', '.join(strange[:5])}" if strange else "one class alone"
        verdict, says = Verdict.FAIL, f"{why}; {says}"
    elif seen[rarest] < FEW_ROWS:
        verdict, says = Verdict.UNKNOWN, f"too few rows of {rarest} to judge; {says}"
    return Found(len(seen), f"rows by class: {says}", verdict)


def _strength(feature: Array, y: F64, *, two: bool) -> float:
    """Tell how well one feature alone tells the target, in [0, 1]; NaN where it cannot be told."""
    there = ~missing_in(feature) & ~np.isnan(y)
    feature, y = feature[there], y[there]
    found, codes = np.unique(feature, return_inverse=True)
    if len(found) <= min(FEW_VALUES, len(y) // 10):
        x: F64 = (np.bincount(codes, y) / np.bincount(codes))[codes]
    elif feature.dtype.kind in "biuf":
        x = feature.astype(np.float64)
    else:
        return float("nan")
    if len(y) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    if not two:
        return float(abs(np.corrcoef(x, y)[0, 1]))
    truth, kept = y.astype(np.int64), np.arange(len(y))
    chance = np.column_stack([-x, x])
    area = point("roc_auc", Answers(truth, truth, kept, len(y), ("0", "1"), 1, chance))
    return max(area, 1.0 - area)


def _hashes(table: Table, names: list[str]) -> U64:
    """Hash each row's values in the order of ``names``, numbers as float64; (n,)."""
    total = np.zeros(rows_of(table), np.uint64)
    for name in names:
        values = table[name]
        if values.dtype.kind in "biuf":
            # One form for both zeros, and one for all kinds of NaN.
            numbers: F64 = values.astype(np.float64) + 0.0
            numbers[np.isnan(numbers)] = np.nan
            part = numbers.view(np.uint64)
        else:
            texts = values.tolist()
            known = {text: blake2b(repr(text).encode(), digest_size=8) for text in set(texts)}
            hashes = {text: int.from_bytes(made.digest()) for text, made in known.items()}
            part = np.array([hashes[text] for text in texts], np.uint64)
        total = total * np.uint64(0x9E3779B97F4A7C15) + part
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
            total = (total ^ (total >> np.uint64(shift))) * np.uint64(factor)  # splitmix64
    return total
