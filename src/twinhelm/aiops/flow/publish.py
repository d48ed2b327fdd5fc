"""Takes series that another part of the house measured, as if a sender had sent them.

The models' wing knows nothing of intakes: it hands rows of name, labels, time and value to a
callable, which is :class:`Publish`. They go through the intake by the door ``models``: interned,
cleaned, kept, judged. Each product appears as the service ``models/NAME``.

Wrong where thousands of series change in one call: each is a Python tuple.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from twinhelm.aiops.flow.intake import Intake
from twinhelm.aiops.types import Received
from twinhelm.core.labels import DEFAULT_TENANT, Labels
from twinhelm.core.telemetry import SampleBlock

__all__ = ["Publish"]

DOOR = "models"


@dataclass(slots=True)
class Publish:
    """See the module; may be called by any thread."""

    intake: Intake
    _ids: dict[Labels, int] = field(default_factory=dict)

    def __call__(self, rows: Iterable[tuple[str, Mapping[str, str], int, float]]) -> None:
        """Keep samples: name, labels, time in ms, value; raises what the intake raises."""
        named = [(_labels(name, labels), time_ms, value) for name, labels, time_ms, value in rows]
        if not named:
            return
        new = list({labels: None for labels, _, _ in named if labels not in self._ids})
        if new:
            intern = self.intake.decoders(DEFAULT_TENANT).intern
            self._ids.update(zip(new, intern(new).tolist(), strict=True))
        block = SampleBlock(
            np.array([self._ids[labels] for labels, _, _ in named], np.uint32),
            np.array([time_ms for _, time_ms, _ in named], np.int64),
            np.array([value for _, _, value in named], np.float64),
        )
        self.intake.take(Received(samples=block), door=DOOR, tenant=DEFAULT_TENANT)


def _labels(name: str, labels: Mapping[str, str]) -> Labels:
    of = {"service_name": labels["product"], "service_namespace": "models"} if labels else {}
    return tuple(sorted({**labels, **of, "__name__": name}.items()))
