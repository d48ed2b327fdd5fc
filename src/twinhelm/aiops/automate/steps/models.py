"""How does a step take a model back? By the MLOps wing's own rollback of a product, handed in.

``product`` is one of those that the settings list. The wing gives the traffic to the version
before, and refuses where there is none. The undo is a promotion, which asks people: there is none
here.
"""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import Field

from twinhelm.aiops.automate.steps.given import Deed, Given, ready
from twinhelm.aiops.automate.steps.words import Arguments, Limit, Outcome
from twinhelm.core.errors import TwinhelmError
from twinhelm.core.settings import AutomateSettings

__all__ = ["ModelRollback", "ModelRollbackGiven", "RollBack"]

RollBack = Callable[[str], Mapping[str, Any]]
"""Gives a product's traffic to the version before; tells ``before`` and ``now``. Raises ours."""


class ModelRollbackGiven(Given):
    """What ``model_rollback`` takes."""

    product: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,100}$")]


class ModelRollback(Deed[ModelRollbackGiven]):
    """Lets the version before answer again."""

    name = "model_rollback"
    given = ModelRollbackGiven

    def __init__(self, settings: AutomateSettings, roll_back: RollBack) -> None:
        self._settings = settings
        self._roll_back = roll_back

    def forbidden(self, given: ModelRollbackGiven) -> list[str]:
        """See :meth:`Deed.forbidden`."""
        allowed = any(fnmatchcase(given.product, each) for each in self._settings.products)
        return ready(allowed, f"the model {given.product}", "products")

    def reach(self, arguments: Arguments) -> tuple[str, ...]:
        """Name the model."""
        return (f"model:{arguments['product']}", *super().reach(arguments))

    def tell(self, arguments: Arguments) -> str:
        """See :meth:`Actor.tell`."""
        return f"Give the traffic of the model {arguments['product']} to the version before"

    def act(self, arguments: Arguments, limit: Limit) -> Outcome:
        """See :meth:`Actor.act`."""
        if why := self.barred(arguments) or ([over] if (over := limit.over()) else []):
            return Outcome(False, "; ".join(why))
        try:
            facts = self._roll_back(self.read(arguments).product)
        except TwinhelmError as error:
            return Outcome(False, str(error))
        return Outcome(True, f"{facts.get('now')} answers again, not {facts.get('before')}", facts)
