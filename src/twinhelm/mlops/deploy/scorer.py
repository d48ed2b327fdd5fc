"""How does a flow ask a model outside of serving? A worker of its own, for as long as it is asked.

In: a folder that was verified just now, and limits. Out: a
:class:`~twinhelm.mlops.types.Scorer` that takes a table and gives what the model answers. It
blocks the calling thread; rows go over in parts. The same process, bounds and reading as in
serving: what is validated is what will answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinhelm.core import json
from twinhelm.core.errors import BadInput, Unavailable
from twinhelm.mlops.deploy.seeds import Limits, Seeds, Started
from twinhelm.mlops.deploy.worker.frames import Form, Frame, pack, receive
from twinhelm.mlops.mlmodel import described
from twinhelm.mlops.types import Schema, Scored, Scorer, Table, rows_of

__all__ = ["open_scorer"]

PART_ROWS = 4096
KINDS = {"f": "FP64", "i": "INT64", "u": "UINT64", "b": "BOOL"}


@contextmanager
def open_scorer(seeds: Seeds, folder: Path, limits: Limits) -> Iterator[Scorer]:
    """Open a model in a process of its own, and end that on leaving.

    Raises what :meth:`~twinhelm.mlops.deploy.seeds.Seeds.start` raises.
    """
    model = described(folder)
    started = seeds.start(folder.parent.name or "model", "", model, limits)
    try:
        yield _Scorer(started, model.schema, limits)
    finally:
        started.connection.close()
        started.kill()


class _Scorer:
    """See :class:`~twinhelm.mlops.types.Scorer`."""

    def __init__(self, started: Started, schema: Schema, limits: Limits) -> None:
        self.schema = schema
        self._connection, self._limits = started.connection, limits
        self._classes = tuple(str(each) for each in started.about["classes"])
        started.connection.settimeout(limits.timeout_s)

    def score(self, table: Table) -> Scored:
        """See :meth:`~twinhelm.mlops.types.Scorer.score`; no rows give no predictions."""
        rows, size = rows_of(table), min(PART_ROWS, self._limits.max_rows)
        parts = [self._part(table, at, at + size) for at in range(0, rows, size)]
        if not parts:
            return Scored(np.empty(0), None, self._classes)
        found = np.concatenate([_labels(part["predict"]) for part in parts])
        if "predict_proba" not in parts[0]:
            return Scored(found)
        likely = np.concatenate([part["predict_proba"].astype(float) for part in parts])
        said = np.array([str(each) for each in found.tolist()], object)
        return Scored(said, likely, self._classes)

    def _part(self, table: Table, start: int, end: int) -> dict[str, NDArray[Any]]:
        """Ask for some rows; returns the outputs, the model's first one as ``predict``."""
        columns = self._columns(table)
        body = {"inputs": [_tensor(name, each[start:end]) for name, each in columns.items()]}
        try:
            self._connection.sendall(pack(Frame(1, Form.V2, "", json.dumps(body))))
            code, answer = receive(self._connection)
        except (OSError, EOFError) as error:
            said = f"the model did not answer rows {start} to {end}: {error!r}"
            raise Unavailable(said, hint="raise rollout.timeout_s or memory_mb") from error
        reply = json.loads(answer, max_bytes=1 << 30, what="answer")
        if code != 200:
            hint = "the table must fit the model's signature" if code < 500 else ""
            raise BadInput(f"rows {start} to {end}: {reply['error']}", hint=hint)
        outputs = {
            each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in reply["outputs"]
        }
        first = next(iter(outputs.values()))
        return {**outputs, "predict": outputs.get("predict", first)}

    def _columns(self, table: Table) -> dict[str, NDArray[Any]]:
        inputs = self.schema.inputs
        if not inputs:
            return dict(table)
        if inputs[0].shape and len(inputs) == 1:
            return {inputs[0].name: np.column_stack([np.asarray(c, float) for c in table.values()])}
        missing = [each.name for each in inputs if each.name not in table and not each.optional]
        if missing:
            said = f"the table lacks {', '.join(map(repr, missing))}"
            raise BadInput(said, hint="the model's signature names what it takes")
        return {each.name: table[each.name] for each in inputs if each.name in table}


def _tensor(name: str, values: NDArray[Any]) -> dict[str, Any]:
    kind = KINDS.get(values.dtype.kind, "BYTES")
    data = np.ascontiguousarray(values).reshape(-1) if kind != "BYTES" else values.tolist()
    return {"name": name, "shape": list(values.shape), "datatype": kind, "data": data}


def _labels(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as float64, anything else as text in objects."""
    if values.dtype.kind in "fiub":
        return values.astype(float)
    return np.array([str(each) for each in values.tolist()], object)
