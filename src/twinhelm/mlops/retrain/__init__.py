"""Whether a retraining may begin now: the trigger, the cool-down, and what runs already.

In: the product, its file, when the last retraining began, and the runs. Out: why not, or an empty
text. The same facts give the same text, so that a journal can tell an old refusal from a new one.
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from twinhelm.mlops.types import Product, Run, Spec, Trigger

__all__ = ["refusal"]

HOUR_MS = 3_600_000


def refusal(
    product: Product,
    spec: Spec | None,
    trigger: Trigger,
    *,
    last_ms: int | None,
    runs: Sequence[Run],
    now_ms: int,
) -> str:
    """Say why ``trigger`` may not start a build now; ``last_ms`` None: none was ever retrained."""
    if product.retired:
        return "the product is retired"
    if spec is None:
        return "there is no product file that says how it is built"
    if trigger not in spec.retrain.on:
        return f"the product file does not name {trigger} as a trigger"
    running = next((each for each in runs if each.state == "running"), None)
    if running is not None:
        return f"run {running.number} is under way"
    begun = [each.started_ms for each in runs if each.reason in {*Trigger}]
    last_ms = max([*begun, *([] if last_ms is None else [last_ms])], default=None)
    if last_ms is not None and now_ms < last_ms + spec.retrain.cooldown_hours * HOUR_MS:
        return f"{spec.retrain.cooldown_hours:g} h have not passed since the last retraining"
    return ""
