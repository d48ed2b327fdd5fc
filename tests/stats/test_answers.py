import numpy as np
import pytest

from twinhelm.core.errors import BadInput
from twinhelm.stats.answers import MAX_CLASSES, answers, name_of


def told(truth, given, **more):
    return answers(truth, given, task="classification", **more)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1.0", "1"),
        (-2.0, "-2"),
        (0.5, "0.5"),
        (True, "True"),
        ("v1.0", "v1.0"),
    ],
)
def test_a_class_has_one_name(value, name):
    assert name_of(value) == name


def test_classes_are_sorted_as_numbers_where_they_are_numbers():
    assert told([10, 9, 2], ["2", "9", "10"]).labels == ("2", "9", "10")
    assert told(["b", "10"], ["b", "9"]).labels == ("10", "9", "b")


def test_rows_without_truth_or_answer_are_left_out():
    got = told(np.array([1.0, np.nan, 0.0, 1.0]), np.array(["1", "0", None, "0"], object))
    assert got.kept.tolist() == [0, 3]
    assert (got.of, got.truth.tolist(), got.given.tolist()) == (4, [1, 1], [1, 0])
    numbers = answers([1.0, np.inf, 3.0], [1.0, 2.0, np.nan], task="regression")
    assert numbers.kept.tolist() == [0]


def test_a_row_with_half_a_probability_is_left_out():
    chance = np.array([[0.5, 0.5], [np.nan, 0.5]])
    got = told([0, 1], [0, 1], probability=chance, classes=("0", "1"))
    assert got.kept.tolist() == [0]


def test_probabilities_stand_in_the_order_of_labels():
    got = told(["b", "a"], ["b", "a"], probability=np.array([[1.0, 0], [0, 1]]), classes=("b", "a"))
    assert got.labels == ("a", "b")
    assert got.chance.tolist() == [[0, 1], [1, 0]]


def test_a_class_that_the_model_never_learnt_has_no_chance():
    got = told([0, 2], [0, 1], probability=np.eye(2), classes=("0", "1"))
    assert got.labels == ("0", "1", "2")
    assert got.chance[:, 2].tolist() == [0, 0]
    assert got.positive == -1


def test_numbers_between_0_and_1_are_the_larger_class():
    got = told(["no", "yes", "no"], np.array([0.2, 0.7, np.nan]))
    assert got.given.tolist() == [0, 1]
    assert got.chance.tolist() == [[0.8, 0.2], [pytest.approx(0.3), 0.7]]
    assert told([0, 0], np.array([0.2, 0.7])).labels == ("0", "1")
    assert told([0, 1], np.array([0.0, 1.0])).chance is None


def test_a_part_keeps_its_places():
    part = told([0, 1, 1, 0], [0, 1, 0, 0]).among(np.array([False, True, False, True]))
    assert part.kept.tolist() == [1, 3]
    assert part.of == 4


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: told([1], [1, 2]), "do not fit"),
        (lambda: told([1], [[1]]), "do not fit"),
        (lambda: told([0, 1], [0, 1], probability=np.eye(2), classes=("0",)), "do not fit"),
        (lambda: told([0, 1], [0, 1], positive="yes"), "none of 0, 1"),
        (lambda: told(list(range(MAX_CLASSES + 1)), [0] * (MAX_CLASSES + 1)), "201 different"),
        (lambda: answers(["a"], [1.0], task="regression"), "needs numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(call, match):
    with pytest.raises(BadInput, match=match):
        call()
