import numpy as np
import pytest

from twinhelm.core.errors import BadInput
from twinhelm.stats import EventScore, event_score, merge_runs, runs_of


def rows(n, *ranges):
    out = np.zeros(n, np.int8)
    for start, end in ranges:
        out[start:end] = 1
    return out


def test_runs_are_inclusive_and_touch_the_edges():
    assert runs_of(np.array([1, 1, 0, 0, 1])).tolist() == [[0, 1], [4, 4]]
    assert runs_of(np.zeros(0)).tolist() == []
    assert runs_of(np.ones(2)).tolist() == [[0, 1]]


@pytest.mark.parametrize(("gap", "left"), [(1, 2), (2, 1)])
def test_runs_with_at_most_gap_rows_between_join(gap, left):
    runs = runs_of(np.array([1, 0, 0, 1]))
    assert len(merge_runs(runs, gap)) == left


def test_hand_computed():
    # Events at 10..19 and 40..49; alarms at 5 (false), 12..13 and 18 (one call), 70 (false).
    got = event_score(
        rows(100, (10, 20), (40, 50)), rows(100, (5, 6), (12, 14), (18, 19), (70, 71)), gap=4
    )
    assert got == EventScore(events=2, found=1, runs=3, true_runs=1, delays=(2,))
    assert got.precision == 1 / 3
    assert got.recall == 0.5
    assert np.isclose(got.f1, 0.4)
    assert got.false_runs == 2


def test_a_merged_run_over_an_event_without_an_alarm_in_it_is_false():
    got = event_score(rows(9, (4, 5)), rows(9, (3, 4), (5, 6)), gap=3)
    assert (got.runs, got.true_runs, got.found) == (1, 0, 0)


def test_silence_scores_zero_and_no_events_nan():
    assert event_score(rows(9, (2, 4)), rows(9)).f1 == 0.0
    assert np.isnan(event_score(rows(9), rows(9, (2, 4))).f1)
    assert np.isnan(event_score(rows(0), rows(0)).recall)


def test_counts_of_series_add_up():
    one = event_score(rows(9, (2, 4)), rows(9, (3, 4)))
    assert one + one == EventScore(2, 2, 2, 2, (1, 1))


def test_unequal_lengths_are_refused():
    with pytest.raises(BadInput, match="3 labels but 2 alarms"):
        event_score(rows(3), rows(2))
