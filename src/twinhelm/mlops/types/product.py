"""Products, their versions, and what people decide about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "RECIPE", "Answer", "Approval", "ApprovalState", "Check", "Field", "Measured", "Product",
    "ProductVersion", "Remark", "Run", "Schema", "Stage", "Validation", "Verdict",
]  # fmt: skip

RECIPE = "recipe-"
"""What the names begin with by which the recipes of runs sign in: no person's."""


class Stage(StrEnum):
    """The life of a version.

    REGISTERED: it exists, sealed. APPROVED: it may go live. LIVE: it answers, alone or with a
    canary. RETIRED: it was live, or was let go. REFUSED: it may never go live.
    """

    REGISTERED = "registered"
    APPROVED = "approved"
    LIVE = "live"
    RETIRED = "retired"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Product:
    """An algorithm as an ongoing product.

    ``name`` is unique; ``decides`` says in a sentence what decision it supports; ``tier`` is the
    risk tier (low, limited, high); ``live`` is the version in use, empty for none. ``spec`` is
    the product file as it was framed (:class:`~twinhelm.mlops.types.spec.Spec` as JSON; empty
    for what was registered without one), ``folder`` where it lies.
    """

    name: str
    decides: str
    owner: str
    tier: str
    live: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""
    digest: str = ""
    framed_ms: int = 0
    retired: str = ""
    """Why it was retired; empty while it is not."""
    hold: str = ""
    """Why nothing of it may be deleted; empty for no legal hold."""
    watchers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One input or output: ``type`` in MLflow's words (double, long, string, ...) or a numpy one.

    ``shape`` is empty for a column; for a tensor it holds -1 where a length is free.
    """

    name: str
    type: str
    optional: bool = False
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """What a model takes and gives; both empty where its maker did not say."""

    inputs: tuple[Field, ...] = ()
    outputs: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class ProductVersion:
    """One immutable version: what it was made with, and where its method is written down.

    ``stage`` alone changes. ``facts`` holds settings and measurements. ``digest`` is the root of
    the signed manifest of its files, empty for twinhelm's own algorithms, which have none.
    """

    product: str
    version: str
    stage: str
    registered_ms: int
    method: str
    facts: Mapping[str, str] = field(default_factory=dict)
    author: str = ""
    run_id: str = ""
    """The MLflow run that made it."""
    build: str = ""
    """The number of our own run that made it; empty where somebody brought it."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Digests of the data it was made with, by role: train, holdout."""
    digest: str = ""
    signer: str = ""
    flavor: str = ""
    schema: Schema = Schema()
    metrics: Mapping[str, float] = field(default_factory=dict)
    size_bytes: int = 0
    reason: str = ""
    """Why it is refused or retired."""
    claimed: bool = False
    """Its author is only what a client said that had no token: nobody proved it."""

    @property
    def ref(self) -> str:
        """``product/version``."""
        return f"{self.product}/{self.version}"


class Verdict(StrEnum):
    """What a check came to. UNKNOWN: the facts are missing; no gate passes on it."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: a gate of the spec, or what every version must keep."""

    name: str
    verdict: Verdict
    says: str
    value: float | None = None
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric with its 95 % interval, over everybody or one slice; ``of`` is the version."""

    metric: str
    value: float
    low: float
    high: float
    rows: int
    slice: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True)
class Validation:
    """What a version was found to be, on which data, beside which champion."""

    product: str
    version: str
    time_ms: int
    checks: tuple[Check, ...]
    measured: tuple[Measured, ...]
    against: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Any] = field(default_factory=dict)
    """What the page draws: calibration, confusion, per-slice bars."""
    took_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Tell whether every check passed."""
        return all(each.verdict is Verdict.PASS for each in self.checks)


class ApprovalState(StrEnum):
    """The life of a request to go live. OVERTAKEN: another version went live meanwhile."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person said: ``agrees`` or not, with a note."""

    by: str
    agrees: bool
    note: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Approval:
    """A request that a version go live; ``needs`` so many others must agree."""

    id: str
    product: str
    version: str
    asked_by: str
    asked_ms: int
    needs: int
    state: ApprovalState = ApprovalState.OPEN
    answers: tuple[Answer, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One build: ``number`` counts from 1 per product, ``job`` is the workflow's id.

    ``state`` is one of running, done, failed, cached. What it was made with is enough to make it
    again.
    """

    product: str
    number: int
    state: str
    by: str
    started_ms: int
    ended_ms: int = 0
    reason: str = ""
    """What started it: asked, schedule, drift, again 3, ..."""
    job: str = ""
    recipe: str = ""
    code: str = ""
    """Digest of the product's folder, with the commit where it is a git work tree."""
    data: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)
    run_id: str = ""
    version: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    again: int = 0
    """The number of the run that this one repeats; 0 for none."""
    key: str = ""
    """Digest of all that it was made with; empty where that is not known well enough to reuse."""
    says: str = ""
    """Of a run that repeats another: whether the same came out; of a cached one: what of it."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something said about a product or one of its versions; ``mentions`` are people's names."""

    id: str
    product: str
    about: str
    by: str
    time_ms: int
    text: str
    mentions: tuple[str, ...] = ()
