"""What a request asks, in both protocols: what is taken, what is refused and in which words."""

from __future__ import annotations

import numpy as np
import pytest

from twinhelm.mlops.deploy.worker.asked import Reader
from twinhelm.mlops.deploy.worker.tensors import Wrong
from twinhelm.mlops.deploy.worker.typed import Spec


def reader(*specs, params=(), max_rows=100):
    made = [Spec(name, kind, kind.endswith("?"), ()) for name, kind in specs]
    made = [Spec(each.name, each.type.rstrip("?"), each.optional, ()) for each in made]
    return Reader(made, params, max_rows=max_rows)


def matrix(shape=(-1, 2), dtype="float64", name=""):
    return Reader([Spec(name, dtype, optional=False, shape=shape)], (), max_rows=100)


NUMBERS = (("a", "double"), ("b", "double"))
MIXED = (("a", "double"), ("n", "long"), ("s", "string"))


def tensor(name, data, shape=None, datatype="FP64"):
    shape = list(np.shape(data)) if shape is None else shape
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def v2(*inputs, **more):
    return {"inputs": list(inputs), **more}


def split(columns, *rows):
    return {"dataframe_split": {"columns": columns, "data": list(rows)}}


def test_a_tensor_per_column_becomes_a_matrix_in_the_order_of_the_schema():
    asked = reader(*NUMBERS).v2(v2(tensor("b", [3.0, 4.0]), tensor("a", [[1.0], [2.0]])))
    assert asked.given.tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert (asked.rows, asked.id) == (2, "")


@pytest.mark.parametrize("data", [[1.0, 2.0, 3.0, 4.0], [[1.0, 2.0], [3.0, 4.0]], [1, 2, 3, 4]])
def test_one_matrix_flat_or_nested_holds_all_columns(data):
    asked = reader(*NUMBERS).v2(v2(tensor("x", data, [2, 2]), id="mine"))
    assert asked.given.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert asked.id == "mine"


@pytest.mark.parametrize("form", ["v2", "flat", "split", "instances"])
@pytest.mark.parametrize(
    "row", [[0.1, 1e300], [1, 2.5], [2.5, True], [-7, 2**53 + 1], [2**70, 0.5], [0.0, None]]
)
def test_numbers_are_read_as_numpy_reads_them(form, row):
    rows = [row, row[::-1]]
    want = np.array(rows, float)
    model = matrix() if form == "instances" else reader(*NUMBERS)
    if form in ("v2", "flat"):
        data = rows if form == "v2" else [*row, *row[::-1]]
        given = model.v2(v2(tensor("x", data, [2, 2]))).given
    else:
        given = model.mlflow(split(["a", "b"], *rows) if form == "split" else {form: rows}).given
    np.testing.assert_array_equal(given, want)
    given += 1.0  # models may write into what they are given


def test_columns_of_several_types_keep_them():
    asked = reader(*MIXED).v2(
        v2(
            tensor("s", ["x", None], datatype="BYTES"),
            tensor("n", [1, 2], datatype="INT32"),
            tensor("a", [1, None], datatype="FP64"),
        )
    )
    assert list(asked.given) == ["a", "n", "s"]
    assert asked.given["n"].dtype == np.int64
    assert asked.given["s"].tolist() == ["x", None]
    assert np.isnan(asked.given["a"][1])


def test_names_of_outputs_and_parameters_are_read():
    asked = reader(*NUMBERS, params=["by"]).v2(
        v2(tensor("x", [[1, 2]]), outputs=[{"name": "predict"}], parameters={"by": 2, "other": 1})
    )
    assert (asked.outputs, asked.params) == ({"predict": False}, {"by": 2})


