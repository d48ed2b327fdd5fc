"""What does the model answer to the hold-out rows? Asks it, and takes no half answer.

In: a scorer and a table, from the flow. Out: what it gave, and
:class:`~twinhelm.stats.answers.Answers`, to the other modules here. The model is asked in batches;
it answers for every row, with a number or class and whole probabilities, or the asking fails as
:class:`~twinhelm.core.errors.BadInput` with the counts. What the scorer raises passes through.
"""

from collections.abc import Callable

import numpy as np

from twinhelm.core.arrays import Array
from twinhelm.core.errors import BadInput
from twinhelm.mlops.types import Scored, Scorer, Spec, Table, rows_of
from twinhelm.mlops.types.slices import missing_in
from twinhelm.stats.answers import Answers, answers

__all__ = ["answered", "ask", "features_of", "taken"]

BATCH_ROWS = 5_000


def features_of(scorer: Scorer, spec: Spec, table: Table) -> list[str]:
    """Name the columns that go into the model, by its schema, the contract or all but the target.

    Raises :class:`BadInput` where the table lacks one.
    """
    declared = [each for each in scorer.schema.inputs if each.name]
    names = [each.name for each in declared if not each.optional or each.name in table]
    names = names or [each.name for each in spec.data.features]
    names = names or [name for name in table if name != spec.data.target]
    if lacking := [name for name in names if name not in table]:
        says = f"the hold-out data lacks {', '.join(lacking[:5])}, which the model takes"
        raise BadInput(says, hint="validate on the columns that the model was made with")
    return names


def ask(
    scorer: Scorer,
    table: Table,
    features: list[str],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Scored:
    """Ask for every row, in batches; ``progress`` hears rows done and rows in all."""
    n, parts = rows_of(table), []
    for start in range(0, n, BATCH_ROWS):
        part = taken(table, features, slice(start, start + BATCH_ROWS))
        parts.append(_whole(scorer.score(part), rows_of(part)))
        progress(min(start + BATCH_ROWS, n), n)
    if not parts or len({each.classes for each in parts}) > 1:
        says = "the model changes its classes between batches" if parts else "there are no rows"
        raise BadInput(says, hint="give it rows, and always the same classes")
    chances = [each.probability for each in parts if each.probability is not None]
    whole = np.concatenate(chances) if len(chances) == len(parts) else None
    return Scored(np.concatenate([each.prediction for each in parts]), whole, parts[0].classes)


def answered(scored: Scored, truth: Array, spec: Spec) -> Answers:
    """Put answers beside the truth as the product file says how; raises :class:`BadInput`."""
    return answers(
        truth,
        scored.prediction,
        task=spec.data.task,
        probability=scored.probability,
        classes=scored.classes,
        positive=spec.data.positive,
    )


def taken(table: Table, names: list[str], rows: Array | slice) -> Table:
    """Take some columns of some rows."""
    return {name: table[name][rows] for name in names}


def _whole(scored: Scored, n: int) -> Scored:
    said = np.asarray(scored.prediction)
    if said.shape != (n,):
        says = f"the model was asked {n} rows and answered with shape {said.shape}"
        raise BadInput(says, hint="it must give one number or class per row")
    holes = ~np.isfinite(said) if said.dtype.kind == "f" else missing_in(said)
    if scored.probability is not None:
        holes |= ~np.isfinite(scored.probability).all(axis=1)
    if holes.any():
        says = f"the model answered NaN or nothing to {int(holes.sum())} of {n} rows"
        raise BadInput(says, hint="let it answer every row that the contract allows")
    return scored
