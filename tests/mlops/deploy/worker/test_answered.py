from __future__ import annotations

import numpy as np
import pytest

from twinhelm.core.json import loads
from twinhelm.mlops.deploy.worker.answered import answer, differing, failure
from twinhelm.mlops.deploy.worker.asked import Asked
from twinhelm.mlops.deploy.worker.frames import Form
from twinhelm.mlops.deploy.worker.tensors import Wrong, read, unbind

CLASSES = ("no", "yes")
SURE = {"predict": np.array(["yes", "no"], object), "predict_proba": np.array([[0.1, 0.9], [1, 0]])}


def made(form, found, classes=(), **asked):
    asked = Asked(np.empty(0), 1, **asked)
    return answer(form, asked, found, id="7", model=("m", "2"), classes=classes)


def said(form, found, classes=(), **asked):
    return loads(made(form, found, classes, **asked))


def test_v2_tells_name_version_id_and_every_output():
    assert said(Form.V2, SURE, CLASSES) == {
        "model_name": "m",
        "model_version": "2",
        "id": "7",
        "outputs": [
            {"name": "predict", "shape": [2], "datatype": "BYTES", "data": ["yes", "no"]},
            {
                "name": "predict_proba",
                "shape": [2, 2],
                "datatype": "FP64",
                "parameters": {"classes": '["no", "yes"]'},
                "data": [0.1, 0.9, 1.0, 0.0],
            },
        ],
    }


def test_only_the_outputs_that_are_wanted_are_sent():
    outputs = said(Form.V2, SURE, CLASSES, outputs={"predict_proba": False})["outputs"]
    assert [each["name"] for each in outputs] == ["predict_proba"]
    with pytest.raises(Wrong, match="no output 'x'; there are predict, predict_proba"):
        said(Form.V2, SURE, CLASSES, outputs={"x": True})


@pytest.mark.parametrize(
    ("values", "datatype"),
    [([1, 2], "INT64"), ([1.5, np.nan], "FP64"), ([True, False], "BOOL"), (["a", "b"], "BYTES")],
)
def test_every_type_has_its_word(values, datatype):
    values = np.array(values, object if isinstance(values[0], str) else None)
    output = said(Form.V2, {"predict": values})["outputs"][0]
    assert output["datatype"] == datatype
    assert output["data"] == [None if each != each else each for each in values.tolist()]


def test_mlflow_gets_predictions_as_its_own_server_writes_them():
    assert said(Form.MLFLOW, {"predict": np.array([1.5, 2.0])}) == {"predictions": [1.5, 2.0]}
    assert said(Form.MLFLOW, SURE, CLASSES)["predictions"] == ["yes", "no"]
    frame = {"a": np.array([1, 2]), "b": np.array(["x", "y"], object)}
    records = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert said(Form.MLFLOW, frame)["predictions"] == records


def test_failures_are_told_as_each_protocol_does():
    assert loads(failure(Form.V2, 400, "no")) == {"error": "no"}
    assert loads(failure(Form.MLFLOW, 500, "no"))["error_code"] == "INTERNAL_ERROR"


def test_raw_outputs_lie_behind_the_json_in_its_order():
    head, body = unbind(made(Form.V2, SURE, CLASSES, binary=True))
    predict, chance = loads(body[:head])["outputs"]
    assert predict == {
        "name": "predict", "shape": [2], "datatype": "BYTES",
        "parameters": {"binary_data_size": 13},
    }  # fmt: skip
    assert chance["parameters"] == {"classes": '["no", "yes"]', "binary_data_size": 32}
    assert body[head:] == b"\3\0\0\0yes\2\0\0\0no" + SURE["predict_proba"].tobytes()


def test_each_output_may_be_raw_or_json():
    mixed = made(Form.V2, SURE, CLASSES, outputs={"predict_proba": True, "predict": False})
    head, body = unbind(mixed)
    chance, predict = loads(body[:head])["outputs"]
    assert "data" not in chance
    assert predict["data"] == ["yes", "no"]
    assert read(mixed)["outputs"][0]["data"].tolist() == [0.1, 0.9, 1.0, 0.0]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize(
    ("mine", "theirs", "apart"),
    [
        (["a", "b"], ["a", "c"], 1),
        ([1, 2], [1, 2], 0),
        ([1.0, 2.0], [1.001, 2.5], 1),
        ([np.nan, 1.0], [np.nan, 1.0], 0),
        ([1, 2], [1, 2, 3], 2),
    ],
)
def test_rows_that_differ_are_counted(form, mine, theirs, apart, binary):
    make = lambda each: np.array(each, object if isinstance(each[0], str) else None)  # noqa: E731
    told = made(form, {"predict": make(theirs)}, binary=binary)
    assert differing(form, told, {"predict": make(mine)}) == apart


def test_rows_are_compared_by_the_output_that_was_asked_for():
    told = made(Form.V2, SURE, CLASSES, outputs={"predict_proba": False})
    assert differing(Form.V2, told, SURE) == 0
    assert differing(Form.V2, told, {**SURE, "predict_proba": np.array([[0.1, 0.9], [0, 1]])}) == 1
