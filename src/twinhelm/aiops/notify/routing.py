"""Says where a message goes, by ownership, severity and hour.

In: a :class:`~.document.Plan`, a :class:`~.messages.Message` and the time; out: targets, and the
receivers behind a target at that time. Pure.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from twinhelm.aiops.notify.document import Plan, Route
from twinhelm.aiops.notify.messages import Message
from twinhelm.aiops.notify.rota import on_call
from twinhelm.core.documents.hours import at_ms, days_around, within

__all__ = ["Receiver", "digest_ms", "receivers", "routes_of"]

Receiver = tuple[str, str]
"""A channel, and the person it is to reach there ("" for whoever reads it)."""


def routes_of(plan: Plan, message: Message, now_ms: int) -> Iterator[Route]:
    """Yield the routes that a message takes."""
    for route in plan.routes:
        if _fits(plan, route, message, now_ms):
            yield route
            if not route.more:
                return


def receivers(plan: Plan, target: str, now_ms: int) -> list[Receiver]:
    """Return who is behind a target now; nobody where nobody of a rota is on call."""
    kind, _, name = target.partition(":")
    if kind == "channel":
        return [(name, "")]
    person = name
    if kind == "rota":
        rota = plan.named("rotas", name)
        person = on_call(plan, rota, now_ms)[0].person if rota else ""
    known = plan.named("people", person)
    return [(channel, person) for channel in known.channels] if known else []


def digest_ms(plan: Plan, route: Route, now_ms: int) -> int:
    """Return when a route's next digest is due; now where it has none."""
    zone = plan.zone_of()
    days = list(days_around(now_ms, now_ms, zone))
    moments = (at_ms(day, clock, zone) for day in days for clock in route.digest)
    return min((moment for moment in moments if moment > now_ms), default=now_ms)


def _fits(plan: Plan, route: Route, message: Message, now_ms: int) -> bool:
    things = message.entities + ((f"product:{message.product}",) if message.product else ())
    owned = [glob for name in route.teams for glob in plan.named("teams", name).owns]
    return (
        _any((message.kind,), route.kinds)
        and (not route.severity or message.severity in route.severity)
        and (not route.entities or _any(message.entities, route.entities))
        and (not route.products or _any((message.product,), route.products))
        and (not owned or _any(things, owned))
        and (route.hours is None or within(route.hours, now_ms, plan.zone_of()))
    )


def _any(names: Iterable[str], globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for name in names for glob in globs)
