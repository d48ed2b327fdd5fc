"""What does a product file say, and where is it wrong? Told all at once.

In: the text of ``product.toml``; out: a :class:`~twinhelm.mlops.types.Spec`, or one error that
tells everything, by line and column (:mod:`twinhelm.core.documents`); which sentences contradict
each other stands in :mod:`.sense`. Pure.
"""

from collections.abc import Iterable, Mapping

from twinhelm.core.documents import Wrong, read_document
from twinhelm.mlops.frame.sense import contradictions
from twinhelm.mlops.types import Spec

__all__ = ["read_spec"]


def read_spec(
    text: str, where: str = "product.toml", *, metrics: Mapping[str, str] | None = None
) -> Spec:
    """Read a product file; ``where`` is what errors call it.

    ``metrics`` are the names that a gate may have beside those of the house itself, with the task
    each is for; None: all of :data:`twinhelm.stats.metrics.METRICS`. Raises what
    :func:`~twinhelm.core.documents.read_document` raises.
    """

    def wrong(spec: Spec) -> Iterable[Wrong]:
        return contradictions(spec, _metrics() if metrics is None else metrics)

    return read_document(text, Spec, where, wrong)


def _metrics() -> Mapping[str, str]:
    from twinhelm.stats.metrics import METRICS

    return {name: metric.task for name, metric in METRICS.items()}
