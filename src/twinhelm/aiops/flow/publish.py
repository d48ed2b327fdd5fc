"""Takes series that another part of the house measured, as if a sender had sent them.

The models' wing knows nothing of intakes: it hands rows of name, labels, time and value to a
callable, which is :func:`publish` for an intake. They go through the intake by the door
``models``: interned, cleaned, kept, judged. Each product appears as the service ``models/NAME``.

Wrong where thousands of series change in one call: each is a Python tuple.
"""

from collections.abc import Iterable, Mapping

from twinhelm.aiops.flow.intake import Intake
from twinhelm.aiops.types import Received
from twinhelm.core.labels import DEFAULT_TENANT, Labels

__all__ = ["publish"]

DOOR = "models"


def publish(intake: Intake, rows: Iterable[tuple[str, Mapping[str, str], int, float]]) -> None:
    """Keep samples: name, labels, time in ms, value; raises what the intake raises.

    May be called by any thread.
    """
    named = [(_labels(name, labels), time_ms, value) for name, labels, time_ms, value in rows]
    if named:
        received = Received(samples=intake.block(named))
        intake.take(received, door=DOOR, tenant=DEFAULT_TENANT)


def _labels(name: str, labels: Mapping[str, str]) -> Labels:
    of = {"service_name": labels["product"], "service_namespace": "models"} if labels else {}
    return tuple(sorted({**labels, **of, "__name__": name}.items()))
