"""What a product file (``product.toml``) says: the product's purpose, data, gates and policies.

:mod:`twinhelm.mlops.frame` reads it, every other room obeys it. Unknown names are refused.
Shares and ratios lie in [0, 1]; paths are relative to the folder of the product file.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from twinhelm.core.documents import Part

__all__ = [
    "Build", "Column", "ColumnType", "Data", "Gate", "Monitor", "Purpose", "Retention",
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


class Purpose(Part):
    """What it is for, who answers for it, who is affected."""

    name: Name
    """Unique; also the registered model's name in MLflow."""
    use_case: Text
    """What it is for, in a sentence."""
    decides: Text
    """The decision that it supports, in a sentence."""
    owner: Text
    """Who answers for it: a name as people sign in with it."""
    reviewers: tuple[str, ...] = ()
    """Who may approve at tier high; the owner does not count."""
    affects: str = ""
    """The people that its answers touch, and how."""
    tier: Tier
    """How much can go wrong for people."""
    reasons: tuple[str, ...] = ()
    """Why this tier."""
    instead: str = ""
    """What was considered instead of machine learning, and why it is not enough."""


class Success(Part):
    """What it is worth, and what a wrong answer costs."""

    measure: str = ""
    """How it is measured that it was worth it: of the business, not of the model."""
    target: str = ""
    """What the measure should reach."""
    cost_of_wrong: str = ""
    """What one wrong answer costs, and whom."""


ColumnType = Literal["number", "integer", "category", "boolean", "text", "time"]


class Column(Part):
    """One column of the contract; ``role`` feature goes into the model."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """As it stands in the data."""
    type: ColumnType
    """What it holds. Of a category or text also yes and no of a CSV file stay words."""
    role: Literal["feature", "target", "id", "time", "slice"] = "feature"
    """One column at most is the target, the id, the time; a slice alone only divides."""
    min: float | None = None
    """The least it may be; of a number or integer."""
    max: float | None = None
    """The most it may be; of a number or integer."""
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
    """Whether the answer is one of some classes, or a number."""
    positive: str = ""
    """Of two classes, the one that is looked for; empty: the larger label."""
    columns: tuple[Column, ...] = ()
    """The contract, a table each: `[[data.columns]]`. Data that breaks it is refused."""

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
    """Unique; what gates call it."""
    column: str
    """The column of the contract that divides."""
    values: tuple[str, ...] = ()
    """Which categories belong to it; or else a range:"""
    at_least: float | None = None
    """The least value that belongs to it."""
    below: float | None = None
    """The first value that does not any more."""
    protected: bool = False
    """Fairness is measured between the protected slices of a column."""


class Gate(Part):
    """What must hold before a version may go live, for everybody or for one slice.

    ``metric`` is a name of :data:`twinhelm.stats.metrics.METRICS`, or one of latency_p99_ms,
    size_mb, duplicates, leakage, missing_drop, noise_drop, shift_drop, parity_gap,
    opportunity_gap. ``than`` compares with the champion: it must not be worse by more than
    ``by``, with 95 % confidence.
    """

    metric: str
    """What is measured."""
    at_least: float | None = None
    """The least that it must be."""
    at_most: float | None = None
    """The most that it may be."""
    slice: str = ""
    """The slice that must keep it; empty: everybody."""
    than: Literal["", "champion"] = ""
    """Whom it is compared with; a gate needs at_least, at_most or this."""
    by: float = 0.0
    """How much worse than the champion it may be; 0 or more."""


class Build(Part):
    """How a version is made."""

    recipe: str = ""
    """``train.py``, ``package.module:function`` or ``notebook.ipynb``; it logs with MLflow."""
    environment: Literal["own", "locked"] = "own"
    """``own``: twinhelm's interpreter. ``locked``: one made by uv of requirements.txt."""
    requirements: str = ""
    """For `locked`: the file below this folder; empty: `requirements.txt`."""
    seed: Annotated[int, Field(ge=0)] = 0
    """What `random` and numpy are seeded with."""
    params: dict[str, Any] = Field(default_factory=dict)
    """What the recipe finds in its environment, by name in capitals."""
    search: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    """A grid: every combination is a run, the best by ``best`` is registered."""
    best: str = ""
    """The logged metric that decides, with - in front where low is good."""
    every_hours: Positive | None = None
    """So long after the last run began, the next one begins by itself."""
    time_limit_minutes: Positive = 60.0
    """A run that takes longer is ended."""


class Rollout(Part):
    """How a new version takes over."""

    kind: Literal["direct", "canary", "shadow"] = "canary"
    """At once, by rising shares, or answering unheard beside the champion."""
    shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.1, 0.5)
    """Of a canary: the traffic of each step, ascending; then it is champion."""
    step_s: Positive = 300.0
    """How long each share lasts at least."""
    min_requests: Annotated[int, Field(ge=0)] = 100
    """A step is not judged before the new version has answered so many."""
    max_error_ratio: Share = 0.01
    """So many of its answers may fail."""
    max_latency_ms: Positive = 500.0
    """The 99th percentile that the new version must keep."""
    max_disagreement: Share = 1.0
    """In shadow: how often its answer may differ from the champion's."""
    memory_mb: Annotated[int, Field(ge=64)] = 1024
    """What each of its processes may take."""
    timeout_s: Positive = 10.0
    """A process that has not moved for so long is replaced."""
    workers: Annotated[int, Field(ge=1, le=16)] = 1
    """Processes of each version."""


class Monitor(Part):
    """How it is watched."""

    log: Share = 1.0
    """The share of predictions that is logged."""
    window_minutes: Positive = 60.0
    """What is looked at: the newest so many minutes, further back where too little came."""
    min_rows: Annotated[int, Field(ge=20)] = 200
    """Fewer rows say nothing."""
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Reports in so many that may tell of drift where there is none."""
    psi: Positive = 0.2
    """Drift smaller than this is told but wakes nobody."""
    metric: str = ""
    """The metric whose fall is a performance alarm; empty: the first gate's."""
    floor: float | None = None
    """The worst that the metric may be; empty: what its gate asks."""
    cost_per_request: Annotated[float, Field(ge=0)] = 0.0
    """In any currency; published as model_cost_total."""
    cost_per_cpu_hour: Annotated[float, Field(ge=0)] = 0.0
    """Likewise, for what its processes computed."""


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
    """What may begin it: `data` is new training data, `incident` one that the model causes."""
    cooldown_hours: Annotated[float, Field(ge=0)] = 24.0
    """How long after one retraining none begins."""
    data_every_minutes: Positive = 60.0
    """How often it is looked for new data; an OpenLineage run that writes it is heard at once."""
    promote: Literal["ask", "automatic"] = "ask"
    """``automatic`` holds for tier low alone: elsewhere a person approves."""


class Retention(Part):
    """How long things are kept; a legal hold stops all of it."""

    predictions_days: Positive = 90.0
    """How long predictions and their labels are kept."""
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
