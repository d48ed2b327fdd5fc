"""What does a request ask? A body of either protocol to typed columns, or a clear refusal.

In: what :mod:`.tensors` read of Open Inference Protocol v2 (``inputs``: one matrix, or a tensor
per column) or of MLflow's ``/invocations`` (``dataframe_split``, ``dataframe_records``,
``instances``, ``inputs``, ``params``). Out: an (n, ...) array in the order of the schema where all
of it is numbers or one tensor, else columns by name, each (n,) and of the type that the model's
signature names. Columns that the signature does not know are left out, as MLflow does; v2 refuses
them.

A missing number is NaN (null in JSON). A whole float is taken for an integer, a missing one is
not; strings are never read as numbers, nor booleans. No Python loop goes over values.

Source: Open Inference Protocol v2 "Inference Request JSON Object"; MLflow "Local inference
server specification".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tensors import Wrong, kind_and_shape
from .typed import Spec, array, nothing, typed

__all__ = ["Asked", "Given", "Reader"]

Given = NDArray[Any] | dict[str, NDArray[Any]]

MAX_ID = 200
MLFLOW_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
UNOFFERED = {"shared_memory_region": "shared memory", "classification": "classification"}
"""Extensions of the protocol that a parameter of a tensor asks for."""


@dataclass(frozen=True)
class Asked:
    """A request, read.

    ``outputs`` names those that are wanted, empty for all, and whether each is as raw bytes;
    ``binary`` says so where they are not named.
    """

    given: Given
    rows: int
    id: str = ""
    outputs: Mapping[str, bool] = field(default_factory=dict)
    binary: bool = False
    params: dict[str, Any] = field(default_factory=dict)


class Reader:
    """Reads requests for one model.

    ``params`` are the parameters that its signature names. Raises :class:`Wrong`.
    """

    def __init__(self, specs: Sequence[Spec], params: Iterable[str], *, max_rows: int) -> None:
        self._specs = {each.name: each for each in specs}
        self._params, self._max_rows = frozenset(params), max_rows
        self._tensor = next((each for each in specs if each.shape and len(specs) == 1), None)
        columns = [] if any(each.shape for each in specs) else list(specs)
        kinds = [each.dtype.kind if each.dtype else "" for each in columns]
        self._table = bool(columns)
        self.numbers = self._table and not set(kinds) - set("fiu")
        self._whole = [i for i, kind in enumerate(kinds) if kind in "iu"]
        self._matrix = Spec("data", "double", optional=False, shape=(-1, len(columns)))

    def v2(self, body: Any) -> Asked:
        """Read a request of the Open Inference Protocol."""
        inputs, params = _list(body, "inputs"), _parameters(body)
        given = {
            _text(each, "name", "an input"): _tensor(each, self._specs.get(each["name"]))
            for each in inputs
        }
        if len(given) < len(inputs):
            raise Wrong("two inputs bear the same name")
        unknown = sorted(set(given) - set(self._specs))
        if self._specs and unknown and not self._lone(given):
            said = f"there is no input {unknown[0]!r}"
            raise Wrong(f"{said}; the model takes {', '.join(map(repr, self._specs))}")
        binary = params.get("binary_data_output") is True
        wanted = {
            _text(each, "name", "an output"): _offered(each).get("binary_data", binary) is True
            for each in (_list(body, "outputs") if body.get("outputs") else ())
        }
        kept = {name: params[name] for name in self._params if name in params}
        name = body.get("id") or ""
        if not isinstance(name, str) or len(name) > MAX_ID:
            raise Wrong(f"the id must be a string of at most {MAX_ID} characters")
        return self._asked(self.typed(given), id=name, outputs=wanted, binary=binary, params=kept)

    def mlflow(self, body: Any) -> Asked:
        """Read a request of MLflow's scoring protocol."""
        if not isinstance(body, dict):
            raise Wrong("the body must be a JSON object")
        forms = [form for form in MLFLOW_FORMS if form in body]
        if len(forms) != 1:
            raise Wrong(f"the body must hold exactly one of {', '.join(MLFLOW_FORMS)}")
        params, data = _parameters(body, "params"), body[forms[0]]
        unknown = sorted(set(params) - self._params)
        if unknown:
            known = ", ".join(sorted(self._params)) or "none"
            raise Wrong(f"there is no parameter {unknown[0]!r}; the model takes {known}")
        given: Given
        if forms[0] == "dataframe_split":
            given = self._split(data)
        elif isinstance(data, dict):
            given = self.typed({name: array(each, name) for name, each in data.items()})
        elif isinstance(data, list) and data and isinstance(data[0], dict):
            given = self._records(data)
        elif forms[0] == "dataframe_records":
            raise Wrong("dataframe_records must be a list of objects")
        elif self._table:
            given = self._rows(list(self._specs), data)
        else:
            want = self._tensor.dtype if self._tensor else None
            given = self.typed({"": array(data, forms[0], want)})
        return self._asked(given, params=params)

    def _split(self, data: Any) -> Given:
        rows = _list(data, "data")
        names = data.get("columns") or list(self._specs)
        if not isinstance(names, list) or len(set(map(str, names))) < len(names):
            raise Wrong("columns must be a list of names, each once")
        return self._rows(list(map(str, names)), rows)

    def _records(self, data: list[dict[str, Any]]) -> Given:
        names = [
            name for name, spec in self._specs.items() if not spec.optional or name in data[0]
        ] or list(data[0])
        if not names:
            raise Wrong("the rows hold no columns")
        read = itemgetter(*names)
        try:
            rows = list(map(read, data))
        except KeyError as error:
            raise Wrong(f"the column {error} is missing in a row") from None
        except TypeError:
            raise Wrong("every row must be an object") from None
        return self._rows(names, rows if len(names) > 1 else [(each,) for each in rows])

    def _rows(self, names: list[str], rows: Sequence[Any]) -> Given:
        """Read rows of values, whose columns are ``names``."""
        if self.numbers and not set(self._specs) - set(names):
            block = array(rows, "the data", self._matrix.dtype)
            if block.ndim == 1 and len(names) == 1:
                block = block[:, None]
            if block.size and (block.ndim != 2 or block.shape[1] != len(names)):
                said = f"the data has the shape {list(block.shape)}"
                raise Wrong(f"{said}, and there are {len(names)} columns")
            if block.size and names != list(self._specs):
                block = block[:, [names.index(name) for name in self._specs]]
            return self._block(block)
        try:
            columns = list(zip(*rows, strict=True))
        except (TypeError, ValueError):
            raise Wrong("the rows are not lists of one length") from None
        if rows and len(columns) != len(names):
            raise Wrong(f"the rows have {len(columns)} values for {len(names)} columns")
        columns = columns or [() for _ in names]
        return self.typed({
            name: array(each, name, self._specs[name].dtype if name in self._specs else None)
            for name, each in zip(names, columns, strict=True)
        })  # fmt: skip

    def _lone(self, given: Mapping[str, NDArray[Any]]) -> bool:
        """Tell whether one input holds all: a matrix of every column, or the only tensor."""
        if len(given) != 1:
            return False
        ((name, only),) = given.items()
        if self._tensor is not None:
            return name in ("", self._tensor.name) or not self._tensor.name
        return self.numbers and name not in self._specs and only.ndim == 2

    def typed(self, given: dict[str, NDArray[Any]]) -> Given:
        """Give each input its type: a matrix where that is what the model takes."""
        if not self._specs:
            return next(iter(given.values())) if len(given) == 1 else given
        if self._lone(given):
            only = next(iter(given.values()))
            return self._block(only) if self._tensor is None else typed(self._tensor, only)
        missing = [
            each.name
            for each in self._specs.values()
            if each.name not in given and not each.optional
        ]
        if missing:
            raise Wrong(f"missing: {', '.join(map(repr, missing))}")
        rows = _rows([*given.values()][:1])
        found = {
            name: typed(spec, given[name] if name in given else nothing(spec, rows))
            for name, spec in self._specs.items()
        }
        if not self.numbers:
            return found
        _rows([*found.values()])
        return np.column_stack(list(found.values())).astype(float)

    def _block(self, block: NDArray[Any]) -> NDArray[Any]:
        """Check a matrix of all columns."""
        if not block.size:
            return np.empty((0, len(self._specs)))
        block = typed(self._matrix, block)
        for at in self._whole:
            typed(list(self._specs.values())[at], block[:, at])
        return block

    def _asked(self, given: Given, **more: Any) -> Asked:
        """Bound the rows; ``more`` are the other fields."""
        rows = _rows([*given.values()] if isinstance(given, dict) else [given])
        if not rows:
            raise Wrong("the request holds no rows")
        if rows > self._max_rows:
            said = f"the request holds {rows:,} rows, the limit is {self._max_rows:,}"
            raise Wrong(f"{said}; send fewer at once", 413)
        return Asked(given, rows, **more)