@pytest.mark.parametrize("kind", ["BOOL", "BYTES"])
def test_what_is_no_number_is_none(kind):
    data = {"BOOL": [True], "BYTES": ["1.5"]}[kind]
    with pytest.raises(Wrong, match=r"'a' takes double, not (booleans|strings)"):
        reader(*NUMBERS).v2(v2(tensor("a", data, datatype=kind), tensor("b", [1.0])))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([tensor("a", [1.0])], "missing: 'b'"),
        ([tensor("a", [1.0]), tensor("c", [1.0])], "no input 'c'; the model takes 'a', 'b'"),
        ([tensor("a", [1.0]), tensor("a", [1.0])], "same name"),
        ([tensor("a", [1.0]), tensor("b", [1.0, 2.0])], "different numbers of rows"),
        ([tensor("x", [[1.0, 2.0, 3.0]])], r"'data' takes the shape \[-1, 2\]"),
        ([tensor("a", [1.0], [2]), tensor("b", [1.0])], "must hold the same values"),
        ([tensor("x", [[1.0, 2.0], [3.0]], [2, 2])], "ragged"),
        ([tensor("a", [[[1.0]]]), tensor("b", [1.0])], "'a' is a column"),
        ([tensor("a", [1.0], datatype="FP8")], "datatype 'FP8'; known are BOOL"),
        ([tensor("a", [1.5], datatype="INT64"), tensor("b", [1.0])], "no whole number"),
        ([tensor("a", [300], datatype="UINT8"), tensor("b", [1.0])], "too large"),
        ([tensor("a", [], [0]), tensor("b", [], [0])], "no rows"),
        ([tensor("a", [1.0], "one")], "needs a shape"),
        ([tensor("a", 1.0, [1])], "needs 'data'"),
        ([{"shape": [1]}], "needs a 'name'"),
        ([], "no rows|missing"),
    ],
)
def test_v2_says_what_is_wrong(inputs, said):
    with pytest.raises(Wrong, match=said):
        reader(*NUMBERS).v2(v2(*inputs))


@pytest.mark.parametrize("body", [None, [], "x", {}, {"inputs": 1}, {"inputs": {"a": 1}}])
def test_v2_wants_a_list_of_inputs(body):
    with pytest.raises(Wrong, match="needs 'inputs', a list"):
        reader(*NUMBERS).v2(body)


def test_too_many_rows_are_too_large():
    with pytest.raises(Wrong, match="101 rows, the limit is 100") as caught:
        reader(*NUMBERS).v2(v2(tensor("x", [[0.0, 0.0]] * 101)))
    assert caught.value.status == 413


def test_a_long_id_is_refused():
    with pytest.raises(Wrong, match="at most 200"):
        reader(*NUMBERS).v2(v2(tensor("x", [[0.0, 0.0]]), id="x" * 201))


@pytest.mark.parametrize(
    "body",
    [
        split(["b", "x", "a"], [2.0, 9.0, 1.0]),
        {"dataframe_split": {"data": [[1.0, 2.0]]}},
        {"dataframe_records": [{"b": 2.0, "a": 1.0, "x": 9}]},
        {"instances": [{"a": 1, "b": 2}]},
        {"instances": [[1, 2]]},
        {"inputs": {"a": [1], "b": [2.0]}},
        {"inputs": [[1, 2]]},
    ],
)
def test_every_form_of_mlflow_says_the_same(body):
    assert reader(*NUMBERS).mlflow(body).given.tolist() == [[1.0, 2.0]]


def test_mlflow_rows_of_several_types():
    asked = reader(*MIXED).mlflow(split(["s", "n", "a"], ["x", 1, None], [None, 2, 0.5]))
    assert asked.given["s"].tolist() == ["x", None]
    assert asked.given["n"].tolist() == [1, 2]
    assert np.isnan(asked.given["a"][0])


