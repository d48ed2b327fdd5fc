"""Every kind of event that the journal knows; docs/events.md is made from what stands here.

A kind is ``noun.verb`` in the past tense. Its subject is what was touched, as a form over its own
fields; counts are rows unless the name says bytes. Importing this package makes all of them known,
one module a part of the house.
"""

from twinhelm.events.event import EVENT_KINDS
from twinhelm.events.kinds import advice, learning, machines, notices, products, repairs

__all__ = ["EVENT_KINDS", "advice", "learning", "machines", "notices", "products", "repairs"]
