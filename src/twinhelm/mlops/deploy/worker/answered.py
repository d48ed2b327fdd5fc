"""What is sent back? A model's outputs, or why there are none, as bytes of the asked protocol.

Numbers leave as JSON numbers (NaN as null), everything else as strings. ``predict_proba`` of a
classifier goes along, with its ``classes``, unless the request names the outputs it wants.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .asked import V2_TYPES, Wrong
from .frames import Form
from .model import Outputs

__all__ = ["answer", "differing", "failure", "read"]

TOLERANCE = 0.01
"""Numbers that differ by less than this part of each other count as the same answer."""

BY_TYPE = {np.dtype(short): name for name, short in V2_TYPES.items() if short != "O"}

read: Callable[[bytes], Any]
_write: Callable[[Any], bytes]


def _without_nan(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if value != value else value


try:
    import orjson

    _OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    read = orjson.loads

    def _write(value: Any) -> bytes:
        return orjson.dumps(value, option=_OPTIONS, default=str)

except ImportError:
    read = json.loads  # noqa: TID251 - the house's own door is not here

    def _write(value: Any) -> bytes:
        return json.dumps(_without_nan(value), default=str).encode()


def answer(
    form: int,
    outputs: Outputs,
    *,
    id: str,  # noqa: A002 - the protocol's word
    model: tuple[str, str],
    classes: Sequence[str],
    wanted: Sequence[str] = (),
) -> bytes:
    """Write the outputs of ``model`` (name, version); raises :class:`Wrong` for unknown names."""
    unknown = [name for name in wanted if name not in outputs]
    if unknown:
        raise Wrong(f"there is no output {unknown[0]!r}; there are {', '.join(outputs)}")
    if form == Form.V2:
        made = [_tensor(name, outputs[name], classes) for name in (wanted or outputs)]
        head = {"model_name": model[0], "model_version": model[1], "id": id}
        return _write({**head, "outputs": made})
    told = {"predictions": _predictions(outputs)}
    if classes and "predict_proba" in outputs:
        told |= {"probabilities": _ready(outputs["predict_proba"]), "classes": list(classes)}
    return _write(told)


def failure(form: int, status: int, message: str) -> bytes:
    """Write why there is no answer."""
    if form == Form.V2:
        return _write({"error": message})
    code = "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR"
    return _write({"error_code": code, "message": message})


def differing(form: int, said: bytes, outputs: Outputs) -> int:
    """Count the rows whose first output differs from that of another model's answer."""
    found = read(said)
    told = found["outputs"][0]["data"] if form == Form.V2 else found["predictions"]
    mine = _ready(next(iter(outputs.values()))) if form == Form.V2 else _predictions(outputs)
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


def _tensor(name: str, values: NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    kind = BY_TYPE.get(values.dtype, "BYTES")
    made: dict[str, Any] = {"name": name, "shape": list(values.shape), "datatype": kind}
    if name == "predict_proba":
        made["parameters"] = {"classes": json.dumps(classes)}
    flat = values.reshape(-1)
    return {**made, "data": _ready(flat) if kind != "BYTES" else list(map(str, flat.tolist()))}


def _ready(values: NDArray[Any]) -> Any:
    """Return what the writer takes: numbers as they lie, the rest as a list."""
    return np.ascontiguousarray(values) if values.dtype in BY_TYPE else values.tolist()
