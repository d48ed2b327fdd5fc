"""What follows by itself: measuring what is new, asking for what was retrained, what was let in.

Measured is what is registered, framed and was not measured yet. The asking is the same as a
person's, in the name of the house: gates first, then people by the risk tier. At tier low it
happens only where the product file says ``promote = "automatic"``. Asked once per version: what
came of it stands in the journal, also where it was a refusal. What was approved and could not
begin to take over, since the house died or another rollout was under way, begins here. At last
MLflow is told of each new champion; where it does not answer, it is told the next time.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from twinhelm.core.errors import Denied
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import PromotionRefused
from twinhelm.mlops.flow.promotions import Promotions
from twinhelm.mlops.flow.validations import Validations
from twinhelm.mlops.records import find, get
from twinhelm.mlops.types import (
    Approval,
    Deployment,
    Product,
    ProductVersion,
    Run,
    Spec,
    Stage,
    Tier,
    Trigger,
    Validation,
)

__all__ = ["Follow"]

HOUSE = "twinhelm"
NEWEST = 200


@dataclass(slots=True)
class Follow:
    """See the module; cheap while nothing was written since the last look.

    ``tell(product, version)`` tells MLflow of a champion.
    """

    records: Records
    journal: Journal
    promotions: Promotions
    validations: Validations
    tell: Callable[[str, str], None]
    _told: dict[str, str] = field(default_factory=dict)
    _writes: int = -1
    _measured: set[str] = field(default_factory=set)
    _asked: set[str] = field(default_factory=set)

    def look(self) -> list[str]:
        """Ask for what is ready; returns which versions."""
        if (writes := self.journal.writes) == self._writes:
            return []
        self.promotions.resume()
        for one in self._unmeasured():
            self.validations.start(one.product, one.version, by=HOUSE)
            self._measured.add(one.ref)
        ready = [one for one in self._ready() if one.ref not in self._asked]
        for one in ready:
            with suppress(Denied):  # it stands in the journal, with all that is in the way
                self.promotions.ask(one.product, one.version, by=HOUSE, door="retrain")
            self._asked.add(one.ref)
        with self.records.reading() as unit:
            deployed = find(unit, Deployment, limit=10_000)
        for each in deployed:
            if each.champion and each.champion != self._told.get(each.product):
                self.tell(each.product, each.champion)
                self._told[each.product] = each.champion
        self._writes = writes  # where something failed above, it is tried again
        return [one.ref for one in ready]

    def _unmeasured(self) -> list[ProductVersion]:
        with self.records.reading() as unit:
            framed = {each.name for each in find(unit, Product) if each.spec}
            return [
                one
                for one in find(unit, ProductVersion, state=Stage.REGISTERED, newest_first=True)
                if one.product in framed
                and one.ref not in self._measured
                and get(unit, Validation, one.ref) is None
            ]

    def _ready(self) -> list[ProductVersion]:
        found = []
        triggers = {each.value for each in Trigger}
        with self.records.reading() as unit:
            for run in find(unit, Run, state="done", newest_first=True, limit=NEWEST):
                if run.reason not in triggers or not run.version:
                    continue
                version = get(unit, ProductVersion, f"{run.product}/{run.version}")
                product = get(unit, Product, run.product)
                if version is None or version.stage != Stage.REGISTERED or product is None:
                    continue
                spec = Spec.model_validate(product.spec) if product.spec else None
                by_itself = spec is not None and spec.retrain.promote == "automatic"
                if product.tier == Tier.LOW and not by_itself:
                    continue
                if get(unit, Validation, version.ref) is not None and not self._was_asked(version):
                    found.append(version)
        return found

    def _was_asked(self, version: ProductVersion) -> bool:
        with self.records.reading() as unit:
            asked = find(unit, Approval, product=version.product, newest_first=True)
        if any(each.version == version.version for each in asked):
            return True
        subject = f"version/{version.ref}"
        return bool(self.journal.read(subject=subject, kind=PromotionRefused.kind, limit=1))
