"""Logged bytes of both protocols become the same columns; what cannot be read is counted."""

from __future__ import annotations

import numpy as np
import pytest

from twinhelm.core.json import dumps
from twinhelm.core.ports import Prediction
from twinhelm.mlops.monitor.window import as_kind, read_window

KINDS = {"age": "number", "kind": "category"}


def logged(request, response, *, rows=2, name="p", time_ms=5, form="v2"):
    return Prediction(
        "loans", name, "1", "champion", time_ms, 100, rows, form, dumps(request), dumps(response)
    )


def tensor(name, data, *, shape=None, **more):
    return {"name": name, "datatype": "FP64", "shape": shape or [len(data)], "data": data, **more}


V2 = {"inputs": [tensor("age", [31, None]), tensor("kind", ["a", 1])]}
SAID = {"outputs": [tensor("predict", [1, 0])]}
FORMS = {
    "v2": (V2, SAID),
    "v2 columns of one": (
        {"inputs": [tensor("age", [[31], [None]], shape=[2, 1]), V2["inputs"][1]]},
        SAID,
    ),
    "split": (
        {"dataframe_split": {"columns": ["age", "kind"], "data": [[31, "a"], [None, 1.0]]}},
        {"predictions": [1, 0]},
    ),
    "records": (
        {"dataframe_records": [{"age": 31, "kind": "a"}, {"kind": "1"}]},
        {"predictions": [{"prediction": 1}, {"prediction": 0}]},
    ),
    "instances": ({"instances": [[31, "a"], [None, "1"]]}, {"predictions": ["1", "0"]}),
    "inputs": ({"inputs": {"age": [31, None], "kind": ["a", "1"]}}, {"predictions": [1, 0]}),
}


def read(*rows, kinds=KINDS, task="classification", classes=()):
    return read_window(list(rows), kinds, task=task, classes=classes)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_columns(form):
    window = read(logged(*form))
    assert window.unreadable == 0
    np.testing.assert_array_equal(window.table["age"], [31.0, np.nan])
    assert window.table["kind"].tolist() == ["a", "1"]
    assert window.scored.prediction.tolist() == ["1", "0"]
    assert window.ids == ("p:0", "p:1")
    assert window.times_ms.tolist() == [5, 5]


def test_a_matrix_takes_the_names_of_the_expected_columns():
    matrix = {"inputs": [tensor("x", [[1, 2], [3, 4]], shape=[2, 2])]}
    flat = {"inputs": [tensor("x", [1, 2, 3, 4], shape=[2, 2])]}
    for asked in (matrix, flat, {"instances": [[1, 2], [3, 4]]}):
        window = read(logged(asked, SAID), kinds={"a": "number", "b": "number"})
        assert {n: c.tolist() for n, c in window.table.items()} == {"a": [1, 3], "b": [2, 4]}
    window = read(logged(matrix, SAID), kinds={})
    assert list(window.table) == ["x[0]", "x[1]"]


def test_large_tensors_are_not_taken_apart():
    image = {"inputs": [tensor("image", [0.0] * 2000, shape=[2, 10, 100])]}
    window = read(logged(image, SAID), kinds={})
    assert (dict(window.table), len(window)) == ({}, 2)


