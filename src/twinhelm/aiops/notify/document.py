"""Who is told of what, by which channel: the words of ``notify.toml``.

In: a text; out: a :class:`Plan`, or everything that is wrong with it by line and column. Secrets
are named here (``secret:NAME``) and held elsewhere; no error repeats one. Times of day are local to
a zone of the tz database. Pure, but for the zone files of this machine.
"""

from collections.abc import Iterator
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field

from twinhelm.core.documents import Part, Path, Wrong, read_document
from twinhelm.core.documents.hours import Clock, Hours, Zone, odd, zone_of
from twinhelm.core.own.secrets import NAMED, secret_name

__all__ = [
    "Channel", "Escalation", "Override", "Person", "Plan", "Rota", "Route", "Shift", "Step", "Team",
    "read_plan",
]  # fmt: skip

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,62}$")]
Glob = Annotated[str, Field(min_length=1, max_length=200)]
Severity = Literal["info", "warning", "critical"]
Kind = Literal["slack", "pagerduty", "email", "webhook", "alertmanager"]
GROUPS = {"channel": "channels", "person": "people", "rota": "rotas", "escalation": "escalations"}
NEEDS: dict[str, tuple[str, ...]] = {
    "slack": ("secret",),
    "pagerduty": ("secret",),
    "email": ("host", "sender"),
    "webhook": ("url", "secret"),
    "alertmanager": ("url",),
}
"""What a channel of each kind cannot be without."""


class _Names(NamedTuple):
    """Marks a field whose values name something of the plan: of one group, or as KIND:NAME."""

    of: tuple[str, ...]


Channels = Annotated[tuple[Name, ...], Field(min_length=1), _Names(("channels",))]
People = Annotated[tuple[Name, ...], Field(min_length=1), _Names(("people",))]
Receivers = Annotated[tuple[str, ...], Field(min_length=1), _Names(("channel", "person", "rota"))]
Targets = Annotated[tuple[str, ...], Field(min_length=1), _Names(tuple(GROUPS))]


