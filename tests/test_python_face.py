"""``import twinhelm`` in a notebook: light to import, the product's own judgement on arrays."""

from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
import pytest

import twinhelm
from twinhelm.core.errors import BadInput

CALM = [float(value) for value in np.sin(np.arange(400) / 3)]
START_MS = 1_700_000_000_000
TIMES = [START_MS + 60_000 * i for i in range(401)]


class Frame:
    """What a data frame or its column looks like from here: an index and an array."""

    def __init__(self, values, index, columns=None):
        self._values = np.asarray(values)
        self.index = index
        if columns is not None:
            self.columns = columns

    def __array__(self, dtype=None, copy=None):
        return self._values.astype(dtype or self._values.dtype)


def moments():
    """The times as a datetime index."""
    return np.array(TIMES, "datetime64[ms]").astype("datetime64[ns]")


def test_the_examples_run():
    assert doctest.testmod(twinhelm).failed == 0


def test_importing_loads_nothing():
    code = "import sys, twinhelm; print('numpy' in sys.modules, 'twinhelm.aiops' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]


def test_lists_arrays_and_columns_are_judged_alike():
    values = [*CALM, 9.0]
    expected = twinhelm.detect(np.array(values), np.array(TIMES))
    assert expected.flagged[-1]
    for scores in (
        twinhelm.detect(values, TIMES),
        twinhelm.detect(values, moments()),
        twinhelm.detect(Frame(values, moments())),
    ):
        np.testing.assert_array_equal(scores.score, expected.score)
        np.testing.assert_array_equal(scores.time_ms, TIMES)


def test_without_times_samples_stand_a_minute_apart():
    assert twinhelm.detect(CALM).time_ms[:2].tolist() == [0, 60_000]
    assert twinhelm.detect(Frame(CALM, np.arange(400))).time_ms[1] == 60_000


def test_nothing_and_missing_values_are_judged_too():
    assert len(twinhelm.detect([]).score) == 0
    assert len(twinhelm.detect([1.0]).score) == 1
    assert not twinhelm.detect([float("nan")] * 50).flagged.any()


def test_ranking_takes_mappings_frames_and_matrices():
    broken = [*CALM[:300], *(value + 50 for value in CALM[300:])]
    matrix = np.column_stack([CALM, broken])
    start = TIMES[300]
    for ranked in (
        twinhelm.rank({"calm": CALM, "broken": broken}, TIMES[:400], start_ms=start),
        twinhelm.rank(matrix, TIMES[:400], start_ms=start, names=["calm", "broken"]),
        twinhelm.rank(Frame(matrix, moments()[:400], ["calm", "broken"]), start_ms=moments()[300]),
    ):
        assert [each.name for each in ranked] == ["broken", "calm"]
    assert twinhelm.rank(matrix, TIMES[:400], start_ms=start)[0].name == "1"


def test_what_another_leans_on_is_blamed_first():
    broken = [*CALM[:300], *(value + 50 for value in CALM[300:])]
    columns = {"web": broken, "database": broken}
    ranked = twinhelm.rank(columns, TIMES[:400], start_ms=TIMES[300], edges=[("web", "database")])
    assert ranked[0].name == "database"


def test_a_forecast_is_a_range_or_silence():
    rising = [0.3 + 0.005 * i for i in range(100)]
    left = twinhelm.forecast(rising, TIMES[:100], threshold=1.0)
    assert left is not None
    assert left.earliest_ms <= left.likely_ms <= left.latest_ms
    assert TIMES[99] < left.likely_ms
    assert twinhelm.forecast(CALM, TIMES[:400], threshold=100.0) is None
    assert twinhelm.forecast([], threshold=1.0) is None
    assert twinhelm.forecast(rising, TIMES[:100], threshold=1.0, horizon_ms=60_000) is None


@pytest.mark.parametrize(
    ("values", "times"),
    [
        ([[1.0, 2.0]], None),
        (["a"], None),
        ([1.0, 2.0], [1]),
        ([1.0], ["soon"]),
        (1.0, None),
        ([1.0, [2.0]], None),
    ],
)
def test_shapes_that_do_not_fit_are_refused(values, times):
    with pytest.raises(BadInput):
        twinhelm.detect(values, times)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(BadInput):
        twinhelm.rank({"a": [1.0], "b": [1.0, 2.0]}, start_ms=0)


def test_names_stand_and_others_do_not():
    assert twinhelm.__version__.count(".") == 2
    for name in twinhelm.__all__:
        assert getattr(twinhelm, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = twinhelm.nothing
