"""Where toil shows: a room for each source, each a function of what was seen.

Rooms never import each other. Each gives :class:`~twinhelm.advise.types.Found`, in no order; what
happened on fewer than three days is no habit, and :mod:`twinhelm.advise.flow` leaves it out.
"""

from twinhelm.advise.find.chores import by_hand
from twinhelm.advise.find.ci import flaky, slow
from twinhelm.advise.find.deliveries import late, rebuilt, reverted
from twinhelm.advise.find.incidents import repeated, unbooked
from twinhelm.advise.find.repairs import trusted
from twinhelm.advise.find.rules import idle
from twinhelm.advise.types import Finder

__all__ = ["FINDERS"]

FINDERS: tuple[Finder, ...] = (
    repeated, by_hand, idle, unbooked, flaky, slow, late, reverted, rebuilt,
    trusted,
)  # fmt: skip
"""All of them."""
