"""What MLflow's clients may have done to what is live: the same answers as at every other door.

Implements :class:`~twinhelm.mlops.tracking.Gate`. To call a version ``champion`` is to ask for its
promotion; to take the name away, or to delete, is refused while the version answers.
"""

from dataclasses import dataclass

from twinhelm.core.errors import Denied
from twinhelm.core.ports import Records
from twinhelm.core.roles import ANONYMOUS
from twinhelm.mlops.flow.promotions import Promotions
from twinhelm.mlops.records import get
from twinhelm.mlops.types import Deployment, Product

__all__ = ["PromotionGate"]


@dataclass(slots=True)
class PromotionGate:
    """See the module."""

    records: Records
    promotions: Promotions

    def promote(self, product: str, version: str, *, by: str) -> str:
        """See :meth:`~twinhelm.mlops.tracking.Gate.promote`."""
        deployment = self._deployment(product)
        if deployment is not None and deployment.champion == version:
            return ""
        if by == ANONYMOUS.name:
            hint = "set MLFLOW_TRACKING_TOKEN to a token of yours, or ask on its page"
            raise Denied("whoever asks for a promotion must be known by name", hint=hint)
        asked = self.promotions.ask(product, version, by=by, door="mlflow")
        if asked is None:
            return f"{product}/{version} passed its gates and is being rolled out"
        people = "1 other person" if asked.needs == 1 else f"{asked.needs} other people"
        return f"approval {asked.id} waits for {people}, see /approvals"

    def may_unset(self, product: str, version: str, *, by: str) -> None:
        """See :meth:`~twinhelm.mlops.tracking.Gate.may_unset`."""
        self._free(product, version, "lose the name champion", "roll back, or promote another one")

    def may_delete(self, product: str, version: str, *, by: str) -> None:
        """See :meth:`~twinhelm.mlops.tracking.Gate.may_delete`."""
        with self.records.reading() as unit:
            found = get(unit, Product, product)
        if found is not None and found.hold:
            said = f"{product} is under a legal hold ({found.hold}): nothing of it may be deleted"
            raise Denied(said, hint=f"`twinhelm product hold {product} --undo` ends it")
        self._free(product, version, "be deleted", "promote another version first")

    def _free(self, product: str, version: str, what: str, hint: str) -> None:
        deployment = self._deployment(product)
        parts = {part.version: part.role for part in deployment.parts} if deployment else {}
        if version in parts or (not version and parts):
            told = version or next(iter(parts))
            raise Denied(f"{product}/{told} is {parts[told]} and may not {what}", hint=hint)

    def _deployment(self, product: str) -> Deployment | None:
        with self.records.reading() as unit:
            return get(unit, Deployment, product)
