"""What is told of an event, in which words, and what becomes of each telling.

In: a row of the journal and the incident that it is about; out: a :class:`Message`, or nothing.
A table says which kinds begin and end something; whatever else a route asks for is told in general
words. A :class:`Delivery` is one message on its way by one channel, a :class:`Climb` one incident
on its way up an escalation. Texts are cleaned of control characters and cut here, and escaped by
the channel. Pure.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from twinhelm.aiops.types import Incident
from twinhelm.core.ports import JournalRow

__all__ = [
    "TABLE", "Act", "Attempt", "Climb", "Delivery", "DeliveryState", "Message", "clean",
    "message_of", "worse",
]  # fmt: skip

SEVERITIES = ("info", "warning", "critical")
MOST_LINES = 12
TITLE, LINE = 200, 400
"""The most characters of a title and of a line."""


class Act(StrEnum):
    """What a message does to its thread.

    OPEN: trouble began. TAKEN: somebody has it. OVER: it ended. TELL: it is only told of.
    """

    OPEN = "open"
    TAKEN = "taken"
    OVER = "over"
    TELL = "tell"


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell; ``about`` is the journal's subject, by which receivers join messages.

    ``seq`` is the journal row, ``path`` the page that shows more. Lines may be empty.
    """

    seq: int
    kind: str
    about: str
    act: Act
    severity: str
    title: str
    lines: tuple[str, ...]
    path: str
    time_ms: int
    entities: tuple[str, ...] = ()
    product: str = ""


class DeliveryState(StrEnum):
    """The life of a delivery.

    WAITING: not sent yet, or to be tried again. SENT: the receiver took it. TOGETHER: told as one
    of several in another's message. QUIET: nothing had to be sent. FAILED: given up.
    """

    WAITING = "waiting"
    SENT = "sent"
    TOGETHER = "together"
    QUIET = "quiet"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: when, and what came of it; nothing is known of one that a crash cut off ("")."""

    time_ms: int
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message on its way to one receiver; ``id`` is the same for every try.

    ``lead`` is the delivery whose message told of this one too; ``used_ms`` is when the link in
    it was used to acknowledge.
    """

    id: str
    message: Message
    channel: str
    person: str
    route: str
    made_ms: int
    due_ms: int
    digest: bool = False
    state: DeliveryState = DeliveryState.WAITING
    lead: str = ""
    attempts: tuple[Attempt, ...] = ()
    used_ms: int = 0


@dataclass(frozen=True, slots=True)
class Climb:
    """An incident that nobody has acknowledged, on its way up an escalation.

    ``step`` counts all steps taken, over all rounds; the next one is due at ``due_ms``. ``state``
    is climbing, acknowledged, over, or spent when the last step brought nobody.
    """

    message: Message
    escalation: str
    route: str
    step: int
    due_ms: int
    state: str = "climbing"


@dataclass(frozen=True, slots=True)
class _Told:
    """How a kind is told: ``title`` is a form over what is known of it."""

    act: Act
    title: str
    severity: str = "info"


TABLE = {
    "incident.opened": _Told(Act.OPEN, "{title}"),
    "incident.updated": _Told(Act.OPEN, "{title}"),
    "incident.reopened": _Told(Act.OPEN, "It is back: {title}"),
    "incident.acknowledged": _Told(Act.TAKEN, "{owner} has taken it: {title}"),
    "incident.resolved": _Told(Act.OVER, "Over: {title}"),
    "store.stopped_taking": _Told(Act.OPEN, "twinhelm takes no telemetry", "critical"),
    "store.resumed_taking": _Told(Act.OVER, "twinhelm takes telemetry again", "critical"),
    "approval.requested": _Told(Act.TELL, "{product} {version} waits for approval", "warning"),
    "drift.found": _Told(Act.TELL, "{product} {version} drifted", "warning"),
    "health.changed": _Told(Act.TELL, "{product} {version} is {after}", "warning"),
    "rollout.ended": _Told(Act.TELL, "Rollout of {product} {version}: {outcome}", "warning"),
    "incident.commented": _Told(Act.TELL, "A remark on: {title}"),
    "repair.asked": _Told(Act.TELL, "{runbook} waits for an answer", "warning"),
    "repair.started": _Told(Act.TELL, "{runbook} began"),
    "repair.ended": _Told(Act.TELL, "{runbook}: {outcome}", "warning"),
    "stop.pulled": _Told(Act.TELL, "Every repair was halted", "critical"),
    "stop.released": _Told(Act.TELL, "Repairs may begin again"),
}
"""Kinds that are told in words of their own; of an incident, to all who were told of it."""
GREW = " became "
"""An incident that changed is told of where its severity did."""


def message_of(row: JournalRow, incident: Incident | None) -> Message | None:
    """Put a row in words; ``incident`` is the one it is about, as it stands now, if any.

    None for what is nobody's news: how messages themselves fared, and an incident whose severity
    did not grow.
    """
    body = row.body
    if row.kind.startswith("notice."):
        return None
    if row.kind == "incident.updated" and GREW not in str(body.get("change", "")):
        return None
    told = TABLE.get(row.kind, _Told(Act.TELL, "{kind}: {subject}"))
    known: dict[str, Any] = {"kind": row.kind.replace(".", " ").replace("_", " "), **body}
    known |= {"subject": row.subject}
    about, severity = row.subject, told.severity
    entities: tuple[str, ...] = ()
    lines: Sequence[tuple[str, Any]] = [
        (name, body[name]) for name in body if isinstance(body[name], str | int | float)
    ]
    if incident is not None:
        known["title"], severity = incident.title, incident.severity
        about, entities = f"incident/{incident.id}", incident.entities
        cause = incident.attributes.get("cause", "") if incident.verdict == "conclusive" else ""
        more = [(name, body.get(name)) for name in ("change", "reason", "note", "text")]
        lines = [("on", ", ".join(entities)), ("cause", cause or incident.verdict), *more]
        if told.act is Act.TELL:
            lines = [("incident", incident.title), *lines]
        if body.get("escalated"):  # a repair left it to people
            told = replace(told, act=Act.OPEN)
    said = [
        f"{name.replace('_', ' ')}: {value}" for name, value in lines if value not in (None, "")
    ]
    return Message(
        row.seq, row.kind, about, told.act,
        severity if severity in SEVERITIES else "warning",
        clean(told.title.format_map(_Known(known)), TITLE),
        tuple(clean(line, LINE) for line in said[:MOST_LINES]),
        _path(row.subject, about), row.time_ms, entities, str(body.get("product", "")),
    )  # fmt: skip


def worse(one: str, other: str) -> str:
    """Return the graver of two severities."""
    return max(one, other, key=SEVERITIES.index)


def clean(text: str, most: int) -> str:
    """Make one line of a text, without control characters and marks that turn its direction."""
    kept = "".join(
        " " if unicodedata.category(each) in _UNSEEN else each for each in text[: 4 * most]
    )
    line = " ".join(kept.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class _Known(dict[str, Any]):
    """What is known of an event; what is missing is "something"."""

    def __missing__(self, key: str) -> str:
        return "something"


def _path(subject: str, about: str) -> str:
    thing, _, key = about.partition("/")
    if thing == "incident":
        return f"/incidents/{quote(key, safe='')}"
    thing, _, key = subject.partition("/")
    name, _, version = key.partition("/")
    if thing == "product" or (thing == "version" and not version):
        return f"/products/{quote(name, safe='')}"
    if thing == "version":
        return f"/products/{quote(name, safe='')}/versions/{quote(version, safe='')}"
    return f"/audit?subject={quote(subject, safe='')}"
