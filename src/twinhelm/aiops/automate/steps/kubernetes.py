"""What may a step do in a cluster? Restart, take back, scale or look at a workload, by kubectl.

``kubernetes`` takes ``action`` (restart, undo, status), ``namespace``, ``workload``
(``deployment/checkout``) and for undo perhaps ``revision``. ``scale`` takes ``replicas``, or ``by``
and ``most``. Namespaces are those that the settings list; the cluster and the rights are those of
the kubeconfig that the house runs with.
"""

import os
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from twinhelm.aiops.automate.steps.actor import Actor, Arguments, Given, Limit, Outcome
from twinhelm.aiops.automate.steps.program import Ran, program_path, run_program
from twinhelm.core.settings import AutomateSettings

__all__ = ["Kubernetes", "KubernetesGiven", "Scale", "ScaleGiven", "Workload"]

_REVISION = r"jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}"
_REPLICAS = "jsonpath={.spec.replicas}"
_PASSED = ("HOME", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
"""Variables by which kubectl finds its cluster."""

Replicas = Annotated[int, Field(ge=0, le=1000)]


class Workload(Given):
    """Which workload is meant."""

    namespace: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    workload: Annotated[
        str, Field(pattern=r"^(deployment|statefulset|daemonset)/[a-z0-9][a-z0-9.-]{0,252}$")
    ]


class KubernetesGiven(Workload):
    """What ``kubernetes`` takes."""

    action: Literal["restart", "undo", "status"]
    revision: Annotated[int, Field(ge=1)] | None = None


class ScaleGiven(Workload):
    """What ``scale`` takes: how many, or how many more and at most how many."""

    replicas: Replicas | None = None
    by: Annotated[int, Field(ge=-100, le=100)] | None = None
    most: Replicas | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "ScaleGiven":
        if (self.replicas is None) == (self.by is None) or (self.by is None) != (self.most is None):
            raise ValueError("either replicas, or by and most")
        return self


class _Cluster(Actor):
    """What both have in common: a workload of a namespace that is listed, and kubectl."""

    about = "namespace"

    def __init__(
        self, settings: AutomateSettings, *, find: Callable[[str], str | None] = program_path
    ) -> None:
        super().__init__(settings)
        self._find = find

    def reach(self, arguments: Arguments) -> tuple[str, ...]:
        """Name the deployment, and what the step says besides."""
        return (
            f"deployment:{arguments['namespace']}/{arguments['workload'].partition('/')[2]}",
            *super().reach(arguments),
        )

    def forbidden(self, given: Workload) -> list[str]:
        """See :meth:`Actor.forbidden`."""
        if self._find("kubectl") is None:
            return ["kubectl is not installed here, so no cluster can be reached"]
        return self.unlisted("namespaces", self._settings.namespaces, given.namespace)

    def _ctl(self, limit: Limit, given: Workload, *words: str) -> Ran:
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        command = [self._find("kubectl") or "kubectl", f"--namespace={given.namespace}", *words]
        return run_program(command, limit, environment=passed)

    def _found(self, limit: Limit, given: Workload, path: str) -> str:
        ran = self._ctl(limit, given, "get", given.workload, "--output", path)
        return ran.said if ran.code == 0 and ran.said.isdecimal() else ""


class Kubernetes(_Cluster):
    """Rolls a workload out anew, back, or looks how its rollout stands."""

    name = "kubernetes"
    given = KubernetesGiven
    fixed: ClassVar = ("action",)

    def changes(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.changes`."""
        return bool(arguments["action"] != "status")

    def repeatable(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.repeatable`: undone twice is not undone; a named revision stays one."""
        return arguments["action"] == "status" or "revision" in arguments

    def told(self, given: KubernetesGiven) -> str:
        """See :meth:`Actor.told`."""
        return f"Run kubectl --namespace={given.namespace} {' '.join(_rollout(given))}"

    def do(self, given: KubernetesGiven, limit: Limit) -> Outcome:
        """See :meth:`Actor.do`; ``revision`` is the one that ran before."""
        words = _rollout(given)
        if given.action == "status":
            ran = self._ctl(limit, given, *words, f"--timeout={max(1, int(limit.left_s))}s")
            return Outcome(ran.code == 0, ran.told)
        before = self._found(limit, given, _REVISION)
        ran = self._ctl(limit, given, *words)
        return Outcome(ran.code == 0, ran.told, {"revision": before} if before else {})


class Scale(_Cluster):
    """Sets how many replicas a workload has."""

    name = "scale"
    given = ScaleGiven

    def repeatable(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.repeatable`: so many is so many, more is more."""
        return "replicas" in arguments

    def told(self, given: ScaleGiven) -> str:
        """See :meth:`Actor.told`."""
        many = f"to {given.replicas}" if given.by is None else f"by {given.by:+d}, to {given.most}"
        at_most = "" if given.by is None else " at most"
        return f"Scale {given.workload} in {given.namespace} {many}{at_most}"

    def do(self, given: ScaleGiven, limit: Limit) -> Outcome:
        """See :meth:`Actor.do`; ``replicas`` is how many there were before."""
        before = self._found(limit, given, _REPLICAS)
        if not before:
            return Outcome(False, f"how many replicas {given.workload} has cannot be seen")
        wanted = given.replicas
        if wanted is None:
            wanted = max(0, min(int(before) + (given.by or 0), given.most or 0))
        ran = self._ctl(
            limit, given, "scale", given.workload, f"--replicas={wanted}",
            f"--current-replicas={before}",
        )  # fmt: skip
        return Outcome(ran.code == 0, f"{before} to {wanted}: {ran.told}", {"replicas": before})


def _rollout(given: KubernetesGiven) -> list[str]:
    to = [f"--to-revision={given.revision}"] if given.action == "undo" and given.revision else []
    return ["rollout", given.action, given.workload, *to]
