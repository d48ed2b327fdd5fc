"""Raw tensors behind JSON: what is read is what was sent; whatever else comes is refused."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinhelm.core.json import loads
from twinhelm.mlops.deploy.worker.asked import Reader
from twinhelm.mlops.deploy.worker.tensors import NAMES, Wrong, bind, packed, plain, read, unbind
from twinhelm.mlops.deploy.worker.typed import Spec

BUDGET = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
NUMBERS = [Spec(name, "double", optional=False, shape=()) for name in "ab"]
MIXED = [
    Spec("a", "double", optional=False, shape=()), Spec("n", "long", optional=False, shape=()),
    Spec("s", "string", optional=False, shape=()), Spec("r", "binary", optional=True, shape=()),
]  # fmt: skip


def item(name, values, datatype=None, **more):
    """A tensor as the JSON names it, and its raw bytes."""
    values = np.asarray(values)
    raw = packed(values)
    datatype = datatype or NAMES.get(values.dtype, "BYTES")
    told = {"binary_data_size": len(raw)}
    said = {"name": name, "shape": list(values.shape), "datatype": datatype, "parameters": told}
    return {**said, **more}, raw


def body(*items, tail=b"", **more):
    head = json.dumps({"inputs": [said for said, _ in items], **more}).encode()
    return bind(len(head), head + b"".join(raw for _, raw in items) + tail)


def asked(specs, *items, **more):
    return Reader(specs, (), max_rows=1000).v2(read(body(*items, **more)))


def texts(*values):
    return np.array(values, object)


@pytest.mark.parametrize("dtype", [each for each in NAMES if each.kind != "b"])
def test_numbers_of_every_type_come_as_they_were_sent(dtype):
    values = np.array([[0, 1, 2], [7, 100, 127]], dtype)
    found = read(body(item("x", values)))["inputs"][0]["data"]
    assert found.dtype == dtype
    assert found.tolist() == values.ravel().tolist()
    found[0] = 5  # models may write into it


def test_what_json_cannot_say_comes_too():
    floats = np.array([np.nan, np.inf, -0.0, 5e-324])
    found = asked(NUMBERS, item("a", floats), item("b", floats.astype("f4")))
    assert np.array_equal(found.given[:, 0], floats, equal_nan=True)
    assert np.signbit(found.given[2, 0])


def test_columns_of_several_types_come_together():
    words = texts("é", "", "x" * 300)
    found = asked(
        MIXED,
        item("s", words), item("n", np.array([1, 2, 3], "i2")), item("a", [1.5, np.nan, 3.0]),
        item("r", texts(b"\xff\x00", b"plain", b"")),
        id="mine",
    )  # fmt: skip
    assert found.given["s"].tolist() == words.tolist()
    assert found.given["n"].dtype == np.int64
    assert found.given["r"].tolist() == [b"\xff\x00", b"plain", b""]
    assert (found.rows, found.id, found.binary) == (3, "mine", False)


def test_text_of_a_binary_column_is_bytes_however_it_comes():
    (said, _), plainly = item("r", texts("é")), {"data": ["é"]}
    del said["parameters"]
    rest = [item("a", [1.0]), item("n", [1]), item("s", texts("x"))]
    for sent in (item("r", texts("é")), ({**said, **plainly}, b"")):
        assert asked(MIXED, *rest, sent).given["r"].tolist() == ["é".encode()]


def test_json_and_raw_tensors_may_stand_beside_each_other():
    said, _ = item("a", [1.0, 2.0])
    del said["parameters"]
    found = asked(NUMBERS, ({**said, "data": [1.0, 2.0]}, b""), item("b", [3.0, 4.0]))
    assert found.given.tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_true_is_one_byte_of_one():
    flag = [Spec("f", "boolean", optional=False, shape=())]
    assert asked(flag, item("f", [True, False])).given["f"].tolist() == [True, False]
    with pytest.raises(Wrong, match="'f' is BOOL, and a byte is neither 0 nor 1"):
        asked(flag, item("f", np.array([1, 2], "u1"), "BOOL"))


def test_outputs_are_wanted_raw_one_by_one_or_all():
    wanted = [{"name": "p"}, {"name": "q", "parameters": {"binary_data": False}}]
    inputs = item("a", [1.0]), item("b", [1.0])
    said = asked(NUMBERS, *inputs, parameters={"binary_data_output": True}, outputs=wanted)
    assert (said.binary, said.outputs) == (True, {"p": True, "q": False})
    wanted[0]["parameters"] = {"binary_data": True}
    said = asked(NUMBERS, *inputs, outputs=wanted)
    assert (said.binary, said.outputs) == (False, {"p": True, "q": False})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"parameters": {"binary_data_size": 15}}, r"\[2\] and datatype FP64 has 16 bytes, not 15"),
        ({"parameters": {"binary_data_size": 17}}, "size 17, and 16 bytes of tensors are left"),
        ({"parameters": {"binary_data_size": 1 << 62}}, "and 16 bytes of tensors are left"),
        ({"parameters": {"binary_data_size": -1}}, "binary_data_size -1"),
        ({"parameters": {"binary_data_size": "16"}}, "binary_data_size '16'"),
        ({"parameters": {"binary_data_size": True}}, "binary_data_size True"),
        ({"parameters": {}}, "16 bytes follow the last tensor"),
        ({"parameters": [16]}, "16 bytes follow the last tensor"),
        ({"shape": [3]}, r"\[3\] and datatype FP64 has 24 bytes, not 16"),
        ({"shape": [-2]}, "needs a shape"),
        ({"shape": []}, "needs a shape"),
        ({"shape": [2.0]}, "needs a shape"),
        ({"shape": [True, 2]}, "needs a shape"),
        ({"shape": [1 << 62, 1 << 62]}, "bytes, not 16"),
        ({"shape": [2] + [1] * 99}, "a shape that no array can have"),
        ({"datatype": "FP32"}, "has 8 bytes, not 16"),
        ({"datatype": "BF16"}, "the datatype 'BF16'; known are BOOL"),
        ({"datatype": ["FP64"]}, "the datatype"),
        ({"data": [1.0, 2.0]}, "has data and a binary_data_size"),
        ({"name": 5}, "an input needs a 'name'"),
    ],
)
def test_a_tensor_that_does_not_fit_its_bytes_is_refused(changed, said):
    told, raw = item("a", [1e300, 2.0])
    with pytest.raises(Wrong, match=said):
        asked([NUMBERS[0]], ({**told, **changed}, raw))


@pytest.mark.parametrize(
    "raw",
    [b"", b"\1\0", b"\1\0\0\0", b"\2\0\0\0a", b"\1\0\0\0ab", b"\xff\xff\xff\xffa",
     b"\1\0\0\0a\0\0\0\0", b"\0\0\0\0\1\0\0\0a"],
)  # fmt: skip
def test_elements_that_do_not_fit_their_lengths_are_refused(raw):
    told, _ = item("s", texts("a"))
    told["parameters"]["binary_data_size"] = len(raw)
    with pytest.raises(Wrong, match="'s' must hold 1 elements"):
        read(body((told, raw)))


def test_text_that_is_not_utf_8_is_refused_where_text_is_wanted():
    column = [Spec("s", "string", optional=False, shape=())]
    with pytest.raises(Wrong, match="'s' takes string, and a value is not UTF-8"):
        asked(column, item("s", texts("fine", b"\xff")))


@pytest.mark.parametrize("where", ["inputs", "outputs"])
@pytest.mark.parametrize("name", ["shared_memory_region", "classification"])
def test_what_is_not_offered_is_said(name, where):
    tensor, raw = item("a", [1.0])
    wanted = {"name": "predict", "parameters": {name: "x"}}
    more = {"outputs": [wanted]} if where == "outputs" else {}
    if where == "inputs":
        tensor["parameters"][name] = "x"
    with pytest.raises(Wrong, match=f"is not offered here: leave out '{name}'"):
        asked([NUMBERS[0]], (tensor, raw), **more)


@pytest.mark.parametrize("head", [b"", b"{", b"[1]", b"null", b'{"inputs": 5}', b'{"inputs": [5]}'])
def test_a_head_that_names_no_tensors_leaves_them_over(head):
    with pytest.raises(Wrong, match=r"not JSON|4 bytes follow the last tensor"):
        read(bind(len(head), head + b"\0\0\0\0"))


def test_the_log_gets_json_that_can_be_asked_again():
    sent = body(item("a", [1.5, np.nan]), item("b", [1.0, 2.0]), item("s", texts("é", b"\xff")))
    made = plain(sent)
    inputs = loads(made)["inputs"]
    assert [each["data"] for each in inputs] == [[1.5, None], [1.0, 2.0], ["é", "\ufffd"]]
    assert all(not each["parameters"] for each in inputs)
    assert plain(made) == made
    assert unbind(made) == (len(made), made)


LENGTHS = st.one_of(st.integers(-2, 5), st.integers(), st.booleans(), st.none(), st.text())
WORDS = st.sampled_from([*NAMES.values(), "BYTES", "FP8", ""])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 1 << 63) | st.floats() | st.text(max_size=5),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=3)
    ),
    max_leaves=6,
)
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "n", "s", "r", ""]) | ANY,
        "shape": st.lists(LENGTHS, max_size=3) | ANY,
        "datatype": WORDS | ANY,
        "data": st.lists(ANY, max_size=4) | ANY,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": LENGTHS}) | ANY,
    },
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS | ANY, max_size=3)},
    optional={"id": ANY, "parameters": ANY, "outputs": st.lists(TENSORS | ANY, max_size=2) | ANY},
)


CELLS = st.lists(ANY, max_size=3)
TABLES = st.one_of(
    ANY,
    st.lists(CELLS, max_size=3),
    st.lists(st.dictionaries(st.sampled_from("ans"), ANY), max_size=3),
    st.dictionaries(st.sampled_from("ansr"), CELLS | ANY),
    st.fixed_dictionaries({"columns": CELLS | ANY, "data": st.lists(CELLS, max_size=3) | ANY}),
)
FORMS = st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs"])
SCHEMAS = st.sampled_from([[], NUMBERS, MIXED])


@BUDGET
@given(request=REQUESTS, tail=st.binary(max_size=24), specs=SCHEMAS)
def test_whatever_comes_is_read_or_refused(request, tail, specs):
    head = json.dumps(request).replace("NaN", "0").replace("Infinity", "1").encode()
    with suppress(Wrong):
        found = Reader(specs, ("p",), max_rows=1000).v2(read(bind(len(head), head + tail)))
        assert found.rows > 0


@BUDGET
@given(form=FORMS, table=TABLES, params=st.none() | ANY, specs=SCHEMAS)
def test_whatever_comes_in_mlflows_forms_is_read_or_refused(form, table, params, specs):
    with suppress(Wrong):
        found = Reader(specs, ("p",), max_rows=1000).mlflow({form: table, "params": params})
        assert found.rows > 0


@BUDGET
@given(at=st.integers(0, 400), to=st.integers(0, 255), cut=st.integers(0, 400))
def test_a_good_body_with_a_byte_changed_or_cut_is_read_or_refused(at, to, cut):
    good = bytearray(body(item("a", [1.0]), item("n", [2]), item("s", texts("x"))))
    good[at % len(good)] = to
    with suppress(Wrong):
        assert Reader(MIXED, (), max_rows=1000).v2(read(bytes(good[:cut] or good))).rows > 0
