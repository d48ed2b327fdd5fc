"""The entity graph's words: whatever exists, and how one thing leans on another.

An entity key is ``kind:name``, such as ``host:db-1`` or ``service:shop/checkout``. Edges point
from the one that depends to the one depended on, carry the source that told of them, a
confidence and an expiry: an edge nobody has seen for its time to live is gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from twinhelm.core.errors import BadInput

__all__ = ["ENTITY_KINDS", "Edge", "Entity", "entity_key", "split_key"]

ENTITY_KINDS = (
    "host", "service", "process", "container", "database", "queue", "device", "pipeline", "dataset",
    "model", "deployment", "team", "other",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing that exists: ``key``, what it says of itself, when it was last seen."""

    key: str
    last_seen_ms: int
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """``source`` depends on (or runs on) ``target``; see the module for confidence, expiry."""

    source: str
    target: str
    kind: str
    told_by: str
    confidence: float
    last_seen_ms: int
    ttl_ms: int = 3_600_000

    def alive(self, now_ms: int) -> bool:
        """Tell whether the edge was seen within its time to live."""
        return now_ms - self.last_seen_ms <= self.ttl_ms


def entity_key(kind: str, name: str) -> str:
    """Join a kind and a name; raises :class:`BadInput` for an unknown kind or empty name."""
    if kind not in ENTITY_KINDS or not name:
        raise BadInput(
            f"no entity can be called {kind!r}:{name!r}",
            hint=f"kinds are {', '.join(ENTITY_KINDS)}; the name must not be empty",
        )
    return f"{kind}:{name}"


def split_key(key: str) -> tuple[str, str]:
    """Split an entity key into (kind, name); a key without a colon is of kind ``other``."""
    kind, colon, name = key.partition(":")
    return (kind, name) if colon else ("other", key)
