"""twinhelm: one open platform that runs machines and models side by side.

This is its Python face, for notebooks: the product's own detector, ranker and forecaster on
arrays, without a server. Whatever numpy can read does: lists, arrays, columns of a data frame.
Times are epoch ms, or anything of type datetime64. Missing values are NaN. Importing costs next
to nothing; the first call loads what it needs, about a second.

>>> import math, twinhelm
>>> calm = [math.sin(i / 3) for i in range(500)]
>>> scores = twinhelm.detect([*calm, 9.0])
>>> bool(scores.flagged[-1]), int(scores.flagged.sum())
(True, 1)
>>> broken = [*calm[:400], *(value + 50 for value in calm[400:])]
>>> twinhelm.rank({"a": calm, "b": broken}, start_ms=400 * 60_000)[0].name
'b'
>>> left = twinhelm.forecast([0.3 + i * 0.005 for i in range(100)], threshold=1.0)
>>> round((left.likely_ms - 99 * 60_000) / 60_000)  # minutes from the last sample
41
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from twinhelm.aiops.diagnose import Ranked
    from twinhelm.aiops.forecast import Projection
    from twinhelm.aiops.types import Scores
    from twinhelm.core.arrays import F64, I64

    __version__: str

__all__ = ["Projection", "Ranked", "Scores", "__version__", "detect", "forecast", "rank"]

STEP_MS = 60_000
"""How far apart samples stand where nothing says when they were taken."""


def detect(values: ArrayLike, time_ms: ArrayLike | None = None) -> Scores:
    """Judge one series from its first sample to its last, as the running product would have.

    ``values`` is (n,). Without ``time_ms``, (n,) ascending, a datetime index of the values is
    used; where there is none, samples stand a minute apart. Returns columns of length n:
    ``score`` in [0, 1], ``expected``, ``low``, ``high`` and ``flagged``; row i knows rows up to i
    only. Raises :class:`twinhelm.core.errors.BadInput` where shapes do not fit.
    """
    from twinhelm.aiops.detect import detect_array

    numbers = _numbers(values, dimensions=1)
    return detect_array(numbers, _times(values, time_ms, len(numbers)))


def rank(
    values: ArrayLike | Mapping[str, ArrayLike],
    time_ms: ArrayLike | None = None,
    *,
    start_ms: ArrayLike,
    names: Sequence[str] | None = None,
    edges: Iterable[tuple[str, str]] = (),
) -> list[Ranked]:
    """Rank what was measured as causes of the trouble that began at ``start_ms``.

    ``values`` is (n, k), a data frame, or a mapping from name to (n,); ``names`` are those of
    its columns unless given. Times are as in :func:`detect`. ``edges`` are pairs (depends,
    depended on) of names. Returns every column, likeliest cause first. Raises
    :class:`twinhelm.core.errors.BadInput` where shapes do not fit.
    """
    import numpy as np

    from twinhelm.aiops.diagnose import rank_arrays
    from twinhelm.core.errors import BadInput

    if isinstance(values, Mapping):
        columns = [_numbers(each, dimensions=1) for each in values.values()]
        if len({len(each) for each in columns}) > 1:
            raise BadInput(f"the columns have {[len(each) for each in columns]} values")
        names = [str(name) for name in values] if names is None else names
        matrix = np.column_stack(columns) if columns else np.empty((0, 0))
    else:
        if names is None:
            names = [str(name) for name in getattr(values, "columns", ())] or None
        matrix = _numbers(values, dimensions=2)
    names = [str(place) for place in range(matrix.shape[1])] if names is None else names
    times = _times(values, time_ms, len(matrix))
    start = int(_epoch_ms(start_ms).reshape(-1)[0])
    return rank_arrays(list(names), times, matrix, start_ms=start, edges=edges)


def forecast(
    values: ArrayLike,
    time_ms: ArrayLike | None = None,
    *,
    threshold: float,
    horizon_ms: int = 7 * 86_400_000,
    now_ms: int | None = None,
) -> Projection | None:
    """Say when ``values``, (n,), will cross ``threshold``, as a range, or None: nothing honest.

    Times are as in :func:`detect`. ``now_ms`` is the last of them unless given, and an arrival
    further off than ``horizon_ms`` is not spoken of. Raises
    :class:`twinhelm.core.errors.BadInput` where shapes do not fit.
    """
    from twinhelm.aiops.forecast import time_to_threshold

    numbers = _numbers(values, dimensions=1)
    times = _times(values, time_ms, len(numbers))
    now = int(times.max(initial=0)) if now_ms is None else now_ms
    return time_to_threshold(times, numbers, threshold=threshold, horizon_ms=horizon_ms, now_ms=now)


def _numbers(values: Any, *, dimensions: int) -> F64:
    """Read floats of so many dimensions."""
    import numpy as np

    from twinhelm.core.errors import BadInput

    try:
        read = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"the values are not numbers: {error}") from error
    if read.ndim != dimensions:
        raise BadInput(
            f"values of shape {read.shape} are given", hint="a series is (n,), a matrix (n, k)"
        )
    return read


def _times(values: Any, time_ms: Any, count: int) -> I64:
    """Read times: those given, the values' datetime index, or a minute apart."""
    import numpy as np

    from twinhelm.core.errors import BadInput

    if time_ms is None:
        index = getattr(values, "index", None)  # of a list, a method
        if index is None or callable(index) or np.asarray(index).dtype.kind != "M":
            return np.arange(count, dtype=np.int64) * STEP_MS
        time_ms = index
    times = _epoch_ms(time_ms)
    if times.shape != (count,):
        raise BadInput(f"times of shape {times.shape} do not fit {count} values")
    return times


def _epoch_ms(time: Any) -> I64:
    import numpy as np

    from twinhelm.core.errors import BadInput

    try:
        read = np.asarray(time)
        if read.dtype.kind == "M":
            read = read.astype("datetime64[ms]")
        return read.astype(np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"the times are not epoch ms: {error}") from error


def __getattr__(name: str) -> Any:
    """Load what was not needed until now."""
    from importlib import import_module
    from importlib.metadata import version

    if name == "__version__":
        return version("twinhelm")
    homes = {"Ranked": "diagnose", "Projection": "forecast", "Scores": "types"}
    if name in homes:
        return getattr(import_module(f"twinhelm.aiops.{homes[name]}"), name)
    raise AttributeError(f"module 'twinhelm' has no attribute {name!r}")
