"""What is sent back? A model's outputs, or why there are none, as bytes of the asked protocol.

Numbers leave as JSON numbers (NaN as null), everything else as strings, both as raw bytes where
the request wants that. ``predict_proba`` of a classifier goes along, with its ``classes``, unless
the request names the outputs it wants.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .asked import Asked
from .frames import Form
from .model import Outputs
from .tensors import NAMES, Wrong, bind, packed, read, spoken, write

__all__ = ["answer", "differing", "failure"]

TOLERANCE = 0.01
"""Numbers that differ by less than this part of each other count as the same answer."""


def answer(
    form: int,
    asked: Asked,
    outputs: Outputs,
    *,
    id: str,  # noqa: A002 - the protocol's word
    model: tuple[str, str],
    classes: Sequence[str],
) -> bytes:
    """Write the outputs of ``model`` (name, version); raises :class:`Wrong` for unknown names."""
    wanted = asked.outputs or dict.fromkeys(outputs, asked.binary)
    unknown = [name for name in wanted if name not in outputs]
    if unknown:
        raise Wrong(f"there is no output {unknown[0]!r}; there are {', '.join(outputs)}")
    if form == Form.V2:
        raw = {name: packed(outputs[name]) for name, binary in wanted.items() if binary}
        made = [_tensor(name, outputs[name], classes, raw.get(name)) for name in wanted]
        said = {"model_name": model[0], "model_version": model[1], "id": id, "outputs": made}
        head = write(said)
        return bind(len(head), b"".join((head, *raw.values()))) if raw else head
    told = {"predictions": _predictions(outputs)}
    if classes and "predict_proba" in outputs:
        told |= {"probabilities": _ready(outputs["predict_proba"]), "classes": list(classes)}
    return write(told)


def failure(form: int, status: int, message: str) -> bytes:
    """Write why there is no answer."""
    if form == Form.V2:
        return write({"error": message})
    code = "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR"
    return write({"error_code": code, "message": message})


def differing(form: int, said: bytes | memoryview, outputs: Outputs) -> int:
    """Count the rows whose first output differs from that of another model's answer."""
    found = read(said)
    if form == Form.V2:
        first = found["outputs"][0]
        told, mine = first["data"], _ready(outputs.get(first["name"], np.empty(0)))
    else:
        told, mine = found["predictions"], _predictions(outputs)
    ours, other = np.asarray(mine), np.asarray(told)
    rows = len(next(iter(outputs.values())))
    if ours.size != other.size:
        return rows
    other = other.reshape(ours.shape)
    if ours.dtype.kind == "f" and other.dtype.kind in "fiuO":
        theirs = other.astype(float)  # None is NaN
        apart = ~np.isclose(ours, theirs, rtol=TOLERANCE, equal_nan=True)
    else:
        apart = ours.astype(object) != other.astype(object)
    return int(np.asarray(apart).reshape(rows, -1).any(axis=1).sum())


def _predictions(outputs: Outputs) -> Any:
    """Write predictions as mlflow does: a list, or records where the model gave columns."""
    if "predict" in outputs:
        return _ready(outputs["predict"])
    columns = [each.tolist() for each in outputs.values()]
    return [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]


def _tensor(
    name: str, values: NDArray[Any], classes: Sequence[str], raw: bytes | None
) -> dict[str, Any]:
    kind = NAMES.get(values.dtype, "BYTES")
    made: dict[str, Any] = {"name": name, "shape": list(values.shape), "datatype": kind}
    told = {"classes": json.dumps(classes)} if name == "predict_proba" else {}
    if raw is not None:
        return {**made, "parameters": {**told, "binary_data_size": len(raw)}}
    flat = values.reshape(-1)
    data = _ready(flat) if kind != "BYTES" else list(map(spoken, flat.tolist()))
    return {**made, **({"parameters": told} if told else {}), "data": data}


def _ready(values: NDArray[Any]) -> Any:
    """Return what the writer takes: numbers as they lie, the rest as a list."""
    return np.ascontiguousarray(values) if values.dtype in NAMES else values.tolist()
