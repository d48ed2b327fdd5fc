from __future__ import annotations

import numpy as np
import pytest

from twinhelm.core.json import loads
from twinhelm.mlops.deploy.worker.answered import answer, differing, failure
from twinhelm.mlops.deploy.worker.asked import Wrong
from twinhelm.mlops.deploy.worker.frames import Form

CLASSES = ("no", "yes")
SURE = {"predict": np.array(["yes", "no"], object), "predict_proba": np.array([[0.1, 0.9], [1, 0]])}


def said(form, outputs, classes=(), wanted=()):
    made = answer(form, outputs, id="7", model=("m", "2"), classes=classes, wanted=wanted)
    return loads(made)


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
    outputs = said(Form.V2, SURE, CLASSES, ("predict_proba",))["outputs"]
    assert [each["name"] for each in outputs] == ["predict_proba"]
    with pytest.raises(Wrong, match="no output 'x'; there are predict, predict_proba"):
        said(Form.V2, SURE, CLASSES, ("x",))


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
def test_rows_that_differ_are_counted(form, mine, theirs, apart):
    make = lambda each: np.array(each, object if isinstance(each[0], str) else None)  # noqa: E731
    told = answer(form, {"predict": make(theirs)}, id="1", model=("m", "1"), classes=())
    assert differing(form, told, {"predict": make(mine)}) == apart
