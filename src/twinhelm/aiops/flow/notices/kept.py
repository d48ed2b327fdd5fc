"""How messages on their way rest in the records.

| kind | key | state | parent | time_ms |
| --- | --- | --- | --- | --- |
| delivery | row-step-channel-person | waiting, sent, together, quiet, failed | subject | made |
| climb | subject/escalation | climbing, acknowledged, over, spent | subject | next step |
| receiver | channel/person | | | last try |
| together | delivery that leads | | | made |
| cursor | notices | | | |
"""

from dataclasses import asdict, dataclass
from typing import TypeVar

from twinhelm.aiops.notify.messages import Act, Climb, Delivery, DeliveryState
from twinhelm.aiops.notify.routing import Receiver
from twinhelm.core.ports import Record
from twinhelm.events.values import Reading, load

__all__ = [
    "Bundle", "Standing", "cursor", "deliveries", "get", "move_cursor", "put", "standings",
    "still_told",
]  # fmt: skip

CURSOR = ("cursor", "notices")
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


Kept = Delivery | Climb | Standing | Bundle
T = TypeVar("T", Delivery, Climb, Standing, Bundle)
KINDS = {Delivery: "delivery", Climb: "climb", Standing: "receiver", Bundle: "together"}


def get(unit: Reading, of: type[T], key: str) -> T | None:
    """Read one value by its key, or None."""
    record = unit.get(KINDS[of], key)
    return None if record is None else load(of, record)


def put(write: Reading, value: Kept) -> None:
    """Write a value under its own key."""
    match value:
        case Delivery():
            place = value.id, value.state.value, value.message.about, value.made_ms
        case Climb():
            about = value.message.about
            place = f"{about}/{value.escalation}", value.state, about, value.due_ms
        case Standing():
            place = f"{value.channel}/{value.person}", "", "", value.last_ms
        case Bundle():
            place = value.lead, "", "", value.made_ms
    key, state, parent, time_ms = place
    write.put(Record(KINDS[type(value)], key, asdict(value), state, parent, time_ms))


def deliveries(
    unit: Reading,
    *,
    state: str | None = None,
    about: str | None = None,
    newest_first: bool = False,
    limit: int = MOST,
) -> list[Delivery]:
    """Read deliveries in the order in which they were made."""
    rows = unit.find("delivery", state=state, parent=about, newest_first=newest_first, limit=limit)
    return [load(Delivery, row) for row in rows]


def standings(unit: Reading) -> list[Standing]:
    """List how each receiver fares."""
    return [load(Standing, record) for record in unit.find("receiver")]


def still_told(unit: Reading, about: str) -> dict[Receiver, Delivery]:
    """List who was told, or will be, that something began and not that it is over; and how."""
    told: dict[Receiver, Delivery] = {}
    for one in deliveries(unit, about=about):
        if one.state is DeliveryState.QUIET:
            continue
        if one.message.act is Act.OPEN:
            told[one.channel, one.person] = one
        elif one.message.act is Act.OVER:
            told.pop((one.channel, one.person), None)
    return told


def cursor(unit: Reading) -> int | None:
    """Return the journal row heard last; None where none is followed."""
    record = unit.get(*CURSOR)
    return None if record is None else int(record.body["seq"])


def move_cursor(write: Reading, seq: int) -> None:
    """Note which row was heard last."""
    write.put(Record(*CURSOR, {"seq": seq}))
