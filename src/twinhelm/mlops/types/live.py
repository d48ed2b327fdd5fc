"""What answers now, what it is asked, and how it fares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twinhelm.mlops.types.product import Schema

__all__ = [
    "Deployment", "Drift", "Health", "HeldOut", "Part", "Rollout", "RolloutState", "Scored",
    "Scorer", "Table", "rows_of",
]  # fmt: skip

Table = Mapping[str, NDArray[Any]]
"""Columns by name, all (n,): float64 with NaN for missing numbers, int64, bool, or object with
``str`` or None. Never a data frame: pandas is the model's business."""


def rows_of(table: Table) -> int:
    """Count the rows; 0 for no columns."""
    return len(next(iter(table.values()), np.empty(0)))


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model gave for n rows.

    ``prediction`` is (n,): float64 or object (class labels as ``str``); ``probability`` is
    (n, k) in the order of ``classes``, or None where the model gives none.
    """

    prediction: NDArray[Any]
    probability: NDArray[np.float64] | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a version answered to the hold-out data, and the truth: (n,) each."""

    table: Table
    scored: Scored
    truth: NDArray[Any]


class Scorer(Protocol):
    """A model that can be asked, in a process of its own; :mod:`twinhelm.mlops.deploy` makes it.

    Raises :class:`~twinhelm.core.errors.BadInput` where the table does not fit the schema and
    :class:`~twinhelm.core.errors.Unavailable` where the process died or took too long.
    """

    schema: Schema

    def score(self, table: Table) -> Scored:
        """Answer n rows, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A version's part of the traffic: ``role`` is champion, canary or shadow (share 0)."""

    version: str
    role: str
    share: float


@dataclass(frozen=True, slots=True)
class Deployment:
    """Who answers a product's requests since ``since_ms``; ``before`` is the last champion."""

    product: str
    parts: tuple[Part, ...]
    since_ms: int
    before: str = ""

    @property
    def champion(self) -> str:
        """The version that answers unless told otherwise; empty for none."""
        return next((each.version for each in self.parts if each.role == "champion"), "")


class RolloutState(StrEnum):
    """The life of a rollout."""

    RUNNING = "running"
    DONE = "done"
    ROLLED_BACK = "rolled back"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Rollout:
    """One version taking over, in steps of a share each; ``measured`` is the latest judgement."""

    id: str
    product: str
    version: str
    before: str
    state: RolloutState
    step: int
    shares: tuple[float, ...]
    started_ms: int
    by: str
    job: str = ""
    reason: str = ""
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one column moved from what the model learnt on (``against`` training or last good).

    ``psi``, ``distance`` (Wasserstein over the spread, or Jensen-Shannon for categories) and
    ``p`` (Kolmogorov-Smirnov or chi-squared); ``drifted`` after correction over all columns.
    """

    column: str
    slice: str
    against: str
    test: str
    psi: float
    distance: float
    p: float
    drifted: bool
    missing: float
    new_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """How a version fared over a window.

    ``performance`` holds metrics with labels, ``estimated`` those without, as name to (value,
    low, high); ``says`` are sentences for people, worst first.
    """

    product: str
    version: str
    start_ms: int
    end_ms: int
    rows: int
    labelled: int
    drift: tuple[Drift, ...] = ()
    performance: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    estimated: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    fairness: Mapping[str, float] = field(default_factory=dict)
    quality: Mapping[str, float] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    state: str = "unknown"
    """good, drifted, failing, or unknown where too little was seen."""
