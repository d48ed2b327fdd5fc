"""What becomes of messages to people, and when trouble is expected.

No address, secret or text of a message is written here; the delivery's record holds what was told.
"""

from twinhelm.events.event import Event, event

__all__ = [
    "EscalationSpent", "MaintenanceEnded", "MaintenancePlanned", "NoticeFailed", "NoticeSent",
    "PlanRead",
]  # fmt: skip


@event("notice.plan_read", "notify/plan")
class PlanRead(Event):
    """The file of routes changed; ``wrong`` says why it was not taken, if so."""

    routes: tuple[str, ...]
    wrong: str = ""


@event("notice.sent", "notice/{delivery}")
class NoticeSent(Event):
    """A receiver took a message about ``thread``, and ``count`` things in it, at the nth try."""

    delivery: str
    channel: str
    person: str
    thread: str
    count: int
    tries: int


@event("notice.failed", "notice/{delivery}")
class NoticeFailed(Event):
    """A message was given up after so many tries; ``reason`` is what the receiver said last."""

    delivery: str
    channel: str
    person: str
    thread: str
    count: int
    tries: int
    reason: str


@event("notice.spent", "incident/{incident}")
class EscalationSpent(Event):
    """Everybody of an escalation was told, and nobody acknowledged."""

    incident: str
    escalation: str
    steps: int


@event("maintenance.planned", "maintenance/{window}")
class MaintenancePlanned(Event):
    """Trouble of these entities is expected for a time, or in it weekly; it raises nothing."""

    window: str
    start_ms: int
    end_ms: int
    entities: tuple[str, ...]
    reason: str
    weekly: str = ""


@event("maintenance.ended", "maintenance/{window}")
class MaintenanceEnded(Event):
    """A window was ended before its time, or taken back before it began."""

    window: str
