"""What a user of NVIDIA's client does with a model, told as JSON; runs where the client is.

    python oip_story.py HOST:PORT PRODUCT < columns.json

Prints ``REPORT`` and what came of each step. Imports nothing of twinhelm.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def inputs(columns, binary=True):
    """Weights, stops and regions as three tensors."""
    made = []
    for name, datatype, dtype in (
        ("weight", "FP64", "f8"),
        ("stops", "INT64", "i8"),
        ("region", "BYTES", "O"),
    ):
        values = np.array(columns[name], dtype)
        tensor = triton.InferInput(name, list(values.shape), datatype)
        made.append(tensor.set_data_from_numpy(values, binary_data=binary))
    return made


def told(found):
    """Both outputs as lists, and what the answer says of itself."""
    predict, chance = found.as_numpy("predict"), found.as_numpy("predict_proba")
    plain = None if predict is None else [
        each.decode() if isinstance(each, bytes) else str(each) for each in predict.tolist()
    ]  # fmt: skip
    said = found.get_response()
    return {
        "predict": plain,
        "chance": None if chance is None else chance.tolist(),
        "raw": ["data" not in each for each in said["outputs"]],
        "id": said["id"],
        "version": said["model_version"],
    }


def refused(deed):
    """Do what must not be done; returns the status and what is said."""
    try:
        deed()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return None


def wrong(columns):
    """Requests that a model cannot answer."""
    texts = np.array(["1", "2"], "O")
    mixed = inputs(columns)
    mixed[0] = triton.InferInput("weight", [2], "BYTES").set_data_from_numpy(texts)
    short = inputs(columns)
    short[1] = triton.InferInput("stops", [2], "INT64").set_data_from_numpy(np.array([1, 2]))
    other = inputs(columns)
    other[2] = triton.InferInput("zone", [1], "BYTES").set_data_from_numpy(texts[:1])
    blob = inputs(columns)
    blob[2] = triton.InferInput("region", [1], "BYTES").set_data_from_numpy(
        np.array([b"\xff\xfe"], "O")
    )
    shared = inputs(columns)
    shared[0].set_shared_memory("region-0", 64)
    return {"type": mixed, "rows": short, "name": other, "text": blob, "shared": shared}


def story(client, model, columns):
    """Walk through it."""
    report = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(model),
        "version_ready": client.is_model_ready(model, "1"),
        "unknown_ready": client.is_model_ready("nothing") or client.is_model_ready(model, "9"),
        "server": client.get_server_metadata(),
        "model": client.get_model_metadata(model),
        "of_version": client.get_model_metadata(model, "1"),
    }
    asked = inputs(columns)
    only = [triton.InferRequestedOutput("predict_proba")]
    mixed = [triton.InferRequestedOutput(n, binary_data=n != "predict")
             for n in ("predict", "predict_proba")]  # fmt: skip
    plain = [triton.InferRequestedOutput(n, binary_data=False)
             for n in ("predict", "predict_proba")]  # fmt: skip
    report["answers"] = {
        "raw": told(client.infer(model, asked)),
        "json": told(client.infer(model, inputs(columns, binary=False), outputs=plain)),
        "json_to_raw": told(client.infer(model, inputs(columns, binary=False))),
        "mixed": told(client.infer(model, asked, outputs=mixed)),
        "by_version": told(client.infer(model, asked, model_version="1")),
        "named": told(client.infer(model, asked, request_id="case-7")),
        "gzip": told(client.infer(model, asked, request_compression_algorithm="gzip")),
        "deflate": told(client.infer(
            model, asked, request_compression_algorithm="deflate",
            response_compression_algorithm="gzip",
        )),
        "async": told(client.async_infer(model, asked).get_result()),
    }  # fmt: skip
    report["only"] = told(client.infer(model, asked, outputs=only))
    report["refused"] = {
        name: refused(lambda each=each: client.infer(model, each))
        for name, each in wrong(columns).items()
    } | {
        "model": refused(lambda: client.infer("nothing", asked)),
        "version": refused(lambda: client.infer(model, asked, model_version="9")),
        "output": refused(
            lambda: client.infer(model, asked, outputs=[triton.InferRequestedOutput("logits")])
        ),
        "classes": refused(
            lambda: client.infer(
                model, asked, outputs=[triton.InferRequestedOutput("predict", class_count=2)]
            )
        ),
    }
    report["unoffered"] = {
        "load": refused(lambda: client.load_model(model)),
        "unload": refused(lambda: client.unload_model(model)),
        "index": refused(client.get_model_repository_index),
        "config": refused(lambda: client.get_model_config(model)),
        "statistics": refused(lambda: client.get_inference_statistics(model)),
        "shared_status": refused(client.get_system_shared_memory_status),
        "shared": refused(lambda: client.register_system_shared_memory("a", "/a", 64)),
        "cuda": refused(client.get_cuda_shared_memory_status),
        "trace": refused(client.get_trace_settings),
        "logging": refused(client.get_log_settings),
    }
    report["again"] = told(client.infer(model, asked))
    return report


if __name__ == "__main__":
    with triton.InferenceServerClient(sys.argv[1], network_timeout=120.0) as opened:
        rows = json.load(sys.stdin)
        sys.stdout.write("REPORT " + json.dumps(story(opened, sys.argv[2], rows)) + "\n")
