"""What was a version asked, and what did it answer? Logged bytes to columns.

In: predictions as they were logged, in Open Inference Protocol v2 or MLflow form, and which
columns are numbers or categories. Out: a :class:`Window`, to drift, quality and performance.
Numbers are float64 with NaN for missing, categories objects of names (1 and "1" are one) with
None. A request that cannot be read, or whose answers are not one per row, is left out and
counted; a value of the wrong type is missing, and counted. Of a request that was struck out of
the log only the answers are read. Columns that some requests lack are missing there. Tensors of
more than 500 values a row are not taken apart. Pure; some 20 us a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from twinhelm.core import json
from twinhelm.core.arrays import BOOL, I64, Array
from twinhelm.core.errors import Refused
from twinhelm.core.ports import Prediction
from twinhelm.mlops.types import Scored, Table
from twinhelm.stats.answers import name_of

__all__ = ["Window", "as_kind", "read_window"]

MOST_VALUES = 500
Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Window:
    """n rows, each with its time and the id that a label names it by.

    ``requests`` were given, ``unreadable`` of them left out; ``mistyped`` counts values by column.
    """

    table: Table
    scored: Scored
    times_ms: I64
    ids: tuple[str, ...]
    requests: int = 0
    unreadable: int = 0
    mistyped: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, rows: BOOL) -> Window:
        """Return some of the rows."""
        said = self.scored
        chance = None if said.probability is None else said.probability[rows]
        return replace(
            self,
            table={name: column[rows] for name, column in self.table.items()},
            scored=Scored(said.prediction[rows], chance, said.classes),
            times_ms=self.times_ms[rows],
            ids=tuple(np.array(self.ids, object)[rows].tolist()),
        )


def read_window(
    logged: Sequence[Prediction],
    kinds: Mapping[str, str],
    *,
    task: str,
    classes: tuple[str, ...] = (),
) -> Window:
    """Read what was logged, in its order.

    ``kinds`` says of each expected column, in the model's order, whether it is a ``number`` or a
    ``category``; others are what all their values are. ``classes`` names the columns of
    probabilities where the answers do not.
    """
    read: list[tuple[Prediction, Columns, Columns]] = []
    for one in logged:
        try:
            asked = _columns(json.loads(one.request), list(kinds)) if one.request else {}
            said, classes = _said(json.loads(one.response), classes)
        except (Refused, KeyError, TypeError, ValueError, IndexError, AttributeError):
            continue
        if {len(each) for each in chain(asked.values(), said.values())} == {one.rows} and said:
            read.append((one, asked, said))
    names = dict.fromkeys([*kinds, *chain.from_iterable(asked for _, asked, _ in read)])
    table: dict[str, Array] = {}
    mistyped: dict[str, int] = {}
    for name in names:
        found = [asked.get(name) or [None] * one.rows for one, asked, _ in read]
        if any(name in asked for _, asked, _ in read):
            values = list(chain.from_iterable(found))
            table[name], wrong = as_kind(values, kinds.get(name, ""))
            mistyped |= {name: wrong} if wrong else {}
    ids = [
        one.id if one.rows == 1 else f"{one.id}:{row}"
        for one, _, _ in read
        for row in range(one.rows)
    ]
    rows = [one.rows for one, _, _ in read]
    times = np.repeat(np.array([one.time_ms for one, _, _ in read], np.int64), rows)
    scored = _scored([said for _, _, said in read], task, classes)
    left_out = len(logged) - len(read)
    return Window(table, scored, times, tuple(ids), len(logged), left_out, mistyped)


def as_kind(values: list[Any], kind: str) -> tuple[Array, int]:
    """Make a column a ``number`` or ``category``, empty for what it is; count what was neither."""
    types = set(map(type, values)) - {type(None)}
    if kind == "category" or (not kind and types - {int, float}):
        names = [None if each is None or each != each else name_of(each) for each in values]
        return np.array(names, object), 0
    if types <= {int, float, bool}:
        return np.array(values, np.float64), 0
    kept = [each if isinstance(each, int | float) else None for each in values]
    wrong = sum(mine is not each for mine, each in zip(kept, values, strict=True))
    return np.array(kept, np.float64), wrong


def _columns(body: dict[str, Any], names: list[str]) -> Columns:
    """Take the inputs of one request apart."""
    if isinstance(body.get("inputs"), list) and all("datatype" in each for each in body["inputs"]):
        columns: Columns = {}
        for each in body["inputs"]:
            columns |= _tensor(each["name"], each["data"], each["shape"], names)
        return columns
    if "dataframe_split" in body:
        split = body["dataframe_split"]
        return _rows(split["data"], split.get("columns") or names)
    data = body.get("dataframe_records") or body.get("instances") or body["inputs"]
    if isinstance(data, dict):
        return {str(name): list(values) for name, values in data.items() if values is not None}
    if isinstance(data[0], dict):
        keys = dict.fromkeys(chain.from_iterable(data))
        return {key: [row.get(key) for row in data] for key in keys}
    return _rows(data, names)


def _rows(data: list[Any], names: Sequence[str]) -> Columns:
    if not isinstance(data[0], list):
        return {names[0] if names else "input": data}
    if isinstance(data[0][0], list):
        return _tensor("input", data, np.shape(data), names)
    return dict(zip(names or _numbered("input", len(data[0])), map(list, zip(*data, strict=True)),
                    strict=True))  # fmt: skip


def _tensor(name: str, data: list[Any], shape: Sequence[int], names: Sequence[str]) -> Columns:
    """Take one tensor apart: a column, or as many as a row has values."""
    if len(shape) == 1:
        return {name: data}
    width = int(np.prod(shape[1:]))
    if width > MOST_VALUES:
        return {}
    columns = np.array(data, object).reshape(shape[0], width).T.tolist()
    if width == 1:
        return {name: columns[0]}
    return dict(zip(names if len(names) == width else _numbered(name, width), columns, strict=True))


def _numbered(name: str, width: int) -> list[str]:
    return [f"{name}[{at}]" for at in range(width)]


def _said(body: dict[str, Any], classes: tuple[str, ...]) -> tuple[Columns, tuple[str, ...]]:
    """Take the answers of one request apart: ``prediction``, ``probability`` (rows of k)."""
    said: Columns = {}
    if "outputs" in body:
        for each in body["outputs"]:
            shape, data = each["shape"], each["data"]
            wide = len(shape) > 1 and shape[1] > 1
            rows = np.array(data, object).reshape(shape[0], -1)
            said.setdefault("probability" if wide else "prediction",
                            rows.tolist() if wide else rows[:, 0].tolist())  # fmt: skip
            told = (each.get("parameters") or {}).get("classes")
            told = json.loads(told) if isinstance(told, str) else told
            classes = tuple(map(name_of, told)) if told else classes
        return said, classes
    found = body["predictions"]
    if "probabilities" in body:
        found = {"prediction": found, "probability": body["probabilities"]}
        classes = tuple(map(name_of, body["classes"]))
    if isinstance(found, list) and isinstance(found[0], dict):
        found = {key: [row[key] for row in found] for key in found[0]}
    if not isinstance(found, dict):
        found = {"probability" if isinstance(found[0], list) else "prediction": found}
    for values in found.values():
        said.setdefault("probability" if isinstance(values[0], list) else "prediction", values)
    return said, classes


def _scored(said: list[Columns], task: str, classes: tuple[str, ...]) -> Scored:
    chance = None
    if said and classes and all(len(row) == len(classes) for each in said
                                for row in each.get("probability", [()])):  # fmt: skip
        rows = chain.from_iterable(each["probability"] for each in said)
        chance = np.array(list(rows), np.float64)
    if chance is not None and not all("prediction" in each for each in said):
        return Scored(np.array(classes, object)[chance.argmax(axis=1)], chance, classes)
    given = [value for each in said for value in each.get("prediction", [None] * len(_any(each)))]
    if task == "classification" and set(map(type, given)) - {float, type(None)}:
        return Scored(as_kind(given, "category")[0], chance, classes)
    return Scored(as_kind(given, "number")[0], chance, classes)


def _any(columns: Columns) -> list[Any]:
    return next(iter(columns.values()))
