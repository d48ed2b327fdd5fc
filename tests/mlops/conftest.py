"""A small model folder, as MLflow would log it."""

from __future__ import annotations

import pickle

import pytest

MLMODEL = """\
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    model_path: model.pkl
    python_version: 3.11.9
  sklearn:
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: 1.9.1
mlflow_version: 3.17.2
model_uuid: 0f2d
signature:
  inputs: '[{"type": "double", "name": "a", "required": true},
    {"type": "string", "name": "b", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1, 2]}}]'
"""


@pytest.fixture
def model(tmp_path):
    """``model(name=bytes or text, ...)``: a model folder with these files besides."""

    def make(files=None, *, mlmodel=MLMODEL):
        folder = tmp_path / f"logged-{len(list(tmp_path.iterdir()))}"
        all_files = {
            "MLmodel": mlmodel,
            "conda.yaml": "channels:\n- conda-forge\n",
            "model.pkl": pickle.dumps({"weights": [1.0, 2.0]}),
            **(files or {}),
        }
        for name, content in all_files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return make
