"""What a product file (``product.toml``) says: the product's purpose, data, gates and policies.

:mod:`twinhelm.mlops.frame` reads it, every other room obeys it. Unknown names are refused.
Shares and ratios lie in [0, 1]; paths are relative to the folder of the product file.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Build", "Column", "ColumnType", "Data", "Gate", "Monitor", "Part", "Purpose", "Retention",
    "Retrain", "Rollout", "Slice", "Spec", "Success", "Tier", "Trigger",
]  # fmt: skip

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Text = Annotated[str, Field(min_length=1, max_length=4000)]


class Tier(StrEnum):
    """The risk tier: how much can go wrong for people, and so how many must agree.

    LOW: a passed gate is enough. LIMITED: one other person approves. HIGH: a named reviewer who
    is neither the owner nor the author approves, and every required fact must be known.
    """

    LOW = "low"
    LIMITED = "limited"
    HIGH = "high"


class Part(BaseModel):
    """A table of the product file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Purpose(Part):
    """What it is for, who answers for it, who is affected."""

    name: Name
    """Unique; also the registered model's name in MLflow."""
    use_case: Text
    decides: Text
    """The decision that it supports, in a sentence."""
    owner: Text
    reviewers: tuple[str, ...] = ()
    affects: str = ""
    """The people that its answers touch, and how."""
    tier: Tier
    reasons: tuple[str, ...] = ()
    """Why this tier."""
    instead: str = ""
    """What was considered instead of machine learning, and why it is not enough."""


class Success(Part):
    """What it is worth, and what a wrong answer costs."""

    measure: str = ""
    target: str = ""
    cost_of_wrong: str = ""


ColumnType = Literal["number", "integer", "category", "boolean", "text", "time"]


class Column(Part):
    """One column of the contract; ``role`` feature goes into the model."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    type: ColumnType
    role: Literal["feature", "target", "id", "time", "slice"] = "feature"
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = ()
    """Every category there may be; empty: any."""
    missing: Share = 0.0
    """The largest share of missing values."""
    personal: bool = False
    """Struck out of the prediction log."""


class Data(Part):
    """Where the data lies, and what it must look like; empty where the recipe brings its own."""

    train: str = ""
    """A file, a glob, an SQL query after ``sql:``, or an address that fsspec reads."""
    holdout: str = ""
    """What it is validated on; never trained on."""
    task: Literal["classification", "regression"] = "classification"
    positive: str = ""
    """Of two classes, the one that is looked for; empty: the larger label."""
    columns: tuple[Column, ...] = ()

    @property
    def target(self) -> str:
        """The column with role target, or empty."""
        return next((each.name for each in self.columns if each.role == "target"), "")

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that go into the model, in order."""
        return tuple(each for each in self.columns if each.role == "feature")


class Slice(Part):
    """A part of the population that is measured apart; ``protected`` ones for fairness."""

    name: Name
    column: str
    values: tuple[str, ...] = ()
    at_least: float | None = None
    below: float | None = None
    protected: bool = False


class Gate(Part):
    """What must hold before a version may go live, for everybody or for one slice.

    ``metric`` is a name of :data:`twinhelm.stats.metrics.METRICS`, or one of latency_p99_ms,
    size_mb, duplicates, leakage, missing_drop, noise_drop, shift_drop, parity_gap,
    opportunity_gap. ``than`` compares with the champion: it must not be worse by more than
    ``by``, with 95 % confidence.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    slice: str = ""
    than: Literal["", "champion"] = ""
    by: float = 0.0


class Build(Part):
    """How a version is made."""

    recipe: str = ""
    """``train.py``, ``package.module:function`` or ``notebook.ipynb``; it logs with MLflow."""
    environment: Literal["own", "locked"] = "own"
    """``own``: twinhelm's interpreter. ``locked``: one made by uv of requirements.txt."""
    requirements: str = ""
    seed: Annotated[int, Field(ge=0)] = 0
    params: dict[str, Any] = Field(default_factory=dict)
    search: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    """A grid: every combination is a run, the best by ``best`` is registered."""
    best: str = ""
    every_hours: Positive | None = None
    time_limit_minutes: Positive = 60.0


class Rollout(Part):
    """How a new version takes over."""

    kind: Literal["direct", "canary", "shadow"] = "canary"
    shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.1, 0.5)
    step_s: Positive = 300.0
    """How long each share lasts at least."""
    min_requests: Annotated[int, Field(ge=0)] = 100
    """A step is not judged before the new version has answered so many."""
    max_error_ratio: Share = 0.01
    max_latency_ms: Positive = 500.0
    """The 99th percentile that the new version must keep."""
    max_disagreement: Share = 1.0
    """In shadow: how often its answer may differ from the champion's."""
    memory_mb: Annotated[int, Field(ge=64)] = 1024
    timeout_s: Positive = 10.0
    workers: Annotated[int, Field(ge=1, le=16)] = 1


class Monitor(Part):
    """How it is watched."""

    log: Share = 1.0
    """The share of predictions that is logged."""
    window_minutes: Positive = 60.0
    min_rows: Annotated[int, Field(ge=20)] = 200
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Reports in so many that may tell of drift where there is none."""
    psi: Positive = 0.2
    """Drift smaller than this is told but wakes nobody."""
    metric: str = ""
    """The metric whose fall is a performance alarm; empty: the first gate's."""
    floor: float | None = None
    """The worst that the metric may be; empty: what its gate asks."""
    cost_per_request: Annotated[float, Field(ge=0)] = 0.0
    cost_per_cpu_hour: Annotated[float, Field(ge=0)] = 0.0


class Trigger(StrEnum):
    """What may start a retraining."""

    DRIFT = "drift"
    PERFORMANCE = "performance"
    SCHEDULE = "schedule"
    DATA = "data"
    INCIDENT = "incident"


class Retrain(Part):
    """When a new version is made without anybody asking."""

    on: tuple[Trigger, ...] = ()
    cooldown_hours: Annotated[float, Field(ge=0)] = 24.0
    promote: Literal["ask", "automatic"] = "ask"
    """``automatic`` holds for tier low alone: elsewhere a person approves."""


class Retention(Part):
    """How long things are kept; a legal hold stops all of it."""

    predictions_days: Positive = 90.0
    versions: Annotated[int, Field(ge=2)] = 50
    """Retired versions beyond this lose their files, never their records."""


class Spec(Part):
    """A whole product file."""

    product: Purpose
    success: Success = Success()
    data: Data = Data()
    slices: tuple[Slice, ...] = ()
    gates: tuple[Gate, ...] = ()
    build: Build = Build()
    rollout: Rollout = Rollout()
    monitor: Monitor = Monitor()
    retrain: Retrain = Retrain()
    retention: Retention = Retention()