def test_a_missing_number_is_nan_in_doubles_and_an_error_in_integers():
    read = reader(("a", "double"), ("n", "long"))
    assert np.isnan(read.mlflow(split(["a", "n"], [None, 1])).given[0, 0])
    with pytest.raises(Wrong, match="'n' takes long, and a value is missing"):
        read.mlflow(split(["a", "n"], [1.0, None]))
    with pytest.raises(Wrong, match="no whole number"):
        read.mlflow(split(["a", "n"], [1.0, 1.5]))


def test_optional_columns_may_be_left_out():
    read = reader(("a", "double"), ("b", "double?"), ("s", "string?"))
    asked = read.mlflow({"dataframe_records": [{"a": 1.0}]})
    assert np.isnan(asked.given["b"][0])
    assert asked.given["s"].tolist() == [None]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "JSON object"),
        ({}, "exactly one of dataframe_split"),
        ({"inputs": {}, "instances": []}, "exactly one of"),
        (split(["a"], [1.0]), "missing|columns"),
        (split(["a", "a"], [1.0, 2.0]), "each once"),
        (split(["a", "b"], [1.0, 2.0], [1.0]), "ragged"),
        (split(["a", "b"], ["x", 2.0]), "takes double, not strings"),
        ({"dataframe_records": [{"a": 1.0}]}, "'b' is missing"),
        ({"dataframe_records": [{"a": 1, "b": 2}, 3]}, "every row must be an object"),
        ({"dataframe_records": [1]}, "list of objects"),
        ({"dataframe_records": []}, "list of objects"),
        ({"instances": []}, "no rows"),
        ({"inputs": {"a": [1], "b": [1, 2]}}, "different numbers of rows"),
        ({"inputs": {"a": [1], "b": [2]}, "params": {"by": 1}}, "no parameter 'by'"),
    ],
)
def test_mlflow_says_what_is_wrong(body, said):
    with pytest.raises(Wrong, match=said):
        reader(*NUMBERS).mlflow(body)


def test_a_tensor_signature_takes_its_shape_under_any_name():
    assert matrix().v2(v2(tensor("whatever", [[1.0, 2.0]]))).given.tolist() == [[1.0, 2.0]]
    assert matrix().mlflow({"inputs": [[1.0, 2.0]]}).given.tolist() == [[1.0, 2.0]]
    assert matrix((-1, 2, 2)).v2(v2(tensor("x", [1, 2, 3, 4], [1, 2, 2]))).rows == 1
    with pytest.raises(Wrong, match=r"takes the shape \[-1, 2\], not \[1, 3\]"):
        matrix().v2(v2(tensor("x", [[1.0, 2.0, 3.0]])))
    with pytest.raises(Wrong, match="no input 'other'"):
        matrix(name="x").v2(v2(tensor("other", [[1.0, 2.0]])))


def test_times_and_booleans_are_read():
    read = reader(("t", "datetime"), ("y", "boolean"))
    asked = read.mlflow(split(["t", "y"], ["2024-05-31T12:00:00", True]))
    assert str(asked.given["t"][0]).startswith("2024-05-31T12")
    assert asked.given["y"].tolist() == [True]
    with pytest.raises(Wrong, match="takes times"):
        read.mlflow(split(["t", "y"], ["soon", True]))


def test_without_a_schema_anything_goes_that_has_rows():
    read = Reader([], (), max_rows=100)
    assert read.v2(v2(tensor("x", [[1.0, 2.0]]))).given.tolist() == [[1.0, 2.0]]
    assert list(read.mlflow({"dataframe_records": [{"q": 1, "r": "s"}]}).given) == ["q", "r"]
    with pytest.raises(Wrong, match="no rows"):
        read.mlflow({"inputs": []})


def test_a_hundred_thousand_rows_are_read_at_once():
    rows = np.random.default_rng(0).normal(size=(100_000, 2))
    asked = Reader([Spec(name, "double", optional=False, shape=()) for name in "ab"], (),
                   max_rows=10**6).mlflow(split(["a", "b"], *rows.tolist()))  # fmt: skip
    assert np.array_equal(asked.given, rows)
