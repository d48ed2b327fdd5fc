"""What is known of a version before it answers anybody: what it learnt on, and how well it did.

In: the product file, the version's schema, its training data, its answers to the hold-out. Out:
:class:`Known`, prepared once per version, to :mod:`.drift` and :mod:`.health`. Everything that is
missing is simply not known, and what follows from it is not said. Not watched for drift: text,
times, ids, what is struck out of the log, and categories of which most rows have their own. Cost:
a sort per column and slice; pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twinhelm.core.arrays import BOOL, F64
from twinhelm.core.errors import BadInput
from twinhelm.mlops.monitor.window import as_kind
from twinhelm.mlops.types import HeldOut, Schema, Scored, Spec, Table, rows_of
from twinhelm.mlops.types.slices import members
from twinhelm.mlops.types.spec import Slice
from twinhelm.stats.answers import answers, name_of
from twinhelm.stats.drift import Kinds, Profile, prepare_all
from twinhelm.stats.estimate import Ground, learn

__all__ = ["Known", "Profiles", "belongs", "know", "outputs", "profiles"]

KINDS = {
    "number": "number", "integer": "number", "category": "category", "boolean": "category",
    "double": "number", "float": "number", "long": "number", "string": "category",
}  # fmt: skip
UNWATCHED = ("text", "time", "datetime", "binary")

Profiles = Mapping[str, Mapping[str, Profile]]
"""Prepared columns, by slice (empty: everybody) and name."""


@dataclass(frozen=True, slots=True)
class Known:
    """``kinds`` says number or category of each expected input, in the model's order."""

    kinds: Mapping[str, str]
    unwatched: frozenset[str]
    learnt: Profiles
    ground: Ground
    classes: tuple[str, ...] = ()


def know(spec: Spec, schema: Schema, training: Table | None, held: HeldOut | None) -> Known:
    """Prepare what is known; ``training`` and ``held`` None where they are not."""
    columns = {each.name: each for each in spec.data.columns}
    types = {each.name: each.type for each in schema.inputs if each.name and not each.shape}
    learnt = training or {}
    apart = {name for name, each in columns.items() if each.role in ("target", "id", "time")}
    names = list(types) or [each.name for each in spec.data.features]
    names = names or [name for name in learnt if name not in apart]
    kinds = {}
    for name in names:
        said = columns[name].type if name in columns else types.get(name, "")
        found = "number" if name in learnt and learnt[name].dtype.kind in "fiu" else "category"
        kinds[name] = KINDS.get(said) or (found if name in learnt else "")
    unwatched = apart | {
        name for name, each in columns.items() if each.personal or each.type in UNWATCHED
    }
    unwatched |= {name for name, said in types.items() if said in UNWATCHED}
    typed = _typed(learnt, kinds)
    found_in = {"": prepare_all({n: c for n, c in typed.items() if n not in unwatched})}
    unwatched |= {name for name, one in found_in[""].items() if _is_name(one)}
    known = profiles(typed, spec, frozenset(unwatched), found_in[""]) if typed else {}
    support = known.get("", {})
    if held is None:
        ground = Ground(
            spec.data.task, 0, support, reason="its answers to hold-out data are unknown"
        )
        return Known(kinds, frozenset(unwatched), known, ground)
    said_then = prepare_all(outputs(held.scored, spec))
    known = {**known, "": {**support, **said_then}}
    try:
        told = answers(
            held.truth,
            held.scored.prediction,
            task=spec.data.task,
            probability=held.scored.probability,
            classes=held.scored.classes,
            positive=spec.data.positive,
        )
        ground = learn(told, _typed(held.table, kinds), support, task=spec.data.task)
    except BadInput as unfit:
        ground = Ground(spec.data.task, 0, support, reason=unfit.message)
    return Known(kinds, frozenset(unwatched), known, ground, held.scored.classes)


def profiles(
    table: Table, spec: Spec, unwatched: frozenset[str], whole: Mapping[str, Profile] | None = None
) -> Profiles:
    """Prepare the watched columns, for everybody and by slice; ``whole`` where it is known."""
    watched = {name: column for name, column in table.items() if name not in unwatched}
    kept = {n: p for n, p in (prepare_all(watched) if whole is None else whole).items()
            if n in watched}  # fmt: skip
    found: dict[str, Mapping[str, Profile]] = {"": kept}
    for part in spec.slices:
        if part.column in table:
            inside = belongs(part, table)
            found[part.name] = prepare_all({n: c[inside] for n, c in watched.items()})
    return found


def belongs(part: Slice, table: Table) -> BOOL:
    """Tell which rows (n,) belong to a slice whose column is there; missing values to none."""
    column = table[part.column]
    return members(part, column, numbers=lambda said: as_kind(said.tolist(), "number")[0])


def outputs(scored: Scored, spec: Spec) -> Table:
    """Return what a model gave as columns: ``prediction``, and ``probability`` where it gives any.

    That is the positive class's of two, the largest of many.
    """
    kind = "number" if spec.data.task == "regression" else "category"
    given = as_kind(scored.prediction.tolist(), kind if not _chances(scored.prediction) else "")[0]
    if scored.probability is None:
        return {"prediction": given}
    names = [name_of(each) for each in scored.classes]
    wanted = spec.data.positive or max(names, default="")
    chance: F64 = scored.probability.max(axis=1, initial=0.0)
    if len(names) == 2 and wanted in names:
        chance = scored.probability[:, names.index(wanted)]
    return {"prediction": given, "probability": chance}


def _chances(values: np.ndarray) -> bool:
    return values.dtype.kind == "f" and bool((values % 1 != 0).any())


def _typed(table: Table, kinds: Mapping[str, str]) -> Table:
    """Give columns the kinds that requests are read with."""
    wanted = {name: kinds[name] for name in kinds if name in table}
    return {
        name: table[name] if kind == "number" and table[name].dtype.kind in "fiu"
        else as_kind(table[name].tolist(), kind)[0]
        for name, kind in wanted.items()
    } if rows_of(table) else {}  # fmt: skip


def _is_name(column: Profile) -> bool:
    return isinstance(column, Kinds) and len(column.counts) > max(50, column.rows // 2)
