from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.detect import Facts
from twinhelm.aiops.types import Anomaly, Resource, Scores
from twinhelm.core.labels import labels_of

NAMES = ("pipeline_failed", "pipeline_output_rows", "host_load1", "model_input_mean")


def describe(series: int):
    return labels_of({"__name__": NAMES[series]}), "pipeline:nightly", Resource.DATA


def feed(
    facts: Facts, series: int, *values: float, start: int = 1, apart_ms: int = 60_000
) -> list[Anomaly]:
    """Give values, a minute apart unless told otherwise; return what came of the last one."""
    found: list[Anomaly] = []
    for at, value in enumerate(values, start):
        one = np.full(1, value)
        found = facts.update(
            Scores(
                np.full(1, series, np.uint32), np.full(1, at * apart_ms),
                one, one, one, one, one, np.zeros(1, np.bool_),
            ),
            describe,
        )  # fmt: skip
    return found


def test_nothing_gives_nothing() -> None:
    none = np.zeros(0)
    assert Facts().update(Scores(none, none, none, none, none, none, none, none), describe) == []


@pytest.mark.parametrize(
    ("series", "values", "opens"),
    [
        (0, [1.0], True),
        (0, [0.0, 0.0], False),
        (1, [1000, 990, 1010, 500], True),
        (1, [1000, 990, 1010, 800], False),
        (1, [1000, 500], False),
        (1, [1000, 990, 1010, 3000], False),
        (1, [1000, 990, 1010, float("nan")], False),
        (2, [1, 1, 1, 1, 90], False),
    ],
    ids=["failed", "well", "half", "a little less", "too young", "more", "missing", "no fact"],
)
def test_a_value_speaks_for_itself(series: int, values: list[float], opens: bool) -> None:
    found = feed(Facts(), series, *values)
    assert [one.end_ms for one in found] == ([None] if opens else [])


def test_a_mean_that_creeps_away_is_told_from_one_that_wanders() -> None:
    rng = np.random.default_rng(1)
    wander = (0.5 + 0.05 * rng.standard_normal(60)).tolist()
    facts = Facts()
    assert feed(facts, 3, *wander) == []
    creep = np.linspace(0.5, 0.0, 25).tolist()
    (found,) = feed(facts, 3, *creep, start=61)
    assert found.direction == "down"
    assert facts.owns(3)
    assert not facts.owns(2)


def test_an_odd_moment_of_a_mean_is_none_yet_and_a_gross_one_is() -> None:
    rng = np.random.default_rng(1)
    wander = (0.5 + 0.05 * rng.standard_normal(60)).tolist()

    def after(*values: float) -> int:
        facts = Facts()
        feed(facts, 3, *wander, apart_ms=12_000)
        return len(feed(facts, 3, *values, start=361, apart_ms=2_000))

    assert [after(*[0.2] * times) for times in (3, 6, 7)] == [0, 0, 1]
    assert [after(*[-0.2] * times) for times in (2, 3)] == [0, 1]
    assert [after(*[0.2] * 5, between, 0.2) for between in (0.34, 0.45)] == [1, 0]


def test_it_lasts_until_a_value_is_within_range_and_is_not_learnt() -> None:
    facts = Facts()
    (first,) = feed(facts, 1, 1000, 990, 1010, 500)
    (lasting,) = feed(facts, 1, 400, start=5)
    assert (lasting.key, lasting.samples, lasting.value) == (first.key, 2, 400)
    (over,) = feed(facts, 1, 995, start=6)
    assert (over.key, over.end_ms) == (first.key, lasting.last_ms)
    assert feed(facts, 1, 500, start=7)[0].key != first.key


def test_a_repeated_sample_changes_nothing() -> None:
    facts = Facts()
    feed(facts, 0, 1.0)
    assert feed(facts, 0, 1.0) == []


def test_after_a_restart_what_was_open_ends_as_it_would_have() -> None:
    (open_one,) = feed(Facts(), 0, 1.0)
    facts = Facts()
    facts.resume([open_one])
    (over,) = feed(facts, 0, 0.0, start=2)
    assert (over.key, over.end_ms) == (open_one.key, open_one.last_ms)
