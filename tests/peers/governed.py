"""A high-risk product of which everything is known, and one of which nothing is."""

from __future__ import annotations

from dataclasses import replace

from twinhelm.core.ports import JournalRow
from twinhelm.events.chain import Verification, sealed
from twinhelm.mlops.govern import Sources
from twinhelm.mlops.types import (
    Answer,
    Approval,
    ApprovalState,
    Check,
    Deployment,
    Drift,
    Field,
    Health,
    Measured,
    Part,
    Product,
    ProductVersion,
    Remark,
    Rollout,
    RolloutState,
    Run,
    Schema,
    Spec,
    Validation,
    Verdict,
)

NOW = 1_700_000_000_000
TRAIN, HOLDOUT, ROOT = "a" * 64, "b" * 64, "c" * 64
STATED = [
    "risk-management",
    "data-governance",
    "technical-documentation",
    "instructions-for-use",
    "human-oversight",
    "quality-management",
    "ten-year-archive",
    "workers-informed",
    "post-market-plan",
]
SPEC = {
    "product": {
        "name": "cancer",
        "use_case": "Point doctors to biopsies to look at first",
        "decides": "Which biopsy is read first",
        "owner": "ada",
        "reviewers": ["grace"],
        "affects": "Patients who wait for a finding",
        "tier": "high",
        "reasons": ["a missed tumour is found late"],
        "instead": "A rule on radius alone misses one in nine",
    },
    "success": {"measure": "recall", "target": "0.95", "cost_of_wrong": "a late finding"},
    "data": {
        "train": "s3://clinic/train.parquet",
        "holdout": "holdout.parquet",
        "columns": [
            {"name": "radius", "type": "number", "min": 0},
            {"name": "patient", "type": "text", "role": "id", "personal": True},
            {"name": "malignant", "type": "category", "role": "target"},
        ],
    },
    "slices": [{"name": "older", "column": "age", "at_least": 60, "protected": True}],
    "gates": [
        {"metric": "recall", "at_least": 0.9},
        {"metric": "recall", "at_least": 0.85, "slice": "older"},
        {"metric": "recall", "than": "champion"},
    ],
    "build": {
        "recipe": "train.py",
        "environment": "locked",
        "search": {"c": [1, 2]},
        "every_hours": 24,
        "seed": 7,
    },
    "monitor": {"floor": 0.9},
    "retrain": {"on": ["drift", "schedule"]},
    "retention": {"predictions_days": 365},
}
CHECKS = ["recall", "leakage", "duplicates", "latency_p99_ms", "parity_gap", "noise_drop"]


def journal_row(seq: int, kind: str, **body: object) -> JournalRow:
    row = JournalRow(seq, NOW + seq, "ada", kind, "version/cancer/3", body, "", "")
    return sealed(row)


KINDS = [
    "product.framed",
    "data.seen",
    "build.finished",
    "version.registered",
    "version.validated",
    "promotion.refused",
    "approval.answered",
    "deployment.changed",
    "drift.found",
    "retrain.triggered",
    "evidence.exported",
]


def known() -> Sources:
    """Everything known, and all of it well."""
    spec = Spec.model_validate(SPEC).model_dump(mode="json")
    run = Run(
        "cancer", 4, "done", "ada", NOW, NOW + 5_000, "asked", recipe="train.py",
        code=f"{'d' * 64} {'e' * 40}", data={"train": TRAIN, "holdout": HOLDOUT},
        environment={"python": "3.11.7", "packages": "f" * 64}, seed=7, params={"c": 1},
        run_id="r4", version="3", metrics={"recall": 0.95},
    )  # fmt: skip
    rollout = Rollout(
        "cancer/3/1", "cancer", "3", "2", RolloutState.DONE, 2, (0.1, 0.5), NOW, "ada"
    )
    drift = Drift("radius", "", "training", "ks", 0.01, 0.02, 0.6, False, 0.0)
    says = [
        Remark(f"cancer/{i}", "cancer", "", "grace", NOW + i, f"evidence {name}: shelf {i}")
        for i, name in enumerate(STATED)
    ]
    journal = [journal_row(i, kind, product="cancer", n=i) for i, kind in enumerate(KINDS, 1)]
    return Sources(
        product=Product(
            "cancer", "Which biopsy is read first", "ada", "high", "3", spec, digest="9" * 64
        ),
        version=ProductVersion(
            "cancer", "3", "live", NOW, "logistic regression", {"license": "apache-2.0"}, "ada",
            "r4", "4", {"train": TRAIN, "holdout": HOLDOUT}, ROOT, "key 1", "sklearn",
            Schema((Field("radius", "double"),), (Field("malignant", "long"),)),
            {"recall": 0.95}, 2_000,
        ),
        files={"MLmodel": "1" * 64, "model.skops": "2" * 64},
        requirements=("scikit-learn==1.7.2", "numpy>=2", "# nothing"),
        run=run,
        repeats=(replace(run, number=5, again=4, reason="again 4"),),
        validation=Validation(
            "cancer", "3", NOW, tuple(Check(n, Verdict.PASS, f"{n} is well", 0.95) for n in CHECKS),
            (Measured("recall", 0.95, 0.9, 0.98, 143), Measured("recall", 0.93, 0.8, 0.99, 40,
             "older")), "2", {"holdout": HOLDOUT},
            {"calibration": [{"said": 0.1, "so": 0.12, "rows": 70.0},
                             {"said": 0.9, "so": 0.88, "rows": 73.0}]},
        ),
        approval=Approval(
            "cancer/3/1", "cancer", "3", "ada", NOW, 1, ApprovalState.APPROVED,
            (Answer("grace", True, "read it", NOW + 9),),
        ),
        deployment=Deployment("cancer", (Part("3", "champion", 1.0),), NOW, "2"),
        rollouts=(rollout, replace(rollout, id="cancer/3/0", state=RolloutState.ROLLED_BACK)),
        health=Health(
            "cancer", "3", NOW, NOW + 3_600_000, 500, 120, (drift,), {"recall": (0.94, 0.9, 0.97)},
            {"recall": (0.93, 0.9, 0.96)}, {"parity_gap": 0.02}, {"missing": 0.0}, (), "good",
        ),
        remarks=tuple(reversed(says)),
        journal=tuple(reversed(journal)),
        chain=Verification(True, 11, journal[-1].hash),
    )  # fmt: skip
