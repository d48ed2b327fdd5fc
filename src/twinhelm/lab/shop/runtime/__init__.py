"""What all processes of the shop have in common: start at :mod:`.service`."""

import sys

# httpx brings a command line along with what draws it: 6 MB and 40 ms for each of eleven processes
# that never use it. Marked as absent, it is left out.
if "httpx" not in sys.modules:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]

from twinhelm.lab.shop.runtime.calls import Failed, Refusal
from twinhelm.lab.shop.runtime.service import Service
from twinhelm.lab.shop.runtime.store import StoreDown
from twinhelm.lab.shop.runtime.web import answer

__all__ = ["Failed", "Refusal", "Service", "StoreDown", "answer"]
