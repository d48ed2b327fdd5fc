"""MLmodel is read as plain values, and nothing in it can do harm."""

from __future__ import annotations

import pytest

from mlops.deploy import models
from twinhelm.core.errors import BadInput
from twinhelm.core.json import loads
from twinhelm.mlops.mlmodel import described
from twinhelm.mlops.types import Field


def test_it_tells_flavor_schema_and_versions(model):
    said = described(model())
    assert said.flavor == "sklearn"
    assert said.schema.inputs == (Field("a", "double"), Field("b", "string", optional=True))
    assert said.schema.outputs == (Field("", "int64", shape=(-1, 2)),)
    assert said.facts["sklearn sklearn_version"] == "1.9.1"
    assert said.facts["mlflow_version"] == "3.17.2"
    assert ("pickled_model", "model.pkl") in said.texts


def test_a_model_without_a_signature_has_an_empty_schema(model):
    said = described(model(mlmodel="flavors: {lightgbm: {data: model.lgb}}"))
    assert (said.flavor, said.schema.inputs, said.schema.outputs) == ("lightgbm", (), ())


def test_it_tells_what_a_request_looks_like(tmp_path):
    inputs = [*models.columns("a", optional=("a",)), *models.columns("n", kind="long")]
    told = described(models.odd(tmp_path / "m", inputs=inputs, example={"inputs": [[1.0]]}))
    assert told.schema.inputs == (Field("a", "double", optional=True), Field("n", "long"))
    assert loads(told.example) == {"inputs": [[1.0]]}
    tensor = described(models.odd(tmp_path / "n", inputs=models.tensor(-1, 3)))
    assert (tensor.schema.inputs[0].shape, tensor.example) == ((-1, 3), "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "- 1",
        "flavors: 3",
        "flavors: {sklearn: 1}",
        "flavors: !!python/object/apply:os.system ['true']",
        "flavors: {}\nsignature: 3",
        "flavors: {}\nsignature: {inputs: 'no json'}",
        "flavors: {}\nsignature: {inputs: '[{}]'}",
        "x" * (2 << 20),
    ],
)
def test_what_cannot_be_understood_is_refused(model, text):
    with pytest.raises(BadInput):
        described(model(mlmodel=text))


def test_a_folder_without_it_is_no_model(tmp_path):
    with pytest.raises(BadInput, match="MLmodel"):
        described(tmp_path)


def test_what_names_itself_is_walked_once(model):
    loop = "flavors:\n  f: &a\n    again: *a\n    path: x\n"
    assert described(model(mlmodel=loop)).texts == (("path", "x"),)
