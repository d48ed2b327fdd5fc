"""Says which of the messages that wait for one receiver go out now, and which of them as one.

In: deliveries in order, when the receiver was sent to lately, the time; out: those that make the
next message. A single one while a window has room; where more wait than that, all of them, so that
a storm is one message however large. People are spared so, programs are not: a webhook and an
Alertmanager get every message by itself, and PagerDuty all that pages nobody. Pure.
"""

from collections.abc import Sequence

from twinhelm.aiops.notify.document import Channel
from twinhelm.aiops.notify.messages import Act, Delivery

__all__ = ["due_batch", "spares"]

PROGRAMS = {"webhook", "alertmanager"}


def due_batch(
    channel: Channel, waiting: Sequence[Delivery], sent_ms: Sequence[int], calm_ms: int, now_ms: int
) -> tuple[Delivery, ...]:
    """Choose what makes the next message; nothing where nothing is due yet."""
    if digest := tuple(one for one in waiting if one.digest and one.due_ms <= now_ms):
        return digest
    plain = [one for one in waiting if not one.digest]
    if not plain or plain[0].due_ms > now_ms:
        return ()
    if not spares(channel, plain[0].message.act):
        return (plain[0],)
    room = channel.most - sum(at > now_ms - channel.window_s * 1000 for at in sent_ms)
    if calm_ms > now_ms or room <= 0:
        return ()
    together = _together(channel, plain)
    return together[:1] if len(together) <= room else together


def spares(channel: Channel, act: Act) -> bool:
    """Tell whether a message disturbs somebody, so that many of them become one."""
    quiet = channel.kind == "pagerduty" and act is not Act.OPEN
    return channel.kind not in PROGRAMS and not quiet


def _together(channel: Channel, waiting: Sequence[Delivery]) -> tuple[Delivery, ...]:
    """Gather what one message may tell of; nothing overtakes what was said of its own thread."""
    found, behind = [], set()
    for one in waiting:
        if spares(channel, one.message.act) and one.message.about not in behind:
            found.append(one)
        else:
            behind.add(one.message.about)
    return tuple(found)
