"""The one kind of durable workflow: what takes time and can fail, made of steps.

A finished step's result is kept; a process that dies half-way resumes at the step that was lost.
:class:`Workflows` keeps its runs through DBOS in a SQLite file or PostgreSQL schema of its own.

    def backfill(run: Run, args: Mapping[str, Any]) -> int:
        names = run.step("list", list_series, args["url"])
        return sum(run.step(f"read {name}", read, name, run.progress) for name in names)

    workflows.register("backfill", backfill)
    workflows.resume()
    id = workflows.start("backfill", {"url": url}, key=url)

Rules for such a function: everything that touches the world stands in a step; between steps the
same arguments and step results lead to the same next step; arguments, step results and the final
result are JSON. A step may run twice if the process dies between its effect and its end, so its
effect must bear repeating.
"""

from twinhelm.events.workflows.durable import Workflows
from twinhelm.events.workflows.run import (
    Run,
    RunEnded,
    WorkflowFunction,
    WorkflowPort,
    WorkflowState,
    WorkflowStatus,
)

__all__ = [
    "Run", "RunEnded", "WorkflowFunction", "WorkflowPort", "WorkflowState", "WorkflowStatus",
    "Workflows",
]  # fmt: skip
