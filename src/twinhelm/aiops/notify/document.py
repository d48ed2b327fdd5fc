"""Who is told of what, by which channel: the words of ``notify.toml``.

In: a text; out: a :class:`Plan`, or everything that is wrong with it by line and column. Secrets
are named here and held elsewhere (``env:VARIABLE``, ``file:PATH``); no error repeats one. Times of
day are local to a zone of the tz database. Pure, but for the zone files of this machine.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from twinhelm.aiops.notify.times import Clock, Hours, odd, zone_of
from twinhelm.core.documents import Part, Wrong, read_document
from twinhelm.core.errors import BadInput

__all__ = [
    "Channel", "Escalation", "Override", "Person", "Plan", "Rota", "Route", "Shift", "Step", "Team",
    "read_plan",
]  # fmt: skip

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,62}$")]
Glob = Annotated[str, Field(min_length=1, max_length=200)]
Severity = Literal["info", "warning", "critical"]
Kind = Literal["slack", "pagerduty", "email", "webhook", "alertmanager"]
NEEDS: dict[str, tuple[str, ...]] = {
    "slack": ("secret",),
    "pagerduty": ("secret",),
    "email": ("host", "sender"),
    "webhook": ("url", "secret"),
    "alertmanager": ("url",),
}
"""What a channel of each kind cannot be without."""


class Channel(Part):
    """A way to send messages."""

    name: Name
    """Unique among channels."""
    kind: Kind
    """What stands at the other end."""
    url: str = ""
    """Where it is: of a webhook or Alertmanager; of PagerDuty only where it is not the usual."""
    secret: str = ""
    """The name of a secret: Slack's webhook address, PagerDuty's key, a password, a signing key."""
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
    channels: tuple[Name, ...] = Field(min_length=1)
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

    people: tuple[Name, ...] = Field(min_length=1)
    """In the order of their turns."""
    every: Literal["day", "week"] = "week"
    """How long a turn is."""
    hours: Hours = Hours()
    """The part of the week that this shift covers."""


class Override(Part):
    """Somebody stands in for whoever would be on call."""

    person: Name
    """Who stands in."""
    begin: datetime
    """From when, local to the rota's zone unless it names an offset."""
    end: datetime
    """Until when."""


class Rota(Part):
    """Who is on call when."""

    name: Name
    """Unique among rotas."""
    zone: str = ""
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

    to: tuple[str, ...] = Field(min_length=1)
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
    teams: tuple[Name, ...] = ()
    """Only of what these teams own."""
    hours: Hours | None = None
    """Only at these hours, in the plan's zone."""
    to: tuple[str, ...] = Field(min_length=1)
    """Where to: channel:NAME, person:NAME, rota:NAME or escalation:NAME."""
    digest: tuple[Clock, ...] = ()
    """Gather, and tell in one message at these times of day in the plan's zone."""
    more: bool = False
    """True to look at the routes after this one too."""


class Plan(Part):
    """The whole file."""

    url: str = ""
    """The address by which readers of messages reach twinhelm; empty: where it listens."""
    zone: str = "UTC"
    """The zone of routes and rotas that name none."""
    secrets: dict[str, str] = Field(default_factory=dict)
    """By name, where each secret is: env:VARIABLE or file:PATH."""
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


GROUPS = {"channel": "channels", "person": "people", "rota": "rotas", "escalation": "escalations"}


def read_plan(text: str, where: str, now_ms: int) -> Plan:
    """Read a plan; gaps of rotas are looked for in the year after ``now_ms``.

    Raises :class:`BadInput` with a line for all that is wrong, and :class:`TooLarge`.
    """
    return read_document(text, Plan, where, partial(_contradictions, now_ms=now_ms))


