"""What did a recipe log? Found by the tag that MLflow put on its runs.

In: a client of the tracking server, and a tag; out: run ids, the likeliest maker of the model
first, with their metrics. A recipe that makes runs with ``MlflowClient.create_run`` alone bears
no such tag and is not found: it must use ``mlflow.start_run`` or autolog. Another run's id in
``MLFLOW_RUN_ID`` would do for neither, since a script may name an experiment of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from math import isfinite
from typing import Any, Protocol

from twinhelm.mlops.types import RECIPE

__all__ = ["ATTEMPT", "BUILD", "Logged", "TrackingApi", "close_runs", "logged", "recipe_name"]

BUILD, ATTEMPT = "twinhelm.build", "twinhelm.attempt"
"""Tags: which of our runs it belongs to, and which try of that, as a crash may cost one."""


class TrackingApi(Protocol):
    """What is asked of a client of MLflow's REST API; endpoints as ``runs/search``."""

    def post(self, endpoint: str, method: str = "POST", **fields: Any) -> Mapping[str, Any]:
        """Have something done."""

    def pages(self, endpoint: str, what: str, **fields: Any) -> Iterator[Mapping[str, Any]]:
        """Read a search, page after page."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One run on the tracking server; ``child`` of another run there."""

    run_id: str
    status: str
    start_ms: int
    child: bool
    metrics: Mapping[str, float] = field(default_factory=dict)


def recipe_name(product: str, number: int) -> str:
    """Name whom the recipe of a run signs in as: what comes from there is proven to be its."""
    return RECIPE + blake2b(f"{product}/{number}".encode(), digest_size=8).hexdigest()


def logged(api: TrackingApi, tag: str, value: str) -> list[Logged]:
    """Find the runs that bear a tag, in any experiment: those of no other run first, newest first.

    Raises what the client raises, :class:`~twinhelm.core.errors.Unavailable` above all.
    """
    asked = {"max_results": 1000, "view_type": "ACTIVE_ONLY"}
    experiments = [each["experiment_id"] for each in
                   api.pages("experiments/search", "experiments", **asked)]  # fmt: skip
    wanted = f"tags.`{tag}` = '{value}'"
    found = api.pages("runs/search", "runs", experiment_ids=experiments, filter=wanted)
    return sorted(map(_read, found), key=lambda run: (run.child, -run.start_ms))


def close_runs(api: TrackingApi, tag: str, value: str, *, end_ms: int) -> int:
    """Mark those of a tag's runs that are still open as killed; returns how many."""
    left = [run for run in logged(api, tag, value) if run.status == "RUNNING"]
    for run in left:
        api.post("runs/update", run_id=run.run_id, status="KILLED", end_time=end_ms)
    return len(left)


def _read(run: Mapping[str, Any]) -> Logged:
    info, data = run["info"], run.get("data", {})
    tags = {each["key"] for each in data.get("tags", ())}
    metrics = {each["key"]: float(each["value"]) for each in data.get("metrics", ())}
    return Logged(
        run_id=info["run_id"],
        status=info["status"],
        start_ms=int(info.get("start_time", 0)),
        child="mlflow.parentRunId" in tags,
        metrics={name: value for name, value in metrics.items() if isfinite(value)},
    )
