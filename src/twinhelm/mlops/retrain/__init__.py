"""Whether a retraining may begin now, and what calls for one that nobody here measures.

In: the product, its file, when the last retraining began, the runs; rows of the journal; names of
data sets. Out: why not, or an empty text (:func:`refusal`); which products the incidents of now
blame (:func:`blamed`); whether a pipeline may have written a product's data (:func:`may_write`).
The same facts give the same text, so that a journal can tell an old refusal from a new one. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from twinhelm.core.ports import JournalRow
from twinhelm.events.kinds.machines import IncidentResolved
from twinhelm.mlops.types import Product, Run, Spec, Trigger

__all__ = ["blamed", "may_write", "refusal"]

HOUR_MS = 3_600_000
SERVING = "service:models/"
"""What the machines' wing calls a product that answers: its series go out under this name."""


def refusal(
    product: Product,
    spec: Spec | None,
    trigger: Trigger,
    *,
    last_ms: int | None,
    runs: Sequence[Run],
    now_ms: int,
) -> str:
    """Say why ``trigger`` may not start a build now; ``last_ms`` None: none was ever retrained.

    A schedule that ``retrain.on`` does not name is no retraining: it knows no cool-down.
    """
    if product.retired:
        return "the product is retired"
    if spec is None:
        return "there is no product file that says how it is built"
    named = trigger in spec.retrain.on
    if not named and trigger is not Trigger.SCHEDULE:
        return f"the product file does not name {trigger} as a trigger"
    running = next((each for each in runs if each.state == "running"), None)
    if running is not None:
        return f"run {running.number} is under way"
    begun = [each.started_ms for each in runs if each.reason in {*Trigger}]
    last_ms = max([*begun, *([] if last_ms is None else [last_ms])], default=None)
    cool_ms = spec.retrain.cooldown_hours * HOUR_MS if named else 0
    if last_ms is not None and now_ms < last_ms + cool_ms:
        return f"{spec.retrain.cooldown_hours:g} h have not passed since the last retraining"
    return ""


def blamed(known: Mapping[int, str], rows: Iterable[JournalRow]) -> dict[int, str]:
    """Follow incidents, in the order of ``rows``; returns the product that each lasting one blames.

    ``known`` is what this returned for the rows before. Only a conclusive cause counts.
    """
    found = dict(known)
    for row in rows:
        cause = row.body.get("cause", "")  # rows of older releases name none
        if row.kind != IncidentResolved.kind and cause.startswith(SERVING):
            found[row.body["incident"]] = cause.removeprefix(SERVING)
        else:
            found.pop(row.body["incident"], None)
    return found


def may_write(dataset: str, source: str) -> bool:
    """Tell whether a data set, as OpenLineage names it, may be what ``data.train`` reads.

    Its last part decides: a file or folder of the source's, or a table that the query names. Said
    wrongly it costs one look at the data.
    """
    last = dataset.rstrip("/").rpartition("/")[2]
    names = {last, last.rpartition(".")[2]} if source.startswith("sql:") else {last}
    return fnmatchcase(last, source.rpartition("/")[2]) or any(
        re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source, re.IGNORECASE) for name in names
    )