def _contradictions(plan: Plan, now_ms: int) -> Iterator[Wrong]:
    from twinhelm.aiops.notify.rota import gaps  # it takes the words of this module

    yield from _secrets(plan)
    for group in ("channels", "people", "teams", "rotas", "escalations", "routes"):
        names = [one.name for one in getattr(plan, group)]
        for at, name in enumerate(names):
            if name in names[:at]:
                yield (group, at, "name"), f"there is another {name} among {group}"
    if plan.url:
        yield from _address(plan.url, ("url",))
    bad = set()
    for path, name in [(("zone",), plan.zone), *_zones(plan.rotas)]:
        try:
            zone_of(name)
        except BadInput as error:
            bad.add(name)
            yield path, error.message
    for at, channel in enumerate(plan.channels):
        yield from _channel(channel, ("channels", at))
    for at, person in enumerate(plan.people):
        yield from _known(plan, "channels", person.channels, ("people", at, "channels"))
        for name in person.channels:
            channel = plan.named("channels", name)
            if channel and channel.kind == "email" and "@" not in person.email:
                yield ("people", at), f"{person.name} is reached by {name} and has no email"
    for at, rota in enumerate(plan.rotas):
        wrong = [*_rota(plan, rota, ("rotas", at))] if (rota.zone or plan.zone) not in bad else []
        yield from wrong
        if not wrong and not rota.gaps and (rota.zone or plan.zone) not in bad:
            for told in gaps(plan, rota, now_ms)[:1]:
                says = f"nobody of {rota.name} is on call {told}; fill it, or write gaps = true"
                yield ("rotas", at), says
    for at, one in enumerate(plan.escalations):
        for number, step in enumerate(one.steps):
            path = ("escalations", at, "steps", number, "to")
            yield from _targets(plan, step.to, path, ("channel", "person", "rota"))
    for at, route in enumerate(plan.routes):
        yield from _targets(plan, route.to, ("routes", at, "to"), tuple(GROUPS))
        yield from _known(plan, "teams", route.teams, ("routes", at, "teams"))


def _secrets(plan: Plan) -> Iterator[Wrong]:
    for name, held in plan.secrets.items():
        if not held.startswith(("env:", "file:")):
            yield ("secrets", name), f"secrets.{name} must say where it is: env:NAME or file:PATH"
    for at, channel in enumerate(plan.channels):
        if channel.secret and channel.secret not in plan.secrets:
            known = ", ".join(plan.secrets) or "none"
            says = f"the secret of {channel.name} is not the name of one in [secrets] ({known})"
            yield ("channels", at, "secret"), says


def _channel(channel: Channel, at: tuple[str | int, ...]) -> Iterator[Wrong]:
    for key in NEEDS[channel.kind]:
        if not getattr(channel, key):
            yield at, f"{channel.name} is {channel.kind} and needs {key}"
    if channel.url:
        yield from _address(channel.url, (*at, "url"))
    if channel.user and not channel.secret:
        yield (*at, "user"), f"{channel.name} signs in and needs secret"
    if channel.user and channel.tls == "none":
        yield (*at, "tls"), f"{channel.name} would send its password in clear text"


def _address(url: str, path: tuple[str | int, ...]) -> Iterator[Wrong]:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    except ValueError:
        fits = False
    if not fits:  # what stands there may be a secret
        yield path, f"{path[-1]} must be an address, http or https, without a name or password"


def _zones(rotas: Sequence[Rota]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield from ((("rotas", at, "zone"), rota.zone) for at, rota in enumerate(rotas) if rota.zone)


def _rota(plan: Plan, rota: Rota, path: tuple[str | int, ...]) -> Iterator[Wrong]:
    zone = zone_of(rota.zone or plan.zone)
    for at, shift in enumerate(rota.shifts):
        yield from _known(plan, "people", shift.people, (*path, "shifts", at, "people"))
    for at, one in enumerate(rota.overrides):
        where = (*path, "overrides", at)
        yield from _known(plan, "people", (one.person,), (*where, "person"))
        wrong = [
            ((*where, key), f"{key} {why}; write it with an offset, such as +01:00")
            for key in ("begin", "end")
            if (why := odd(getattr(one, key), zone))
        ]
        yield from wrong
        if not wrong and one.begin.tzinfo is None is one.end.tzinfo and one.begin >= one.end:
            yield (*where, "end"), "end is not after begin"


def _known(
    plan: Plan, group: str, names: Iterable[str], path: tuple[str | int, ...]
) -> Iterator[Wrong]:
    for at, name in enumerate(names):
        if plan.named(group, name) is None:
            known = ", ".join(one.name for one in getattr(plan, group)) or "none"
            yield (*path, at), f"there is no {name} among {group} ({known})"


def _targets(
    plan: Plan, to: Iterable[str], path: tuple[str | int, ...], kinds: tuple[str, ...]
) -> Iterator[Wrong]:
    forms: Mapping[str, str] = {kind: GROUPS[kind] for kind in kinds}
    for at, target in enumerate(to):
        kind, _, name = target.partition(":")
        if kind not in forms:
            wanted = ", ".join(f"{each}:NAME" for each in forms)
            yield (*path, at), f"{target!r:.60} leads nowhere; write {wanted}"
        else:
            yield from ((path, says) for _, says in _known(plan, forms[kind], (name,), path))
