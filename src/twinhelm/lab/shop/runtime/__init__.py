"""What all processes of the shop have in common: start at :mod:`.service`."""

from twinhelm.lab.shop.runtime.calls import Failed, Refusal
from twinhelm.lab.shop.runtime.service import Service
from twinhelm.lab.shop.runtime.store import StoreDown
from twinhelm.lab.shop.runtime.web import answer

__all__ = ["Failed", "Refusal", "Service", "StoreDown", "answer"]
