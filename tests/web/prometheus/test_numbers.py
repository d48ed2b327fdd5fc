import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinhelm.web.prometheus.numbers import number_text, points, time_text

GO = {
    0.0: "0",
    1.0: "1",
    -2.5: "-2.5",
    0.1: "0.1",
    1e-6: "0.000001",
    9.99e-7: "9.99e-07",
    1.5e-5: "0.000015",
    1e16: "10000000000000000",
    1.2345e20: "123450000000000000000",
    1e21: "1e+21",
    1e-300: "1e-300",
    math.inf: "+Inf",
    -math.inf: "-Inf",
}


@pytest.mark.parametrize("value", GO)
def test_a_value_is_written_as_go_writes_it(value):
    assert number_text(value) == GO[value]


def test_a_negative_zero_keeps_its_sign():
    assert number_text(-0.0) == "-0"


def test_a_missing_value_is_nan():
    assert number_text(math.nan) == "NaN"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_reads_back_as_the_same_double(value):
    assert float(number_text(value)) == value


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [(0, "0"), (1000, "1"), (1001, "1.001"), (1010, "1.010"), (1100, "1.100"), (-1500, "-1.500")],
)
def test_a_time_has_milliseconds_only_where_there_are_any(time_ms, text):
    assert time_text(time_ms) == text


def test_points_of_nothing_are_nothing():
    assert points(np.empty(0, np.int64), np.empty(0)) == ""


def test_points_stand_in_order():
    assert points(np.array([1000, 2500]), np.array([1.0, math.nan])) == '[1,"1"],[2.500,"NaN"]'
