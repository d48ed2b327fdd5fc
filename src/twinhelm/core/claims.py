"""Claims: whatever twinhelm asserts, in one shape.

This is anomalous, these belong together, this caused it, this will run out: each is a claim.
Feedback is an answer to one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Claim", "Evidence", "certainty"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason: a sentence with numbers and units, a weight in [0, 1], and where to look.

    ``series`` is a selector such as ``node_load1{host="a"}`` that the pages can chart, or empty.
    """

    text: str
    weight: float = 1.0
    series: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """Something asserted.

    ``kind`` is one of anomaly, grouping, cause, forecast, fitness, advice. ``subject`` is an
    entity key or a record reference ``kind/key``. ``confidence`` lies in [0, 1]. ``says`` names
    what asserts it, with version, such as ``ranker/1``. ``facts`` are what its kind adds.
    """

    id: str
    kind: str
    subject: str
    text: str
    confidence: float
    says: str
    time_ms: int
    evidence_for: tuple[Evidence, ...] = ()
    evidence_against: tuple[Evidence, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def certainty(confidence: float) -> str:
    """Put a confidence in words: almost certain, likely, possible or unlikely.

    >>> certainty(0.78)
    'likely'
    """
    if confidence >= 0.9:
        return "almost certain"
    if confidence >= 0.65:
        return "likely"
    if confidence >= 0.35:
        return "possible"
    return "unlikely"
