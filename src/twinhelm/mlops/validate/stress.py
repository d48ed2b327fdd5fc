"""How does the model bear worse input, and how long does it take? Asks again, and times it.

In: a scorer, hold-out rows, and its answers to them as they are. Out: relative drops of the
headline metric, and latencies. Values *missing*: one in ten of every feature; where the model
refuses that, of those that the contract, the schema or the data let be empty. *noise*: a tenth of
a standard deviation on numbers. *shift*: one standard deviation on one feature at a time, the worst
is told. Values stay within the contract's bounds, whole numbers stay whole. A drop of 0.1 is a
tenth of the metric lost; below 0 the metric rose. Latency includes the way to the worker process.
"""

from collections.abc import Callable, Mapping

import numpy as np

from twinhelm.core.arrays import Array
from twinhelm.core.errors import TwinhelmError
from twinhelm.mlops.types import Scorer, Spec, Table, Verdict, rows_of
from twinhelm.mlops.types.slices import missing_in
from twinhelm.mlops.validate.ask import answered, ask, taken
from twinhelm.mlops.validate.gates import Found, untold
from twinhelm.stats.answers import Answers
from twinhelm.stats.metrics import METRICS, point

__all__ = ["Stress", "latencies"]

MAX_ROWS = 5_000
SHIFTED_CELLS = 100_000
"""Rows that all shifts together ask for."""
MISSING = 0.1
NOISE_SD = 0.1
TIMES = ((1, 200), (100, 20))
"""Rows a call, and calls."""
MAX_SECONDS = 3.0


def latencies(scorer: Scorer, rows: Table, timer: Callable[[], float]) -> Found:
    """Time single rows and a hundred at once; ``timer`` gives seconds.

    The number is the 99th percentile of single rows in ms.
    """
    highs, words = [], []
    for size, times in TIMES:
        took: list[float] = []
        began = timer()
        for i in range(-3, times):  # the first three warm it up
            part = taken(rows, [*rows], np.arange(i * size, (i + 1) * size) % rows_of(rows))
            start = timer()
            scorer.score(part)
            took.append((timer() - start) * 1e3)
            if i > 0 and timer() - began > MAX_SECONDS:
                break
        middle, high = np.percentile(took[3:], (50, 99))
        highs.append(float(high))
        words.append(f"{size} row{'s' * (size > 1)}: {middle:.3g} ms, p99 {high:.3g} ms")
    return Found(highs[0], "; ".join(words))


class Stress:
    """Asks ``scorer`` for rows of ``table`` again; ``told`` are its answers to all as they are."""

    def __init__(
        self,
        scorer: Scorer,
        table: Table,
        features: list[str],
        spec: Spec,
        told: Answers,
        metric: str,
        rng: np.random.Generator,
    ) -> None:
        self._scorer, self._table, self._features, self._spec = scorer, table, features, spec
        self._told, self._metric, self._rng = told, metric, rng
        self._rows = np.sort(rng.permutation(told.of)[:MAX_ROWS])
        self._contract = {each.name: each for each in spec.data.columns}

    def drops(self, progress: Callable[[int, int], None]) -> dict[str, Found]:
        """Return missing_drop, noise_drop and shift_drop."""
        numbers = [name for name in self._features if self._is_number(name)]
        found = {"missing_drop": self._missing()}
        progress(1, len(numbers) + 2)
        sizes = NOISE_SD * self._rng.standard_normal(len(self._rows))
        noise = {name: self._moved(name, self._rng.permutation(sizes)) for name in numbers}
        found["noise_drop"] = self._found(noise, "noise of 0.1 standard deviations")
        self._rows = self._rows[: max(200, SHIFTED_CELLS // max(len(numbers), 1))]
        worst = Found(0.0, "the model takes no numbers that could move")
        for done, name in enumerate(numbers, 2):
            progress(done, len(numbers) + 2)
            shift = self._found({name: self._moved(name, 1.0)}, f"{name} shifted by one deviation")
            if shift.value is None or done == 2 or shift.value > (worst.value or 0.0):
                worst = shift
            if shift.value is None:
                break
        return {**found, "shift_drop": worst}

    def _is_number(self, name: str) -> bool:
        column = self._contract.get(name)
        number = self._table[name].dtype.kind in "fiu"
        return number and (column is None or column.type in ("number", "integer"))

    def _missing(self) -> Found:
        free = {each.name for each in self._scorer.schema.inputs if each.optional}
        free |= {each.name for each in self._spec.data.columns if each.missing > 0}
        free |= {name for name in self._features if missing_in(self._table[name]).any()}
        holed = {}
        for name in self._features:
            values = self._table[name][self._rows]
            number = values.dtype.kind in "fiu"
            holed[name] = values.astype(np.float64 if number else object)
            holed[name][self._rng.random(len(values)) < MISSING] = np.nan if number else None
        found = self._found(holed, "one value in ten missing")
        if found.verdict is not Verdict.FAIL:
            return found
        if may := {name: values for name, values in holed.items() if name in free}:
            return self._found(may, f"one value in ten of {', '.join([*may][:5])} missing")
        return Found(0.0, f"no missing values are allowed, and {found.says}")

    def _moved(self, name: str, by: Array | float) -> Array:
        whole, column = self._table[name], self._contract.get(name)
        values = whole[self._rows].astype(np.float64) + by * float(np.nanstd(whole))
        if column is not None and (column.min is not None or column.max is not None):
            values = np.clip(values, column.min, column.max)
        return values if whole.dtype.kind == "f" else np.round(values).astype(whole.dtype)

    def _found(self, changed: Mapping[str, Array], what: str) -> Found:
        """Measure what is lost with ``changed`` columns."""
        rows = self._rows
        worse = {**taken(self._table, self._features, rows), **changed}
        among = np.zeros(self._told.of, np.bool_)
        among[rows] = True
        try:
            scored = ask(self._scorer, worse, self._features)
            again = answered(scored, self._table[self._spec.data.target][rows], self._spec)
        except TwinhelmError as error:
            first, _, _ = str(error).partition("\n")  # a traceback may follow
            return Found(None, f"with {what} the model fails: {first}", Verdict.FAIL)
        before = point(self._metric, self._told.among(among))
        after = point(self._metric, again)
        lost = -float(np.diff(METRICS[self._metric].worth(np.array([before, after])))[0])
        if np.isnan(lost) or (lost and not before):
            return untold(f"with {what} the change of {self._metric} cannot be told")
        says = f"with {what} {self._metric} goes from {before:.4g} to {after:.4g}"
        return Found(lost / abs(before) if lost else 0.0, f"{says} ({len(rows):,} rows)")
