"""How does a step take a model back? By the MLOps wing's own rollback of a product, handed in.

``product`` is one of those that the settings list. The wing gives the traffic to the version
before, and refuses where there is none. The undo is a promotion, which asks people: there is none
here.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from twinhelm.aiops.automate.steps.actor import Actor, Arguments, Given, Limit, Outcome
from twinhelm.core.settings import AutomateSettings

__all__ = ["ModelRollback", "ModelRollbackGiven", "RollBack"]

RollBack = Callable[[str], Mapping[str, Any]]
"""Gives a product's traffic to the version before; tells ``before`` and ``now``. Raises ours."""


class ModelRollbackGiven(Given):
    """What ``model_rollback`` takes."""

    product: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,100}$")]


class ModelRollback(Actor):
    """Lets the version before answer again."""

    name = "model_rollback"
    about = "model"
    given = ModelRollbackGiven

    def __init__(self, settings: AutomateSettings, roll_back: RollBack) -> None:
        super().__init__(settings)
        self._roll_back = roll_back

    def forbidden(self, given: ModelRollbackGiven) -> list[str]:
        """See :meth:`Actor.forbidden`."""
        return self.unlisted("products", self._settings.products, given.product)

    def reach(self, arguments: Arguments) -> tuple[str, ...]:
        """Name the model."""
        return (f"model:{arguments['product']}", *super().reach(arguments))

    def told(self, given: ModelRollbackGiven) -> str:
        """See :meth:`Actor.told`."""
        return f"Give the traffic of the model {given.product} to the version before"

    def do(self, given: ModelRollbackGiven, _limit: Limit) -> Outcome:
        """See :meth:`Actor.do`."""
        facts = self._roll_back(given.product)
        return Outcome(True, f"{facts.get('now')} answers again, not {facts.get('before')}", facts)
