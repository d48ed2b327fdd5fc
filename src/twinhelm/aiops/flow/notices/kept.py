"""How messages on their way rest in the records.

| kind | key | state | parent | time_ms |
| --- | --- | --- | --- | --- |
| delivery | row-step-channel-person | waiting, sent, together, quiet, failed | subject | made |
| climb | subject/escalation | climbing, acknowledged, over, spent | subject | next step |
| receiver | channel/person | | | last try |
| together | delivery that leads | | | made |
| cursor | notices | | | |
"""

from dataclasses import dataclass

from twinhelm.aiops.notify.messages import Act, Climb, Delivery, DeliveryState
from twinhelm.aiops.notify.routing import Receiver
from twinhelm.events.values import Reading, Shelf

__all__ = ["CURSOR", "MOST", "SHELF", "Bundle", "Standing", "still_told"]

CURSOR = ("cursor", "notices")
"""The record that holds the journal row heard last; absent where none is followed."""
MOST = 20_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How one receiver fares: when it was sent to lately, and how long it is let alone.

    After a storm nothing is sent until ``calm_ms``; what follows soon joins ``lead``.
    """

    channel: str
    person: str
    sent_ms: tuple[int, ...] = ()
    calm_ms: int = 0
    lead: str = ""
    failures: int = 0
    retry_ms: int = 0
    last_ms: int = 0
    last: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one message told of together: ``left`` is not over yet; ``taken`` once any was."""

    lead: str
    made_ms: int
    members: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    taken: bool = False


SHELF = Shelf({
    Delivery: ("delivery", lambda one: (one.id, one.state, one.message.about, one.made_ms)),
    Climb: ("climb", lambda one: (
        f"{one.message.about}/{one.escalation}", one.state, one.message.about, one.due_ms
    )),
    Standing: ("receiver", lambda one: (f"{one.channel}/{one.person}", "", "", one.last_ms)),
    Bundle: ("together", lambda one: (one.lead, "", "", one.made_ms)),
})  # fmt: skip


def still_told(unit: Reading, about: str) -> dict[Receiver, Delivery]:
    """List who was told, or will be, that something began and not that it is over; and how."""
    told: dict[Receiver, Delivery] = {}
    for one in SHELF.find(unit, Delivery, parent=about, limit=MOST):
        if one.state is DeliveryState.QUIET:
            continue
        if one.message.act is Act.OPEN:
            told[one.channel, one.person] = one
        elif one.message.act is Act.OVER:
            told.pop((one.channel, one.person), None)
    return told