class Channel(Part):
    """A way to send messages."""

    name: Name
    """Unique among channels."""
    kind: Kind
    """What stands at the other end."""
    url: str = ""
    """Where it is: of a webhook or Alertmanager; of PagerDuty only where it is not the usual."""
    secret: str = ""
    """As secret:NAME: Slack's webhook address, PagerDuty's key, a password, a signing key."""
    host: str = ""
    """The mail server."""
    port: int = Field(587, ge=1, le=65_535)
    """Its port."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """How mail is encrypted on its way to the server; nothing is sent where that fails."""
    user: str = ""
    """Who signs in there; nobody where it is empty."""
    sender: str = ""
    """The address that mail comes from."""
    to: tuple[str, ...] = ()
    """Addresses of mail that is for no person."""
    most: int = Field(5, ge=1)
    """More than so many messages in a window become one."""
    window_s: float = Field(60.0, gt=0)
    """How long a window is."""
    gather_s: float = Field(5.0, ge=0)
    """How long a message waits for company, so that a storm is one message from its beginning."""


class Person(Part):
    """Somebody who is told."""

    name: Name
    """As they sign in, where they do."""
    channels: Channels
    """The channels by which they are reached."""
    email: str = ""
    """Their address, for channels of mail."""
    slack: str = Field("", pattern=r"^[A-Z0-9]{0,20}$")
    """Their member ID, to be mentioned by."""


class Team(Part):
    """Who answers for what."""

    name: Name
    """Unique among teams."""
    owns: tuple[Glob, ...] = Field(min_length=1)
    """Entities, such as service:shop/*, and products, such as product:churn."""


class Shift(Part):
    """People who take turns; where several shifts cover a moment the last of them counts."""

    people: People
    """In the order of their turns."""
    every: Literal["day", "week"] = "week"
    """How long a turn is."""
    hours: Hours = Hours()
    """The part of the week that this shift covers."""


class Override(Part):
    """Somebody stands in for whoever would be on call."""

    person: Annotated[Name, _Names(("people",))]
    """Who stands in."""
    begin: datetime
    """From when, local to the rota's zone unless it names an offset."""
    end: datetime
    """Until when."""


class Rota(Part):
    """Who is on call when."""

    name: Name
    """Unique among rotas."""
    zone: Zone | Literal[""] = ""
    """The zone it lives by; empty: the plan's."""
    starts: date
    """The day of the first turn; weekly turns change on its day of the week."""
    handover: Clock = "09:00"
    """The time of day at which turns change."""
    shifts: tuple[Shift, ...] = Field(min_length=1)
    """Who takes turns."""
    overrides: tuple[Override, ...] = ()
    """Exceptions."""
    gaps: bool = False
    """True where it is meant that at times nobody is on call."""


class Step(Part):
    """One step of an escalation."""

    to: Receivers
    """Whom to tell: channel:NAME, person:NAME or rota:NAME."""
    wait_min: float = Field(10.0, gt=0, le=10_080)
    """How long to wait for an acknowledgement before the next step."""


class Escalation(Part):
    """Whom to tell next while nobody acknowledges."""

    name: Name
    """Unique among escalations."""
    steps: tuple[Step, ...] = Field(min_length=1)
    """In order."""
    rounds: int = Field(1, ge=1, le=20)
    """How often to go through them."""


class Route(Part):
    """Which messages go where; the first that fits decides, and those after it with ``more``."""

    name: Name
    """Unique among routes."""
    kinds: tuple[Glob, ...] = ("incident.*", "repair.asked", "repair.ended")
    """Kinds of events (docs/events.md)."""
    severity: tuple[Severity, ...] = ()
    """Only of these severities."""
    entities: tuple[Glob, ...] = ()
    """Only of these entities."""
    products: tuple[Glob, ...] = ()
    """Only of these products."""
    teams: Annotated[tuple[Name, ...], _Names(("teams",))] = ()
    """Only of what these teams own."""
    hours: Hours | None = None
    """Only at these hours, in the plan's zone."""
    to: Targets
    """Where to: channel:NAME, person:NAME, rota:NAME or escalation:NAME."""
    digest: tuple[Clock, ...] = ()
    """Gather, and tell in one message at these times of day in the plan's zone."""
    more: bool = False
    """True to look at the routes after this one too."""


class Plan(Part):
    """The whole file."""

    url: str = ""
    """The address by which readers of messages reach twinhelm; empty: where it listens."""
    zone: Zone = "UTC"
    """The zone of routes and rotas that name none."""
    secrets: dict[str, Any] = Field(default_factory=dict)
    """Refused: a channel names its secret itself."""
    channels: tuple[Channel, ...] = ()
    """Ways to send."""
    people: tuple[Person, ...] = ()
    """Who is told."""
    teams: tuple[Team, ...] = ()
    """Who owns what."""
    rotas: tuple[Rota, ...] = ()
    """Who is on call."""
    escalations: tuple[Escalation, ...] = ()
    """Who is next."""
    routes: tuple[Route, ...] = ()
    """What goes where, in order."""

    def named(self, group: str, name: str) -> Any:
        """Return the channel, person, team, rota or escalation of a name, or None."""
        return next((one for one in getattr(self, group) if one.name == name), None)

    def zone_of(self, rota: Rota | None = None) -> ZoneInfo:
        """Return the zone that a rota, or a route, lives by."""
        return zone_of((rota.zone if rota else "") or self.zone or "UTC")


def read_plan(text: str, where: str, now_ms: int) -> Plan:
    """Read a plan; gaps of rotas are looked for in the year after ``now_ms``.

    Raises :class:`BadInput` with a line for all that is wrong, and :class:`TooLarge`.
    """
    return read_document(text, Plan, where, partial(_contradictions, now_ms=now_ms))


def _contradictions(plan: Plan, now_ms: int) -> Iterator[Wrong]:
    if plan.secrets:
        yield ("secrets",), f"there is no [secrets] any more: where a channel needs one, {NAMED}"
    for group in (*GROUPS.values(), "teams", "routes"):
        names = [one.name for one in getattr(plan, group)]
        for at, name in enumerate(names):
            if name in names[:at]:
                yield (group, at, "name"), f"there is another {name} among {group}"
    yield from _address(plan.url, ("url",))
    yield from _unknown(plan, plan, ())
    for at, channel in enumerate(plan.channels):
        yield from _channel(channel, ("channels", at))
    for at, person in enumerate(plan.people):
        for name in person.channels:
            channel = plan.named("channels", name)
            if channel and channel.kind == "email" and "@" not in person.email:
                yield ("people", at), f"{person.name} is reached by {name} and has no email"
    for at, rota in enumerate(plan.rotas):
        yield from _rota(plan, rota, ("rotas", at), now_ms)


def _unknown(plan: Plan, part: Part, path: Path) -> Iterator[Wrong]:
    """Find names that nothing bears, wherever a field is marked as holding such."""
    for key, field in type(part).model_fields.items():
        value = getattr(part, key)
        marks = [mark for mark in field.metadata if isinstance(mark, _Names)]
        for at, one in enumerate(value) if isinstance(value, tuple) else ((-1, value),):
            place = (*path, key) if at < 0 else (*path, key, at)
            if isinstance(one, Part):
                yield from _unknown(plan, one, place)
            for mark in marks:
                group, name = mark.of[0], str(one)
                if group in GROUPS:
                    kind, _, name = name.partition(":")
                    group = GROUPS[kind] if kind in mark.of else ""
                if not group:
                    wanted = ", ".join(f"{each}:NAME" for each in mark.of)
                    yield place, f"{one!r:.60} leads nowhere; write {wanted}"
                elif plan.named(group, name) is None:
                    known = ", ".join(each.name for each in getattr(plan, group)) or "none"
                    yield place, f"there is no {name} among {group} ({known})"


def _channel(channel: Channel, at: Path) -> Iterator[Wrong]:
    for key in NEEDS[channel.kind]:
        if not getattr(channel, key):
            yield at, f"{channel.name} is {channel.kind} and needs {key}"
    if channel.secret and not secret_name(channel.secret):
        yield (*at, "secret"), f"the secret of {channel.name} is not named: {NAMED}"
    yield from _address(channel.url, (*at, "url"))
    if channel.user and not channel.secret:
        yield (*at, "user"), f"{channel.name} signs in and needs secret"
    if channel.user and channel.tls == "none":
        yield (*at, "tls"), f"{channel.name} would send its password in clear text"


def _address(url: str, path: Path) -> Iterator[Wrong]:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    except ValueError:
        fits = False
    if url and not fits:  # what stands there may be a secret
        yield path, f"{path[-1]} must be an address, http or https, without a name or password"


def _rota(plan: Plan, rota: Rota, path: Path, now_ms: int) -> Iterator[Wrong]:
    from twinhelm.aiops.notify.rota import gaps  # it takes the words of this module

    wrong: list[Wrong] = []
    for at, one in enumerate(rota.overrides):
        where = (*path, "overrides", at)
        strange = [((*where, key), f"{key} {why}; write it with an offset, such as +01:00")
                   for key in ("begin", "end")
                   if (why := odd(getattr(one, key), plan.zone_of(rota)))]  # fmt: skip
        wrong += strange
        if not strange and one.begin.tzinfo is None is one.end.tzinfo and one.begin >= one.end:
            wrong.append(((*where, "end"), "end is not after begin"))
    yield from wrong
    for told in [] if wrong or rota.gaps else gaps(plan, rota, now_ms)[:1]:
        yield path, f"nobody of {rota.name} is on call {told}; fill it, or write gaps = true"