@pytest.mark.parametrize(
    ("said", "classes"),
    [
        ({"outputs": [tensor("predict", ["y", "n"]),
                      tensor("predict_proba", [[0.1, 0.9], [0.8, 0.2]], shape=[2, 2],
                             parameters={"classes": ["n", "y"]})]}, ()),
        ({"outputs": [tensor("p", [0.1, 0.9, 0.8, 0.2], shape=[2, 2])]}, ("n", "y")),
        ({"predictions": [[0.1, 0.9], [0.8, 0.2]]}, ("n", "y")),
        ({"predictions": [{"prediction": "y", "probability": [0.1, 0.9]},
                          {"prediction": "n", "probability": [0.8, 0.2]}]}, ("n", "y")),
        ({"predictions": ["y", "n"], "probabilities": [[0.1, 0.9], [0.8, 0.2]],
          "classes": ["n", "y"]}, ()),
        ({"outputs": [tensor("predict", ["y", "n"]),
                      tensor("predict_proba", [0.1, 0.9, 0.8, 0.2], shape=[2, 2],
                             parameters={"classes": '["n", "y"]'})]}, ()),
        ({"predictions": {"prediction": ["y", "n"], "p": [[0.1, 0.9], [0.8, 0.2]]}}, ("n", "y")),
    ],
    ids=["v2", "v2 alone", "lists", "objects", "ours", "ours v2", "columns"],
)  # fmt: skip
def test_probabilities_are_found(said, classes):
    window = read(logged(V2, said), classes=classes)
    assert window.scored.prediction.tolist() == ["y", "n"]
    assert window.scored.probability.tolist() == [[0.1, 0.9], [0.8, 0.2]]
    assert window.scored.classes == ("n", "y")


BROKEN = {
    "not json": (b"{", SAID),
    "no inputs": ({}, SAID),
    "a list": ([1], SAID),
    "wrong shape": ({"inputs": [tensor("age", [1, 2, 3], shape=[2, 2])]}, SAID),
    "no answer": (V2, {}),
    "fewer answers": (V2, {"outputs": [tensor("predict", [1])]}),
    "ragged": ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3]]}}, SAID),
    "empty": ({"instances": []}, {"predictions": []}),
    "uneven": ({"inputs": {"age": [1, 2], "kind": ["a"]}}, SAID),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_read_is_left_out_and_counted(broken):
    request, response = (each if isinstance(each, bytes) else dumps(each) for each in broken)
    bad = Prediction("loans", "b", "1", "champion", 6, 100, 2, "v2", request, response)
    window = read(bad, logged(V2, SAID))
    assert (len(window), window.requests, window.unreadable) == (2, 2, 1)
    assert len(read(bad)) == 0


def test_of_what_was_struck_out_only_the_answers_are_read():
    empty = logged({}, SAID)._replace(request=b"")
    window = read(empty, logged({"inputs": {"age": None, "kind": ["a", "b"]}}, SAID))
    assert (len(window), window.unreadable) == (4, 0)
    assert {name: c.tolist() for name, c in window.table.items()} == {
        "kind": [None, None, "a", "b"]
    }


def test_values_of_the_wrong_type_are_missing_and_counted():
    asked = {"inputs": {"age": ["old", [3]], "kind": [True, None]}}
    window = read(logged(asked, SAID))
    assert np.isnan(window.table["age"]).all()
    assert window.mistyped == {"age": 2}
    assert window.table["kind"].tolist() == ["True", None]


def test_columns_that_some_requests_lack_are_missing_there():
    one = logged({"inputs": {"age": [1]}}, {"predictions": [0.5]}, rows=1, name="q", time_ms=7)
    window = read(logged(V2, SAID), one, task="regression")
    assert window.table["kind"].tolist() == ["a", "1", None]
    assert window.ids == ("p:0", "p:1", "q")
    assert window.scored.prediction.tolist() == [1.0, 0.0, 0.5]
    later = window.where(window.times_ms > 5)
    assert (later.ids, later.table["age"].tolist()) == (("q",), [1.0])


def test_nothing_is_a_window_too():
    window = read()
    assert (len(window), dict(window.table), window.requests) == (0, {}, 0)


def test_a_column_is_what_it_is_called():
    assert as_kind([1, 2.0, None], "")[0].dtype == float
    assert as_kind([1, "a"], "")[0].tolist() == ["1", "a"]
    assert as_kind([True, None], "number")[0].tolist()[0] == 1.0
    assert as_kind([float("nan"), 2], "category")[0].tolist() == [None, "2"]
