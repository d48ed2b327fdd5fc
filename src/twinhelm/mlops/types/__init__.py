"""The words of the MLOps wing: what rooms hand each other, as frozen values."""

from twinhelm.mlops.types.live import (
    Deployment,
    Drift,
    Health,
    HeldOut,
    Part,
    Rollout,
    RolloutState,
    Scored,
    Scorer,
    Table,
    rows_of,
)
from twinhelm.mlops.types.product import (
    RECIPE,
    Answer,
    Approval,
    ApprovalState,
    Check,
    Field,
    Measured,
    Product,
    ProductVersion,
    Remark,
    Run,
    Schema,
    Stage,
    Validation,
    Verdict,
)
from twinhelm.mlops.types.spec import Spec, Tier, Trigger

__all__ = [
    "RECIPE", "Answer", "Approval", "ApprovalState", "Check", "Deployment", "Drift", "Field",
    "Health", "HeldOut", "Measured", "Part", "Product", "ProductVersion", "Remark", "Rollout",
    "RolloutState", "Run", "Schema", "Scored", "Scorer", "Spec", "Stage", "Table", "Tier",
    "Trigger", "Validation", "Verdict", "rows_of",
]  # fmt: skip
