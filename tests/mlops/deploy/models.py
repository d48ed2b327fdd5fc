"""Model directories as MLflow writes them, made by hand so that no test waits for mlflow."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np

FEATURES = ("a", "b", "c")


def columns(*names, kind="double", optional=()):
    """A signature's columns."""
    return [{"type": kind, "name": name, "required": name not in optional} for name in names]


def tensor(*shape, dtype="float64", name=None):
    """A signature's tensor."""
    made = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}
    return [made | ({"name": name} if name else {})]


def write(folder: Path, pickled: bytes, *, inputs=None, code="", example=None) -> Path:
    """Write a scikit-learn flavored model directory; ``code`` is a module called ``odd``."""
    folder.mkdir(parents=True)
    (folder / "model.pkl").write_bytes(pickled)
    lines = [
        "flavors:",
        "  python_function:",
        "    loader_module: mlflow.sklearn",
        "    predict_fn: predict",
        "    model_path: model.pkl",
        *(["    code: code"] if code else []),
        "  sklearn:",
        "    pickled_model: model.pkl",
        "    serialization_format: cloudpickle",
        "mlflow_version: 3.17.2",
    ]
    if inputs is not None:
        lines += ["signature:", f"  inputs: '{json.dumps(inputs)}'", "  params: null"]
    (folder / "MLmodel").write_text("\n".join(lines) + "\n")
    if code:
        (folder / "code").mkdir()
        (folder / "code" / "odd.py").write_text(code)
    if example is not None:
        (folder / "serving_input_example.json").write_text(json.dumps(example))
    return folder


def rows(n=200, seed=0):
    """Features (n, 3) and a class that hangs on their sum."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    return x, np.where(x.sum(axis=1) > 0, "yes", "no")


def logistic(folder: Path, *, seed=0, flip=False, inputs=None) -> Path:
    """A logistic regression on three columns; ``flip`` teaches it the contrary."""
    from sklearn.linear_model import LogisticRegression

    x, y = rows(seed=seed)
    if flip:
        y = np.where(y == "yes", "no", "yes")
    made = LogisticRegression().fit(x, y)
    return write(folder, pickle.dumps(made), inputs=inputs or columns(*FEATURES))


ODD = """
import os, signal, subprocess, sys, threading, time
import numpy as np

kept = []

class {name}:
    def predict(self, x):
        x = np.asarray(x, float)
        {body}
        return x[:, 0] * {times}
"""


def odd(folder: Path, body="pass", *, times=1.0, name="Odd", **more) -> Path:
    """A model that does ``body`` with its rows ``x``, then multiplies column ``a``."""
    code = ODD.format(name=name, body=body.replace("\n", "\n        "), times=times)
    pickled = f"codd\n{name}\n(tR.".encode()
    more = {"inputs": columns(*FEATURES)} | more
    return write(folder, pickled, code=code, **more)


def v2(x, *, names=FEATURES, id="", datatype="FP64"):  # noqa: A002 - the protocol's word
    """A request of the Open Inference Protocol, a tensor per column."""
    x = np.asarray(x)
    inputs = [
        {"name": name, "shape": [len(x)], "datatype": datatype, "data": x[:, at].tolist()}
        for at, name in enumerate(names)
    ]
    return json.dumps({"inputs": inputs} | ({"id": id} if id else {})).encode()