def _rows(arrays: Sequence[NDArray[Any]]) -> int:
    lengths = {len(each) if each.ndim else 0 for each in arrays}
    if len(lengths) > 1:
        raise Wrong(f"the inputs have different numbers of rows: {sorted(lengths)}")
    return max(lengths, default=0)


def _tensor(item: Mapping[str, Any], spec: Spec | None) -> NDArray[Any]:
    """Read one tensor of the Open Inference Protocol, for an input of the schema or none."""
    name, found = item["name"], item.get("data")
    _offered(item)
    want, shape = kind_and_shape(item)
    if not isinstance(found, np.ndarray):  # which was raw, and fits
        found = array(_list(item, "data"), name, want)
        if found.size != prod(shape) or (found.ndim > 1 and list(found.shape) != shape):
            said = f"{name!r} has the shape {shape} and data of {list(found.shape)}"
            raise Wrong(f"{said}: they must hold the same values")
        if found.dtype != want:
            bare = Spec(name, want.str, optional=False, shape=())
            found = typed(bare, found.reshape(-1))
        if spec is not None and spec.type == "binary":
            found = np.array([_as_bytes(each) for each in found.flat], object)
    try:
        return found.reshape(shape)
    except (ValueError, OverflowError):  # past what numpy knows of
        raise Wrong(f"{name!r} has a shape that no array can have: {shape}") from None


def _as_bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _parameters(item: Mapping[str, Any], key: str = "parameters") -> dict[str, Any]:
    """Read parameters; none where there are none."""
    told = item.get(key) or {}
    if not isinstance(told, dict):
        raise Wrong(f"{key} must be an object")
    return told


def _offered(tensor: Mapping[str, Any]) -> dict[str, Any]:
    """Read the parameters of a tensor, which must ask for no extension but that of raw bytes."""
    told = _parameters(tensor)
    for name in UNOFFERED.keys() & told.keys():
        raise Wrong(f"{UNOFFERED[name]} is not offered here: leave out {name!r}")
    return told


def _list(body: Any, name: str) -> list[Any]:
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise Wrong(f"the request needs {name!r}, a list")
    return found


def _text(item: Any, name: str, what: str) -> str:
    found = item.get(name) if isinstance(item, dict) else None
    if not isinstance(found, str):
        raise Wrong(f"{what} needs a {name!r}, a string")
    return found
